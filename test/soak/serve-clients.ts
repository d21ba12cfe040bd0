// Many buildx clients at once on one server, one in five killed at a random moment: no build fails but the killed ones, and afterwards the
// server has neither the memory nor the mounts, descriptors and processes of them.

import assert from 'node:assert/strict';
import { descendantsOf } from '../rig/processes.ts';
import { startRealRegistry } from '../rig/real-registry.ts';
import { Rig } from '../rig/rig.ts';
import { Served } from '../rig/served.ts';

const SECONDS = Number(process.env['SECONDS'] ?? 60);
/** The whole thing is 200 builds by 20 clients. */
const BUILDS = Math.min(200, Math.max(16, SECONDS * 4));
/** A short run is still warming up when it ends. */
const GROWTH = BUILDS === 200 ? 1.2 : 2;
const CLIENTS = Math.min(20, Math.ceil(BUILDS / 4));
const KILLED = 0.2;
/** Until the server has let go of what it needed for the last build. */
const PATIENCE_MS = 60_000;

const counts = { built: 0, killed: 0 };

function draw(count: number): number {
  return Math.floor(Math.random() * count);
}

/** What the server holds. */
interface Holdings {
  readonly memory: number;
  readonly mounts: number;
  readonly descriptors: number;
  readonly processes: readonly string[];
}

function holdings(served: Served): Holdings {
  return {
    memory: served.memory(),
    mounts: served.mounts().length,
    // Packs of layers stay open, as many as the store allows.
    descriptors: served.descriptors().filter((path) => !/\/layers\/[^/]+\/[^/]+$/.test(path)).length,
    // The enclosure's own, and the networks that it keeps.
    processes: descendantsOf(served.pid)
      .map(({ name }) => name)
      .filter((name) => !/^(cat|slirp4netns|pasta|sh|unshare|nsenter)$/.test(name)),
  };
}

async function round(rig: Rig, served: Served, builds: number, killed: number): Promise<void> {
  let left = builds;
  const client = async (number: number): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const context = rig.context(
        {
          Dockerfile: `FROM busybox AS a\nCOPY f /x\nRUN cat /x > /made && sleep 0.${draw(4)}\nFROM scratch\nCOPY --from=a /made /out\nCOPY . /all\n`,
          f: `f${draw(8)}\n`.repeat(2000),
          g: `g${draw(8)}\n`.repeat(3000),
        },
        `context-${number}`,
      );
      const pushed = `type=registry,name=${registry.address}/out/${number}:1,registry.insecure=true`;
      const [sharedCache, ownCache] = [
        `ref=${registry.address}/cache/${number}:1,registry.insecure=true`,
        `dest=${rig.path(`cache-${number}`)}`,
      ];
      const output = [
        ['-o', `type=oci,dest=${rig.path(`${number}.tar`)}`],
        ['-o', rig.path(`out-${number}`)],
        ['-o', pushed],
        ['-o', pushed, '--cache-to', `type=registry,${sharedCache},mode=max`],
        ['-o', `type=docker,dest=${rig.path(`${number}.tar`)}`, '--cache-to', `type=local,${ownCache},mode=max`],
        [],
      ][draw(6)] as string[];
      const build = served.startBuildx(['build', '--progress=plain', ...output, context]);
      const timer = Math.random() < killed ? setTimeout(() => build.kill('SIGKILL'), 50 + draw(2500)) : undefined;
      const { code, signal, stderr } = await build.ended;
      clearTimeout(timer);
      if (signal === 'SIGKILL') counts.killed += 1;
      else {
        assert.equal(code, 0, `client ${number} failed:\n${stderr}`);
        counts.built += 1;
      }
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, (_, number) => client(number)));
}

/** Waits until the server does nothing more: no process is left, and twice in a row it holds the same. */
async function quiet(served: Served): Promise<Holdings> {
  let last = holdings(served);
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end;) {
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const now = holdings(served);
    if (now.processes.length === 0 && now.mounts === last.mounts && now.descriptors === last.descriptors) return now;
    last = now;
  }
  return last;
}

/** Waits until the server holds no more than `before`, memory within a fifth. */
async function settled(served: Served, before: Holdings): Promise<Holdings> {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const now = holdings(served);
    const fine =
      now.memory <= before.memory * GROWTH &&
      now.mounts <= before.mounts &&
      now.descriptors <= before.descriptors + 2 &&
      now.processes.length <= before.processes.length;
    if (fine || Date.now() > end) return now;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

await using rig = Rig.create();
await using registry = await startRealRegistry();
await using served = await Served.start(rig);
// The first builds load code, fill caches and enter the enclosure.
await served.buildx(['inspect']);
await round(rig, served, Math.min(60, BUILDS), 0);
const before = await quiet(served);
counts.built = 0;
await round(rig, served, BUILDS, KILLED);
const after = await settled(served, before);
const megabytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;
console.log(JSON.stringify({ before, after }));
assert.ok(after.memory <= before.memory * GROWTH, `memory went from ${megabytes(before.memory)} to ${megabytes(after.memory)}`);
assert.deepEqual(after.processes, before.processes, 'processes are left');
assert.ok(after.mounts <= before.mounts, `mounts went from ${before.mounts} to ${after.mounts}`);
assert.ok(after.descriptors <= before.descriptors + 2, `descriptors went from ${before.descriptors} to ${after.descriptors}`);
console.log(
  `${counts.built} builds by ${CLIENTS} clients, ${counts.killed} killed: ${megabytes(before.memory)} before, ${megabytes(after.memory)} after, nothing left behind`,
);
