import { itemCount, useCart } from './cart.ts';
import { CheckoutPage } from './CheckoutPage.tsx';
import { Picture } from './Picture.tsx';
import { ProductListPage } from './ProductListPage.tsx';
import { ProductPage } from './ProductPage.tsx';
import { Link, usePath } from './router.tsx';

export function Shop() {
  const path = usePath();
  const [cart, setCart] = useCart();
  const sku = /^\/products\/([^/]+)$/.exec(path)?.[1];

  return (
    <>
      <header className="bar">
        <Link href="/" className="brand">
          <Picture sku="compass" /> Northbound
        </Link>
        <nav aria-label="Shop">
          <Link href="/" aria-current={path === '/' ? 'page' : undefined}>
            Products
          </Link>
          <Link href="/checkout" aria-current={path === '/checkout' ? 'page' : undefined}>
            Cart <span className="count">{itemCount(cart)}</span>
          </Link>
        </nav>
      </header>
      <main>
        {path === '/' && <ProductListPage />}
        {sku !== undefined && <ProductPage key={sku} sku={decodeURIComponent(sku)} cart={cart} setCart={setCart} />}
        {path === '/checkout' && <CheckoutPage cart={cart} setCart={setCart} />}
      </main>
      <footer>
        Every click here is a trace.{' '}
        {import.meta.env.VITE_SHOP_VIEWER_URL !== '' && <a href={import.meta.env.VITE_SHOP_VIEWER_URL}>See the traces</a>}
      </footer>
    </>
  );
}
