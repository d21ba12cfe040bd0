// A dozen programs of the comparison on the two bases that need nothing assembled: what is said is what happens, and the cure cures.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import { Rig } from '../rig/rig.ts';
import { BASES } from './bases.ts';
import { type Cell, tryCell } from './cell.ts';
import { PROGRAMS } from './programs.ts';

const bases = BASES.filter(({ name }) => name === 'scratch' || name === 'musl');

describe('what the runtime check says is what happens', () => {
  it('for a dozen programs', async () => {
    await using rig = Rig.create();
    mkdirSync(rig.path('context'));
    const cells: Cell[] = [];
    for (const program of PROGRAMS.filter(({ short }) => short))
      for (const base of bases) cells.push(await tryCell((args, cwd) => rig.slipway(args, { cwd }), program, base, rig.folder));
    assert.ok(cells.length >= 24);
    const named = (wanted: readonly Cell[]): string[] => wanted.map(({ program, base, said }) => `${program} on ${base}: ${said}`);
    assert.deepEqual(named(cells.filter(({ works, findings }) => !works && findings.length === 0)), [], 'fails, and nothing was said');
    assert.deepEqual(
      cells.flatMap(({ program, base, mistaken }) => mistaken.map(({ rule }) => `${program} on ${base}: ${rule}`)),
      [],
      'mistaken',
    );
    assert.deepEqual(named(cells.filter(({ fix }) => fix?.works === false)), [], 'not cured');
    assert.ok(cells.some(({ works }) => works) && cells.some(({ works }) => !works));
    const [missing] = cells.filter(({ program, base }) => program === 'c-zlib' && base === 'scratch').flatMap(({ findings }) => findings);
    assert.deepEqual(
      missing?.found?.map(({ stage, package: name }) => [stage, name]),
      [['build', 'libc6']],
    );
  });
});
