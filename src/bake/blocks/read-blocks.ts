// The blocks of all files, sorted by what they are; and what nobody will read in them.

import type { Diagnostic, SourceLocation, SourceText } from '../../base/index.ts';
import type { Attribute, Block, Body } from '../../hcl/index.ts';
import { mistake, nearHint } from '../mistake.ts';
import { TARGET_ATTRIBUTES } from './attributes.ts';

/** What files say, by name. Of variables, functions and attributes of one name the last counts. */
export interface Blocks {
  readonly targets: readonly NamedBlock[];
  readonly groups: readonly NamedBlock[];
  readonly variables: ReadonlyMap<string, NamedBlock>;
  readonly functions: ReadonlyMap<string, NamedBlock>;
  /** Outside of blocks: variables that nobody overrides. */
  readonly attributes: ReadonlyMap<string, Attribute>;
  readonly warnings: readonly Warning[];
}

export interface Warning {
  readonly diagnostic: Diagnostic;
  readonly source: SourceText;
}

/** A block with its one label. */
export interface NamedBlock {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, Attribute>;
  readonly blocks: readonly Block[];
  /** Of its first line. */
  readonly location: SourceLocation;
}

/** Kinds of blocks, and what is read in each. */
const KNOWN: Readonly<Record<string, readonly string[]>> = {
  target: [...TARGET_ATTRIBUTES, 'name', 'matrix'],
  group: ['targets', 'description', 'name', 'matrix'],
  variable: ['type', 'default', 'description', 'validation'],
  function: ['params', 'variadic_params', 'result'],
};

/** Takes files apart. `reserved`: variables that are built in. Throws for blocks without a name, and for what is strict. */
export function readBlocks(bodies: readonly Body[], reserved: ReadonlySet<string>): Blocks {
  const byKind = new Map<string, NamedBlock[]>();
  const attributes = new Map<string, Attribute>();
  const warnings: Warning[] = [];
  for (const body of bodies) {
    for (const attribute of body.attributes) if (!isReserved(attribute.name, reserved)) attributes.set(attribute.name, attribute);
    for (const block of body.blocks) {
      if (!Object.hasOwn(KNOWN, block.type)) {
        warnings.push(unread(`block ${block.type}`, block.type, Object.keys(KNOWN), block.location));
        continue;
      }
      const named = nameBlock(block);
      warnings.push(...unreadParts(block));
      byKind.set(block.type, [...(byKind.get(block.type) ?? []), named]);
    }
  }
  const byName = (kind: string): ReadonlyMap<string, NamedBlock> =>
    new Map((byKind.get(kind) ?? []).filter(({ name }) => !isReserved(name, reserved)).map((block) => [block.name, block]));
  return {
    targets: byKind.get('target') ?? [],
    groups: byKind.get('group') ?? [],
    variables: byName('variable'),
    functions: byName('function'),
    attributes,
    warnings,
  };
}

function isReserved(name: string, reserved: ReadonlySet<string>): boolean {
  return reserved.has(name) || name === 'target' || name === 'group';
}

function nameBlock({ type, labels, body, location }: Block): NamedBlock {
  const [label, extra] = labels;
  if (label === undefined) throw mistake(`a ${type} block needs a name`, { hint: `write ${type} "name" {`, location });
  if (extra !== undefined) {
    throw mistake(`a ${type} block has one name`, {
      hint: `leave ${JSON.stringify(extra.text)} away`,
      location: { ...location, range: extra.range },
    });
  }
  return { name: label.text, attributes: new Map(body.attributes.map((one) => [one.name, one])), blocks: body.blocks, location };
}

/** Attributes and blocks that are not read. In functions and validations they are mistakes, as for `docker buildx bake`. */
function unreadParts({ type, body }: Block): readonly Warning[] {
  const known = KNOWN[type] as readonly string[];
  const warnings: Warning[] = [];
  for (const { name, location } of body.attributes) {
    if (known.includes(name)) continue;
    if (type === 'function') throw mistake(`there is no attribute ${name} in a function`, { hint: hintFor(name, known), location });
    warnings.push(unread(`attribute ${name} of a ${type}`, name, known, location));
  }
  for (const { type: name, location } of body.blocks) {
    if (type === 'variable' && name === 'validation') continue;
    if (type === 'function') throw mistake(`there are no blocks in a function`, { hint: hintFor(name, known), location });
    const hint = known.includes(name) ? `write ${name} = {` : hintFor(name, known);
    warnings.push(unread(`block ${name} in a ${type}`, name, known, location, hint));
  }
  return warnings;
}

function unread(
  what: string,
  name: string,
  known: readonly string[],
  { source, range }: SourceLocation,
  hint = hintFor(name, known),
): Warning {
  return { diagnostic: { rule: 'BakeUnread', severity: 'warning', message: `nobody reads the ${what}`, range, hint }, source };
}

function hintFor(name: string, known: readonly string[]): string {
  return nearHint(name, known) ?? 'leave it away';
}
