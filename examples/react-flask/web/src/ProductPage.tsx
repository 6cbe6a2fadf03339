import { getProduct } from './api.ts';
import { quantityOf, withQuantity, type Cart } from './cart.ts';
import { formatCents } from './money.ts';
import { PageTitle } from './PageTitle.tsx';
import { Picture } from './Picture.tsx';
import { Related } from './Related.tsx';
import { Link } from './router.tsx';
import { useLoaded } from './useLoaded.ts';

export function ProductPage({ sku, cart, setCart }: { sku: string; cart: Cart; setCart: (cart: Cart) => void }) {
  return (
    <>
      <Product sku={sku} cart={cart} setCart={setCart} />
      <Related sku={sku} />
    </>
  );
}

function Product({ sku, cart, setCart }: { sku: string; cart: Cart; setCart: (cart: Cart) => void }) {
  const product = useLoaded(sku, (signal) => getProduct(sku, signal));
  if (product.state === 'loading') return <p role="status">Loading…</p>;
  if (product.state === 'failed') return <p role="alert">{product.error.message}</p>;

  const { name, description, priceCents, inStock } = product.value;
  const inCart = quantityOf(cart, product.value);
  return (
    <article className="product">
      <Picture sku={sku} />
      <div>
        <PageTitle>{name}</PageTitle>
        <p>{description}</p>
        <p className="price">{formatCents(priceCents)}</p>
        <p className="quiet">{inStock > 0 ? `${inStock} in stock` : 'Sold out'}</p>
        <button type="button" disabled={inCart >= inStock} onClick={() => setCart(withQuantity(cart, product.value, inCart + 1))}>
          Add to cart
        </button>
        <p role="status">
          {inCart > 0 && (
            <>
              {inCart} in your cart. <Link href="/checkout">Check out</Link>
            </>
          )}
        </p>
      </div>
    </article>
  );
}
