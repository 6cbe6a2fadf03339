// EventSource: a span from its construction until the page closes it, or the browser gives up. There is no way to send a header.

import type { Capture, CaptureHost } from '../capture/capture.js';
import { bytesOf, type Connection, Connections } from './connection.js';
import * as names from './names.js';

/** What is known of one beside its traffic. */
interface Stream {
  /** How often it was open. */
  opened: number;
  /** The names of messages that are counted. */
  readonly counted: Set<string>;
}

export function installEventSource(host: CaptureHost): Capture {
  if (!globalThis.EventSource) return { uninstall() {} };
  const { prototype, CLOSED } = EventSource;
  const readState = Object.getOwnPropertyDescriptor(prototype, 'readyState')!.get as (this: EventSource) => number;
  const streams = new WeakMap<Connection, Stream>();

  const count = (connection: Connection, name: string) => {
    const { counted } = streams.get(connection)!;
    if (counted.has(name)) return;
    counted.add(name);
    // An error is none, and nor is one that the page sends itself.
    connection.listen(name, (event: MessageEvent) => event instanceof MessageEvent && connection.received.add(bytesOf(event.data)));
  };

  const connections: Connections<EventSource> = new Connections<EventSource>(
    host,
    'EventSource',
    { [names.NETWORK_PROTOCOL_NAME]: 'http' },
    (connection) => {
      const { target: source } = connection;
      const stream: Stream = { opened: 0, counted: new Set() };
      streams.set(connection, stream);
      count(connection, 'message');
      connection.listen('open', () => {
        stream.opened++;
        connection.span.addEvent('open');
      });
      connection.listen('error', (event) => {
        if (event instanceof MessageEvent) return;
        // Otherwise it connects again, by itself.
        if (readState.call(source) === CLOSED) connections.end(source, { [names.ERROR_TYPE]: names.OTHER });
        else connection.span.addEvent('error');
      });
    },
    (connection) => ({ [names.RECONNECTS]: Math.max(0, streams.get(connection)!.opened - 1) }),
  );

  // Messages have names that only the page knows: those that it listens for.
  connections.wrap(prototype, 'addEventListener', (connection, args, call) => {
    if (!args.length) return call(args);
    // What the page gives is read once, and what was read is handed on.
    const name = String(args[0]);
    host.guard(() => count(connection, name));
    return call([name, ...args.slice(1)]);
  });

  connections.wrap(prototype, 'close', (connection, args, call) => {
    const result = call(args);
    host.guard(() => connections.end(connection.target));
    return result;
  });

  return connections;
}
