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
  // A time to come is as wrong as one long ago: the clock was set, or what is stored was not written by us.
  const isOver = (thenMs: number, limitMs: number) => Math.abs(nowMs - thenMs) >= limitMs;
  const expired = !known || isOver(known.usedMs, idleMillis) || isOver(known.startedMs, maxAgeMillis);
  return expired ? { id: newId(), previousId: known?.id, startedMs: nowMs, usedMs: nowMs } : { ...known, usedMs: nowMs };
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
    this.storedMs = 0;
    try {
      if (storage !== 'memory') globalThis[storage].removeItem(KEY);
    } catch {
      // Not allowed: then there is nothing either.
    }
  }
}

/** What is stored may be anything. */
function read(storage: 'sessionStorage' | 'localStorage'): SessionState | undefined {
  try {
    const stored = JSON.parse(globalThis[storage].getItem(KEY)!) as SessionState;
    const isId = (id: unknown) => /^[\da-f]{32}$/.test(id as string);
    const { id, previousId, startedMs, usedMs } = stored;
    return isId(id) && startedMs >= 0 && usedMs >= 0 ? { id, previousId: isId(previousId) ? previousId : undefined, startedMs, usedMs } : undefined;
  } catch {
    return undefined;
  }
}

function write(storage: 'sessionStorage' | 'localStorage', state: SessionState): void {
  try {
    globalThis[storage].setItem(KEY, JSON.stringify(state));
  } catch {
    // Full, or not allowed: then it lives as long as the page.
  }
}

const newId = (): string => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
