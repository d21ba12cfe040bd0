// Functions that files define, beside those that there are.

import type { SourceLocation } from '../../base/index.ts';
import { type Attribute, type Expression, type HclFunction, itemsOf, keywordOf, references, tuple, type Value } from '../../hcl/index.ts';
import { mistake, nearest } from '../mistake.ts';
import type { NamedBlock } from './read-blocks.ts';

interface Evaluator {
  evaluate(expression: Expression, locals: ReadonlyMap<string, Value>): Value;
  variable(name: string): unknown;
  variableNames(): readonly string[];
}

interface Definition {
  readonly parameters: readonly string[];
  readonly variadic: string | undefined;
  readonly result: Attribute;
}

export class FunctionTable {
  readonly #blocks: ReadonlyMap<string, NamedBlock>;
  readonly #standard: ReadonlyMap<string, HclFunction>;
  readonly #evaluator: Evaluator;
  readonly #made = new Map<string, HclFunction | 'open'>();

  constructor(blocks: ReadonlyMap<string, NamedBlock>, standard: ReadonlyMap<string, HclFunction>, evaluator: Evaluator) {
    this.#blocks = blocks;
    this.#standard = standard;
    this.#evaluator = evaluator;
  }

  /** Those that there are come first: nobody can redefine them. */
  get(name: string): HclFunction | undefined {
    const standard = this.#standard.get(name);
    const block = this.#blocks.get(name);
    if (standard !== undefined || block === undefined) return standard;
    const known = this.#made.get(name);
    if (known === 'open')
      throw mistake(`function cycle not allowed for ${name}`, { hint: 'a function cannot call itself', location: block.location });
    if (known !== undefined) return known;
    this.#made.set(name, 'open');
    const definition = read(block);
    this.#checkResult(definition);
    const made = this.#make(definition);
    this.#made.set(name, made);
    return made;
  }

  names(): readonly string[] {
    return [...this.#standard.keys(), ...this.#blocks.keys()];
  }

  /** All that are defined, whether somebody calls them or not. */
  check(): void {
    for (const name of this.#blocks.keys()) this.get(name);
  }

  /** What a result reads must be there: it would fail with every parameter. */
  #checkResult({ parameters, variadic, result }: Definition): void {
    const own = new Set([...parameters, ...(variadic === undefined ? [] : [variadic])]);
    const { functions, variables } = references(result.expression);
    for (const { name, location } of functions) if (this.get(name) === undefined) throw missing('function', name, this.names(), location);
    for (const { name, location } of variables) {
      if (own.has(name) || name === 'target' || name === 'group' || this.#evaluator.variable(name) !== undefined) continue;
      throw missing('variable', name, [...own, ...this.#evaluator.variableNames()], location);
    }
  }

  #make({ parameters, variadic, result }: Definition): HclFunction {
    return {
      parameters: parameters.map((name) => ({ name, type: 'any' as const })),
      ...(variadic === undefined ? {} : { variadic: { name: variadic, type: 'any' as const } }),
      call: (values) => {
        const locals = new Map(parameters.map((name, index) => [name, values[index] as Value]));
        if (variadic !== undefined) locals.set(variadic, tuple(values.slice(parameters.length)));
        return this.#evaluator.evaluate(result.expression, locals);
      },
    };
  }
}

function missing(what: string, name: string, known: readonly string[], location: SourceLocation): Error {
  const near = nearest(name, known);
  return mistake(`${what} ${JSON.stringify(name)} does not exist`, {
    hint: near === undefined ? `define it, or write another ${what}` : `did you mean ${near}?`,
    location,
  });
}

function read({ name, attributes, location }: NamedBlock): Definition {
  const [params, result] = [attributes.get('params'), attributes.get('result')];
  if (result === undefined) throw mistake(`empty result not allowed for ${name}`, { hint: 'write result = …', location });
  if (params === undefined) throw mistake(`empty params not allowed for ${name}`, { hint: 'write params = [ … ]; [] for none', location });
  const items = itemsOf(params.expression);
  if (items === undefined)
    throw mistake('params must be a list of names', { hint: 'write params = [a, b]', location: params.expression.location });
  const variadic = attributes.get('variadic_params');
  return {
    parameters: items.map(parameterName),
    variadic: variadic === undefined ? undefined : parameterName(variadic.expression),
    result,
  };
}

function parameterName(expression: Expression): string {
  const name = keywordOf(expression);
  if (name === undefined)
    throw mistake('each parameter name must be an identifier', { hint: 'write the name without quotes', location: expression.location });
  return name;
}
