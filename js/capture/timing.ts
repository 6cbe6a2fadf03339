// Resource timing: the one observer that all captures share.

export type Listener = (entry: PerformanceResourceTiming) => void;

export interface ResourceTimings {
  /** Tells of entries that the browser has made but not delivered yet: at the page's end nothing else will. */
  drain(): void;
  stop(): void;
}

/** Entries from now on, each once. */
export function watchResources(listener: Listener): ResourceTimings {
  const each = (entries: PerformanceEntryList) => entries.forEach((entry) => listener(entry as PerformanceResourceTiming));
  if (!globalThis.PerformanceObserver) return { drain() {}, stop() {} };
  const observer = new PerformanceObserver((list) => each(list.getEntries()));
  observer.observe({ type: 'resource' });
  return {
    drain: () => each(observer.takeRecords()),
    stop: () => observer.disconnect(),
  };
}
