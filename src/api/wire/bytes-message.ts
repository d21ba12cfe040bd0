// The one-field message `{ bytes data = 1 }` that every tunnel speaks, by hand: it carries whole build contexts.

import { SlipwayError } from '../../base/index.ts';

/** Most bytes that we put into one message: below the 4 MiB that gRPC peers accept by default. */
export const MAX_CHUNK = 1 << 20;

/** Encodes `data` as a message. */
export function encodeBytes(data: Uint8Array): Buffer {
  const header: number[] = [0x0a];
  let length = data.byteLength;
  while (length > 0x7f) {
    header.push((length & 0x7f) | 0x80);
    length >>>= 7;
  }
  header.push(length);
  const message = Buffer.allocUnsafe(header.length + data.byteLength);
  message.set(header);
  message.set(data, header.length);
  return message;
}

/** The data of a message: a view, not a copy. Fields of other numbers are refused: no version of the message has them. */
export function decodeBytes(message: Buffer): Buffer {
  if (message.length === 0) return message;
  if (message[0] !== 0x0a) throw new SlipwayError('API_MESSAGE', 'a message of bytes has an unexpected field');
  let length = 0;
  let shift = 0;
  let at = 1;
  for (;;) {
    const byte = message[at++];
    if (byte === undefined || shift > 28) throw new SlipwayError('API_MESSAGE', 'a message of bytes has a broken length');
    length += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) break;
    shift += 7;
  }
  if (at + length !== message.length) throw new SlipwayError('API_MESSAGE', 'a message of bytes is not as long as it says');
  return message.subarray(at);
}
