import { useEffect, useState } from 'react';

type Loaded<T> = { state: 'loading' } | { state: 'ready'; value: T } | { state: 'failed'; error: Error };

/** What `load` brings; loads anew, and gives up what is under way, when `key` changes. */
export function useLoaded<T>(key: string, load: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const [loaded, setLoaded] = useState<Loaded<T>>({ state: 'loading' });
  useEffect(() => {
    const abort = new AbortController();
    setLoaded({ state: 'loading' });
    load(abort.signal).then(
      (value) => abort.signal.aborted || setLoaded({ state: 'ready', value }),
      (error: Error) => abort.signal.aborted || setLoaded({ state: 'failed', error }),
    );
    return () => abort.abort();
  }, [key]);
  return loaded;
}
