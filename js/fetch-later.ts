// What the browser sends by itself once the page is gone, even if it has crashed, where there is `fetchLater` (Chromium). What is in it, and
// when that changes, the core decides.
// <https://developer.mozilla.org/docs/Web/API/fetchLater_API>

import type { Core } from './core.js';

/** What became of it, beside 0 and 1 for whether it was sent (`take_deferral` in abi.rs). */
const DENIED = -1;

type FetchLater = (url: string, init: RequestInit) => { readonly activated: boolean };

/** The page's own, as it was before anybody wrapped it. */
export const { fetchLater } = globalThis as { fetchLater?: FetchLater };

export class Deferred {
  private controller: AbortController | undefined;
  private result: { readonly activated: boolean } | undefined;
  /** Of what leaves with the page; zero: it holds all that is not acknowledged. */
  private batch = 0;

  constructor(
    private readonly core: Core,
    private readonly url: string,
  ) {}

  /** Takes the one before back, with which it would share the quota. Without a request that is all, or there can be none for that batch. */
  replace(batch: number, request?: (signal: AbortSignal) => RequestInit): void {
    this.controller?.abort();
    this.batch = 0;
    if (!batch && !request) return;
    this.controller = new AbortController();
    try {
      this.result = fetchLater!(this.url, request!(this.controller.signal));
      this.batch = batch;
    } catch {
      // It is too large, or the page's permission policy does not allow it, or the page is not secure.
      this.core.x.take_deferral(batch, DENIED);
    }
  }

  /** The page is there again: has what was to leave with it been sent? */
  settle(): void {
    const { batch, result } = this;
    if (!batch) return;
    const sent = result!.activated;
    // What is on its way is not called back.
    if (sent) this.controller = undefined;
    this.replace(0);
    this.core.x.take_deferral(batch, +sent);
  }
}
