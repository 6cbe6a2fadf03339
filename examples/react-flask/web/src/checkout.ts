import { traced } from 'webspan';
import { postCheckout, type Receipt, type Trouble } from './api.ts';
import { itemCount, totalCents, type Cart } from './cart.ts';

export type Outcome = { traceId: string } & ({ receipt: Receipt } | { error: Error });

/** Sells the cart, as one span of our own: the request is its child, and what goes wrong is recorded on it. */
export async function checkOut(cart: Cart, trouble: Trouble): Promise<Outcome> {
  let traceId = '';
  try {
    const receipt = await traced('checkout', async (span) => {
      traceId = span.spanContext().traceId;
      span.setAttributes({ 'shop.cart.items': itemCount(cart), 'shop.cart.total_cents': totalCents(cart) });

      // The request starts before the first `await`: in a browser, the active span does not survive one.
      const receipt = await postCheckout(
        cart.map(({ product, quantity }) => ({ sku: product.sku, quantity })),
        trouble,
      );
      span.addEvent('order placed', { 'shop.order.id': receipt.orderId });
      return receipt;
    });
    return { traceId, receipt };
  } catch (error) {
    return { traceId, error: error as Error };
  }
}
