// A server killed at random moments while clients build, for every kind of output, and started again on the same store: none of its
// processes and mounts is left, the store is sound, and the next server finds in the cache what was built before.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { allProcesses, descendantsOf, type SeenProcess } from '../rig/processes.ts';
import { startRealRegistry } from '../rig/real-registry.ts';
import { type Outcome, Rig, command } from '../rig/rig.ts';
import { Served } from '../rig/served.ts';

const SECONDS = Number(process.env['SECONDS'] ?? 60);
const CLIENTS = 4;
/** The longest that a server lives, ms. */
const LIFE_MS = 6000;
/** Until the kernel has ended what belonged to a killed server. */
const PATIENCE_MS = 10_000;
const end = Date.now() + SECONDS * 1000;
const counts = { kills: 0, built: 0, cut: 0 };

function draw(count: number): number {
  return Math.floor(Math.random() * count);
}

async function gone(family: readonly SeenProcess[]): Promise<void> {
  const late = Date.now() + PATIENCE_MS;
  for (;;) {
    const all = allProcesses();
    const left = family.filter(({ pid, began }) => all.get(pid)?.began === began && all.get(pid)?.state !== 'Z');
    if (left.length === 0) return;
    assert.ok(Date.now() < late, `processes are left: ${JSON.stringify(left)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

await using rig = Rig.create();
await using registry = await startRealRegistry();

function contextOf(number: number): string {
  return rig.context(
    {
      Dockerfile: `FROM busybox AS a
RUN --mount=type=cache,target=/c echo x >> /c/f; sleep 0.${draw(4)}; head -c 3000000 /dev/urandom > /made
COPY f /x
RUN cat /x > /y && sleep 0.${draw(4)}
FROM busybox
COPY --from=a /made /y /out/
COPY . /all
`,
      f: `f${draw(8)}\n`.repeat(2000),
      g: `g${draw(8)}\n`.repeat(300_000),
    },
    `context-${number}`,
  );
}

function pushedBy(number: number): readonly string[] {
  return ['-o', `type=registry,name=${registry.address}/out/${number}:1,registry.insecure=true`];
}

function outputOf(number: number): readonly string[] {
  const tar = rig.path(`${number}.tar`);
  const cache = `type=registry,ref=${registry.address}/cache/${number}:1,registry.insecure=true`;
  const kinds: readonly (readonly string[])[] = [
    ['-o', `type=oci,dest=${tar}`],
    ['-o', rig.path(`out-${number}`)],
    pushedBy(number),
    [...pushedBy(number), '--cache-to', `${cache},mode=max`, '--cache-from', cache],
    ['-o', `type=docker,dest=${tar}`, '--cache-to', `type=local,dest=${rig.path(`cache-${number}`)},mode=max`],
    ['-o', `type=image,name=local/${number}:1`, '--no-cache'],
    [],
  ];
  return kinds[draw(kinds.length)] ?? [];
}

const lasting = rig.context(
  { Dockerfile: 'FROM busybox\nRUN head -c 100000 /dev/urandom > /r\nFROM scratch\nCOPY --from=0 /r /\n' },
  'lasting',
);
let made: string | undefined;

/** Builds what every server before has built: its step runs once only, and what it left stays what it was. */
async function buildLasting(served: Served): Promise<void> {
  const out = rig.path('lasting-out');
  rmSync(out, { recursive: true, force: true });
  const { code, stderr } = await served.buildx(['build', '--progress=plain', '-o', out, lasting]);
  assert.equal(code, 0, `${stderr}\n${served.log()}`);
  const bytes = readFileSync(`${out}/r`, 'latin1');
  assert.ok(made === undefined || bytes === made, `what was built is not in the cache any more:\n${stderr}`);
  made = bytes;
}

/** Builds until `isOver`. No build fails before that. */
async function client(served: Served, number: number, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    const args = ['build', '--progress=plain', ...outputOf(number), contextOf(number)];
    const { code, stderr }: Outcome = await served.startBuildx(args).ended;
    assert.ok(code === 0 || isOver(), `${args.join(' ')}\n${stderr}\n${served.log()}`);
    counts[code === 0 ? 'built' : 'cut'] += 1;
  }
}

async function checkStore(): Promise<void> {
  const check = await rig.slipway(['store', 'check', '--root', rig.path('served')]);
  assert.equal(check.code, 0, `${check.stdout}${check.stderr}`);
}

while (Date.now() < end || counts.kills === 0) {
  const served = await Served.start(rig);
  await buildLasting(served);
  let isOver = false;
  const clients = Promise.all(Array.from({ length: CLIENTS }, (_, number) => client(served, number, () => isOver)));
  clients.catch(() => {}); // thrown below
  await Promise.race([clients, new Promise((resolve) => setTimeout(resolve, 300 + draw(LIFE_MS)))]);
  isOver = true;
  const family = descendantsOf(served.pid);
  process.kill(served.pid, 'SIGKILL');
  counts.kills += 1;
  await clients;
  await gone(family);
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8');
  assert.equal(mounts.includes(rig.folder), false, mounts);
  if (counts.kills % 2 === 1) await checkStore();
}

{
  await using served = await Served.start(rig);
  await buildLasting(served);
  for (let number = 0; number < CLIENTS; number += 1) {
    const built = await served.buildx(['build', ...pushedBy(number), rig.path(`context-${number}`)]);
    assert.equal(built.code, 0, built.stderr);
    const image = `docker://${registry.address}/out/${number}:1`;
    const copied = await command('skopeo', ['copy', '--quiet', '--src-tls-verify=false', image, `dir:${rig.path(`taken-${number}`)}`]);
    assert.equal(copied.code, 0, copied.stderr);
  }
}
await checkStore();
assert.deepEqual(readdirSync(rig.path('served/v1/tmp')), []);
console.log(`${counts.kills} servers killed, ${counts.built} builds done, ${counts.cut} cut off: sound each time, nothing left behind`);
