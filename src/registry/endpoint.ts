// Where a registry answers: its mirrors and itself, and whether by https or http.

import { errnoOf, SlipwayError } from '../base/index.ts';
import { DOCKER_HUB } from '../oci/index.ts';
import type { Limits, RegistryConfig, RegistrySettings } from './config.ts';
import { type About, isTransient, unreachable } from './faults.ts';
import { bare, isLoopback } from './proxy.ts';
import { discard, type Transport } from './transport.ts';

/** One place that serves a registry's repositories. */
export interface Endpoint {
  /** The registry as references name it. */
  readonly registry: string;
  /** Host with port. */
  readonly host: string;
  /** `https://host/v2/`, with a mirror's path before the end: repositories are below it. */
  readonly url: URL;
  /** Path of a mirror that is before every repository's name, or ''. */
  readonly path: string;
  /** Registry name under which its login is kept. */
  readonly credentialHost: string;
  readonly settings: RegistrySettings;
  readonly mirror: boolean;
}

/** An endpoint of which the scheme is not known yet. */
export type EndpointPlan = Omit<Endpoint, 'url'> & { readonly schemes: readonly ('https' | 'http')[] };

/** Docker Hub's API is not at the host that its names have. */
const HUB_HOST = 'registry-1.docker.io';
const PROBE_MS = 10_000;

/** The settings of a host; `insecure` is what one request allows beside them. */
export function settingsOf(config: RegistryConfig, host: string, insecure = false): RegistrySettings {
  const settings = config.registries?.[host] ?? {};
  return insecure ? { ...settings, insecure: true } : settings;
}

/** Where to ask, in order. Mirrors are for pulling only. */
export function planEndpoints(
  config: RegistryConfig,
  registry: string,
  purpose: 'pull' | 'push',
  insecure = false,
): readonly EndpointPlan[] {
  const settings = settingsOf(config, registry, insecure);
  const host = registry === DOCKER_HUB ? HUB_HOST : registry;
  const self: EndpointPlan = {
    registry,
    host,
    path: '',
    credentialHost: registry,
    settings,
    mirror: false,
    schemes: schemesOf(host, settings),
  };
  return purpose === 'push' ? [self] : [...(settings.mirrors ?? []).map((mirror) => planMirror(config, registry, mirror)), self];
}

function planMirror(config: RegistryConfig, registry: string, mirror: string): EndpointPlan {
  const match = /^(?:(https?):\/\/)?((?:[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(?::\d+)?)(\/[\w./-]*)?$/.exec(mirror);
  if (match === null) {
    throw new SlipwayError('REGISTRY_CONFIG_INVALID', `the mirror ${JSON.stringify(mirror)} of ${registry} cannot be read`, {
      hint: 'write it as host, host:port or host/path',
    });
  }
  const [, scheme, host = '', path = ''] = match;
  const settings = { ...settingsOf(config, host), ...(scheme === undefined ? {} : { http: scheme === 'http' }) };
  const credentialHost = host === HUB_HOST ? DOCKER_HUB : host;
  return {
    registry,
    host,
    path: path.replace(/^\/+|\/+$/g, ''),
    credentialHost,
    settings,
    mirror: true,
    schemes: schemesOf(host, settings),
  };
}

/** Https, but where the settings say otherwise; loopback hosts usually have no TLS and are asked which it is. */
function schemesOf(host: string, settings: RegistrySettings): EndpointPlan['schemes'] {
  if (settings.http === true) return ['http'];
  if (settings.insecure === true) return ['https', 'http'];
  if (settings.http === undefined && isLoopback(new URL(`https://${host}`).hostname)) return ['http', 'https'];
  return ['https'];
}

/** Turns plans into endpoints; asks hosts that may speak either scheme once. */
export class EndpointBook {
  readonly #transport: Transport;
  readonly #limits: Limits;
  readonly #schemes = new Map<string, 'https' | 'http'>();

  constructor(transport: Transport, limits: Limits) {
    this.#transport = transport;
    this.#limits = limits;
  }

  async open(plan: EndpointPlan, about: About, signal: AbortSignal): Promise<Endpoint> {
    const { schemes, ...rest } = plan;
    const [first, second] = schemes;
    const scheme = second === undefined ? (first ?? 'https') : await this.#probe(plan, about, signal);
    return { ...rest, url: new URL(`${scheme}://${plan.host}/v2/${plan.path === '' ? '' : `${plan.path}/`}`) };
  }

  async #probe(plan: EndpointPlan, about: About, signal: AbortSignal): Promise<'https' | 'http'> {
    const key = `${plan.host} ${plan.schemes.join(' ')}`;
    const known = this.#schemes.get(key);
    if (known !== undefined) return known;
    let failure: { error: unknown; url: URL } | undefined;
    for (const scheme of plan.schemes) {
      const url = new URL(`${scheme}://${plan.host}/v2/`);
      try {
        if (await this.#answers(url, plan.settings, signal)) {
          this.#schemes.set(key, scheme);
          return scheme;
        }
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof SlipwayError) throw error;
        // The last one got further, unless it only found out that this is not TLS.
        if (failure === undefined || errnoOf(error) !== 'EPROTO') failure = { error, url };
        if (!mayBeOther(error, plan)) break;
      }
    }
    const fallback = new URL(`${plan.schemes[0] ?? 'https'}://${plan.host}/v2/`);
    throw unreachable(failure?.error ?? new Error('it speaks neither https nor http'), failure?.url ?? fallback, about);
  }

  /** Whether something that may be a registry answers in this scheme. A TLS server answers plain http with a 400 of its own. */
  async #answers(url: URL, settings: RegistrySettings, signal: AbortSignal): Promise<boolean> {
    const idleMs = Math.min(PROBE_MS, this.#limits.idleMs);
    const answer = await this.#transport.send({ method: 'GET', url, headers: {}, signal, settings, idleMs });
    discard(answer);
    const json = /json/.test(answer.headers['content-type'] ?? '') || answer.headers['docker-distribution-api-version'] !== undefined;
    return url.protocol === 'https:' || answer.status !== 400 || json;
  }
}

/** Whether a failure may only mean that the host speaks the other scheme. */
function mayBeOther(error: unknown, plan: EndpointPlan): boolean {
  const code = errnoOf(error) ?? '';
  if (code === 'EPROTO' || code.startsWith('ERR_SSL_') || code.startsWith('HPE_') || isTransient(error)) return true;
  const hasPort = new URL(`https://${plan.host}`).port !== '' || /:\d+$/.test(plan.host);
  return code === 'ECONNREFUSED' && !hasPort && bare(plan.host) !== '';
}
