// What EventSource and WebSocket have in common: a constructor that tells of each object it makes, and a span for as long as that one is connected.

import type { Capture, CaptureHost } from '../capture/capture.js';
import { wrapped } from '../wrap.js';
import type { Attributes } from '../options.js';
import type { CoreSpan } from '../span.js';
import { isIgnored } from '../urls.js';
import * as names from './names.js';

/** `SpanKind` of `@opentelemetry/api`. */
const CLIENT = 2;

const DEFAULT_PORTS: Record<string, number> = { 'http:': 80, 'ws:': 80, 'https:': 443, 'wss:': 443 };

/** Messages in one direction, and the bytes in them. */
class Traffic {
  messages = 0;
  bytes = 0;

  add(bytes: number): void {
    this.messages++;
    this.bytes += bytes;
  }
}

/** One that is open for us. */
export class Connection<T extends EventTarget = EventTarget> {
  readonly sent = new Traffic();
  readonly received = new Traffic();
  private readonly controller = new AbortController();

  constructor(
    private readonly host: CaptureHost,
    readonly span: CoreSpan,
    readonly target: T,
  ) {}

  /** Calls back for the browser's own events of this name: what the page sends to the object came from nowhere. */
  listen<E extends Event>(name: string, listener: (event: E) => void): void {
    const { controller, host, target } = this;
    // Not the object's own, which may be a wrapper of ours or the page's.
    EventTarget.prototype.addEventListener.call(
      target,
      name,
      (event) => event.isTrusted && host.guard(() => listener(event as E)),
      { signal: controller.signal },
    );
  }

  close(): void {
    this.controller.abort();
  }
}

type Constructor = 'EventSource' | 'WebSocket';

export class Connections<T extends EventTarget> implements Capture {
  private readonly open = new Map<T, Connection<T>>();
  private readonly restore: (() => void)[] = [];
  private installed = true;
  private readonly readUrl: () => string;

  /**
   * @param attributes Those that each has from its start.
   * @param opened Told of each.
   * @param closing Gives the last attributes of one that ends.
   */
  constructor(
    host: CaptureHost,
    name: Constructor,
    private readonly attributes: Attributes,
    private readonly opened: (connection: Connection<T>) => void,
    private readonly closing: (connection: Connection<T>) => Attributes,
  ) {
    const { core } = host;
    const original = globalThis[name];
    const { prototype } = original;
    this.readUrl = Object.getOwnPropertyDescriptor(prototype, 'url')!.get!;
    const tracer = host.tracer(name === 'WebSocket' ? 'webSocket' : 'eventSource');

    const begin = (object: T, startMs: number) => {
      // Of the object: what the page gave is read by the browser, once.
      const url = new URL(this.readUrl.call(object));
      if (host.silent() || !core.ready() || isIgnored(url.href, host.settings)) return;
      const span = tracer.capture(name, host.active.parent(undefined), startMs, CLIENT);
      if (span.handle < 0) return;
      const shown = host.shown(url.href);
      const { protocol, hostname, port } = URL.canParse(shown) ? new URL(shown) : url;
      span.setAttributes({
        [names.URL_FULL]: shown,
        [names.SERVER_ADDRESS]: hostname,
        [names.SERVER_PORT]: Number(port) || DEFAULT_PORTS[protocol],
        ...this.attributes,
      });
      const connection = new Connection(host, span, object);
      this.open.set(object, connection);
      this.opened(connection);
    };

    const ours = wrapped(original, {
      construct: (target, args, newTarget) => {
        const startMs = core.now();
        const object = Reflect.construct(target, args, newTarget);
        if (this.installed) host.guard(() => begin(object, startMs));
        return object;
      },
    });
    this.replace(globalThis, name, original, ours);
    // So that `object.constructor` is what the page knows by this name.
    this.replace(prototype, 'constructor', original, ours);
  }

  private replace(holder: object, name: string, original: unknown, ours: unknown): void {
    const held = holder as Record<string, unknown>;
    if (held[name] !== original) return;
    const wasOwn = Object.hasOwn(held, name);
    held[name] = ours;
    this.restore.push(() => {
      // Whoever wrapped it after us keeps it; ours then only passes on.
      if (held[name] !== ours) return;
      if (wasOwn) held[name] = original;
      else delete held[name];
    });
  }

  /** Wraps a method. `around` makes the browser's own call, by `call`. */
  wrap<A extends unknown[]>(prototype: object, name: string, around: (connection: Connection<T>, args: A, call: (args: A) => unknown) => unknown): void {
    const original = (prototype as Record<string, (...args: never) => unknown>)[name];
    const ours = wrapped(original, {
      apply: (target, object, args) => {
        const call = (handed: A) => Reflect.apply(target, object, handed);
        const connection = this.open.get(object);
        return connection ? around(connection, args as A, call) : call(args as A);
      },
    });
    this.replace(prototype, name, original, ours);
  }

  end(object: T, last: Attributes = {}): void {
    const connection = this.open.get(object);
    if (!connection) return;
    this.open.delete(object);
    connection.close();
    const { span, received } = connection;
    span.setAttributes({
      [names.MESSAGES_RECEIVED]: received.messages,
      [names.BYTES_RECEIVED]: received.bytes,
      ...this.closing(connection),
      ...last,
    });
    if (last[names.ERROR_TYPE]) span.setStatus({ code: 2 });
    span.end();
  }

  settle(gone: boolean): void {
    if (gone) for (const object of this.open.keys()) this.end(object, { [names.UNFINISHED]: true });
  }

  uninstall(): void {
    this.installed = false;
    // The last that came is the first that goes.
    this.restore.splice(0).reverse().forEach((undo) => undo());
    for (const connection of this.open.values()) connection.close();
    this.open.clear();
  }
}

/** The bytes of a message's data, without a copy of it. */
export function bytesOf(data: unknown): number {
  if (typeof data !== 'string') return (data as Blob).size ?? (data as ArrayBuffer).byteLength ?? 0;
  let bytes = data.length;
  for (let index = 0; index < data.length; index++) {
    const code = data.charCodeAt(index);
    // Each half of a surrogate pair is two of its four bytes.
    if (code > 0x7f) bytes += code > 0x7ff && (code < 0xd800 || code > 0xdfff) ? 2 : 1;
  }
  return bytes;
}
