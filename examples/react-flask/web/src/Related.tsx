import { getRelated } from './api.ts';
import { Picture } from './Picture.tsx';
import { Link } from './router.tsx';
import { useLoaded } from './useLoaded.ts';

/** What others looked at. A page without it is still a page: while it loads, and when it fails, there is nothing. */
export function Related({ sku }: { sku: string }) {
  const related = useLoaded(sku, (signal) => getRelated(sku, signal));
  if (related.state !== 'ready') return null;
  return (
    <aside aria-label="Others also looked at" className="related">
      {related.value.map((product) => (
        <Link key={product.sku} href={`/products/${product.sku}`}>
          <Picture sku={product.sku} /> {product.name}
        </Link>
      ))}
    </aside>
  );
}
