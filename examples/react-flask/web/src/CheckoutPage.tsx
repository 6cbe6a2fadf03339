import { useState, type FormEvent } from 'react';
import type { Trouble } from './api.ts';
import { totalCents, withQuantity, type Cart } from './cart.ts';
import { checkOut, type Outcome } from './checkout.ts';
import { formatCents } from './money.ts';
import { PageTitle } from './PageTitle.tsx';
import { Picture } from './Picture.tsx';
import { Link } from './router.tsx';

const delaysMs = [0, 500, 1500, 4000];

/** `/checkout?delay=1500&fail=1` sets the controls below. */
function troubleFromUrl(): Trouble {
  const query = new URLSearchParams(location.search);
  return { delayMs: Number(query.get('delay')) || 0, fail: query.get('fail') === '1' };
}

export function CheckoutPage({ cart, setCart }: { cart: Cart; setCart: (cart: Cart) => void }) {
  const [trouble, setTrouble] = useState(troubleFromUrl);
  const [paying, setPaying] = useState(false);
  const [outcome, setOutcome] = useState<Outcome>();

  async function pay(event: FormEvent): Promise<void> {
    event.preventDefault();
    setPaying(true);
    setOutcome(undefined);
    const outcome = await checkOut(cart, trouble);
    setPaying(false);
    setOutcome(outcome);
    if ('receipt' in outcome) setCart([]);
  }

  return (
    <>
      <PageTitle>Checkout</PageTitle>
      {cart.length > 0 && (
        <form onSubmit={pay}>
          <Lines cart={cart} setCart={setCart} />
          <TroubleControls trouble={trouble} setTrouble={setTrouble} />
          <button type="submit" disabled={paying}>
            {paying ? 'Paying…' : `Pay ${formatCents(totalCents(cart))}`}
          </button>
        </form>
      )}
      {outcome !== undefined && <Result outcome={outcome} />}
      {cart.length === 0 && (
        <p>
          Your cart is empty. <Link href="/">Choose something</Link>
        </p>
      )}
    </>
  );
}

function Lines({ cart, setCart }: { cart: Cart; setCart: (cart: Cart) => void }) {
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">Product</th>
          <th scope="col">Quantity</th>
          <th scope="col">Price</th>
        </tr>
      </thead>
      <tbody>
        {cart.map(({ product, quantity }) => (
          <tr key={product.sku}>
            <th scope="row">
              <Picture sku={product.sku} /> {product.name}
            </th>
            <td>
              <button
                type="button"
                className="step"
                aria-label={`One ${product.name} less`}
                onClick={() => setCart(withQuantity(cart, product, quantity - 1))}
              >
                −
              </button>
              <output>{quantity}</output>
              <button
                type="button"
                className="step"
                aria-label={`One ${product.name} more`}
                onClick={() => setCart(withQuantity(cart, product, quantity + 1))}
              >
                +
              </button>
            </td>
            <td>{formatCents(quantity * product.priceCents)}</td>
          </tr>
        ))}
      </tbody>
      <tfoot>
        <tr>
          <th scope="row" colSpan={2}>
            Total
          </th>
          <td>{formatCents(totalCents(cart))}</td>
        </tr>
      </tfoot>
    </table>
  );
}

function TroubleControls({ trouble, setTrouble }: { trouble: Trouble; setTrouble: (trouble: Trouble) => void }) {
  const offeredMs = delaysMs.includes(trouble.delayMs) ? delaysMs : [...delaysMs, trouble.delayMs];
  return (
    <fieldset>
      <legend>Trouble to look at</legend>
      <label>
        The payment takes{' '}
        <select value={trouble.delayMs} onChange={(event) => setTrouble({ ...trouble, delayMs: Number(event.target.value) })}>
          {offeredMs.map((ms) => (
            <option key={ms} value={ms}>
              {ms === 0 ? 'no time' : `${ms} ms`}
            </option>
          ))}
        </select>
      </label>
      <label>
        <input type="checkbox" checked={trouble.fail} onChange={(event) => setTrouble({ ...trouble, fail: event.target.checked })} /> and
        fails
      </label>
    </fieldset>
  );
}

function Result({ outcome }: { outcome: Outcome }) {
  return (
    <div className={'receipt' in outcome ? 'result' : 'result failed'} role={'receipt' in outcome ? 'status' : 'alert'}>
      <p>
        {'receipt' in outcome
          ? `Thank you! Order ${outcome.receipt.orderId} over ${formatCents(outcome.receipt.totalCents)} is on its way.`
          : outcome.error.message}
      </p>
      {import.meta.env.VITE_SHOP_VIEWER_URL !== '' && (
        <a href={`${import.meta.env.VITE_SHOP_VIEWER_URL}/#/trace/${outcome.traceId}`}>See what happened, from this click to the database</a>
      )}
    </div>
  );
}
