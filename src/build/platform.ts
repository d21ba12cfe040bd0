// The platform of this machine.

import { formatPlatform, nodePlatform } from '../oci/index.ts';

/** What steps run on unless a build says otherwise: `linux/amd64`. */
export function localPlatform(): string {
  return formatPlatform(nodePlatform(process.platform, process.arch));
}
