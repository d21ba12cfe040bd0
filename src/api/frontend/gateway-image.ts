// The frontend `gateway.v0`: runs a frontend that is shipped as an image, and answers what it asks over its standard streams.

import { toBinary } from '@bufbuild/protobuf';
import { isSlipwayError, SlipwayError } from '../../base/index.ts';
import { isOwnFrontend } from '../../build/parts.ts';
import type { Build, FrontendRequest } from '../control/build.ts';
import { workerRecord } from '../control/worker.ts';
import type { ContainerProcess, GraphEdge, ImageConfig, Platform } from '../engine.ts';
import { Bridge } from '../gateway/bridge.ts';
import type { FrontendOutcome } from '../gateway/ref.ts';
import { serveOnStreams } from '../gateway/stdio.ts';
import { DefinitionSchema } from '../gen/llb_pb.ts';
import { encodeDefinition } from '../llb/encode.ts';
import { encodeSource } from '../llb/source-id.ts';
import { RpcError } from '../wire/rpc-error.ts';
import { checkCaps } from './frontend-caps.ts';
import { platformDocument } from './platform-document.ts';
import type { Frontends } from './runner.ts';

/** What clients are told that the frontend talks to. */
const PRODUCT = 'buildkit';
/** Where BuildKit's frontends find what they were made of. */
const METADATA = '/run/config/buildkit/metadata/frontend.bin';
/** The end of what a frontend said on stderr, for the message when it fails: bytes. */
const STDERR_BYTES = 4 << 10;

const CAPS_LABEL = 'moby.buildkit.frontend.caps';
const NO_NETWORK_LABEL = 'moby.buildkit.frontend.network.none';

/** Runs the frontend image that `source` names. */
export async function solveGateway(build: Build, request: FrontendRequest, frontends: Frontends): Promise<FrontendOutcome> {
  if (request.attributes['gateway-devel'] !== undefined)
    throw new RpcError('invalidArgument', 'development gateway is no longer supported');
  const source = request.attributes['source'] ?? '';
  if (source === '') throw new RpcError('invalidArgument', 'no source specified for gateway');
  if (isOwnFrontend(source)) {
    const { source: _, ...attributes } = request.attributes;
    return frontends.solve(build, { ...request, frontend: 'dockerfile.v0', attributes, depth: request.depth + 1 });
  }
  return runFrontend(build, request, frontends, await findFrontend(build, request, source));
}

/** The program of a frontend. */
interface FrontendImage {
  readonly name: string;
  readonly edge: GraphEdge;
  readonly config: ImageConfig['config'];
}

async function findFrontend(build: Build, request: FrontendRequest, source: string): Promise<FrontendImage> {
  const { engine, host } = build;
  const platform = host.backend.worker.platforms[0] as Platform;
  const { canonical } = engine.parseReference(source);
  const wanted = encodeSource({ kind: 'image', ref: canonical, platform, resolveMode: 'default' });
  const { identifier } = await build.admit(wanted, platform, request.policies);
  if (!identifier.startsWith('docker-image://'))
    throw new RpcError('failedPrecondition', `a policy replaces the frontend ${source} by ${identifier}, which is no image`);
  const ref = identifier.slice('docker-image://'.length);
  const image = await engine.resolveImage(ref, platform, 'default', `resolve image config for ${identifier}`);
  request.node.addImage({ ref, platform, digest: image.digest, local: false });
  const pinned = image.digest === undefined || ref.includes('@') ? ref : `${ref}@${image.digest}`;
  const edge = await build.sourceEdge(
    { kind: 'image', ref: pinned, platform, resolveMode: 'default' },
    `docker-image://${pinned}`,
    request.policies,
  );
  return { name: source, edge, config: image.config.config };
}

async function runFrontend(
  build: Build,
  request: FrontendRequest,
  frontends: Frontends,
  { name, edge, config }: FrontendImage,
): Promise<FrontendOutcome> {
  const { labels, args, cwd } = programOf(config);
  const asked = `${request.attributes['frontend.caps'] ?? ''}${Object.keys(request.inputs).length > 0 ? ',moby.buildkit.frontend.inputs' : ''}`;
  const { refusal } = checkCaps(asked, (labels[CAPS_LABEL] ?? '').split(','));
  if (refusal !== undefined) throw refusal;
  await using bridge = new Bridge(build, frontends, request.inputs, request.depth, request.node);
  const giveUp = (): void => bridge.fail(build.signal.reason);
  build.signal.addEventListener('abort', giveUp, { once: true });
  try {
    await using container = await build.engine.container(
      `frontend ${name}`,
      {
        mounts: [{ type: 'bind', input: 0, selector: '', dest: '/', output: -1, readonly: false }],
        network: /^(1|t|true)$/i.test(labels[NO_NETWORK_LABEL] ?? '') ? 'none' : 'default',
        files: [{ path: METADATA, data: toBinary(DefinitionSchema, encodeDefinition(edge)) }],
      },
      [edge],
    );
    const process = await container.start({ args, env: environment(build, request, config), cwd, user: '', security: 'sandbox' });
    using _served = serveOnStreams(bridge, process.stdin, process.stdout);
    await waitFor(process, bridge, name);
    return await bridge.returned;
  } finally {
    build.signal.removeEventListener('abort', giveUp);
  }
}

/** A frontend that wants to be kept from the network is not run with it. */
function startFailure(error: unknown, name: string): Error {
  if (!isSlipwayError(error, 'NETWORK_UNSUPPORTED')) return error as Error;
  return new SlipwayError(error.code, `the frontend ${name} wants to run without network: ${error.message}`, {
    cause: error,
    hint: `give the container CAP_SYS_ADMIN, or use an image of the frontend without the label ${NO_NETWORK_LABEL}`,
  });
}

function programOf(config: ImageConfig['config']): {
  readonly labels: Readonly<Record<string, string>>;
  readonly args: readonly string[];
  readonly cwd: string;
} {
  const { Entrypoint, WorkingDir = '', Labels } = config ?? {};
  return {
    labels: Labels ?? {},
    args: Entrypoint === undefined || Entrypoint === null || Entrypoint.length === 0 ? ['/run'] : Entrypoint,
    cwd: WorkingDir === '' ? '/' : WorkingDir,
  };
}

/** What frontends read their request from. */
function environment(build: Build, { attributes }: FrontendRequest, config: ImageConfig['config']): readonly string[] {
  const { worker } = build.host.backend;
  const { buildkitVersion } = workerRecord(build.host.backend);
  const workers = [
    { id: worker.id, labels: worker.labels, platforms: worker.platforms.map(platformDocument), gcPolicy: null, buildkitVersion },
  ];
  return [
    ...(config?.Env ?? []),
    ...Object.entries(attributes).map(([key, value], index) => `BUILDKIT_FRONTEND_OPT_${index}=${key}=${value}`),
    `BUILDKIT_SESSION_ID=${build.request.session}`,
    `BUILDKIT_WORKERS=${JSON.stringify(workers)}`,
    `BUILDKIT_EXPORTEDPRODUCT=${PRODUCT}`,
  ];
}

/** Until the frontend is over. An answer that it gave counts only when it ended well; the error that it gave counts in any case. */
async function waitFor(process: ContainerProcess, bridge: Bridge, name: string): Promise<void> {
  let said = Buffer.alloc(0);
  process.stderr.on('data', (chunk: Buffer) => (said = Buffer.concat([said, chunk]).subarray(-STDERR_BYTES)));
  let given: { readonly error: Error } | undefined;
  bridge.returned.catch((error: unknown) => (given = { error: error as Error }));
  const code = await process.ended.catch((error: unknown) => {
    throw given?.error ?? startFailure(error, name);
  });
  if (given !== undefined) throw given.error;
  if (bridge.isDone && code === 0) return;
  const tail = said.toString().trim();
  const problem = code === 0 ? 'ended without an answer' : `ended with exit code ${code}`;
  const hint = 'the image after "# syntax=" (or of gateway.v0) must be a BuildKit frontend that runs on this machine';
  throw new SlipwayError('FRONTEND_FAILED', `frontend ${name} ${problem}${tail === '' ? '' : `: ${tail}`}`, { hint });
}
