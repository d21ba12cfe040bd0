// What helps to explain a key beside its fields: the instruction as it was written, and what its words were expanded with.

import type { GraphVertex } from '../graph/index.ts';
import type { KeyField } from '../solver/index.ts';

/** Notes on an instruction with variables; none for one that means what it says. */
export function expansionNotes({ about }: GraphVertex): readonly KeyField[] {
  const { instruction, uses = [] } = about;
  if (instruction === undefined || uses.length === 0) return [];
  return [
    { name: 'text', value: instruction },
    ...uses.flatMap(({ name, value, kind }): KeyField[] => [
      { name: `${kind === 'env' ? 'env' : 'arg'} ${name}`, value },
      ...(kind === 'default' ? [{ name: `default ${name}`, value: '1' }] : []),
    ]),
  ];
}
