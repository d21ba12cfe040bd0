// What people are told about a vertex of a step: worked out when they ask.

import { canonicalJson, digestOf, type SourceLocation, type SourceRange } from '../base/index.ts';
import type { Word } from '../dockerfile/index.ts';
import type { ImageConfig } from '../oci/index.ts';
import type { VariableUse, VertexAbout } from './op-spec.ts';
import type { SeenVariables } from './seen-variables.ts';
import type { Step } from './step.ts';
import { instructionName, stepName } from './step-name.ts';

/** A text about a step that is put together when somebody asks for it. */
export type LaterText = (step: Step) => string;

/** A step's vertex. */
export class StepAbout implements VertexAbout {
  readonly step: Step;
  /** Undefined: what the step is called. */
  readonly ownName: string | undefined;
  readonly ignoreCache: boolean;
  /** The words of `sources`. */
  readonly words: readonly Word[] | undefined;

  constructor(step: Step, ownName: string | undefined, ignoreCache: boolean, words: readonly Word[] | undefined) {
    this.step = step;
    this.ownName = ownName;
    this.ignoreCache = ignoreCache;
    this.words = words;
  }

  get name(): string {
    return this.ownName ?? nameOf(this.step, '');
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
    return this.hasArgs ? this.step.seen.declared.args : undefined;
  }

  get defaultArgs(): readonly string[] | undefined {
    return this.hasArgs ? this.step.seen.declared.defaultArgs : undefined;
  }

  get uses(): readonly VariableUse[] | undefined {
    const { used } = this.step;
    return used === undefined
      ? undefined
      : Array.from(used, ([name, value]) => ({ name, value, kind: kindOf(name, value, this.step.seen) }));
  }

  /** Of a RUN, so that a change is called what it is. */
  get baseConfig(): string | undefined {
    const { baseConfig } = this.step.state;
    return this.step.kind !== 'RUN' || baseConfig === undefined ? undefined : configDigest(baseConfig);
  }

  get hasArgs(): boolean {
    return this.step.kind === 'RUN' && this.step.seen.args.size > 0;
  }
}

/** The vertex of COPY or ADD --link that stacks what was copied. */
export class LinkAbout extends StepAbout {
  override get name(): string {
    return nameOf(this.step, 'LINK ');
  }
}

function nameOf(step: Step, prefix: string): string {
  const { state, onbuild, number, shown, scope } = step;
  const { variables } = step.seen;
  const text = shown === undefined ? instructionName(step.text, variables, scope.dockerfile.escape) : shown(step);
  return stepName(state.steps, number, `${onbuild ? 'ONBUILD ' : ''}${prefix}${text}`, state.platform, variables);
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
