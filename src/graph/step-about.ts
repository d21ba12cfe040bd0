// What people are told about a vertex of a step: worked out when they ask.

import { canonicalJson, digestOf, type SourceLocation, type SourceRange } from '../base/index.ts';
import type { Word } from '../dockerfile/index.ts';
import type { ImageConfig } from '../oci/index.ts';
import type { VariableUse, VertexAbout } from './op-spec.ts';
import type { SeenVariables } from './seen-variables.ts';
import type { Step } from './step.ts';
import { stepName } from './step-name.ts';

/** A text that is put together when somebody asks for it, with what the instruction saw. */
export type LaterText = (seen: SeenVariables) => string;

/** A step's name. Its number is taken, its text is not made yet. */
export class StepName {
  readonly step: Step;
  readonly number: number;
  readonly seen: SeenVariables;
  readonly say: LaterText;
  said: string | undefined;

  constructor(step: Step, number: number, seen: SeenVariables, say: LaterText) {
    this.step = step;
    this.number = number;
    this.seen = seen;
    this.say = say;
    this.said = undefined;
  }

  get text(): string {
    if (this.said === undefined) {
      const { state, command } = this.step;
      const text = this.say(this.seen);
      this.said = stepName(state.steps, this.number, command.onbuild ? `ONBUILD ${text}` : text, state.platform, this.seen.variables);
    }
    return this.said;
  }
}

/** A step's vertex. It keeps what its stage was like when the vertex was made, as far as the answers hang on it. */
export class StepAbout implements VertexAbout {
  readonly step: Step;
  readonly named: StepName | string;
  readonly seen: SeenVariables;
  readonly ignoreCache: boolean;
  /** The words of `sources`. */
  readonly words: readonly Word[] | undefined;

  constructor(step: Step, named: StepName | string, seen: SeenVariables, ignoreCache: boolean, words: readonly Word[] | undefined) {
    this.step = step;
    this.named = named;
    this.seen = seen;
    this.ignoreCache = ignoreCache;
    this.words = words;
  }

  get name(): string {
    return typeof this.named === 'string' ? this.named : this.named.text;
  }

  get stage(): string {
    return this.step.state.name;
  }

  get stageIndex(): number {
    return this.step.state.index;
  }

  get instruction(): string {
    return this.step.text;
  }

  get location(): SourceLocation {
    return this.step.location;
  }

  get ordinal(): number {
    return this.step.ordinal;
  }

  get sources(): readonly SourceRange[] | undefined {
    return this.words?.map(({ range }) => range);
  }

  /** Of a RUN: which of its variables are ARG's. */
  get args(): readonly string[] | undefined {
    return this.hasArgs ? this.seen.declared.args : undefined;
  }

  get defaultArgs(): readonly string[] | undefined {
    return this.hasArgs ? this.seen.declared.defaultArgs : undefined;
  }

  get uses(): readonly VariableUse[] | undefined {
    const { used } = this.step;
    return used === undefined ? undefined : Array.from(used, ([name, value]) => ({ name, value, kind: kindOf(name, value, this.seen) }));
  }

  /** Of a RUN, so that a change is called what it is. */
  get baseConfig(): string | undefined {
    const { baseConfig } = this.step.state;
    return this.step.kind !== 'RUN' || baseConfig === undefined ? undefined : configDigest(baseConfig);
  }

  get hasArgs(): boolean {
    return this.step.kind === 'RUN' && this.seen.args.size > 0;
  }
}

function kindOf(name: string, value: string, { args, buildArgs }: SeenVariables): VariableUse['kind'] {
  if (args.get(name) !== value) return 'env';
  return Object.hasOwn(buildArgs, name) ? 'arg' : 'default';
}

const configDigests = new WeakMap<ImageConfig, string>();

/** Tells configurations apart; computed once for each. */
function configDigest(config: ImageConfig): string {
  let digest = configDigests.get(config);
  if (digest === undefined) configDigests.set(config, (digest = digestOf(canonicalJson(config.config ?? {}))));
  return digest;
}
