// The visit that spans belong to: `session.id`, renewed after a time of rest and after an age.
// https://opentelemetry.io/docs/specs/semconv/general/session/

import type { SessionSettings } from './options.js';

/** Where it is kept, if it is. */
const KEY = 'webspan.session';

/** So often its last use is written down at most. */
const STORE_EVERY_MS = 1000;

/** So long spans tell which session was before. */
const PREVIOUS_MS = 60_000;

export interface SessionState {
  id: string;
  previousId?: string;
  /** Unix milliseconds, as all here: a session may be older than the page. */
  startedMs: number;
  usedMs: number;
}

/** The session to go on with: the known one, or one that follows it. */
export function renewed(known: SessionState | undefined, nowMs: number, settings: SessionSettings, newId: () => string): SessionState {
  const { idleMillis, maxAgeMillis } = settings;
  // A time to come is as wrong as one long ago, or as none: the clock was set, or what is stored was not written by us.
  const isWithin = (thenMs: number, limitMs: number) => Math.abs(nowMs - thenMs) < limitMs;
  return known && isWithin(known.usedMs, idleMillis) && isWithin(known.startedMs, maxAgeMillis)
    ? { ...known, usedMs: nowMs }
    : { id: newId(), previousId: known?.id, startedMs: nowMs, usedMs: nowMs };
}

export class Session {
  private state: SessionState | undefined;
  private storedMs = 0;

  /** @param mayStore The visitor has consented. */
  constructor(
    private readonly settings: SessionSettings,
    private readonly mayStore: () => boolean,
  ) {}

  /** The ids that a span of now has. */
  use(nowMs: number): { id: string; previousId: string | undefined } {
    const { settings } = this;
    let state = renewed(this.state, nowMs, settings, newId);
    const storage = settings.storage !== 'memory' && this.mayStore() && settings.storage;
    if (storage && (state.id !== this.state?.id || nowMs - this.storedMs >= STORE_EVERY_MS)) {
      // Another tab may have used it, or renewed it, since.
      state = renewed(read(storage) ?? state, nowMs, settings, () => state.id);
      this.storedMs = nowMs;
      write(storage, state);
    }
    this.state = state;
    return { id: state.id, previousId: nowMs - state.startedMs < PREVIOUS_MS ? state.previousId : undefined };
  }

  /** The visitor does not consent: nothing stays stored, and what may come later is nobody's continuation. */
  forget(): void {
    const { storage } = this.settings;
    this.state = undefined;
    if (storage !== 'memory') write(storage, undefined);
  }
}

/** What is stored may be anything. */
function read(storage: 'sessionStorage' | 'localStorage'): SessionState | undefined {
  try {
    const stored = JSON.parse(globalThis[storage].getItem(KEY)!) as SessionState;
    return /^[\da-f]{32},([\da-f]{32})?$/.test(`${[stored.id, stored.previousId]}`) ? stored : undefined;
  } catch {
    return undefined;
  }
}

/** Without a state, none is there any more. */
function write(storage: 'sessionStorage' | 'localStorage', state: SessionState | undefined): void {
  try {
    const store = globalThis[storage];
    if (state) store.setItem(KEY, JSON.stringify(state));
    else store.removeItem(KEY);
  } catch {
    // Full, or not allowed: then it lives as long as the page.
  }
}

const newId = (): string => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
