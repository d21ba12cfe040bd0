// From a build request to the graph's options.

import { SlipwayError } from '../base/index.ts';
import type { GraphOptions } from '../graph/index.ts';
import { normalizePlatform, parsePlatform, type Platform } from '../oci/index.ts';
import type { BuildInputs } from './inputs.ts';
import type { BuildRequest } from './options.ts';

/** What the graph is told. Throws `PLATFORM_INVALID`, `ENTITLEMENT_MISSING`. */
export function graphOptions(request: BuildRequest, inputs: BuildInputs, host: Platform): GraphOptions {
  const platforms = request.platforms?.flatMap((text) => (text === 'local' ? [host] : [normalizePlatform(parsePlatform(text, host))]));
  if (request.network === 'host' && request.entitlements?.includes('network.host') !== true) {
    throw new SlipwayError('ENTITLEMENT_MISSING', 'granting entitlement network.host is not allowed by the build', {
      hint: 'add --allow network.host',
    });
  }
  return {
    buildPlatform: host,
    ...(request.target === undefined ? {} : { target: request.target }),
    ...(platforms === undefined ? {} : { platforms }),
    ...(request.buildArgs === undefined ? {} : { buildArgs: request.buildArgs }),
    ...(request.labels === undefined ? {} : { labels: request.labels }),
    ...(request.allStages === true ? { allStages: true } : {}),
    ...(request.gates === undefined ? {} : { gates: request.gates }),
    ...(request.noCache === undefined ? {} : { noCache: request.noCache }),
    namedContexts: Object.keys(request.namedContexts ?? {}),
    ...(request.pull === true ? { resolveMode: 'pull' } : {}),
    ...(inputs.context === undefined ? {} : { context: inputs.context }),
    ...(inputs.contextSource === undefined ? {} : { contextSource: inputs.contextSource }),
    ignore: inputs.ignore,
    ...(request.hostname === undefined ? {} : { hostname: request.hostname }),
    ...(request.extraHosts === undefined || request.extraHosts.length === 0 ? {} : { extraHosts: request.extraHosts }),
    ...(request.shmSize === undefined ? {} : { shmSize: request.shmSize }),
    ...(request.ulimits === undefined || request.ulimits.length === 0 ? {} : { ulimits: request.ulimits }),
    ...(request.devices === undefined ? {} : { devices: request.devices }),
    ...(request.cgroupParent === undefined ? {} : { cgroupParent: request.cgroupParent }),
    ...(request.network === undefined ? {} : { network: request.network }),
    ...(request.resources === undefined ? {} : { resources: request.resources }),
    ...(request.proxyEnv === undefined ? {} : { proxyEnv: request.proxyEnv }),
    ...(request.sourceDateEpoch === undefined ? {} : { sourceDateEpoch: request.sourceDateEpoch }),
  };
}
