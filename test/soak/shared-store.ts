// Ten builders on one store, with pruning and collection beside them, and kills at random: no build fails but the killed ones, and
// nothing in the store is damaged afterwards.

import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { type Outcome, Rig } from '../rig/rig.ts';

const SECONDS = Number(process.env['SECONDS'] ?? 20);
const BUILDERS = 10;
const end = Date.now() + SECONDS * 1000;
const counts = { built: 0, killed: 0, pruned: 0 };

const dockerfile = (run: string): string => `FROM busybox AS a
COPY f /x
RUN cat /x > /made${run}
COPY g /y
FROM busybox AS b
COPY g /z
RUN cat /z > /made
FROM scratch
COPY --from=a /made${run} /out/a
COPY --from=b /made /out/b
COPY . /all
`;

function draw(count: number): number {
  return Math.floor(Math.random() * count);
}

/** Runs the product, and kills it after a while in a part of all cases. */
async function run(rig: Rig, args: readonly string[], killed: number): Promise<Outcome & { readonly wasKilled: boolean }> {
  const process = rig.start(args);
  const timer = Math.random() < killed ? setTimeout(() => process.kill('SIGKILL'), 50 + draw(1500)) : undefined;
  const outcome = await process.ended;
  clearTimeout(timer);
  return { ...outcome, wasKilled: outcome.signal === 'SIGKILL' };
}

async function builder(rig: Rig, number: number): Promise<void> {
  do {
    const name = `context-${number}`;
    const context = rig.context(
      { Dockerfile: dockerfile(String(draw(3))), f: `f${draw(5)}\n`.repeat(2000), g: `g${draw(4)}\n`.repeat(3000) },
      name,
    );
    const archive = rig.path(`${name}.tar`);
    const outcome = await run(rig, ['build', '-o', `type=oci,dest=${archive}`, context], 0.25);
    if (outcome.wasKilled) counts.killed += 1;
    else {
      assert.equal(outcome.code, 0, `builder ${number} failed:\n${outcome.stderr}`);
      counts.built += 1;
    }
    rmSync(archive, { force: true });
  } while (Date.now() < end);
}

async function pruner(rig: Rig): Promise<void> {
  do {
    const limits = [['--all'], ['--max-used-space', '200kb'], ['--filter', 'until=2s'], []][draw(4)] as readonly string[];
    const outcome = await run(rig, ['prune', '--force', ...limits], 0.2);
    assert.ok(outcome.wasKilled || outcome.code === 0, `prune failed:\n${outcome.stderr}`);
    counts.pruned += 1;
    await new Promise((resolve) => setTimeout(resolve, 300));
  } while (Date.now() < end);
}

await using rig = Rig.create();
await Promise.all([...Array.from({ length: BUILDERS }, (_, number) => builder(rig, number)), pruner(rig)]);
const check = await rig.slipway(['store', 'check']);
assert.equal(check.code, 0, `${check.stdout}${check.stderr}`);
console.log(`${counts.built} builds, ${counts.killed} killed, ${counts.pruned} prunes: the store is sound`);
