// Software bills of materials: a scanner image looks at a result and writes statements about it.

import type { ImageConfig, Platform } from '../../build/parts.ts';
import { vertexDigest } from '../../build/parts.ts';
import type { AttestationRef, FinishedResult } from '../backend.ts';
import type { ExecSpec, GraphEdge, OpSpec } from '../engine.ts';
import { RpcError } from '../wire/rpc-error.ts';
import type { LocalBuild } from './build.ts';

const SPDX = 'https://spdx.dev/Document';
const SOURCE = '/run/src';
const DESTINATION = '/run/out/';
const CORE = 'sbom';

/** A scanner with its options. */
export interface Scanner {
  readonly ref: string;
  readonly config: ImageConfig;
  readonly platform: Platform;
  readonly parameters: Readonly<Record<string, string>>;
  readonly fresh: boolean;
}

/** Finds the scanner that the options name. */
export async function openScanner(build: LocalBuild, options: Readonly<Record<string, string>>, result: FinishedResult): Promise<Scanner> {
  const { generator = '', ...parameters } = options;
  const { canonical } = build.parseReference(generator);
  const platform = build.options.buildPlatform;
  const mode = result.request.attributes['image-resolve-mode'];
  const resolveMode = mode === 'pull' || mode === 'local' ? mode : 'default';
  const admitted = await result.admit({ kind: 'image', ref: canonical, platform, resolveMode }, platform);
  if (admitted.kind !== 'image') throw new RpcError('failedPrecondition', `a policy replaces the scanner ${canonical} by what is no image`);
  const { ref } = admitted;
  const image = await build.resolveImage(ref, platform, resolveMode, '');
  return {
    ref: image.digest === undefined || ref.includes('@') ? ref : `${ref}@${image.digest}`,
    config: image.config,
    platform,
    parameters,
    fresh: result.request.attributes['no-cache'] === '',
  };
}

/** The scan of a result as a vertex: a bundle of statements. */
export function scan(scanner: Scanner, id: string, core: GraphEdge, extras: ReadonlyMap<string, GraphEdge>): AttestationRef {
  const { config } = scanner.config;
  const args = [...(config?.Entrypoint ?? []), ...(config?.Cmd ?? [])];
  if (args.length === 0) throw new RpcError('invalidArgument', `scanner ${scanner.ref} does not have cmd`);
  const env = new Map((config?.Env ?? []).map((entry) => splitEnv(entry)));
  env.set('BUILDKIT_SCAN_DESTINATION', DESTINATION);
  env.set('BUILDKIT_SCAN_SOURCE', `${SOURCE}/core/${CORE}`);
  if (extras.size > 0) env.set('BUILDKIT_SCAN_SOURCE_EXTRAS', `${SOURCE}/extras`);
  for (const [key, value] of Object.entries(scanner.parameters)) env.set(`BUILDKIT_SCAN_${key}`, value);
  const image = vertex(
    { type: 'source', source: { kind: 'image', ref: scanner.ref, platform: scanner.platform, resolveMode: 'default' } },
    [],
    scanner.platform,
    `docker-image://${scanner.ref}`,
    false,
  );
  const plain = { selector: '', output: -1, readonly: true } as const;
  const op: ExecSpec = {
    type: 'exec',
    args,
    env: [...env].map(([key, value]) => `${key}=${value}`),
    cwd: config?.WorkingDir === undefined || config.WorkingDir === '' ? '/' : config.WorkingDir,
    user: '',
    network: 'default',
    security: 'sandbox',
    mounts: [
      { type: 'bind', input: 0, selector: '', dest: '/', output: -1, readonly: false },
      { type: 'tmpfs', input: -1, selector: '', dest: '/tmp', output: -1, readonly: false },
      { ...plain, type: 'bind', input: 1, dest: `${SOURCE}/core/${CORE}` },
      ...[...extras.keys()].map((name, index) => ({
        ...plain,
        type: 'bind' as const,
        input: index + 2,
        dest: `${SOURCE}/extras/${CORE}-${name}`,
      })),
      { type: 'bind', input: -1, selector: '', dest: DESTINATION, output: 0, readonly: false },
    ],
  };
  const edge = vertex(
    op,
    [image, core, ...extras.values()],
    scanner.platform,
    `[${id}] generating sbom using ${scanner.ref.replace(/@.*$/s, '')}`,
    scanner.fresh,
  );
  return {
    kind: 'bundle',
    predicateType: SPDX,
    path: '',
    edge,
    metadata: new Map([['sbom-core', Buffer.from(CORE)]]),
    subjects: [],
  };
}

/** Whether a frontend made one itself. */
export function hasSbom(result: FinishedResult): boolean {
  return [...result.attestations.values()].flat().some(({ predicateType }) => predicateType === SPDX);
}

function vertex(op: OpSpec, inputs: readonly GraphEdge[], platform: Platform, name: string, ignoreCache: boolean): GraphEdge {
  const digest = vertexDigest(op, inputs, platform);
  return { vertex: { digest, op, inputs, platform, about: { name, ...(ignoreCache && { ignoreCache }) } }, output: 0 };
}

function splitEnv(entry: string): [string, string] {
  const equals = entry.indexOf('=');
  return equals < 0 ? [entry, ''] : [entry.slice(0, equals), entry.slice(equals + 1)];
}
