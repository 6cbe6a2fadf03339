// Resource timing: the one observer that all captures share, and what an entry tells the core.

import type { Core } from '../core.js';
import type { CoreSpan } from '../span.js';
import type { Runner } from './capture.js';

/** The network events of a span, which are called as the browser calls them; in their order. */
const NETWORK_EVENTS = [
  'fetchStart',
  'domainLookupStart',
  'domainLookupEnd',
  'connectStart',
  'secureConnectionStart',
  'connectEnd',
  'requestStart',
  'responseStart',
  'responseEnd',
] as const;

/** `gone`: told while the page goes, for which the browser has cut off what was under way. */
type Listener = (entry: PerformanceResourceTiming, initiator: string, gone: boolean) => void;

export class ResourceTimings {
  private listeners: Listener[] = [];
  private observer: PerformanceObserver | undefined;
  /** It tells of something. Not so where the browser has no such observer, or one that never calls back. */
  works = false;

  /**
   * @param guard Runs a listener.
   * @param whenOn Runs it once the core is there: until then entries are only kept.
   */
  constructor(
    private readonly guard: Runner,
    private readonly whenOn: (run: () => void) => void,
  ) {}

  /** Tells of each entry once, also of those that were made before; undone by what it returns. */
  watch(listener: Listener): () => void {
    // First: WebKit tells of what was before within the call of observe().
    this.listeners.push(listener);
    this.observe();
    return () => {
      this.listeners = this.listeners.filter((other) => other !== listener);
      if (!this.listeners.length) {
        this.observer?.disconnect?.();
        this.observer = undefined;
      }
    };
  }

  /** From now on nothing is missed: an observer gets all, where the page's buffer of 250 entries may overflow. */
  observe(): void {
    if (this.observer || !globalThis.PerformanceObserver) return;
    this.guard(() => {
      try {
        const observer = new PerformanceObserver((list) => {
          this.works = true;
          this.whenOn(() => this.tell(list.getEntries(), false));
        });
        observer.observe({ __proto__: null, type: 'resource', buffered: true } as PerformanceObserverInit);
        this.observer = observer;
      } catch {
        // Somebody has put something else in its place.
        throw 'PerformanceObserver does not work, so there is no resource timing';
      }
    });
  }

  /** Tells of entries that the browser has made but not delivered yet: at the page's end nothing else will. */
  drain(gone: boolean): void {
    const entries = this.observer?.takeRecords?.();
    if (entries?.length) this.whenOn(() => this.tell(entries, gone));
  }

  private tell(entries: PerformanceEntryList, gone: boolean): void {
    const { listeners } = this;
    for (const entry of entries as PerformanceResourceTiming[]) {
      // Each look at an entry makes a new text or number: what all ask for is read once.
      const { initiatorType } = entry;
      for (let index = 0; index < listeners.length; index++) this.guard(listeners[index], entry, initiatorType, gone);
    }
  }
}

/** What an entry tells of a request, beside its start and end. `events`: also the times in between, as events of its span. */
export function describeTiming(core: Core, { handle }: CoreSpan, entry: PerformanceResourceTiming, events: boolean): void {
  core.x.describe_timing(handle, core.name(entry.nextHopProtocol), entry.encodedBodySize, entry.decodedBodySize);
  if (events) addMarks(core, handle, entry, NETWORK_EVENTS);
}

/** An event for each of these times of an entry. Zero means that the browser does not tell, never that it was at the start. */
export function addMarks<K extends string>(core: Core, handle: number, entry: Partial<Record<K, number>>, names: readonly K[]): void {
  core.x.stage_attributes(0);
  for (let index = 0; index < names.length; index++) {
    const name = names[index];
    const ms = entry[name]!;
    if (ms > 0) core.x.add_event(handle, core.name(name), ms);
  }
}
