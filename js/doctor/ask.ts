/** One request over the wire. By node:http, since fetch follows redirects, unpacks bodies, and hides why a connection failed. */
import { request as requestHttp, type ClientRequest, type IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { Answer, Unanswered } from './finding.js';

/** As long as webspan waits for an answer (`timeoutMillis`). */
const TIMEOUT_MS = 10_000;

/** Of a body, more is not looked at. */
const BODY_BYTES = 65_536;

export interface Question {
  method: string;
  headers?: Record<string, string>;
  body?: Uint8Array;
}

export type Ask = (url: URL, question: Question) => Promise<Answer | Unanswered>;

/** Never rejects. */
export const ask: Ask = (url, { method, headers = {}, body }) =>
  new Promise((resolve) => {
    const failed = (error: NodeJS.ErrnoException) => resolve({ code: error.code ?? error.name, message: error.message || 'without a word' });
    const send = url.protocol === 'https:' ? requestHttps : requestHttp;
    let request: ClientRequest;
    try {
      // A connection for each: what one answer breaks must not be the next one's failure.
      request = send(url, { method, headers: { ...headers, ...(body && { 'content-length': body.length }) }, agent: false }, (response) => {
        read(response).then(resolve, failed);
      });
    } catch (error) {
      // Headers that Node does not send.
      failed(error as NodeJS.ErrnoException);
      return;
    }
    const timer = setTimeout(() => request.destroy(Object.assign(new Error(`nothing for ${TIMEOUT_MS / 1000} seconds`), { code: 'ETIMEDOUT' })), TIMEOUT_MS);
    request.on('error', failed);
    request.on('close', () => clearTimeout(timer));
    request.end(body);
  });

async function read(response: IncomingMessage): Promise<Answer> {
  const address = response.socket.remoteAddress ?? '';
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > BODY_BYTES) break;
  }
  const headers: Record<string, string> = {};
  for (const [name, values = []] of Object.entries(response.headersDistinct)) headers[name] = values.join(', ');
  return { status: response.statusCode ?? 0, headers, body: Buffer.concat(chunks).subarray(0, BODY_BYTES), address };
}
