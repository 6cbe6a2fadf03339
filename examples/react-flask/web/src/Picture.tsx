import type { ReactNode } from 'react';

// Drawn here, because not every system has a font with emoji. Each stands in a square of 48.
const drawings: Record<string, ReactNode> = {
  compass: (
    <>
      <circle cx="24" cy="26" r="15" />
      <path d="M24 11V6m-3 0h6M30 20l-3.5 8.5L18 32l3.5-8.5Z" />
      <path d="M24 14v2m0 20v2m12-12h-2M14 26h-2" />
    </>
  ),
  kettle: (
    <>
      <path d="M14 40h20c4 0 5-4 4-9l-2-9c-.6-3-2-4-5-4H17c-3 0-4.4 1-5 4l-2 9c-1 5 0 9 4 9Z" />
      <path d="M37 26l6-4-1-3-7 1M20 18l1-3h6l1 3M24 15v-2M15 18C14 5 34 5 33 18" />
    </>
  ),
  lantern: (
    <>
      <path d="M17 18h14l3 18H14ZM12 41h24l-2-5H14ZM19 18l2-5h6l2 5" />
      <path d="M18 13c-3-10 15-10 12 0M24 32c-4-1-4-5 0-9 4 4 4 8 0 9Z" />
    </>
  ),
  map: (
    <>
      <path d="M6 13l12-4 12 4 12-4v26l-12 4-12-4-12 4Z" />
      <path d="M18 9v26M30 13v26M12 18l1 3 3 1-3 1-1 3-1-3-3-1 3-1ZM36 21l1.2 3.6 3.6 1.2-3.6 1.2-1.2 3.6-1.2-3.6-3.6-1.2 3.6-1.2Z" />
    </>
  ),
  rope: (
    <>
      <ellipse cx="24" cy="22" rx="15" ry="12" />
      <ellipse cx="24" cy="22" rx="10" ry="7.5" />
      <ellipse cx="24" cy="22" rx="5" ry="3" />
      <path d="M9 22v5c0 9 6 13 15 13 8 0 11-3 16 1M39 22v5c0 3-1 5-3 7" />
    </>
  ),
  tent: (
    <>
      <path d="M24 9L5 39h38ZM24 9l2-3M24 9l-2-3" />
      <path d="M24 20l-8 19M24 20l8 19M24 9v11M5 39l-2 2M43 39l2 2" />
    </>
  ),
};

export function Picture({ sku }: { sku: string }) {
  return (
    <svg className="picture" viewBox="0 0 48 48" aria-hidden="true">
      {drawings[sku]}
    </svg>
  );
}
