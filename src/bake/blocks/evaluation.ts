// Names of Bake files, evaluated when somebody reads them: variables, attributes outside of blocks, functions, attributes of other targets.

import type { SourceLocation } from '../../base/index.ts';
import { evaluate, type Expression, type HclFunction, NULL, object, type Scope, type Step, string, type Value } from '../../hcl/index.ts';
import { at, mistake } from '../mistake.ts';
import { FunctionTable } from './functions.ts';
import type { Instance } from './instance.ts';
import { findInstances } from './instances.ts';
import type { Blocks } from './read-blocks.ts';
import { type Overrides, readVariable, type VariableValue } from './variables.ts';

/** What files are evaluated in. */
export interface EvaluationOptions extends Overrides {
  /** Variables that are built in: nobody overrides them. */
  readonly builtins: ReadonlyMap<string, string>;
  readonly functions: ReadonlyMap<string, HclFunction>;
}

/** All files of a call, evaluated as far as somebody asked. Throws `BAKE_INVALID` and `HCL_INVALID`, at their places. */
export class Evaluation {
  readonly blocks: Blocks;
  readonly #options: EvaluationOptions;
  readonly #functions: FunctionTable;
  readonly #variables = new Map<string, VariableValue | 'open'>();
  #instances: Readonly<Record<'target' | 'group', readonly Instance[]>> | 'open' | undefined;

  constructor(blocks: Blocks, options: EvaluationOptions) {
    this.blocks = blocks;
    this.#options = options;
    this.#functions = new FunctionTable(blocks.functions, options.functions, this);
  }

  /** `locals` hide what has their names: the values of a matrix, the parameters of a function. */
  scope(locals: ReadonlyMap<string, Value> = new Map()): Scope {
    return {
      variable: (name, path, location) => locals.get(name) ?? this.#read(name, path, location),
      function: (name) => this.#functions.get(name),
      variableNames: () => [...locals.keys(), ...this.variableNames()],
      functionNames: () => this.#functions.names(),
    };
  }

  evaluate(expression: Expression, locals?: ReadonlyMap<string, Value>): Value {
    return evaluate(expression, this.scope(locals));
  }

  variableNames(): readonly string[] {
    const { attributes, variables } = this.blocks;
    return [...this.#options.builtins.keys(), ...attributes.keys(), ...variables.keys(), 'target', 'group'];
  }

  /** A variable, or an attribute outside of blocks; undefined: there is none. */
  variable(name: string): VariableValue | undefined {
    const builtin = this.#options.builtins.get(name);
    if (builtin !== undefined) return { value: string(builtin) };
    const known = this.#variables.get(name);
    const attribute = this.blocks.attributes.get(name);
    const block = this.blocks.variables.get(name);
    const location = attribute?.location ?? block?.location;
    if (location === undefined) return undefined;
    if (known === 'open')
      throw mistake(`variable cycle not allowed for ${name}`, { hint: 'give it a value that does not lead back to it', location });
    if (known !== undefined) return known;
    this.#variables.set(name, 'open');
    const read = at(location, () => readVariable({ name, attribute, block }, this.#options, (expression) => this.evaluate(expression)));
    this.#variables.set(name, read);
    return read;
  }

  /** Throws for functions whose result cannot be worked out whatever the parameters are. */
  checkFunctions(): void {
    this.#functions.check();
  }

  /** Targets and groups by their final names, in the order of the files. */
  instances(kind: 'target' | 'group'): readonly Instance[] {
    if (this.#instances === 'open') {
      throw mistake(`a ${kind} cannot be read where names of targets are made`, { hint: 'use variables in name and matrix' });
    }
    if (this.#instances === undefined) {
      this.#instances = 'open';
      this.#instances = {
        target: findInstances(this.blocks.targets, 'target', this),
        group: findInstances(this.blocks.groups, 'group', this),
      };
    }
    return this.#instances[kind];
  }

  #read(name: string, path: readonly Step[], location: SourceLocation): Value | undefined {
    if (name !== 'target' && name !== 'group') return this.variable(name)?.value;
    return at(location, () => this.#readBlocks(name, path, location));
  }

  /** As much of all targets as the path leads to. The steps are taken by who asked, so what leads nowhere is told there. */
  #readBlocks(kind: 'target' | 'group', path: readonly Step[], location: SourceLocation): Value {
    const [name, attribute] = path;
    if (typeof name !== 'string') throw mistake(`cannot access ${kind} as a variable`, { hint: `write ${kind}.NAME.attribute`, location });
    const all = this.instances(kind);
    // Of several blocks of a name the last is read, and only what itself says: so `docker buildx bake` does.
    const instance = all.findLast((one) => one.name === name);
    if (instance === undefined) return object(new Map(all.map((one) => [one.name, NULL])));
    return object([[name, typeof attribute === 'string' ? instance.part(attribute) : instance.whole()]]);
  }
}
