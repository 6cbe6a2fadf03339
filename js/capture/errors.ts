// What the page did not catch: errors and rejections, each a span with the exception event.

import type { Exception } from '../api.js';
import { describeThrown } from '../thrown.js';
import type { Capture, CaptureHost } from './capture.js';

/** The same error again within this time is the same trouble. */
const REPEATED_MS = 5000;

/** So many different ones are remembered. */
const REMEMBERED = 20;

export function installErrors(host: CaptureHost): Capture {
  const { core, active } = host;
  const tracer = host.tracer('errors');
  const controller = new AbortController();
  /** When an error was last seen, by its text. */
  const seen = new Map<string, number>();

  function record(thrown: unknown): void {
    if (host.silent() || !core.on) return;
    const now = core.now();
    const { type, message, stack } = describeThrown(thrown);
    const text = type + message + stack;
    const last = seen.get(text);
    // To the end: the eldest is forgotten first.
    seen.delete(text);
    seen.set(text, now);
    if (seen.size > REMEMBERED) seen.delete(seen.keys().next().value!);
    if (last !== undefined && now - last < REPEATED_MS) return;
    const span = tracer.capture('exception', active.parent(undefined) ?? active.lastPage, now);
    span.recordException(thrown as Exception, now);
    span.setStatus({ code: 2, message });
    span.end(now);
  }

  const listen = <E extends Event>(name: string, listener: (event: E) => void) =>
    addEventListener(name, (event) => host.guard(() => listener(event as E)), { capture: true, signal: controller.signal });

  listen('error', ({ error, message, filename, lineno, colno }: ErrorEvent) => {
    // A resource that does not load has an event of this name too, without a message. A script of another origin has no error.
    if (message) record(error ?? { name: 'Error', message, stack: `${filename}:${lineno}:${colno}` });
  });
  listen('unhandledrejection', ({ reason }: PromiseRejectionEvent) => record(reason));

  return { uninstall: () => controller.abort() };
}
