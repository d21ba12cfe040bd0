// Which proxy a request goes through: the rules that Go programs (Docker, BuildKit) follow for HTTP_PROXY, HTTPS_PROXY and NO_PROXY.

import { isIP } from 'node:net';
import { SlipwayError } from '../base/index.ts';
import type { ProxySettings } from './config.ts';

/** The proxy for an address, or undefined: go there directly. Loopback never goes through a proxy. Throws `PROXY_INVALID`. */
export function proxyFor(url: URL, settings: ProxySettings | undefined): URL | undefined {
  const text = url.protocol === 'https:' ? settings?.https : settings?.http;
  if (text === undefined || text === '' || isLoopback(url.hostname) || isExcluded(url, settings?.no ?? '')) return undefined;
  let proxy: URL;
  try {
    proxy = new URL(text.includes('://') ? text : `http://${text}`);
  } catch (cause) {
    throw new SlipwayError('PROXY_INVALID', 'the proxy address cannot be read', { hint: 'write it as http://host:port', cause });
  }
  if (proxy.protocol === 'http:' || proxy.protocol === 'https:') return proxy;
  throw new SlipwayError('PROXY_INVALID', `proxies of kind ${proxy.protocol}// cannot be used`, {
    hint: 'use an http:// or https:// proxy',
  });
}

/** Whether a host name means this machine: `localhost` and what is below it, 127.0.0.0/8, ::1. */
export function isLoopback(hostname: string): boolean {
  const host = bare(hostname);
  return host === 'localhost' || host.endsWith('.localhost') || host === '::1' || (host.startsWith('127.') && isIP(host) === 4);
}

/** Addresses of this machine, or on its own wire, as URL writes them: unspecified, link-local, and both as IPv4 within IPv6. */
const NEAR = /^(?:0\.0\.0\.0|169\.254\.[\d.]+|::|fe[89ab][0-9a-f]:[\da-f:]+|::ffff:(?:0:0|7f[\da-f]{2}:[\da-f]+|a9fe:[\da-f]+))$/;

/** Whether a host name can mean nothing but this machine, or what is on its own wire. */
export function isNear(hostname: string): boolean {
  return isLoopback(hostname) || NEAR.test(bare(hostname));
}

/** A URL's host name without the brackets of IPv6. */
export function bare(hostname: string): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname.toLowerCase();
}

function isExcluded(url: URL, rules: string): boolean {
  const host = bare(url.hostname);
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
  return rules.split(',').some((raw) => {
    const rule = raw.trim().toLowerCase();
    if (rule === '') return false;
    if (rule === '*') return true;
    if (rule.includes('/')) return inNetwork(host, rule);
    const match = /^(\[[^\]]+\]|[^:]*)(?::(\d+))?$/.exec(rule);
    const name = match === null ? rule : bare(match[1] ?? '');
    if (match?.[2] !== undefined && match[2] !== port) return false;
    if (isIP(name) !== 0) return name === host;
    const suffix = name.replace(/^\*?\./, '');
    return host.endsWith(`.${suffix}`) || (host === suffix && !/^\*?\./.test(name));
  });
}

/** Whether an IP address lies in a `a.b.c.d/n` or IPv6 network. */
function inNetwork(host: string, rule: string): boolean {
  const [base = '', bitsText = ''] = rule.split('/');
  const bits = Number(bitsText);
  const network = addressBits(bare(base));
  const address = addressBits(host);
  if (network === undefined || address === undefined || network.width !== address.width || !(bits >= 0 && bits <= network.width))
    return false;
  const drop = BigInt(network.width - bits);
  return network.value >> drop === address.value >> drop;
}

function addressBits(text: string): { readonly width: number; readonly value: bigint } | undefined {
  const version = isIP(text);
  if (version === 4) return { width: 32, value: text.split('.').reduce((sum, part) => (sum << 8n) | BigInt(part), 0n) };
  if (version !== 6 || text.includes('.')) return undefined;
  const [head = '', tail] = text.split('::');
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const front = groups(head);
  const back = groups(tail ?? '');
  const all = tail === undefined ? front : [...front, ...new Array<string>(8 - front.length - back.length).fill('0'), ...back];
  return { width: 128, value: all.reduce((sum, part) => (sum << 16n) | BigInt(`0x${part}`), 0n) };
}
