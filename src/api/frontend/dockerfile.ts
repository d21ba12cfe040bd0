// The frontend `dockerfile.v0`: finds the Dockerfile and the context, and makes vertices and image configs of them.

import { lineRanges, type Position, type SourceText } from '../../base/index.ts';
import { isOwnFrontend } from '../../build/parts.ts';
import type { Build, FrontendRequest } from '../control/build.ts';
import type { GraphEdge, GraphOptions, GraphResult, Platform } from '../engine.ts';
import { detail, RpcError } from '../wire/rpc-error.ts';
import { type FrontendOutcome, outcome, Ref } from '../gateway/ref.ts';
import { readAttributes } from './attributes.ts';
import { type OpenContext, openContext } from './context.ts';
import { checkCaps } from './frontend-caps.ts';
import { contextResolver } from './named-contexts.ts';
import { platformDocument } from './platform-document.ts';
import type { Frontends } from './runner.ts';

/** Runs the frontend. */
export async function solveDockerfile(build: Build, request: FrontendRequest, frontends: Frontends): Promise<FrontendOutcome> {
  const { engine } = build;
  const { attributes } = request;
  const caps = checkCaps(attributes['frontend.caps'] ?? '');
  if (caps.refusal !== undefined && !caps.mayForward) throw caps.refusal;
  const options = readAttributes(attributes, (text) => engine.parsePlatform(text));
  const context = await openContext(build, request, options);
  const forwarded = await forward(context.dockerfile, build, request, frontends);
  if (forwarded !== undefined) return forwarded;
  if (caps.refusal !== undefined) throw caps.refusal;
  engine.importCaches([...options.cacheImports, ...request.cacheImports]);
  const buildPlatform = build.host.backend.worker.platforms[0] as Platform;
  const ignore = await context.ignore();
  const graphOptions: GraphOptions = {
    ...options.graph,
    buildPlatform,
    ignore,
    context: context.tree(ignore),
    ...(context.source !== undefined && { contextSource: context.source }),
  };
  const resolver = contextResolver(build, request, options);
  const call = attributes['requestid'];
  if (call !== undefined) return answerCall(build, call, context.dockerfile, graphOptions, resolver.resolver);
  const graph = await engine.graph(context.dockerfile, graphOptions, resolver.resolver, context.dockerfileEdge?.vertex.digest);
  resolver.select(graph);
  selectContext(build, context.localName, graph);
  return graphOutcome(build, graph, options.multiPlatform, context);
}

/** Only what steps read of the context has to travel. */
function selectContext(build: Build, localName: string, graph: GraphResult): void {
  const paths = graph.platforms.map((platform) => platform.contextPaths);
  build.follow(localName, paths.includes(undefined) ? undefined : [...new Set(paths.flatMap((list) => list ?? []))].sort());
}

/** `# syntax=` (or `BUILDKIT_SYNTAX`) names another frontend. `dockerfile.v0` is this one. */
async function forward(
  dockerfile: SourceText,
  build: Build,
  request: FrontendRequest,
  frontends: Frontends,
): Promise<FrontendOutcome | undefined> {
  const { attributes } = request;
  if (attributes['cmdline'] !== undefined) return undefined;
  const wanted = attributes['build-arg:BUILDKIT_SYNTAX'];
  const found =
    wanted === undefined ? build.engine.detectSyntax(dockerfile.text) : { ref: wanted.trim().split(' ')[0] as string, cmdline: wanted };
  if (found === undefined || found.ref === '' || isOwnFrontend(found.ref)) return undefined;
  try {
    return await frontends.solve(build, {
      ...request,
      frontend: 'gateway.v0',
      depth: request.depth + 1,
      attributes: { ...attributes, cmdline: found.cmdline, source: found.ref },
    });
  } catch (error) {
    if (!(error instanceof Error) || (error instanceof RpcError && error.details.some((any) => any.typeUrl.includes('errdefs.Source'))))
      throw error;
    if (!('range' in found))
      throw new RpcError('unknown', `failed with build-arg:BUILDKIT_SYNTAX = ${found.cmdline}: ${error.message}`, [], { cause: error });
    const inner = error instanceof RpcError ? error : undefined;
    throw new RpcError(
      inner?.code ?? 'unknown',
      error.message,
      [...(inner?.details ?? []), sourceOf(dockerfile, found.range.start, found.range.end)],
      { cause: error },
    );
  }
}

function sourceOf(source: SourceText, start: Position, end: Position): ReturnType<typeof detail> {
  return detail('errdefs.Source', {
    info: { filename: source.filename, data: Buffer.from(source.text).toString('base64'), definition: {}, language: 'Dockerfile' },
    ranges: lineRanges({ start, end }),
  });
}

const CALLS = {
  'frontend.outline': 'outline',
  'frontend.targets': 'targets',
  'frontend.lint': 'lint',
  'frontend.subrequests.describe': 'describe',
} as const;

async function answerCall(
  build: Build,
  call: string,
  dockerfile: SourceText,
  options: GraphOptions,
  resolver: Parameters<Build['engine']['call']>[3],
): Promise<FrontendOutcome> {
  if (!Object.hasOwn(CALLS, call)) {
    throw new RpcError('unimplemented', `unsupported request ${call}`, [detail('errdefs.Subrequest', { name: call })]);
  }
  const answer = await build.engine.call(CALLS[call as keyof typeof CALLS], dockerfile, options, resolver);
  const metadata = new Map<string, Uint8Array>([
    ['result.json', Buffer.from(answer.json)],
    ['result.txt', Buffer.from(answer.text)],
    ['version', Buffer.from(answer.version)],
  ]);
  if (answer.statusCode !== undefined) metadata.set('result.statuscode', Buffer.from(String(answer.statusCode)));
  return outcome(new Map([['', undefined]]), true, metadata);
}

function graphOutcome(build: Build, graph: GraphResult, multiPlatform: boolean, context: OpenContext): FrontendOutcome {
  const refs = new Map<string, Ref | undefined>();
  const metadata = new Map<string, Uint8Array>();
  const made = new Map<GraphEdge, Ref>();
  const platforms = graph.platforms.map((one) => {
    const id = build.engine.formatPlatform(one.platform);
    const suffix = multiPlatform ? `/${id}` : '';
    let ref = one.root === undefined ? undefined : made.get(one.root);
    if (ref === undefined && one.root !== undefined) {
      ref = new Ref(one.root);
      made.set(one.root, ref);
    }
    refs.set(multiPlatform ? id : '', ref);
    metadata.set(`containerimage.config${suffix}`, json(one.config));
    if (one.baseConfig !== undefined) metadata.set(`containerimage.base.config${suffix}`, json(one.baseConfig));
    if (one.epoch !== undefined) metadata.set(`source.date.epoch${suffix}`, Buffer.from(String(one.epoch)));
    return { ID: id, Platform: platformDocument(one.platform) };
  });
  metadata.set('refs.platforms', json({ Platforms: platforms }));
  return {
    refs,
    single: !multiPlatform,
    metadata,
    attestations: new Map(),
    graph,
    dockerfile: context.dockerfile,
    ...(context.dockerfileEdge !== undefined && { dockerfileEdge: context.dockerfileEdge }),
  };
}

function json(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}
