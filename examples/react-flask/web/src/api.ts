export interface Product {
  sku: string;
  name: string;
  priceCents: number;
}

export interface ProductDetail extends Product {
  description: string;
  inStock: number;
}

export interface Receipt {
  orderId: number;
  totalCents: number;
}

export interface OrderLine {
  sku: string;
  quantity: number;
}

/** Makes the payment slow or fail, to have something to look at. */
export interface Trouble {
  delayMs: number;
  fail: boolean;
}

export function getProducts(signal: AbortSignal): Promise<Product[]> {
  return request('/products', { signal });
}

export function getProduct(sku: string, signal: AbortSignal): Promise<ProductDetail> {
  return request(`/products/${encodeURIComponent(sku)}`, { signal });
}

/** As a library of old would ask for it, which knows no `fetch`. */
export function getRelated(sku: string, signal: AbortSignal): Promise<Product[]> {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    xhr.open('GET', `${import.meta.env.VITE_SHOP_API_URL}/products/${encodeURIComponent(sku)}/related`);
    xhr.responseType = 'json';
    xhr.onload = () => (xhr.status === 200 ? resolve(xhr.response as Product[]) : reject(new Error(`The shop answered ${xhr.status}.`)));
    xhr.onerror = () => reject(new Error('The shop cannot be reached.'));
    signal.addEventListener('abort', () => xhr.abort());
    xhr.send();
  });
}

export function postCheckout(lines: OrderLine[], { delayMs, fail }: Trouble): Promise<Receipt> {
  const query = new URLSearchParams();
  if (delayMs > 0) query.set('delay', String(delayMs));
  if (fail) query.set('fail', '1');
  return request(`/checkout${query.size > 0 ? `?${query}` : ''}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(lines),
  });
}

async function request<T>(path: string, init: RequestInit): Promise<T> {
  const response = await fetch(import.meta.env.VITE_SHOP_API_URL + path, init);
  if (!response.ok) {
    const { error } = (await response.json()) as { error: string };
    throw new Error(error);
  }
  return (await response.json()) as T;
}
