// The flags of `slipway bake`: those of `docker buildx bake`, and ours.

import { BUILD_FLAGS, COMMON_FLAGS } from '../build-flags.ts';
import type { Flag } from '../flags.ts';

/** Flags that mean the same as in `slipway build`. */
const SHARED = [
  ...['builder', 'call', 'check', 'explain', 'load', 'log-limit', 'metadata-file', 'no-cache', 'no-new-privileges', 'progress'],
  ...['provenance', 'pull', 'push', 'sbom', 'step-timeout', 'trust'],
];

export const BAKE_FLAGS: readonly Flag[] = [
  {
    name: 'allow',
    kind: 'list',
    value: 'RIGHT',
    about: 'Allow network.host, security.insecure, device, ssh, fs.read=PATH, fs.write=PATH, …',
  },
  { name: 'file', short: 'f', kind: 'list', value: 'FILE', about: 'Bake file or Compose project; - reads standard input' },
  { name: 'list', kind: 'string', value: 'WHAT', about: 'List targets or variables (type=targets,format=json)' },
  { name: 'list-targets', kind: 'bool', about: 'Same as --list=targets', hidden: true },
  { name: 'list-variables', kind: 'bool', about: 'Same as --list=variables', hidden: true },
  { name: 'print', kind: 'bool', about: 'Print what would be built, as JSON' },
  { name: 'set', kind: 'list', value: 'TARGET.KEY=VALUE', about: 'Change an attribute of targets (globs allowed); += adds to it' },
  { name: 'var', kind: 'list', value: 'NAME=VALUE', about: 'Set a variable of the file' },
  ...BUILD_FLAGS.filter(({ name }) => SHARED.includes(name)),
  ...COMMON_FLAGS,
];
