// An LLB Definition that a client sent, as vertices of our graph. The definition is checked as it is read: inputs exist, there is no cycle
// (an op can only name digests, but malformed ones are refused all the same), indexes are in range.

import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { fromBinary } from '@bufbuild/protobuf';
import { type BytePath, type SourceLocation, toBytePath } from '../../base/index.ts';
import type { DiffSpec, ExecSpec, FileAction, FileSpec, GraphEdge, MergeSpec, OpSpec, Owner, SourceSpec, VertexAbout } from '../engine.ts';
import { CONTENT_CACHE, MOUNT_TYPE, NET_MODE, nameOf, SECURITY_MODE, SHARING } from '../enums.ts';
import {
  type BuildOp,
  type ChownOpt,
  type Definition,
  type ExecOp,
  type FileAction as PbFileAction,
  type Mount,
  type Op,
  type OpMetadata,
  OpSchema,
  type SourceOp,
  type UserOpt,
} from '../gen/llb_pb.ts';
import { RpcError } from '../wire/rpc-error.ts';
import { decodePlatform, decodeSource } from './source-id.ts';

/** No output: LLB's index for nothing there. */
type Edge = GraphEdge | undefined;

/** What decoding needs from its surroundings. */
export interface DecodeContext {
  /** Makes a vertex, or gives the one that does the same work. */
  edge(op: OpSpec, inputs: readonly GraphEdge[], platform: GraphEdge['vertex']['platform'], about: VertexAbout): GraphEdge;
  /** Platform of an op that names none. */
  readonly platform: GraphEdge['vertex']['platform'];
  /** Source policies: allows, replaces or denies (throws) a source. */
  policy?(source: SourceOp, platform: GraphEdge['vertex']['platform']): Promise<SourceOp>;
  /** The definition that a build op finds in a file of its input. */
  nested(input: Edge, filename: string): Promise<Definition>;
  /** Told of each op's digest in the definition, and what became of it. */
  onVertex?(digest: string, edge: Edge, metadata: OpMetadata | undefined): void;
}

const MAX_OPS = 100_000;
const MAX_NESTING = 16;
/** Of a name that is made of other names, characters: steps that name each other twice would double it each time. */
const MAX_NAME = 4096;
/** Ops that are read before others get their turn. */
const OPS_AT_A_TIME = 500;
/** What Linux gives to a process as arguments and variables at most, bytes, whatever its limits (`execve(2)`): no step needs more. */
const MAX_ARGUMENT_BYTES = 6 << 20;
/** Mounts of one step, trees of one merge. */
const MAX_MOUNTS = 10_000;
/** Of one file op. */
const MAX_ACTIONS = 50_000;

function refuse(message: string): RpcError {
  return new RpcError('invalidArgument', message);
}

/** The output that the definition describes; undefined: the empty file system. */
export async function decodeDefinition(definition: Definition, context: DecodeContext, nesting = 0): Promise<Edge> {
  if (definition.def.length === 0) return undefined;
  if (definition.def.length > MAX_OPS) throw refuse(`a definition of ${definition.def.length} ops is too large`);
  if (nesting > MAX_NESTING) throw refuse('build ops are nested too deeply');
  return new Decoder(definition, context, nesting).decode();
}

class Decoder {
  readonly #definition: Definition;
  readonly #context: DecodeContext;
  readonly #nesting: number;
  readonly #ops = new Map<string, Op>();
  #last = '';
  #turns = 0;
  /** Outputs of each decoded op. */
  readonly #outputs = new Map<string, (index: number) => Edge>();

  constructor(definition: Definition, context: DecodeContext, nesting: number) {
    this.#definition = definition;
    this.#context = context;
    this.#nesting = nesting;
  }

  async #parse(): Promise<void> {
    for (const bytes of this.#definition.def) {
      await this.#turn();
      this.#last = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
      try {
        this.#ops.set(this.#last, fromBinary(OpSchema, bytes));
      } catch (error) {
        throw new RpcError('invalidArgument', 'failed to parse llb proto op', [], { cause: error });
      }
    }
  }

  /** Now and then others have their turn: a definition may have as many ops as fit into a message. */
  async #turn(): Promise<void> {
    if ((this.#turns += 1) % OPS_AT_A_TIME === 0) await setImmediate();
  }

  async decode(): Promise<Edge> {
    await this.#parse();
    const last = this.#ops.get(this.#last) as Op;
    const input = last.inputs[0];
    if (last.op.case !== undefined || input === undefined || last.inputs.length !== 1)
      throw refuse('the definition does not end with its result');
    // Iterative: a chain of a hundred thousand steps must not end the stack.
    const stack = [input.digest];
    const open = new Set<string>();
    while (stack.length > 0) {
      const digest = stack.at(-1) as string;
      if (this.#outputs.has(digest)) {
        stack.pop();
        continue;
      }
      const op = this.#ops.get(digest);
      if (op === undefined) throw refuse(`invalid missing input digest ${digest}`);
      const before = stack.length;
      for (const one of op.inputs) if (!this.#outputs.has(one.digest)) stack.push(one.digest);
      if (stack.length > before) {
        if (open.has(digest)) throw refuse(`op ${digest} needs itself`);
        open.add(digest);
        continue;
      }
      await this.#turn();
      this.#outputs.set(digest, await this.#vertex(digest, op));
      stack.pop();
    }
    await this.#readSources();
    return this.#output(input.digest, input.index);
  }

  async #readSources(): Promise<void> {
    for (const { filename, data, definition } of this.#definition.source?.infos ?? []) {
      if (definition === undefined || definition.def.length === 0) continue;
      const edge = await decodeDefinition(definition, this.#context, this.#nesting + 1);
      if (edge !== undefined) definitions.set(sourceText(filename, data), edge);
    }
  }

  #output(digest: string, index: bigint): Edge {
    if (index < 0n || index > 10_000n) throw refuse(`invalid output index ${index}`);
    return (this.#outputs.get(digest) as (index: number) => Edge)(Number(index));
  }

  async #vertex(digest: string, op: Op): Promise<(index: number) => Edge> {
    const inputs = op.inputs.map((input) => this.#output(input.digest, input.index));
    const metadata = this.#definition.metadata[digest];
    const platform = op.platform === undefined || op.platform.os === '' ? this.#context.platform : decodePlatform(op.platform);
    const make = (spec: OpSpec, from: readonly GraphEdge[]): ((index: number) => Edge) => {
      const outputs = countOutputs(spec);
      const edge = this.#context.edge(spec, from, platform, this.#about(digest, op, metadata, from));
      this.#context.onVertex?.(digest, edge, metadata);
      return (index) => {
        if (index >= outputs) throw refuse(`invalid output index ${index}`);
        return { vertex: edge.vertex, output: index };
      };
    };
    const at = (index: bigint): Edge => pick(inputs, index);
    switch (op.op.case) {
      case 'source': {
        const source = (await this.#context.policy?.(op.op.value, platform)) ?? op.op.value;
        return make({ type: 'source', source: decodeSource(source, platform) } satisfies SourceSpec, []);
      }
      case 'exec': {
        const { edges, index } = compact(inputs);
        return make(decodeExec(op.op.value, index, metadata), edges);
      }
      case 'file': {
        const { edges, index } = compact(inputs);
        if (op.op.value.actions.length > MAX_ACTIONS)
          throw refuse(`a file op of ${op.op.value.actions.length} actions, more than ${MAX_ACTIONS}`);
        return make(
          {
            type: 'file',
            actions: op.op.value.actions.map((action, done) =>
              decodeAction(action, { inputs: inputs.length, edges: edges.length, done }, index),
            ),
          } satisfies FileSpec,
          edges,
        );
      }
      case 'merge': {
        const merged = op.op.value.inputs.flatMap(({ input }) => at(input) ?? []);
        if (merged.length < 2) return () => merged[0];
        if (merged.length > MAX_MOUNTS) throw refuse(`a merge of ${merged.length} trees, more than ${MAX_MOUNTS}`);
        return make({ type: 'merge' } satisfies MergeSpec, merged);
      }
      case 'diff': {
        const lower = op.op.value.lower === undefined ? undefined : at(op.op.value.lower.input);
        const upper = op.op.value.upper === undefined ? undefined : at(op.op.value.upper.input);
        if (upper === undefined || lower === undefined) return () => upper;
        return make({ type: 'diff' } satisfies DiffSpec, [lower, upper]);
      }
      case 'build': {
        const edge = await this.#build(op.op.value, inputs);
        return (index) => (index === 0 ? edge : undefined);
      }
      case 'passthrough': {
        const { outputs } = op.op.value;
        return (index) => {
          const input = outputs[index];
          if (input === undefined) throw refuse(`passthrough has no output ${index}`);
          return at(input);
        };
      }
      default:
        throw refuse(`op ${digest} has no operation that is known`);
    }
  }

  async #build(op: BuildOp, inputs: readonly Edge[]): Promise<Edge> {
    if (op.builder !== -1n) throw new RpcError('unimplemented', 'build ops with a builder of their own are not supported');
    let definition = op.def;
    if (definition === undefined || definition.def.length === 0) {
      const input = op.inputs['buildkit.llb.definition'];
      if (input === undefined) throw refuse('no definition input for a build op');
      definition = await this.#context.nested(pick(inputs, input.input), op.attrs['llbbuild.filename'] ?? 'buildkit.llb.definition');
    }
    return decodeDefinition(definition, this.#context, this.#nesting + 1);
  }

  #about(digest: string, op: Op, metadata: OpMetadata | undefined, inputs: readonly GraphEdge[]): VertexAbout {
    const custom = metadata?.description['llb.customname'];
    const location = this.#location(digest);
    const instruction = metadata?.description['com.docker.dockerfile.v1.command'];
    return {
      name: custom ?? defaultName(op, inputs),
      ...(instruction !== undefined && { instruction }),
      ...(location !== undefined && { location }),
      ...(metadata?.ignoreCache === true && { ignoreCache: true }),
    };
  }

  #location(digest: string): SourceLocation | undefined {
    const location = this.#definition.source?.locations[digest]?.locations[0];
    const range = location?.ranges[0];
    const info = location === undefined ? undefined : this.#definition.source?.infos[location.sourceIndex];
    if (range?.start === undefined || info === undefined) return undefined;
    const last = location?.ranges.at(-1)?.end ?? range.start;
    return {
      source: sourceText(info.filename, info.data),
      range: {
        start: { line: range.start.line, column: range.start.character },
        // Clients name whole lines, the last one included.
        end: { line: last.line, column: last.line > range.start.line ? Math.max(1, last.character) : last.character },
      },
    };
  }
}

/** What a Dockerfile of a client was read from, as its definition says. */
const definitions = new WeakMap<SourceLocation['source'], GraphEdge>();

export function sourceDefinition(source: SourceLocation['source']): GraphEdge | undefined {
  return definitions.get(source);
}

const texts = new WeakMap<Uint8Array, SourceLocation['source']>();

function sourceText(filename: string, data: Uint8Array): SourceLocation['source'] {
  let text = texts.get(data);
  if (text === undefined) {
    text = { filename, text: Buffer.from(data).toString() };
    texts.set(data, text);
  }
  return text;
}

/** Leaves out empty inputs: our vertices have only real ones. `index` maps the old numbers. */
function compact(inputs: readonly Edge[]): { readonly edges: readonly GraphEdge[]; readonly index: (old: bigint) => number } {
  const edges: GraphEdge[] = [];
  const places = inputs.map((edge) => (edge === undefined ? -1 : edges.push(edge) - 1));
  return {
    edges,
    index: (old) => {
      if (old === -1n) return -1;
      const place = places[Number(old)];
      if (old < 0n || place === undefined) throw refuse(`invalid input index ${old}`);
      return place;
    },
  };
}

/** How many outputs an op has. Throws when their numbers are not those from 0 up, each once. */
function countOutputs(spec: OpSpec): number {
  if (spec.type !== 'file' && spec.type !== 'exec') return 1;
  const places = spec.type === 'file' ? spec.actions : spec.mounts;
  const numbers = new Set(places.map(({ output }) => output).filter((output) => output !== -1));
  for (const number of numbers)
    if (!Number.isInteger(number) || number < 0 || number >= numbers.size) throw refuse(`invalid output ${number}`);
  if (numbers.size === 0 && spec.type === 'file') throw refuse('a file op without output');
  return numbers.size;
}

/** A path of a client; it may be relative, and lead up: whoever uses it keeps it inside. */
function decodePath(text: string): BytePath {
  if (text.includes('\0')) throw refuse(`a path with a zero byte: ${JSON.stringify(text)}`);
  return toBytePath(text);
}

function pick(inputs: readonly Edge[], index: bigint): Edge {
  if (index === -1n) return undefined;
  if (index < 0n || index >= BigInt(inputs.length)) throw refuse(`invalid input index ${index}`);
  return inputs[Number(index)];
}

function decodeExec(op: ExecOp, index: (old: bigint) => number, metadata: OpMetadata | undefined): ExecSpec {
  const { meta } = op;
  if (meta === undefined || meta.args.length === 0) throw refuse('exec without arguments');
  if (op.mounts.length === 0) throw refuse('exec without mounts');
  if (op.mounts.length > MAX_MOUNTS) throw refuse(`exec with ${op.mounts.length} mounts, more than ${MAX_MOUNTS}`);
  if (argumentBytes(meta) > MAX_ARGUMENT_BYTES) throw refuse('exec with more arguments and variables than Linux gives to a process');
  if (op.mounts.filter(({ dest }) => dest === '/').length > 1) throw refuse('exec with more than one mount at /');
  const proxies = proxyEnv(meta.proxyEnv);
  const resources = metadata?.linuxResources;
  return {
    type: 'exec',
    args: meta.args,
    env: meta.env,
    cwd: meta.cwd === '' ? '/' : meta.cwd,
    user: meta.user,
    network: op.network === NET_MODE.host ? 'host' : op.network === NET_MODE.none ? 'none' : 'default',
    security: op.security === SECURITY_MODE.insecure ? 'insecure' : 'sandbox',
    mounts: [...op.mounts.filter((mount) => mount.dest === '/'), ...op.mounts.filter((mount) => mount.dest !== '/')].map((mount) =>
      decodeMount(mount, index),
    ),
    ...(proxies !== undefined && { proxyEnv: proxies }),
    ...(meta.hostname !== '' && { hostname: meta.hostname }),
    ...(meta.extraHosts.length > 0 && { extraHosts: meta.extraHosts.map(({ host, ip }) => ({ host, ip })) }),
    ...(meta.ulimit.length > 0 && {
      ulimits: meta.ulimit.map(({ name, soft, hard }) => ({ name, soft: Number(soft), hard: Number(hard) })),
    }),
    ...(meta.cgroupParent !== '' && { cgroupParent: meta.cgroupParent }),
    ...(op.cdiDevices.length > 0 && { devices: op.cdiDevices.map(({ name, optional }) => ({ name, optional })) }),
    ...(meta.validExitCodes.length > 0 && { validExitCodes: meta.validExitCodes }),
    ...(op.secretenv.length > 0 && { secretEnv: op.secretenv.map(({ id, name, optional }) => ({ id, name, optional })) }),
    ...(resources !== undefined && {
      resources: {
        ...(resources.memory !== 0n && { memory: Number(resources.memory) }),
        ...(resources.memorySwap !== 0n && { memorySwap: Number(resources.memorySwap) }),
        ...(resources.cpuShares !== 0n && { cpuShares: Number(resources.cpuShares) }),
        ...(resources.cpuPeriod !== 0n && { cpuPeriod: Number(resources.cpuPeriod) }),
        ...(resources.cpuQuota !== 0n && { cpuQuota: Number(resources.cpuQuota) }),
        ...(resources.cpusetCpus !== '' && { cpusetCpus: resources.cpusetCpus }),
        ...(resources.cpusetMems !== '' && { cpusetMems: resources.cpusetMems }),
      },
    }),
  };
}

/** What the kernel counts: each text with its end, and where it is. */
function argumentBytes({ args, env }: { readonly args: readonly string[]; readonly env: readonly string[] }): number {
  let bytes = 0;
  for (const texts of [args, env]) for (const text of texts) bytes += Buffer.byteLength(text) + 1 + 8;
  return bytes;
}

function proxyEnv(
  proxy: { httpProxy: string; httpsProxy: string; ftpProxy: string; noProxy: string; allProxy: string } | undefined,
): Record<string, string> | undefined {
  if (proxy === undefined) return undefined;
  const env: Record<string, string> = {};
  for (const [name, value] of [
    ['HTTP_PROXY', proxy.httpProxy],
    ['HTTPS_PROXY', proxy.httpsProxy],
    ['FTP_PROXY', proxy.ftpProxy],
    ['NO_PROXY', proxy.noProxy],
    ['ALL_PROXY', proxy.allProxy],
  ] as const) {
    if (value === '') continue;
    env[name] = value;
    env[name.toLowerCase()] = value;
  }
  return Object.keys(env).length === 0 ? undefined : env;
}

/** A mount; `index` maps numbers of inputs. Throws InvalidArgument. */
export function decodeMount(mount: Mount, index: (old: bigint) => number): ExecSpec['mounts'][number] {
  const type = nameOf(MOUNT_TYPE, mount.mountType);
  if (type === undefined) throw refuse(`unknown mount type ${mount.mountType}`);
  if (!mount.dest.startsWith('/') || mount.dest.includes('\0'))
    throw refuse(`mount destination ${JSON.stringify(mount.dest)} is not absolute`);
  const sharing = nameOf(SHARING, mount.cacheOpt?.sharing ?? 0);
  if (sharing === undefined) throw refuse(`unknown cache sharing ${mount.cacheOpt?.sharing}`);
  return {
    type,
    input: index(mount.input),
    selector: decodePath(mount.selector),
    dest: mount.dest,
    output: Number(mount.output),
    readonly: mount.readonly,
    ...(type === 'cache' && { cache: { id: mount.cacheOpt?.id ?? '', sharing } }),
    ...(type === 'tmpfs' && {
      tmpfs: mount.tmpfsOpt === undefined || mount.tmpfsOpt.size === 0n ? {} : { size: Number(mount.tmpfsOpt.size) },
    }),
    ...(type === 'secret' && { secret: owned(mount.secretOpt, 0o400) }),
    ...(type === 'ssh' && { ssh: owned(mount.sshOpt, 0o600) }),
    ...(mount.contentCache === CONTENT_CACHE.on && { contentCache: 'on' as const }),
    ...(mount.contentCache === CONTENT_CACHE.off && { contentCache: 'off' as const }),
  };
}

function owned(
  option: { id: string; uid: number; gid: number; mode: number; optional: boolean } | undefined,
  mode: number,
): { id: string; uid: number; gid: number; mode: number; optional: boolean } {
  if (option === undefined) return { id: 'default', uid: 0, gid: 0, mode, optional: false };
  return { id: option.id, uid: option.uid, gid: option.gid, mode: option.mode & 0o777, optional: option.optional };
}

/** What numbers of a file action may mean: inputs of the op, of which `edges` remain, then the results of the actions `done` before. */
interface ActionPlaces {
  readonly inputs: number;
  readonly edges: number;
  readonly done: number;
}

function decodeAction(action: PbFileAction, { inputs, edges, done }: ActionPlaces, index: (old: bigint) => number): FileAction {
  const place = (old: bigint): number => {
    if (old < BigInt(inputs)) return index(old);
    if (old >= BigInt(inputs + done)) throw refuse(`invalid input index ${old}`);
    return Number(old) - inputs + edges;
  };
  const owner = (chown: ChownOpt | undefined): { readonly owner?: Owner } => {
    const user = decodeUser(chown?.user, place);
    const group = decodeUser(chown?.group, place);
    if (user === undefined && group === undefined) return {};
    return { owner: { ...(user !== undefined && { user }), ...(group !== undefined && { group }) } };
  };
  const base = { input: place(action.input), secondaryInput: place(action.secondaryInput), output: Number(action.output) };
  switch (action.action.case) {
    case 'copy': {
      const copy = action.action.value;
      return {
        ...base,
        action: {
          kind: 'copy',
          src: decodePath(copy.src),
          dest: decodePath(copy.dest),
          ...owner(copy.owner),
          ...(copy.modeStr !== '' ? { mode: copy.modeStr } : copy.mode === -1 ? {} : { mode: copy.mode & 0o7777 }),
          followSymlink: copy.followSymlink,
          dirCopyContents: copy.dirCopyContents,
          attemptUnpack: copy.attemptUnpack,
          createDestPath: copy.createDestPath,
          allowWildcard: copy.allowWildcard,
          allowEmptyWildcard: copy.allowEmptyWildcard,
          ...timestamp(copy.timestamp),
          includePatterns: copy.includePatterns.map(decodePath),
          excludePatterns: copy.excludePatterns.map(decodePath),
          alwaysReplaceExistingDestPaths: copy.alwaysReplaceExistingDestPaths,
          requiredPaths: copy.requiredPaths.map(decodePath),
        },
      };
    }
    case 'mkfile': {
      const file = action.action.value;
      return {
        ...base,
        action: {
          kind: 'mkfile',
          path: decodePath(file.path),
          mode: file.mode & 0o7777,
          data: Buffer.from(file.data).toString('latin1'),
          ...owner(file.owner),
          ...timestamp(file.timestamp),
        },
      };
    }
    case 'mkdir': {
      const dir = action.action.value;
      return {
        ...base,
        action: {
          kind: 'mkdir',
          path: decodePath(dir.path),
          mode: dir.mode & 0o7777,
          makeParents: dir.makeParents,
          ...owner(dir.owner),
          ...timestamp(dir.timestamp),
        },
      };
    }
    case 'rm': {
      const { path, allowNotFound, allowWildcard } = action.action.value;
      return { ...base, action: { kind: 'rm', path: decodePath(path), allowNotFound, allowWildcard } };
    }
    case 'symlink': {
      const link = action.action.value;
      return {
        ...base,
        action: {
          kind: 'symlink',
          path: decodePath(link.newpath),
          target: decodePath(link.oldpath),
          ...owner(link.owner),
          ...timestamp(link.timestamp),
        },
      };
    }
    default:
      throw refuse('a file action that is not known');
  }
}

/** Nanoseconds to seconds; -1 stands for none. */
function timestamp(nanoseconds: bigint): { readonly timestamp?: number } {
  return nanoseconds === -1n ? {} : { timestamp: Number(nanoseconds / 1_000_000_000n) };
}

function decodeUser(
  option: UserOpt | undefined,
  place: (old: bigint) => number,
): { name: string; input: number } | { id: number } | undefined {
  switch (option?.user.case) {
    case 'byId':
      return { id: option.user.value };
    case 'byName':
      return { name: option.user.value.name, input: place(option.user.value.input) };
    default:
      return undefined;
  }
}

function defaultName(op: Op, inputs: readonly GraphEdge[]): string {
  switch (op.op.case) {
    case 'source':
      return op.op.value.identifier;
    case 'exec':
      return op.op.value.meta?.args.join(' ') ?? '';
    case 'file':
      return listed(op.op.value.actions.map(actionName));
    case 'merge':
      return `merge (${listed(inputs.map((input) => input.vertex.about.name))})`;
    case 'diff':
      return `diff ${inputs.map((input) => `(${listed([input.vertex.about.name])})`).join(' -> ')}`;
    default:
      return op.op.case ?? 'unknown';
  }
}

/** Names, as many of them as have room. */
function listed(names: readonly string[]): string {
  let text = '';
  for (const name of names) {
    text += text === '' ? name : `, ${name}`;
    if (text.length > MAX_NAME) return `${text.slice(0, MAX_NAME)}…`;
  }
  return text;
}

function actionName({ action }: PbFileAction): string {
  switch (action.case) {
    case 'copy':
      return `copy ${action.value.src} ${action.value.dest}`;
    case 'symlink':
      return `symlink ${action.value.newpath} -> ${action.value.oldpath}`;
    case undefined:
      return 'unknown';
    default:
      return `${action.case} ${action.value.path}`;
  }
}
