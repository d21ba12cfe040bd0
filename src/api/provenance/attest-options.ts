// Which attestations a request asks for: `attest:sbom`, `attest:provenance`, and the build arguments that stand for them.

import { splitFields } from '../frontend/csv.ts';
import { RpcError } from '../wire/rpc-error.ts';

export interface AttestOptions {
  /** Undefined: not asked for. */
  readonly sbom?: Readonly<Record<string, string>>;
  readonly provenance?: Readonly<Record<string, string>>;
}

const DEFAULTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  sbom: { generator: 'docker/buildkit-syft-scanner:stable-1' },
  provenance: { version: 'v1' },
};

/** Reads them. Throws InvalidArgument for an unknown kind, and for options that make no sense. */
export function readAttestOptions(attributes: Readonly<Record<string, string>>): AttestOptions {
  const options: Record<string, Record<string, string>> = {};
  for (const [key, value] of Object.entries(attributes)) {
    const match = /^(?:attest:|build-arg:BUILDKIT_ATTEST_)(.+)$/.exec(key);
    if (match === null) continue;
    const kind = (match[1] as string).toLowerCase();
    if (!Object.hasOwn(DEFAULTS, kind)) throw new RpcError('invalidArgument', `unknown attestation type ${JSON.stringify(kind)}`);
    const given = Object.fromEntries(
      splitFields(value).map((field) => {
        const equals = field.indexOf('=');
        return equals < 0 ? [field, ''] : [field.slice(0, equals), field.slice(equals + 1)];
      }),
    ) as Record<string, string>;
    options[kind] = { ...DEFAULTS[kind], ...given };
  }
  if (options['sbom']?.['generator'] === '') throw new RpcError('invalidArgument', 'sbom generator cannot be empty');
  const version = options['provenance']?.['version'];
  if (version !== undefined && version !== 'v1' && version !== 'v0.2') {
    throw new RpcError('invalidArgument', `invalid provenance SLSA version: ${version}`);
  }
  const mode = options['provenance']?.['mode'];
  if (mode !== undefined && !['min', 'max', 'full'].includes(mode))
    throw new RpcError('invalidArgument', `invalid mode ${JSON.stringify(mode)}`);
  return options;
}
