// Vertices of our graph as an LLB Definition, so that a client can build on a result of ours (linked bake targets, nested frontends). What
// is written here, `decodeDefinition` reads back as the same vertices.

import { createHash } from 'node:crypto';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { fromBytePath, lineRanges, type SourceText } from '../../base/index.ts';
import type { ExecSpec, FileAction, GraphEdge, GraphVertex, Owner } from '../engine.ts';
import { CONTENT_CACHE, MOUNT_TYPE, NET_MODE, SECURITY_MODE, SHARING } from '../enums.ts';
import {
  type ChownOptSchema,
  type Definition,
  DefinitionSchema,
  type OpMetadataSchema,
  OpSchema,
  type SourceInfoSchema,
} from '../gen/llb_pb.ts';
import { encodePlatform, encodeSource } from './source-id.ts';

type OpInit = MessageInitShape<typeof OpSchema>;
type Action = NonNullable<Extract<NonNullable<OpInit['op']>, { case: 'file' }>['value']['actions']>[number];

/** The definition of an output; undefined: an empty definition, as for the empty file system. */
export function encodeDefinition(edge: GraphEdge | undefined): Definition {
  return edge === undefined ? create(DefinitionSchema, {}) : encodeGraph(edge).definition;
}

/** The definition with the digest of each op in it, inputs before their users, and of its end. */
export function encodeGraph(edge: GraphEdge): {
  readonly definition: Definition;
  readonly digests: ReadonlyMap<GraphVertex, string>;
  readonly last: string;
} {
  const definition = create(DefinitionSchema, {});
  const writer = new Writer(definition);
  const last = writer.finish(edge);
  return { definition, digests: writer.digests, last };
}

/** Whether the work is another one for another platform. */
function hasPlatform({ op }: GraphVertex): boolean {
  return op.type === 'exec' || (op.type === 'source' && (op.source.kind === 'image' || op.source.kind === 'oci-layout'));
}

class Writer {
  readonly #definition: Definition;
  /** LLB digest of each vertex written. */
  readonly digests = new Map<GraphVertex, string>();
  readonly #sources = new Map<SourceText, number>();

  constructor(definition: Definition) {
    this.#definition = definition;
  }

  finish(edge: GraphEdge): string {
    this.#write(edge.vertex);
    return this.#add({ inputs: [{ digest: this.digests.get(edge.vertex) as string, index: BigInt(edge.output) }] });
  }

  /** Inputs before their users; without recursion, a graph may be deep. */
  #write(root: GraphVertex): void {
    const stack = [root];
    while (stack.length > 0) {
      const vertex = stack.at(-1) as GraphVertex;
      const before = stack.length;
      if (!this.digests.has(vertex))
        for (const { vertex: input } of vertex.inputs.toReversed()) if (!this.digests.has(input)) stack.push(input);
      if (stack.length > before) continue;
      stack.pop();
      if (!this.digests.has(vertex)) this.#vertex(vertex);
    }
  }

  #vertex(vertex: GraphVertex): void {
    const digest = this.#add({
      inputs: vertex.inputs.map((input) => ({ digest: this.digests.get(input.vertex) as string, index: BigInt(input.output) })),
      op: encodeOp(vertex),
      ...(hasPlatform(vertex) && { platform: encodePlatform(vertex.platform) }),
      constraints: {},
    });
    this.digests.set(vertex, digest);
    const { about } = vertex;
    const metadata: MessageInitShape<typeof OpMetadataSchema> = {
      ignoreCache: about.ignoreCache ?? false,
      description: {
        'llb.customname': about.name,
        ...(about.instruction !== undefined && { 'com.docker.dockerfile.v1.command': about.instruction }),
      },
      ...(vertex.op.type === 'exec' && vertex.op.resources !== undefined && { linuxResources: encodeResources(vertex.op.resources) }),
    };
    this.#definition.metadata[digest] = create(DefinitionSchema, { metadata: { '': metadata } }).metadata[
      ''
    ] as Definition['metadata'][string];
    if (about.location !== undefined) this.#locate(digest, about.location);
  }

  #locate(digest: string, location: NonNullable<GraphVertex['about']['location']>): void {
    const source = (this.#definition.source ??= create(DefinitionSchema, { source: {} }).source as NonNullable<Definition['source']>);
    let index = this.#sources.get(location.source);
    if (index === undefined) {
      const info: MessageInitShape<typeof SourceInfoSchema> = {
        filename: location.source.filename,
        data: Buffer.from(location.source.text),
        language: 'Dockerfile',
      };
      index = source.infos.length;
      source.infos.push(create(DefinitionSchema, { source: { infos: [info] } }).source?.infos[0] as (typeof source.infos)[number]);
      this.#sources.set(location.source, index);
    }
    source.locations[digest] = create(DefinitionSchema, {
      source: {
        locations: {
          '': {
            locations: [
              {
                sourceIndex: index,
                ranges: lineRanges(location.range),
              },
            ],
          },
        },
      },
    }).source?.locations[''] as (typeof source.locations)[string];
  }

  #add(op: OpInit): string {
    const bytes = opBytes(op);
    this.#definition.def.push(bytes);
    return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  }
}

/**
 * An op with its fields in the order in which Go writes them, what it does at the end. Debuggers read an op from the details of an error, write
 * it themselves, and look for the digest of that in the definition.
 */
function opBytes(op: OpInit): Uint8Array {
  const others = create(OpSchema, op);
  const work = create(OpSchema, { op: others.op });
  others.op = { case: undefined };
  return Buffer.concat([toBinary(OpSchema, others), toBinary(OpSchema, work)]);
}

function encodeOp(vertex: GraphVertex): NonNullable<OpInit['op']> {
  const { op } = vertex;
  switch (op.type) {
    case 'source':
      return { case: 'source', value: encodeSource(op.source) };
    case 'exec':
      return { case: 'exec', value: encodeExec(op) };
    case 'file':
      return { case: 'file', value: { actions: op.actions.map(encodeAction) } };
    case 'merge':
      return { case: 'merge', value: { inputs: vertex.inputs.map((_, input) => ({ input: BigInt(input) })) } };
    case 'pass':
      return { case: 'passthrough', value: { id: 'pass', outputs: [BigInt(op.of)] } };
    case 'diff':
      return { case: 'diff', value: { lower: { input: BigInt(op.lower ?? 0) }, upper: { input: BigInt(op.upper ?? 1) } } };
  }
}

function encodeExec(op: ExecSpec): Extract<NonNullable<OpInit['op']>, { case: 'exec' }>['value'] {
  const proxy = (name: string): string => op.proxyEnv?.[name] ?? op.proxyEnv?.[name.toLowerCase()] ?? '';
  return {
    meta: {
      args: [...op.args],
      env: [...op.env],
      cwd: op.cwd,
      user: op.user,
      hostname: op.hostname ?? '',
      extraHosts: (op.extraHosts ?? []).map(({ host, ip }) => ({ host, ip })),
      ulimit: (op.ulimits ?? []).map(({ name, soft, hard }) => ({ name, soft: BigInt(soft), hard: BigInt(hard) })),
      cgroupParent: op.cgroupParent ?? '',
      validExitCodes: [...(op.validExitCodes ?? [])],
      removeMountStubsRecursive: true,
      ...(op.proxyEnv !== undefined && {
        proxyEnv: {
          httpProxy: proxy('HTTP_PROXY'),
          httpsProxy: proxy('HTTPS_PROXY'),
          ftpProxy: proxy('FTP_PROXY'),
          noProxy: proxy('NO_PROXY'),
          allProxy: proxy('ALL_PROXY'),
        },
      }),
    },
    network: op.network === 'host' ? NET_MODE.host : op.network === 'none' ? NET_MODE.none : NET_MODE.unset,
    security: op.security === 'insecure' ? SECURITY_MODE.insecure : SECURITY_MODE.sandbox,
    secretenv: (op.secretEnv ?? []).map(({ id, name, optional }) => ({ id, name, optional })),
    cdiDevices: (op.devices ?? []).map(({ name, optional }) => ({ name, optional })),
    mounts: op.mounts.map((mount) => ({
      input: BigInt(mount.input),
      selector: fromBytePath(mount.selector),
      dest: mount.dest,
      output: BigInt(mount.output),
      readonly: mount.readonly,
      mountType: MOUNT_TYPE[mount.type],
      ...(mount.tmpfs !== undefined && { tmpfsOpt: { size: BigInt(mount.tmpfs.size ?? 0) } }),
      ...(mount.cache !== undefined && { cacheOpt: { id: mount.cache.id, sharing: SHARING[mount.cache.sharing] } }),
      ...(mount.secret !== undefined && { secretOpt: mount.secret }),
      ...(mount.ssh !== undefined && { sshOpt: mount.ssh }),
      contentCache: mount.contentCache === undefined ? CONTENT_CACHE.default : CONTENT_CACHE[mount.contentCache],
    })),
  };
}

function encodeResources(resources: NonNullable<ExecSpec['resources']>): object {
  return {
    memory: BigInt(resources.memory ?? 0),
    memorySwap: BigInt(resources.memorySwap ?? 0),
    cpuShares: BigInt(resources.cpuShares ?? 0),
    cpuPeriod: BigInt(resources.cpuPeriod ?? 0),
    cpuQuota: BigInt(resources.cpuQuota ?? 0),
    cpusetCpus: resources.cpusetCpus ?? '',
    cpusetMems: resources.cpusetMems ?? '',
  };
}

function encodeAction({ input, secondaryInput, output, action }: FileAction): Action {
  const base = { input: BigInt(input), secondaryInput: BigInt(secondaryInput), output: BigInt(output) };
  switch (action.kind) {
    case 'copy':
      return {
        ...base,
        action: {
          case: 'copy',
          value: {
            src: fromBytePath(action.src),
            dest: fromBytePath(action.dest),
            ...owner(action.owner),
            mode: typeof action.mode === 'number' ? action.mode : -1,
            modeStr: typeof action.mode === 'string' ? action.mode : '',
            followSymlink: action.followSymlink,
            dirCopyContents: action.dirCopyContents,
            attemptUnpack: action.attemptUnpack,
            createDestPath: action.createDestPath,
            allowWildcard: action.allowWildcard,
            allowEmptyWildcard: action.allowEmptyWildcard,
            timestamp: timestamp(action.timestamp),
            includePatterns: action.includePatterns.map(fromBytePath),
            excludePatterns: action.excludePatterns.map(fromBytePath),
            alwaysReplaceExistingDestPaths: action.alwaysReplaceExistingDestPaths,
            requiredPaths: action.requiredPaths.map(fromBytePath),
          },
        },
      };
    case 'mkdir':
      return {
        ...base,
        action: {
          case: 'mkdir',
          value: {
            path: fromBytePath(action.path),
            mode: action.mode,
            makeParents: action.makeParents,
            ...owner(action.owner),
            timestamp: timestamp(action.timestamp),
          },
        },
      };
    case 'mkfile':
      return {
        ...base,
        action: {
          case: 'mkfile',
          value: {
            path: fromBytePath(action.path),
            mode: action.mode,
            data: Buffer.from(action.data, 'latin1'),
            ...owner(action.owner),
            timestamp: timestamp(action.timestamp),
          },
        },
      };
    case 'rm':
      return {
        ...base,
        action: {
          case: 'rm',
          value: { path: fromBytePath(action.path), allowNotFound: action.allowNotFound, allowWildcard: action.allowWildcard },
        },
      };
    case 'symlink':
      return {
        ...base,
        action: {
          case: 'symlink',
          value: {
            newpath: fromBytePath(action.path),
            oldpath: fromBytePath(action.target),
            ...owner(action.owner),
            timestamp: timestamp(action.timestamp),
          },
        },
      };
  }
}

function timestamp(seconds: number | undefined): bigint {
  return seconds === undefined ? -1n : BigInt(seconds) * 1_000_000_000n;
}

type OwnerInit = { readonly owner?: MessageInitShape<typeof ChownOptSchema> };

function owner(value: Owner | undefined): OwnerInit {
  if (value === undefined) return {};
  return {
    owner: {
      ...(value.user !== undefined && { user: user(value.user) }),
      ...(value.group !== undefined && { group: user(value.group) }),
    },
  };
}

function user(value: NonNullable<Owner['user']>): NonNullable<NonNullable<OwnerInit['owner']>['user']> {
  if ('id' in value) return { user: { case: 'byId', value: value.id } };
  return { user: { case: 'byName', value: { name: value.name, input: BigInt(value.input) } } };
}
