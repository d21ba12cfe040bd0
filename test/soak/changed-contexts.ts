// Projects whose files change by chance between builds: what a store makes of what it remembers is, byte for byte, what an empty store
// makes of the same files.

import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { ChangingFolder } from '../rig/changing-folder.ts';
import { type Dice, dice } from '../rig/dice.ts';
import { type Outcome, Rig } from '../rig/rig.ts';

const SECONDS = Number(process.env['SECONDS'] ?? 20);
const FIRST = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1e9);
const ROUNDS = 4;
const end = Date.now() + SECONDS * 1000;
const counts = { projects: 0, builds: 0, refused: 0 };

const COPIES = [
  'COPY . /all/',
  'COPY --link . /linked/',
  'COPY --exclude=**/*.log . /without/',
  'COPY --parents d*/e* /parents/',
  'COPY --chmod=u=rwX,go=rX . /mode/',
  'COPY --chown=5:6 d0 /own/',
  'COPY d0 d1* /two/',
  'ADD . /added/',
  'COPY --from=listed /list /list',
  'COPY --from=first /all /again/',
];
/** They make folders that have no source to take a time from. */
const CREATING_COPIES = ['COPY d*/f* /flat/', 'COPY --from=first --exclude=**/e0 /all/d0 /again/part/'];
const EPOCH = '1750000000';

const IGNORED = ['**/*.log', '**/e1', 'd1', '!d1/f*', 'd*/f1*', '**/f2', '!**/f2*'];

function dockerfile(rng: Dice): string {
  const copies = Array.from({ length: 1 + rng.below(4) }, () => rng.pick([...COPIES, ...CREATING_COPIES]));
  return [
    ...['FROM scratch AS first', 'COPY . /all/'],
    ...['FROM busybox AS listed', 'RUN --mount=type=bind,target=/c cd /c && find . | sort > /list && touch -d @1 /list'],
    ...['FROM scratch', ...copies, ''],
  ].join('\n');
}

/** What a build of `project` gives with what is in `store`. */
async function build(rig: Rig, project: string, store: string): Promise<{ readonly digest: string; readonly outcome: Outcome }> {
  const facts = rig.path('facts.json');
  rmSync(facts, { force: true });
  const file = rig.path('Dockerfile');
  const creates = CREATING_COPIES.some((line) => readFileSync(file, 'utf8').includes(line));
  const output = `type=oci,dest=${rig.path('image.tar')},rewrite-timestamp=${String(creates)}`;
  const outcome = await rig.slipway(['build', '-f', file, '--metadata-file', facts, '-o', output, project], {
    env: { SLIPWAY_ROOT: store, SOURCE_DATE_EPOCH: EPOCH },
  });
  counts.builds += 1;
  if (outcome.code !== 0) return { digest: `code ${outcome.code}`, outcome };
  return { digest: (JSON.parse(readFileSync(facts, 'utf8')) as { 'containerimage.digest': string })['containerimage.digest'], outcome };
}

async function project(seed: number): Promise<void> {
  const rng = dice(seed);
  await using rig = Rig.create();
  const folder = new ChangingFolder(rig.path('project'), rng.pick([3, 40, 300, 1600, 2500]), rng);
  writeFileSync(rig.path('Dockerfile'), dockerfile(rng));
  for (let round = 0; round < ROUNDS; round += 1) {
    const warm = await build(rig, folder.path, rig.store);
    const cold = await build(rig, folder.path, rig.path('empty'));
    rmSync(rig.path('empty'), { recursive: true });
    const told = `FUZZ_SEED=${seed}, build ${round + 1}\n${readFileSync(rig.path('Dockerfile'), 'utf8')}`;
    assert.equal(warm.digest, cold.digest, `${told}\n${warm.outcome.stderr}\n-- empty store:\n${cold.outcome.stderr}`);
    // The one failure that chance can bring about: a pattern that fits nothing.
    if (cold.outcome.code !== 0) assert.match(cold.outcome.stderr, /not found|matches nothing|no file/i, told);
    if (cold.outcome.code !== 0) counts.refused += 1;
    for (let count = rng.pick([0, 1, 1, 2, 5, 30]); count > 0; count -= 1) folder.change();
    folder.settle();
    if (rng.below(4) === 0) writeFileSync(rig.path('project/.dockerignore'), `${rng.pick(IGNORED)}\n${rng.pick(IGNORED)}\n`);
    if (rng.below(4) === 0) writeFileSync(rig.path('Dockerfile'), dockerfile(rng));
    folder.settle();
  }
  const check = await rig.slipway(['store', 'check']);
  assert.equal(check.code, 0, `FUZZ_SEED=${seed}\n${check.stdout}${check.stderr}`);
  counts.projects += 1;
}

console.log(`changed contexts for ${SECONDS} s from seed ${FIRST}`);
for (let seed = FIRST; seed === FIRST || Date.now() < end; seed += 1) await project(seed);
console.log(`${counts.projects} projects, ${counts.builds} builds, ${counts.refused * 2} refused: a store never changed what came out`);
