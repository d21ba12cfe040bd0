// A stream of byte messages as a Duplex: what the session's HTTP/2 connection, and a forwarded agent, run on.

import { Duplex } from 'node:stream';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { decodeBytes, encodeBytes, MAX_CHUNK } from './bytes-message.ts';

/**
 * Wraps a duplex gRPC call whose messages are bytes. Reading pauses the call (back-pressure reaches the peer); the end of the call, or its
 * cancellation, ends the Duplex; destroying the Duplex ends the call.
 */
export function tunnelOf(call: ServerDuplexStream<Buffer, Buffer>): Duplex {
  const duplex = new Duplex({
    read: () => call.resume(),
    writev: (chunks, callback) => {
      const parts = chunks.map(({ chunk }) => chunk as Buffer);
      const data = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
      for (let at = 0; at < data.length; at += MAX_CHUNK) {
        const last = at + MAX_CHUNK >= data.length;
        call.write(encodeBytes(data.subarray(at, at + MAX_CHUNK)), last ? () => callback() : undefined);
      }
      if (data.length === 0) callback();
    },
    final: (callback) => {
      call.end();
      callback();
    },
    destroy: (error, callback) => {
      call.end();
      callback(error);
    },
  });
  call.pause();
  call.on('data', (message: Buffer) => {
    try {
      if (!duplex.push(decodeBytes(message))) call.pause();
    } catch (error) {
      duplex.destroy(error as Error);
    }
  });
  call.on('end', () => duplex.push(null));
  call.on('cancelled', () => duplex.destroy());
  call.on('error', () => duplex.destroy());
  return duplex;
}
