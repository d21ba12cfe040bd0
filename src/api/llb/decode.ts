// An LLB Definition that a client sent, as vertices of our graph. The definition is checked as it is read: inputs exist, there is no cycle
// (an op can only name digests, but malformed ones are refused all the same), indexes are in range.

import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { fromBinary } from '@bufbuild/protobuf';
import type { SourceLocation } from '../../base/index.ts';
import type { DiffSpec, FileSpec, GraphEdge, MergeSpec, OpSpec, PassSpec, SourceSpec, VertexAbout } from '../engine.ts';
import { type BuildOp, type Definition, type Op, type OpMetadata, OpSchema, type SourceInfo, type SourceOp } from '../gen/llb_pb.ts';
import { LLB_CAPS } from '../caps.ts';
import { RpcError } from '../wire/rpc-error.ts';
import { decodeExec } from './decode-exec.ts';
import { decodeAction } from './decode-file.ts';
import { defaultName } from './op-name.ts';
import { refuse } from './refuse.ts';
import { decodePlatform, decodeSource } from './source-id.ts';
import { notePlaces, noteSource } from './told-sources.ts';

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

/** What ops may say that they need. Those that this server does not know would be done without it, and wrongly. */
const ABILITIES: ReadonlySet<string> = new Set(LLB_CAPS);
const MAX_OPS = 100_000;
const MAX_NESTING = 16;
/** Ops that are read before others get their turn. */
const OPS_AT_A_TIME = 500;
/** Trees of one merge. */
const MAX_MERGED = 10_000;
/** Of one file op. */
const MAX_ACTIONS = 50_000;

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
    for (const info of this.#definition.source?.infos ?? []) {
      if (info.definition === undefined || info.definition.def.length === 0) continue;
      const edge = await decodeDefinition(info.definition, this.#context, this.#nesting + 1);
      if (edge !== undefined) definitions.set(sourceText(info), edge);
    }
  }

  #output(digest: string, index: bigint): Edge {
    if (index < 0n || index > 10_000n) throw refuse(`invalid output index ${index}`);
    return (this.#outputs.get(digest) as (index: number) => Edge)(Number(index));
  }

  async #vertex(digest: string, op: Op): Promise<(index: number) => Edge> {
    const inputs = op.inputs.map((input) => this.#output(input.digest, input.index));
    const metadata = this.#definition.metadata[digest];
    for (const ability of Object.keys(metadata?.caps ?? {})) {
      if (!ABILITIES.has(ability)) throw refuse(`requested feature ${ability} is not supported by this server`);
    }
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
        if (merged.length > MAX_MERGED) throw refuse(`a merge of ${merged.length} trees, more than ${MAX_MERGED}`);
        return make({ type: 'merge' } satisfies MergeSpec, merged);
      }
      case 'diff': {
        const lower = op.op.value.lower === undefined ? undefined : at(op.op.value.lower.input);
        const upper = op.op.value.upper === undefined ? undefined : at(op.op.value.upper.input);
        if (lower === undefined) return () => upper;
        // To nothing at all: everything that was there is gone.
        if (upper === undefined) return make({ type: 'diff', lower: 0, upper: -1 } satisfies DiffSpec, [lower]);
        return make({ type: 'diff' } satisfies DiffSpec, [lower, upper]);
      }
      case 'build': {
        const edge = await this.#build(op.op.value, inputs);
        return (index) => (index === 0 ? edge : undefined);
      }
      case 'passthrough': {
        const { outputs } = op.op.value;
        const { edges, index } = compact(inputs);
        const passed = outputs.map((input) => make({ type: 'pass', of: index(input) } satisfies PassSpec, edges));
        return (output) => {
          const edge = passed[output];
          if (edge === undefined) throw refuse(`passthrough has no output ${output}`);
          return edge(0);
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
    const place: SourceLocation = {
      source: sourceText(info),
      range: {
        start: { line: range.start.line, column: range.start.character },
        // Clients name whole lines, the last one included.
        end: { line: last.line, column: last.line > range.start.line ? Math.max(1, last.character) : last.character },
      },
    };
    notePlaces(place, this.#definition.source?.locations[digest]?.locations ?? [], this.#definition.source?.infos ?? []);
    return place;
  }
}

/** What a Dockerfile of a client was read from, as its definition says. */
const definitions = new WeakMap<SourceLocation['source'], GraphEdge>();

/** What a source file was read from, as the client said; undefined: it did not. */
export function sourceDefinition(source: SourceLocation['source']): GraphEdge | undefined {
  return definitions.get(source);
}

const texts = new WeakMap<Uint8Array, SourceLocation['source']>();

function sourceText(info: SourceInfo): SourceLocation['source'] {
  let text = texts.get(info.data);
  if (text === undefined) {
    text = { filename: info.filename, text: Buffer.from(info.data).toString() };
    texts.set(info.data, text);
    noteSource(text, info);
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

function pick(inputs: readonly Edge[], index: bigint): Edge {
  if (index === -1n) return undefined;
  if (index < 0n || index >= BigInt(inputs.length)) throw refuse(`invalid input index ${index}`);
  return inputs[Number(index)];
}
