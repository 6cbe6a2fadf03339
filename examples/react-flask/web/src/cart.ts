import { useEffect, useState } from 'react';
import type { Product } from './api.ts';

export interface CartLine {
  product: Product;
  quantity: number;
}

export type Cart = readonly CartLine[];

export function itemCount(cart: Cart): number {
  return cart.reduce((count, line) => count + line.quantity, 0);
}

export function totalCents(cart: Cart): number {
  return cart.reduce((cents, line) => cents + line.quantity * line.product.priceCents, 0);
}

/** The cart with this much of the product; a quantity of zero takes the line out. */
export function withQuantity(cart: Cart, product: Product, quantity: number): Cart {
  const line = { product, quantity };
  const known = cart.some((other) => other.product.sku === product.sku);
  const lines = known ? cart.map((other) => (other.product.sku === product.sku ? line : other)) : [...cart, line];
  return lines.filter((other) => other.quantity > 0);
}

export function quantityOf(cart: Cart, product: Product): number {
  return cart.find((line) => line.product.sku === product.sku)?.quantity ?? 0;
}

const storageKey = 'northbound.cart';

/** The cart, which outlives a reload but not the tab. */
export function useCart(): [Cart, (cart: Cart) => void] {
  const [cart, setCart] = useState<Cart>(() => JSON.parse(sessionStorage.getItem(storageKey) ?? '[]') as Cart);
  useEffect(() => sessionStorage.setItem(storageKey, JSON.stringify(cart)), [cart]);
  return [cart, setCart];
}
