// WebSocket: a span from its construction to its close. There is no way to send a header.

import type { Capture, CaptureHost } from '../capture/capture.js';
import { bytesOf, Connections } from './connection.js';
import * as names from './names.js';

/** No error: normal, going away, and a close without a code. What codes from here on mean, only the application knows. */
const MEANT = [1000, 1001, 1005];
const APPLICATION_CODES = 3000;

/**
 * What may be recorded of a subprotocol: a name such as `graphql-ws`, `v12.stomp` or `TLCP-2.0.0.lightstreamer.com`. Some pages hand over a token in its
 * place, having no header to put it into, and some servers choose that one: it has longer parts, or letters and digits mixed.
 * https://www.iana.org/assignments/websocket/websocket.xml#subprotocol-name
 */
const PROTOCOL_NAME = /^(?=[A-Za-z].{0,63}$)(?:(?:[a-z]{1,20}|[A-Z]{1,8})?\d{0,3}(?:[.+_-]|$))+$/;

export function installWebSocket(host: CaptureHost): Capture {
  if (!globalThis.WebSocket) return { uninstall() {} };
  const { prototype, OPEN } = WebSocket;
  const member = <T>(name: string) => Object.getOwnPropertyDescriptor(prototype, name)!.get as (this: WebSocket) => T;
  const readState = member<number>('readyState');
  const readBuffered = member<number>('bufferedAmount');
  const readProtocol = member<string>('protocol');
  /** The page has called `close()` on these. */
  const closed = new WeakSet<object>();

  const connections: Connections<WebSocket> = new Connections<WebSocket>(
    host,
    'WebSocket',
    { [names.NETWORK_PROTOCOL_NAME]: 'websocket' },
    (connection) => {
      const { span, received, target: socket } = connection;
      connection.listen('open', () => {
        const protocol = readProtocol.call(socket);
        span.addEvent('open').setAttributes({ [names.WEBSOCKET_PROTOCOL]: PROTOCOL_NAME.test(protocol) ? protocol : undefined });
      });
      connection.listen('message', ({ data }: MessageEvent) => received.add(bytesOf(data)));
      connection.listen('close', ({ code }: CloseEvent) => {
        // Cancelled before it was open, it closes with 1006, which would else be an error.
        const isError = code < APPLICATION_CODES && !MEANT.includes(code) && !closed.has(connection);
        connections.end(socket, { [names.WEBSOCKET_CLOSE_CODE]: code, [names.ERROR_TYPE]: isError ? `${code}` : undefined });
      });
    },
    ({ sent }) => ({ [names.MESSAGES_SENT]: sent.messages, [names.BYTES_SENT]: sent.bytes }),
  );

  connections.wrap(prototype, 'send', (connection, args, call) => {
    const { target } = connection;
    const isOpen = readState.call(target) === OPEN;
    const before = readBuffered.call(target);
    const result = call(args);
    // What the browser has put into its buffer, in bytes: nothing else happens to it meanwhile.
    if (isOpen) host.guard(() => connection.sent.add(readBuffered.call(target) - before));
    return result;
  });

  connections.wrap(prototype, 'close', (connection, args, call) => {
    const result = call(args);
    closed.add(connection);
    return result;
  });

  return connections;
}
