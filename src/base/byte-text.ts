// Text written as bytes, for what is written once for each of very many entries: no string is made.

const HEX = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0')).join(''), 'latin1');
const MINUS = 45;
const ZERO = 48;

/** Bytes one by one: for a few that costs less than a call. Returns the position after them, as all here. */
export function putBytes(into: Buffer, at: number, from: Uint8Array, start: number, end: number): number {
  let to = at;
  for (let byte = start; byte < end; byte += 1) into[to++] = from[byte] as number;
  return to;
}

/** A whole number, decimal. */
export function putNumber(into: Buffer, at: number, value: number): number {
  if (value < 0) {
    into[at] = MINUS;
    return putNumber(into, at + 1, -value);
  }
  let digits = 1;
  for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) digits += 1;
  let rest = value;
  for (let place = at + digits - 1; place >= at; place -= 1) {
    const next = Math.floor(rest / 10);
    into[place] = ZERO + rest - next * 10;
    rest = next;
  }
  return at + digits;
}

/** 32 bytes, hexadecimal. */
export function putHex(into: Buffer, at: number, from: Uint8Array, start: number): number {
  let to = at;
  for (let byte = start; byte < start + 32; byte += 1) {
    const hex = (from[byte] as number) * 2;
    into[to++] = HEX[hex] as number;
    into[to++] = HEX[hex + 1] as number;
  }
  return to;
}
