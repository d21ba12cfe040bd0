// Names of blocks, and what a matrix makes of one.

import type { SourceLocation } from '../../base/index.ts';
import { convert, elementsOf, entriesOf, textOf, type Value } from '../../hcl/index.ts';
import { at, mistake } from '../mistake.ts';
import { GROUP_ATTRIBUTES, TARGET_ATTRIBUTES } from './attributes.ts';
import { type Evaluate, Instance } from './instance.ts';
import type { NamedBlock } from './read-blocks.ts';

interface Evaluator {
  readonly evaluate: Evaluate;
}

type Combination = ReadonlyMap<string, Value>;

/** Every block as often as its matrix says. Throws for names that cannot be, or that come twice in a matrix. */
export function findInstances(blocks: readonly NamedBlock[], kind: 'target' | 'group', evaluation: Evaluator): readonly Instance[] {
  const evaluate: Evaluate = (expression, locals) => evaluation.evaluate(expression, locals);
  return blocks.flatMap((block) => {
    checkName(block.name, block.location);
    if (kind === 'group') checkGroup(block);
    const seen = new Set<string>();
    return combinations(block, evaluate).map((locals) => {
      const name = nameOf(block, locals, evaluate);
      if (seen.has(name)) throw twice(block, name);
      seen.add(name);
      return new Instance(name, block, kind, kind === 'group' ? GROUP_ATTRIBUTES : TARGET_ATTRIBUTES, locals, evaluate);
    });
  });
}

function checkGroup({ attributes, name: group, location }: NamedBlock): void {
  if (!attributes.has('targets')) throw mistake(`the group ${group} names no targets`, { hint: 'write targets = [ … ]', location });
  for (const name of ['name', 'matrix']) {
    const attribute = attributes.get(name);
    if (attribute === undefined) continue;
    throw mistake(`${name} is not supported for groups`, {
      hint: 'a matrix of targets makes a group itself',
      location: attribute.location,
    });
  }
}

function checkName(name: string, location: SourceLocation): void {
  if (/^[a-zA-Z0-9_-]+$/.test(name)) return;
  throw mistake(`${JSON.stringify(name)} cannot be a name: only [a-zA-Z0-9_-]+ are allowed`, { hint: nameHint(name), location });
}

function nameHint(name: string): string {
  const clean = name.replace(/[^a-zA-Z0-9_-]+/g, '-');
  return name === '' ? 'write a name' : `write ${JSON.stringify(clean)}; sanitize(…) makes a name of any text`;
}

/** Values for the names of a matrix, in every combination; without one, a single combination of nothing. */
function combinations(block: NamedBlock, evaluate: Evaluate): readonly Combination[] {
  const attribute = block.attributes.get('matrix');
  if (attribute === undefined) return [new Map()];
  const { expression } = attribute;
  const matrix = evaluate(expression, new Map());
  const kind = kindOf(matrix);
  if (matrix.value === null || (kind !== 'map' && kind !== 'object')) {
    throw mistake('matrix must be a map', { hint: 'write matrix = { name = ["a", "b"] }', location: expression.location });
  }
  let all: Combination[] = [new Map()];
  for (const [name, values] of entriesOf(matrix)) {
    if (values.value === null || !['list', 'tuple', 'set'].includes(kindOf(values))) {
      throw mistake(`matrix values must be a list: ${name} is none`, { hint: `write ${name} = [ … ]`, location: expression.location });
    }
    all = elementsOf(values).flatMap((value) => all.map((one) => new Map([...one, [name, value]])));
  }
  return all;
}

function kindOf({ type }: Value): string {
  return typeof type === 'string' ? type : type.kind;
}

function nameOf(block: NamedBlock, locals: Combination, evaluate: Evaluate): string {
  const attribute = block.attributes.get('name');
  if (attribute === undefined) return block.name;
  const { expression, location } = attribute;
  if (!block.attributes.has('matrix'))
    throw mistake('name requires matrix', { hint: 'the name of a target is behind the word target', location });
  const value = at(expression.location, () => convert(evaluate(expression, locals), 'string', expression.location));
  if (value.value === null)
    throw mistake('name is null', { hint: 'write a text that tells the combinations apart', location: expression.location });
  checkName(textOf(value), expression.location);
  return textOf(value);
}

function twice({ attributes, location }: NamedBlock, name: string): Error {
  const named = attributes.get('name');
  return mistake(`duplicate name ${JSON.stringify(name)}`, {
    hint: named === undefined ? 'a matrix needs name = "…", with all of its variables' : 'use all variables of the matrix in the name',
    location: named?.expression.location ?? location,
  });
}
