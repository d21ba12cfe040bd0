// SOURCE_DATE_EPOCH: a number, or a source whose own time is meant.

import { SlipwayError } from '../base/index.ts';
import { type AddInstruction, type Dockerfile, expandWord, type Stage } from '../dockerfile/index.ts';
import type { ContextNames } from './contexts.ts';
import type { Environment } from './environment.ts';
import { Fault } from './fault.ts';
import { gitSource, isHttpAddress, parseGitRef } from './git-ref.ts';
import type { GlobalScope } from './global-args.ts';
import type { SourceSpec } from './op-spec.ts';
import type { GraphOptions } from './options.ts';
import type { ImageResolver } from './resolver.ts';
import { SCRATCH } from './stage-state.ts';
import { urlFilename } from './url.ts';

/** The variable's name. */
export const SOURCE_DATE_EPOCH = 'SOURCE_DATE_EPOCH';

/** The latest second that a JavaScript date can have. */
const LATEST = 8.64e12;

interface EpochSurroundings {
  readonly dockerfile: Dockerfile;
  readonly options: GraphOptions;
  readonly resolver: ImageResolver;
  readonly contexts: ContextNames;
  readonly globals: GlobalScope;
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly signal: AbortSignal | undefined;
}

/** Seconds since the epoch, or undefined. Throws for a value that is neither a number nor a source. */
export async function resolveEpoch(around: EpochSurroundings): Promise<number | undefined> {
  const value = around.buildArgs[SOURCE_DATE_EPOCH] ?? around.globals.env.get(SOURCE_DATE_EPOCH) ?? '';
  if (value === '') return undefined;
  if (/^[+-]?[0-9]+$/.test(value) && Math.abs(Number(value)) <= LATEST) return Number(value);
  const source = await epochSource(around, value);
  if (source === undefined || around.resolver.sourceTime === undefined) return undefined;
  return around.resolver.sourceTime(source, { name: `[internal] resolve ${SOURCE_DATE_EPOCH} from ${value}` }, around.signal);
}

async function epochSource(around: EpochSurroundings, value: string): Promise<SourceSpec['source'] | undefined> {
  const { options, dockerfile, contexts } = around;
  if (value === 'context') return options.contextSource ?? sourceOf(options.context);
  const platform = options.platforms?.[0] ?? options.buildPlatform;
  const context = contexts.find(value, platform);
  if (context !== undefined) {
    const name = `[internal] resolve ${SOURCE_DATE_EPOCH} named context ${value}`;
    return sourceOf((await around.resolver.resolveContext(context, platform, { name }, around.signal)).tree);
  }
  const stage = dockerfile.stages.find(({ name }) => name === value.toLowerCase());
  if (stage !== undefined) return stageSource(around, stage);
  throw new SlipwayError('SOURCE_DATE_EPOCH_INVALID', `invalid ${SOURCE_DATE_EPOCH}: ${value}`, {
    hint: 'give seconds since 1970, "context", a named context, or a stage that only fetches one source',
    facts: { value },
  });
}

function sourceOf(tree: GraphOptions['context']): SourceSpec['source'] | undefined {
  return tree !== undefined && 'source' in tree ? tree.source : undefined;
}

/** A stage can lend its time when it is nothing but `FROM scratch` and one remote ADD. */
function stageSource(around: EpochSurroundings, stage: Stage): SourceSpec['source'] {
  const env = around.globals.env.clone();
  env.delete(SOURCE_DATE_EPOCH);
  const refuse = (why: string): Fault => new Fault(why, stage.from.range);
  if (expandIn(around, stage.base.text, env, stage) !== SCRATCH) throw refuse(`${SOURCE_DATE_EPOCH} stage must use FROM scratch`);
  let source: SourceSpec['source'] | undefined;
  for (const instruction of stage.instructions) {
    if (instruction.kind === 'ARG') {
      for (const { name, value } of instruction.args) {
        const given = Object.hasOwn(around.buildArgs, name.text) ? around.buildArgs[name.text] : undefined;
        if (given !== undefined) env.set(name.text, given);
        else if (value !== undefined) env.set(name.text, expandIn(around, value.text, env, stage));
      }
    } else if (instruction.kind === 'ADD') {
      if (source !== undefined) throw refuse(`${SOURCE_DATE_EPOCH} stage must contain exactly one remote ADD`);
      source = addSource(around, instruction, env, stage);
    } else {
      throw refuse(`${SOURCE_DATE_EPOCH} stage does not meet source-only requirements: unsupported ${instruction.kind} instruction`);
    }
  }
  if (source === undefined) throw refuse(`${SOURCE_DATE_EPOCH} stage must contain exactly one remote ADD`);
  return source;
}

function addSource(around: EpochSurroundings, add: AddInstruction, env: Environment, stage: Stage): SourceSpec['source'] {
  const [first] = add.sources;
  if (first === undefined || add.sources.length !== 1 || add.inlineFiles.length > 0) {
    throw new Fault(`${SOURCE_DATE_EPOCH} stage must contain exactly one remote ADD source`, stage.from.range);
  }
  const address = expandIn(around, first.text, env, stage);
  const checksum = add.checksum === undefined ? undefined : expandIn(around, add.checksum.text, env, stage);
  if (isHttpAddress(address)) {
    return { kind: 'http', url: address, filename: urlFilename(address), ...(checksum === undefined ? {} : { checksum }) };
  }
  const ref = parseGitRef(address);
  if (ref === undefined || ref.looksLocal) {
    throw new Fault(`${SOURCE_DATE_EPOCH} stage source must be a single HTTP(S) or Git ADD`, stage.from.range);
  }
  return gitSource(ref, { keepGitDir: add.keepGitDir === true, ...(checksum === undefined ? {} : { checksum }) });
}

function expandIn(around: EpochSurroundings, text: string, env: Environment, stage: Stage): string {
  const expansion = expandWord(text, (name) => env.get(name), { escape: around.dockerfile.escape });
  if (!expansion.ok) throw new Fault(expansion.problem.message, stage.from.range);
  return expansion.value.value;
}

/** The build args and the global scope with the number in place of what was said. */
export function withEpoch(
  buildArgs: Readonly<Record<string, string>>,
  globals: GlobalScope,
  epoch: number | undefined,
): { readonly buildArgs: Readonly<Record<string, string>>; readonly globals: GlobalScope } {
  const args = { ...buildArgs };
  const env = globals.env.clone();
  if (SOURCE_DATE_EPOCH in args) {
    if (epoch === undefined) delete args[SOURCE_DATE_EPOCH];
    else args[SOURCE_DATE_EPOCH] = String(epoch);
  }
  if (env.has(SOURCE_DATE_EPOCH)) {
    if (epoch === undefined) env.delete(SOURCE_DATE_EPOCH);
    else env.set(SOURCE_DATE_EPOCH, String(epoch));
  }
  return { buildArgs: args, globals: { ...globals, env } };
}
