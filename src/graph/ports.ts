// EXPOSE's ports: `80`, `80/udp`, `8000-8010/tcp`, and Docker's `[ip:][host:]container` forms, which are tolerated.

import { isIP } from 'node:net';

/** One word of EXPOSE, read. */
export interface ExposedPorts {
  /** `80/tcp`, one per port of a range. */
  readonly ports: readonly string[];
  /** The protocol was not written in lower case. */
  readonly oddCasing: boolean;
  /** It names an IP address or a host port, which EXPOSE has no use for. */
  readonly hasHost: boolean;
  /** What is wrong with it; then there are no ports. */
  readonly wrong?: string;
}

/** Reads one word. */
export function parsePorts(word: string): ExposedPorts {
  const parts = word.split(':');
  const container = parts.at(-1) ?? '';
  const hostPort = parts.length > 1 ? (parts.at(-2) ?? '') : '';
  const address = parts.slice(0, -2).join(':');
  const slash = container.indexOf('/');
  const range = slash < 0 ? container : container.slice(0, slash);
  const protocol = slash < 0 ? '' : container.slice(slash + 1);
  const unreadable = (wrong: string): ExposedPorts => ({ ports: [], oddCasing: false, hasHost: false, wrong });
  if (range === '') return unreadable(`invalid port: ${JSON.stringify(word)}: no port specified`);
  const proto = protocol === '' ? 'tcp' : protocol.toLowerCase();
  if (!['tcp', 'udp', 'sctp'].includes(proto)) return unreadable(`invalid port: ${JSON.stringify(word)}: invalid proto: ${protocol}`);
  const form = { oddCasing: protocol !== protocol.toLowerCase(), hasHost: address !== '' || hostPort !== '' };
  const wanted = parseRange(range);
  const wrong = wrongPart(address, range, wanted, hostPort);
  if (wanted === undefined || wrong !== undefined) return { ports: [], ...form, ...(wrong === undefined ? {} : { wrong }) };
  return { ports: Array.from({ length: wanted.end - wanted.start + 1 }, (_, index) => `${wanted.start + index}/${proto}`), ...form };
}

function wrongPart(address: string, range: string, wanted: PortRange | undefined, hostPort: string): string | undefined {
  if (address !== '' && (isIP(address.replace(/^\[(.*)\]$/, '$1')) === 0 || address.includes('%'))) return `invalid IP address: ${address}`;
  if (wanted === undefined) return `invalid containerPort: ${range}`;
  if (hostPort === '') return undefined;
  const host = parseRange(hostPort);
  if (host === undefined) return `invalid hostPort: ${hostPort}`;
  if (wanted.end - wanted.start === host.end - host.start || wanted.end === wanted.start) return undefined;
  return `invalid ranges specified for container and host Ports: ${range} and ${hostPort}`;
}

interface PortRange {
  readonly start: number;
  readonly end: number;
}

function parseRange(text: string): PortRange | undefined {
  const dash = text.indexOf('-');
  const start = parseNumber(dash < 0 ? text : text.slice(0, dash));
  const end = dash < 0 ? start : parseNumber(text.slice(dash + 1));
  return start === undefined || end === undefined || end < start ? undefined : { start, end };
}

function parseNumber(text: string): number | undefined {
  if (!/^\+?[0-9]+$/.test(text)) return undefined;
  const port = Number(text);
  return port <= 65535 ? port : undefined;
}

/** How a word that is no port is meant. */
export function portHint(word: string): string {
  if (word.startsWith('#')) return 'a comment has a line of its own';
  if (/^\[\d|\d\]$/.test(word)) return 'ports stand without brackets and commas: EXPOSE 80 443';
  const range = /^(\d+)(?:\.\.+|:|~|–|—)(\d+)$/.exec(word);
  if (/^\d+(?:\/\w+)?[,;]/.test(word)) return `spaces stand between ports: EXPOSE ${word.split(/[,;]/).filter(Boolean).join(' ')} …`;
  if (range !== null && Number(range[1]) <= Number(range[2])) return `a range is written with a hyphen: ${range[1]}-${range[2]}`;
  if (/\/[a-z]+$/i.test(word) && !/\/(?:tcp|udp|sctp)$/i.test(word)) return 'the protocols are tcp, udp and sctp: 80/tcp';
  if (/^\d+$/.test(word)) return 'ports go from 0 to 65535';
  const swapped = /^(\d+)-(\d+)$/.exec(word);
  if (swapped !== null && Number(swapped[1]) > Number(swapped[2]))
    return `a range goes from the lower to the higher port: ${swapped[2]}-${swapped[1]}`;
  const digits = /^[a-z_]+[=:](\d+)$/i.exec(word)?.[1];
  return digits === undefined ? 'write ports as 80, 53/udp or 8000-8010/tcp' : `write the number alone: EXPOSE ${digits}`;
}
