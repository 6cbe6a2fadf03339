// What the page did not catch: errors and rejections, each a span with the exception event.

import { describeThrown } from '../thrown.js';
import type { Capture, CaptureHost } from './capture.js';

/** The same error again within this time is the same trouble. */
const REPEATED_MS = 5000;

/** So many different ones are remembered; then all are forgotten. */
const REMEMBERED = 20;

export function installErrors(host: CaptureHost): Capture {
  const { core, active } = host;
  const tracer = host.tracer('errors');
  /** When an error was last recorded, by its text. */
  const seen = new Map<string, number>();

  function record(thrown: unknown): void {
    if (host.silent()) return;
    core.ready();
    const now = core.now();
    // Read once: whatever was thrown may say something else the second time.
    const { type: name, message, stack } = describeThrown(thrown);
    const text = name + message + stack;
    if (now - seen.get(text)! < REPEATED_MS) return;
    if (seen.size >= REMEMBERED) seen.clear();
    seen.set(text, now);
    const parent = active.current;
    // What goes wrong while the page loads is the most interesting.
    host.whenOn(() => {
      const span = tracer.capture('exception', parent ?? active.lastPage, now);
      span.recordException({ name, message, stack }, now);
      span.setStatus({ code: 2, message });
      span.end(now);
    });
  }

  host.listen(globalThis, 'error', ({ error, message, filename, lineno, colno }: ErrorEvent) => {
    // A resource that does not load has an event of this name too, without a message. A script of another origin has no error.
    if (message) record(error ?? { name: 'Error', message, stack: filename && `${filename}:${lineno}:${colno}` });
  });
  host.listen(globalThis, 'unhandledrejection', ({ reason }: PromiseRejectionEvent) => record(reason));

  return {};
}
