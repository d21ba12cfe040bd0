// Functions on IP networks.

import { isIPv4, isIPv6 } from 'node:net';
import { Refusal } from '../scope.ts';
import { list, string, textOf, type Value } from '../value.ts';
import { define, defineVariadic, type Table, whole } from './define.ts';

/** `address`: its number, without the bits behind `prefix`. */
interface Network {
  readonly address: bigint;
  readonly prefix: number;
  readonly bits: 32 | 128;
}

export const NETWORKS: Table = {
  cidrhost: define({ prefix: 'string', hostnum: 'number' }, ({ prefix, hostnum }) => string(host(networkOf(prefix), whole(hostnum, 1)))),
  cidrnetmask: define({ prefix: 'string' }, ({ prefix }) => {
    const { prefix: length, bits } = networkOf(prefix);
    return string(written(mask(length, bits), bits));
  }),
  cidrsubnet: define({ prefix: 'string', newbits: 'number', netnum: 'number' }, ({ prefix, newbits, netnum }) =>
    string(network(subnet(networkOf(prefix), whole(newbits, 1), whole(netnum, 2)))),
  ),
  cidrsubnets: defineVariadic({ prefix: 'string' }, ['newbits', 'number'], ({ prefix }, newbits) =>
    list(
      'string',
      subnets(networkOf(prefix), newbits).map((one) => string(network(one))),
    ),
  ),
};

function networkOf(value: Value): Network {
  const [, ip = '', digits = ''] = /^([^/]+)\/(\d{1,3})$/.exec(textOf(value)) ?? [];
  const bits = isIPv4(ip) ? 32 : 128;
  const prefix = Number(digits);
  const sound = (isIPv4(ip) || (isIPv6(ip) && !ip.includes('%'))) && digits !== '' && !/^0\d/.test(digits) && prefix <= bits;
  if (!sound) throw new Refusal(`${JSON.stringify(textOf(value))} is no network like 10.0.0.0/8`, 0);
  return { address: addressOf(ip, bits) & mask(prefix, bits), prefix, bits };
}

function mask(prefix: number, bits: number): bigint {
  return ((1n << BigInt(prefix)) - 1n) << BigInt(bits - prefix);
}

function addressOf(ip: string, bits: 32 | 128): bigint {
  if (bits === 32) return ip.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n);
  const plain = ip.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a: string, b: string, c: string, d: string) => {
    const hex = (high: string, low: string): string => (Number(high) * 256 + Number(low)).toString(16);
    return `${hex(a, b)}:${hex(c, d)}`;
  });
  const [head = '', tail] = plain.split('::');
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const [before, behind] = [groups(head), groups(tail ?? '')];
  const zeros = Array.from({ length: 8 - before.length - behind.length }, () => '0');
  return [...before, ...zeros, ...behind].reduce((sum, group) => sum * 65536n + BigInt(`0x${group}`), 0n);
}

function network({ address, prefix, bits }: Network): string {
  return `${written(address, bits)}/${prefix}`;
}

function written(address: bigint, bits: 32 | 128): string {
  if (bits === 32) return [24n, 16n, 8n, 0n].map((shift) => String((address >> shift) & 255n)).join('.');
  const groups = Array.from({ length: 8 }, (_, at) => ((address >> BigInt(112 - at * 16)) & 0xffffn).toString(16)).join(':');
  // The longest row of zeros, of two at least, is left out; of rows of equal length the first.
  const rows = [...groups.matchAll(/(?<![^:])0(?::0)+(?![^:])/g)].sort((a, b) => b[0].length - a[0].length);
  const [longest] = rows;
  if (longest === undefined) return groups;
  const head = groups.slice(0, longest.index).replace(/:$/, '');
  return `${head}::${groups.slice(longest.index + longest[0].length).replace(/^:/, '')}`;
}

/** Counted from the end where the number is negative. */
function host({ address, prefix, bits }: Network, hostNumber: number): string {
  const last = (1n << BigInt(bits - prefix)) - 1n;
  const wanted = BigInt(hostNumber);
  const size = wanted < 0n ? -wanted - 1n : wanted;
  if (size > last) throw new Refusal(`a network of prefix ${prefix} has no host number ${hostNumber}`, 1);
  return written(address | (wanted < 0n ? last - size : wanted), bits);
}

function subnet({ address, prefix, bits }: Network, newBits: number, netNumber: number): Network {
  if (newBits > 32) throw new Refusal('a prefix can be extended by 32 bits at most', 1);
  if (newBits < 0 || prefix + newBits > bits) throw new Refusal(`a prefix of ${prefix} can not be extended by ${newBits} bits`, 1);
  if (netNumber < 0 || BigInt(netNumber) >= 1n << BigInt(newBits))
    throw new Refusal(`with ${newBits} bits there is no network number ${netNumber}`, 2);
  const longer = prefix + newBits;
  return { address: address | (BigInt(netNumber) << BigInt(bits - longer)), prefix: longer, bits };
}

/** One behind the other, each where it fits. */
function subnets({ address, prefix, bits }: Network, newBits: readonly Value[]): readonly Network[] {
  const end = address + (1n << BigInt(bits - prefix));
  let next = address;
  return newBits.map((value, at) => {
    const extension = whole(value, at + 1);
    if (extension < 1 || extension > 32) throw new Refusal('a prefix is extended by 1 to 32 bits', at + 1);
    const longer = prefix + extension;
    if (longer > bits) throw new Refusal(`a prefix of ${longer} bits is too long for this address`, at + 1);
    const size = 1n << BigInt(bits - longer);
    const start = ((next + size - 1n) / size) * size;
    if (start + size > end) throw new Refusal(`there is no room for a further network of prefix ${longer}`, at + 1);
    next = start + size;
    return { address: start, prefix: longer, bits };
  });
}
