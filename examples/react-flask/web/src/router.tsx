import { useSyncExternalStore, type AnchorHTMLAttributes, type MouseEvent } from 'react';

/** The path that is shown; changes with links, with `navigate`, and with the browser's back and forward. */
export function usePath(): string {
  return useSyncExternalStore(subscribe, () => location.pathname);
}

function subscribe(onChange: () => void): () => void {
  addEventListener('popstate', onChange);
  return () => removeEventListener('popstate', onChange);
}

function navigate(href: string): void {
  history.pushState(null, '', href);
  dispatchEvent(new PopStateEvent('popstate'));
  scrollTo(0, 0);
}

export function Link(props: AnchorHTMLAttributes<HTMLAnchorElement> & { href: string }) {
  function onClick(event: MouseEvent): void {
    const wantsNewTab = event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;
    if (wantsNewTab) return;
    event.preventDefault();
    navigate(props.href);
  }
  return <a {...props} onClick={onClick} />;
}
