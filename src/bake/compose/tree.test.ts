// Texts that would take more memory, or a deeper stack, than there is.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSlipwayError } from '../../base/index.ts';
import { parseYaml } from './tree.ts';

const levels = Array.from(
  { length: 9 },
  (_, level) =>
    `a${level}: &a${level} [${Array(9)
      .fill(level === 0 ? 'x' : `*a${level - 1}`)
      .join(', ')}]`,
);

const TEXTS: Readonly<Record<string, string>> = {
  'aliases that multiply': levels.join('\n'),
  'an alias within itself': 'a: &a [*a]',
  'deep lists': `a: ${'['.repeat(5000)}${']'.repeat(5000)}`,
  'deep mappings': Array.from({ length: 1000 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n'),
};

for (const [name, text] of Object.entries(TEXTS)) {
  void test(`${name} are refused`, () => {
    assert.throws(
      () => parseYaml({ filename: 'compose.yaml', text }),
      (error) => isSlipwayError(error, 'BAKE_INVALID') && error.location !== undefined,
    );
  });
}
