// Archives as an attacker writes them: every field of every header can be set, to nonsense as well.

import { padding } from '../../src/layer/index.ts';

/** A member. Numbers are written in octal; a text or bytes are written as they are. */
export interface Crafted {
  readonly name: string;
  /** ustar type flag; default '0'. */
  readonly type?: string;
  readonly link?: string;
  readonly data?: string | Uint8Array;
  /** What the header says of the size; default: the data's. */
  readonly size?: number | string | Uint8Array;
  readonly mode?: number;
  readonly uid?: number | string | Uint8Array;
  readonly gid?: number | string;
  readonly mtime?: number | string | Uint8Array;
  readonly dev?: readonly [number, number];
  readonly prefix?: string;
  /** Default: ustar's. */
  readonly magic?: string;
  /** Default: the right one. */
  readonly checksum?: string;
  /** PAX records before it, in order. */
  readonly pax?: readonly (readonly [string, string])[];
  /** Global PAX records before it. */
  readonly global?: readonly (readonly [string, string])[];
  /** GNU long name and link before it. */
  readonly longName?: string;
  readonly longLink?: string;
  /** Changes the header's bytes before the checksum is made. */
  readonly touch?: (header: Buffer) => void;
}

/** The archive: members, and the end marker unless told otherwise. */
export function craft(members: readonly (Crafted | Uint8Array)[], end: Uint8Array = Buffer.alloc(1024)): Buffer {
  return Buffer.concat([...members.flatMap((member) => (member instanceof Uint8Array ? [member] : pieces(member))), end]);
}

/** A PAX record with its length before it. */
export function record(key: string, value: string): string {
  const rest = key.length + value.length + 3;
  let length = rest + String(rest).length;
  if (rest + String(length).length !== length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

/** A number as GNU writes large ones: base 256, big end first. */
export function base256(value: bigint, length = 12): Buffer {
  const bytes = Buffer.alloc(length);
  let rest = BigInt.asUintN(8 * length, value);
  for (let at = length - 1; at >= 0; at -= 1) {
    bytes[at] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  bytes[0] = (bytes[0] ?? 0) | 0x80;
  return bytes;
}

function pieces(member: Crafted): Buffer[] {
  const before: Buffer[] = [];
  const extra = (type: string, text: string | Uint8Array): void => {
    before.push(...pieces({ name: `././@${type}`, type, data: text, ...(type === 'L' || type === 'K' ? { magic: 'ustar  \0' } : {}) }));
  };
  if (member.global !== undefined) extra('g', member.global.map(([key, value]) => record(key, value)).join(''));
  if (member.longName !== undefined) extra('L', `${member.longName}\0`);
  if (member.longLink !== undefined) extra('K', `${member.longLink}\0`);
  if (member.pax !== undefined) extra('x', member.pax.map(([key, value]) => record(key, value)).join(''));
  const data = typeof member.data === 'string' ? Buffer.from(member.data, 'latin1') : Buffer.from(member.data ?? '');
  return [...before, header(member, data.length), data, Buffer.alloc(padding(data.length))];
}

function header(member: Crafted, length: number): Buffer {
  const block = Buffer.alloc(512);
  const put = (at: number, size: number, value: number | string | Uint8Array): void => {
    if (typeof value === 'number')
      block.write(
        value
          .toString(8)
          .padStart(size - 1, '0')
          .slice(-(size - 1)),
        at,
        'latin1',
      );
    else Buffer.from(value as string, 'latin1').copy(block, at, 0, size);
  };
  put(0, 100, member.name);
  put(100, 8, member.mode ?? (member.type === '5' ? 0o755 : 0o644));
  put(108, 8, member.uid ?? 0);
  put(116, 8, member.gid ?? 0);
  put(124, 12, member.size ?? length);
  put(136, 12, member.mtime ?? 1_700_000_000);
  put(156, 1, member.type ?? '0');
  put(157, 100, member.link ?? '');
  put(257, 8, member.magic ?? 'ustar\x0000');
  if (member.dev !== undefined) {
    put(329, 8, member.dev[0]);
    put(337, 8, member.dev[1]);
  }
  put(345, 155, member.prefix ?? '');
  member.touch?.(block);
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(member.checksum ?? `${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}
