// /etc/hosts and /etc/resolv.conf of a step: mounts, never content.

import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { errnoOf } from '../base/index.ts';
import type { NetworkNamespace } from './container-config.ts';

/** Name of the machine that a step sees, as BuildKit's. */
export const DEFAULT_HOSTNAME = 'buildkitsandbox';

export interface ExtraHost {
  readonly host: string;
  /** An address, or `HOST_GATEWAY`. */
  readonly ip: string;
}

/** In place of an address: where a step reaches the machine that it runs on. */
export const HOST_GATEWAY = 'host-gateway';

/** Text of /etc/hosts. `network`: the one that the step has. */
export function hostsFile(hostname: string, extraHosts: readonly ExtraHost[], network: NetworkNamespace['kind']): string {
  const fixed = `127.0.0.1\tlocalhost ${hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\n`;
  const address = (ip: string): string => (ip !== HOST_GATEWAY ? ip : network === 'path' ? hostAddress() : LOOPBACK);
  return fixed + extraHosts.map(({ ip, host }) => `${address(ip)}\t${host}\n`).join('');
}

const LOOPBACK = '127.0.0.1';

/**
 * The machine as others see it: of the interface with the default route, else of any. What listens on all addresses can be reached there from
 * a network of a step's own, as it can by Docker's gateway; the loopback of such a network is the step's.
 */
export function hostAddress(): string {
  const all = Object.entries(networkInterfaces()).flatMap(([name, addresses = []]) =>
    addresses.flatMap(({ family, internal, address }) => (family === 'IPv4' && !internal ? [{ name, address }] : [])),
  );
  const outward = defaultInterface();
  return (all.find(({ name }) => name === outward) ?? all[0])?.address ?? LOOPBACK;
}

/** The interface of the default route (proc(5), net/route: destination and mask 0). */
function defaultInterface(): string | undefined {
  try {
    const routes = readFileSync('/proc/net/route', 'latin1')
      .split('\n')
      .map((line) => line.split('\t'));
    return routes.find((fields) => fields[1] === '00000000' && fields[7] === '00000000')?.[0];
  } catch {
    return undefined;
  }
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
