// Files of blocks, evaluated: what they define.

import { SlipwayError } from '../../base/index.ts';
import { type Attribute, type Body, convert, type HclFunction, references, textOf, typeName } from '../../hcl/index.ts';
import { type Definitions, mergeByName, type PathBases, type TargetDefinition } from '../definition.ts';
import type { BakeGroup, BakeVariable } from '../target.ts';
import { Evaluation } from './evaluation.ts';
import type { Instance } from './instance.ts';
import { jsonOf } from './json-value.ts';
import { readBlocks, type Warning } from './read-blocks.ts';
import { validateVariable, type VariableValue } from './variables.ts';

export interface BlockOptions {
  readonly builtins: ReadonlyMap<string, string>;
  readonly functions: ReadonlyMap<string, HclFunction>;
  /** Variables of the call: `--var`, then the environment. */
  readonly lookup: (name: string) => string | undefined;
  /** Where relative paths of a file start; undefined: in the working directory, for all files. */
  readonly folderOf: ((filename: string) => string) | undefined;
}

interface Defined extends Definitions {
  readonly variables: readonly BakeVariable[];
  readonly warnings: readonly Warning[];
}

/** Everything is evaluated, whether it will be built or not: a mistake is told before the day on which somebody needs the target. */
export function defineBlocks(bodies: readonly Body[], earlier: Definitions, options: BlockOptions): Defined {
  const blocks = readBlocks(bodies, new Set(options.builtins.keys()));
  const isDefined = (name: string): boolean => blocks.variables.has(name) || options.builtins.has(name);
  const evaluation = new Evaluation(blocks, { ...options, isDefined });
  const variables = describeVariables(evaluation);
  for (const block of blocks.variables.values()) validateVariable(block, (expression) => evaluation.evaluate(expression));
  evaluation.checkFunctions();
  const [targets, groups] = [evaluation.instances('target'), evaluation.instances('group')];
  const errors = new Set<unknown>();
  const failed = (error: unknown): void => void errors.add(error);
  const defined = targets.map((target) => withBases(target.definition(failed) as unknown as TargetDefinition, target, options));
  const named = groups.map((group) => group.definition(failed) as unknown as BakeGroup);
  throwAll([...errors]);
  for (const name of blocks.attributes.keys()) evaluation.variable(name);
  return {
    targets: mergeByName([...earlier.targets, ...defined]),
    groups: [...lastByName([...earlier.groups, ...named]), ...matrixGroups(targets)].map((group) => ({
      ...group,
      targets: group.targets && [...new Set(group.targets)],
    })),
    variables,
    warnings: blocks.warnings,
  };
}

function describeVariables(evaluation: Evaluation): readonly BakeVariable[] {
  const described = [...evaluation.blocks.variables.values()].map(({ name, attributes }): BakeVariable => {
    const { value, type } = evaluation.variable(name) as VariableValue;
    const description = textAt(attributes.get('description'), evaluation);
    return {
      name,
      ...(description === '' ? {} : { description }),
      ...(type === undefined ? {} : { type: typeName(type) }),
      ...(value.value === null ? {} : { value: shown({ value, ...(type === undefined ? {} : { type }) }) }),
    };
  });
  return described.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function textAt(attribute: Attribute | undefined, evaluation: Evaluation): string {
  if (attribute === undefined) return '';
  const value = convert(evaluation.evaluate(attribute.expression), 'string', attribute.expression.location);
  return value.value === null ? '' : textOf(value);
}

/** A text as it is; all else as JSON. */
function shown({ value, type }: VariableValue): string {
  if (type === undefined && value.type === 'string') return textOf(value);
  const json = jsonOf(value, type);
  // What the file says to be text is shown as JSON without its quotes: programs that read the list know its escapes.
  return type === 'string' ? json.replace(/^"+|"+$/g, '') : json;
}

/** A group of one name takes the place of the earlier. */
function lastByName(groups: readonly BakeGroup[]): readonly BakeGroup[] {
  return [...new Map(groups.map((group) => [group.name, group])).values()];
}

/** A matrix leaves a group with the name that its block has. */
function matrixGroups(targets: readonly Instance[]): readonly BakeGroup[] {
  const made = new Map<string, string[]>();
  for (const { name, block } of targets) made.set(block.name, [...(made.get(block.name) ?? []), name]);
  return [...made].filter(([name, names]) => names.some((one) => one !== name)).map(([name, names]) => ({ name, targets: names }));
}

function withBases(target: TargetDefinition, { block }: Instance, { folderOf }: BlockOptions): TargetDefinition {
  if (folderOf === undefined) return target;
  const folder = folderOf(block.location.source.filename);
  const context = block.attributes.get('context');
  const contextOf = context === undefined ? undefined : takenFrom(context);
  const bases: PathBases = {
    folder,
    ...(target.context === undefined ? {} : { context: folder }),
    ...(contextOf === undefined ? {} : { contextOf }),
    contexts: Object.fromEntries(Object.keys(target.contexts ?? {}).map((name) => [name, folder])),
  };
  return { ...target, bases };
}

/** The target whose context this is: where the expression is `target.NAME.context` and nothing else. */
function takenFrom({ expression }: Attribute): string | undefined {
  const [only, ...more] = references(expression).variables;
  if (only === undefined || more.length > 0 || only.name !== 'target') return undefined;
  const [name, attribute, ...rest] = only.path;
  const { start, end } = only.location.range;
  const whole = expression.location.range;
  const alone =
    start.line === whole.start.line &&
    start.column === whole.start.column &&
    end.line === whole.end.line &&
    end.column === whole.end.column;
  return alone && attribute === 'context' && rest.length === 0 && typeof name === 'string' ? name : undefined;
}

/** One error, or all of the first file that has any. */
function throwAll(errors: readonly unknown[]): void {
  const [first] = errors;
  if (first === undefined) return;
  if (!(first instanceof SlipwayError)) throw first instanceof Error ? first : new Error(String(first));
  if (first.location === undefined || errors.length === 1) throw first;
  const { source } = first.location;
  const here = errors.filter((error): error is SlipwayError => error instanceof SlipwayError && error.location?.source === source);
  throw new SlipwayError('BAKE_INVALID', first.message, {
    ...(first.hint === undefined ? {} : { hint: first.hint }),
    location: first.location,
    facts: {
      diagnostics: here.map(({ code, message, hint, location }) => ({
        rule: code,
        severity: 'error',
        message,
        range: (location as NonNullable<typeof location>).range,
        ...(hint === undefined ? {} : { hint }),
      })),
    },
  });
}
