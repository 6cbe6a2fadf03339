/** The bodies of requests while they are received: each is bounded, as received and unpacked, and all of them together are. */
import type { IncomingMessage } from 'node:http';
import type { Readable, Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { INVALID_ARGUMENT, Refusal, RESOURCE_EXHAUSTED, UNAVAILABLE } from './refusal.js';

/** As received, and once more after decompression. The OpenTelemetry Collector takes as much. */
export const MAX_BODY_BYTES = 20 * 1024 * 1024;

/** Bytes of all bodies that have not arrived in full, after decompression. */
export const MAX_BODIES_BYTES = 64 * 1024 * 1024;

const CHUNK_BYTES = 64 * 1024;

const DECOMPRESSORS: Record<string, () => Transform> = {
  gzip: () => createGunzip({ chunkSize: CHUNK_BYTES }),
  'x-gzip': () => createGunzip({ chunkSize: CHUNK_BYTES }),
  deflate: () => createInflate({ chunkSize: CHUNK_BYTES }),
  br: () => createBrotliDecompress({ chunkSize: CHUNK_BYTES }),
};

interface Body {
  chunks: Buffer[];
  bytes: number;
  refuse(why: Error): void;
}

export class Bodies {
  readonly #open = new Set<Body>();
  #bytes = 0;

  /** The body of a request, decompressed while it arrives. Rejects with a `Refusal`, and with another error when the sender hangs up. */
  read(request: IncomingMessage): Promise<Buffer> {
    const encoding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase();
    const create = Object.hasOwn(DECOMPRESSORS, encoding) ? DECOMPRESSORS[encoding] : undefined;
    if (create === undefined && encoding !== 'identity') {
      throw new Refusal(415, INVALID_ARGUMENT, `Content-Encoding is "${encoding}", wanted gzip, deflate, br or none`);
    }
    const decompressor = create?.();
    return new Promise((resolve, reject) => {
      const source: Readable = decompressor ?? request;
      const body: Body = { chunks: [], bytes: 0, refuse: (why) => settle(() => reject(why)) };
      let receivedBytes = 0;

      const settle = (finish: () => void): void => {
        if (!this.#open.delete(body)) return;
        this.#bytes -= body.bytes;
        request.off('data', onReceived).off('close', onClose);
        source.off('data', onData).off('end', onEnd);
        // Not the request itself: the answer goes out on its connection.
        if (decompressor) request.unpipe(decompressor), decompressor.destroy();
        // Senders read no answer before they have written everything: the rest of the body is taken, and dropped.
        request.resume();
        finish();
        body.chunks = [];
      };
      const onReceived = (chunk: Buffer): void => {
        receivedBytes += chunk.length;
        if (receivedBytes > MAX_BODY_BYTES) body.refuse(tooLarge('the body'));
      };
      const onData = (chunk: Buffer): void => {
        body.chunks.push(chunk);
        body.bytes += chunk.length;
        this.#bytes += chunk.length;
        if (body.bytes > MAX_BODY_BYTES) body.refuse(tooLarge('the decompressed body'));
        else this.#makeRoom();
      };
      const onEnd = (): void => settle(() => resolve(Buffer.concat(body.chunks)));
      // It comes after each request, and before the decompressor is done with the last of it.
      const onClose = (): void => {
        if (!request.complete) body.refuse(new Error('the sender hung up'));
      };

      this.#open.add(body);
      request.on('data', onReceived).on('close', onClose).on('error', body.refuse);
      source.on('data', onData).on('end', onEnd);
      if (decompressor) {
        decompressor.on('error', ({ message }) => body.refuse(new Refusal(400, INVALID_ARGUMENT, `the body is not ${encoding}: ${message}`)));
        request.pipe(decompressor);
      }
    });
  }

  /** The largest goes, so that one sender of much does not keep those of little from being heard. */
  #makeRoom(): void {
    while (this.#bytes > MAX_BODIES_BYTES) {
      const largest = [...this.#open].reduce((most, body) => (body.bytes > most.bytes ? body : most));
      largest.refuse(new Refusal(503, UNAVAILABLE, `more than ${MAX_BODIES_BYTES} bytes are being received at the same time; send again`));
    }
  }
}

function tooLarge(what: string): Refusal {
  return new Refusal(413, RESOURCE_EXHAUSTED, `${what} is larger than ${MAX_BODY_BYTES} bytes`);
}
