// /etc/hosts and /etc/resolv.conf of a step: mounts, never content.

import { readFileSync } from 'node:fs';
import { errnoOf } from '../base/index.ts';

/** Name of the machine that a step sees, as BuildKit's. */
export const DEFAULT_HOSTNAME = 'buildkitsandbox';

export interface ExtraHost {
  readonly host: string;
  readonly ip: string;
}

/** Text of /etc/hosts. */
export function hostsFile(hostname: string, extraHosts: readonly ExtraHost[]): string {
  const fixed = `127.0.0.1\tlocalhost ${hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\n`;
  return fixed + extraHosts.map(({ ip, host }) => `${ip}\t${host}\n`).join('');
}

/** Where a step's resolver must look. */
export type ResolverPlace =
  /** The host's own network: its resolv.conf as it is, loopback resolvers included. */
  | { readonly kind: 'host' }
  /** A network of its own whose DNS is at `server` (it forwards to the host's resolver, wherever that listens). */
  | { readonly kind: 'forwarded'; readonly server: string }
  /** Nothing can be reached. */
  | { readonly kind: 'none' };

/** Text of /etc/resolv.conf, from the host's. */
export function resolvConf(host: string, place: ResolverPlace): string {
  if (place.kind === 'host') return host;
  const rest = host.split('\n').filter((line) => /^\s*(search|domain|options)\s/.test(line));
  const servers = place.kind === 'forwarded' ? [`nameserver ${place.server}`] : [];
  return [...servers, ...rest].map((line) => `${line.trim()}\n`).join('');
}

/** The host's resolv.conf; empty when it has none. */
export function hostResolvConf(): string {
  try {
    return readFileSync('/etc/resolv.conf', 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return '';
    throw error;
  }
}
