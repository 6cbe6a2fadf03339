import { getProducts } from './api.ts';
import { formatCents } from './money.ts';
import { PageTitle } from './PageTitle.tsx';
import { Picture } from './Picture.tsx';
import { Link } from './router.tsx';
import { useLoaded } from './useLoaded.ts';

export function ProductListPage() {
  const products = useLoaded('products', getProducts);
  return (
    <>
      <PageTitle>Things for the way north</PageTitle>
      {products.state === 'loading' && <p role="status">Loading…</p>}
      {products.state === 'failed' && <p role="alert">{products.error.message}</p>}
      {products.state === 'ready' && (
        <ul className="grid">
          {products.value.map(({ sku, name, priceCents }) => (
            <li key={sku}>
              <Link href={`/products/${sku}`} className="card">
                <Picture sku={sku} />
                <span className="name">{name}</span>
                <span className="price">{formatCents(priceCents)}</span>
              </Link>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
