// The store as its owner meets it: what takes room, what may go, and what is done about damage.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { serveGit } from '../rig/git-server.ts';
import { copyProduct, openPlace } from '../rig/places.ts';
import { startRealRegistry } from '../rig/real-registry.ts';
import { command, type Outcome, Rig } from '../rig/rig.ts';
import { builtStore, DAMAGE, suffer } from '../rig/store-damage.ts';

function succeeded(outcome: Outcome): string {
  assert.equal(outcome.code, 0, outcome.stdout + outcome.stderr);
  return outcome.stdout;
}

/** The kinds that happen; the soak has all of them. */
const USUAL =
  /^(a blob cut|a flipped byte in a blob|every blob|every layer|an index cut|packs cut|unpacked|records cut|half-written|files that)/;

test('damage: check names it, a build goes on without it or says what to do, --repair leaves a sound store', async (t) => {
  await using rig = Rig.create();
  await builtStore(rig);
  for (const damage of DAMAGE.filter(([name]) => USUAL.test(name))) await t.test(damage[0], () => suffer(rig, damage));
});

test('an ordinary user lists, checks and prunes what steps closed to all, or left to other ids', async () => {
  const below = mkdtempSync('/tmp/slipway-closed-');
  chmodSync(below, 0o755);
  const product = copyProduct(join(below, 'product'));
  try {
    for (const [rung, owner] of [
      ['rootless-subid', '1000:1000'],
      ['rootless-single', '0:0'],
    ] as const) {
      await using place = openPlace(rung, product, below);
      const context = join(place.folder, 'closed');
      mkdirSync(context);
      const close = (path: string): string =>
        `mkdir -p ${path}/e && echo z > ${path}/e/z && chown -R ${owner} ${path} && chmod 000 ${path}/e/z ${path}/e`;
      writeFileSync(join(context, 'Dockerfile'), `FROM busybox\nRUN ${close('/d')}\nRUN --mount=type=cache,target=/c ${close('/c/d')}\n`);
      const run = async (...words: readonly string[]): Promise<string> => succeeded(await place.slipway(words));
      await run('build', '-q', '-o', 'type=cacheonly', context);
      assert.match(await run('du'), /exec\.cachemount/);
      assert.equal(await run('store', 'check'), 'the store is sound\n');
      await run('prune', '--all');
      assert.match(await run('du'), /^Total: +0B$/m);
    }
  } finally {
    rmSync(below, { recursive: true, force: true });
  }
});

interface Row {
  readonly id: string;
  readonly type: string;
  readonly size: number;
  readonly description: string;
  readonly shared: boolean;
  readonly inUse: boolean;
}

async function rows(rig: Rig, ...filters: readonly string[]): Promise<readonly Row[]> {
  const text = succeeded(await rig.slipway(['du', '--format', 'json', ...filters.flatMap((filter) => ['--filter', filter])]));
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Row);
}

/** Every use of everything in the store was so long ago, seconds. */
function age(rig: Rig, folder: string, seconds: number): void {
  const at = Date.now() / 1000 - seconds;
  const walk = (path: string): void => {
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      if (entry.isDirectory()) walk(join(path, entry.name));
      if (!entry.isSymbolicLink()) utimesSync(join(path, entry.name), at, at);
    }
  };
  walk(join(rig.store, 'v1', folder));
}

test('du and prune: every filter, in every form; what an image needs stays', async () => {
  await using rig = Rig.create();
  rig.context({
    Dockerfile: `FROM busybox AS base
RUN --mount=type=cache,target=/cache head -c 50000 /dev/zero > /cache/f
FROM base
COPY f /f
RUN head -c 90000 /dev/urandom > /made
`,
    f: 'f',
  });
  succeeded(await rig.slipway(['build', '-t', 'app', rig.path('context')]));
  const all = await rows(rig);
  const count = async (...filters: readonly string[]): Promise<number> => (await rows(rig, ...filters)).length;
  const of = (test: (row: Row) => boolean): number => all.filter(test).length;
  const [mount] = all.filter(({ type }) => type === 'exec.cachemount');
  assert.ok(mount !== undefined && mount.size >= 50_000);
  for (const [filters, expected] of [
    [['type=regular'], of(({ type }) => type === 'regular')],
    [['type==regular'], of(({ type }) => type === 'regular')],
    [['type!=regular'], of(({ type }) => type !== 'regular')],
    [['type~=^(exec|source)'], of(({ type }) => /^(exec|source)/.test(type))],
    [[`id=${mount.id}`], 1],
    [['id~=^layer:'], of(({ id }) => id.startsWith('layer:'))],
    [['description~=RUN 1'], of(({ description }) => description.includes('RUN 1'))],
    [['inuse'], of(({ inUse }) => inUse)],
    [['inuse=false'], of(({ inUse }) => !inUse)],
    [['shared'], of(({ shared }) => shared)],
    [['private'], of(({ shared }) => !shared)],
    [['mutable'], of(({ id }) => !/^(layer|blob|record):/.test(id))],
    [['immutable'], of(({ id }) => /^(layer|blob|record):/.test(id))],
    [['parents~=^layer:'], of(({ id }) => id.startsWith('record:'))],
    [['until=1h'], 0],
    [['unused-for=0s'], all.length],
    [['type=regular', 'private'], of(({ type, shared }) => type === 'regular' && !shared)],
    [['type=regular,private'], of(({ type, shared }) => type === 'regular' && !shared)],
    [['id~=^(layer|blob){1,2}:,type=regular,inuse'], of(({ type, inUse }) => type === 'regular' && inUse)],
  ] as const) {
    assert.equal(await count(...filters), expected, filters.join(' '));
  }
  const wrong = await rig.slipway(['du', '--filter', 'typ=regular']);
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /unknown filter "typ=regular"[^]*did you mean type/);
  const text = succeeded(await rig.slipway(['du']));
  assert.match(text, /layer, made by stage-1 RUN 1/);
  assert.match(text, /^Shared: +.*\nPrivate: +.*\nReclaimable: +.*\nTotal: +.*$/m);

  const prune = async (...flags: readonly string[]): Promise<string> => succeeded(await rig.slipway(['prune', '--force', ...flags]));
  assert.match(await prune('--keep-duration', '1h', '--all'), /^Total: 0B in 0 records$/m);
  assert.match(await prune('--filter', 'until=24h'), /in 0 records/);
  assert.match(await prune('--max-used-space', '1gb'), /in 0 records/);
  assert.match(await prune('--min-free-space', '1b'), /in 0 records/);
  assert.match(await prune('--reserved-space', '1gb'), /in 0 records/);
  assert.match(await prune('--max-used-space', '1b', '--reserved-space', '1gb'), /in 0 records/, 'the reserve is kept');
  assert.match(await prune('--filter', 'type=exec.cachemount', '--verbose'), /mount:[^\n]*cache \/\/cache|mount:/);
  assert.equal(await count('type=exec.cachemount'), 0);
  assert.ok((await count('type=regular')) > 0);
  assert.doesNotMatch(await prune('--keep-storage', '300kb'), /in 0 records/);
  assert.doesNotMatch(await prune('--all'), /in 0 records/);
  assert.ok(
    (await rows(rig)).every(({ inUse }) => inUse),
    'only what the image needs is left',
  );
  assert.equal(succeeded(await rig.slipway(['run', 'app', 'cat', '/f'])), 'f');
  succeeded(await rig.slipway(['rmi', 'app']));
  await prune('--all');
  assert.deepEqual(await rows(rig), []);
});

test('what was noted of images goes with them, and files of locks whose holder was killed', async () => {
  await using rig = Rig.create();
  const context = rig.context({ Dockerfile: 'FROM busybox\nCOPY f /f\nRUN cat /f\n', f: 'f' });
  succeeded(await rig.slipway(['build', '-t', 'app', context]));
  const notes = ['lacks', 'origins'].map((name) => join(rig.store, 'v1', name));
  const counts = (): readonly number[] =>
    notes.map((folder) => readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).length);
  const before = counts();
  assert.ok(
    before.every((count) => count > 0),
    `${before.join()} notes`,
  );
  const left = join(rig.store, 'v1/locks', `blob-of-${'1'.repeat(64)}`);
  writeFileSync(left, '');
  succeeded(await rig.slipway(['prune', '--all', '--force']));
  assert.deepEqual(counts(), [0, before[1]], 'the image is still there');
  assert.match(succeeded(await rig.slipway(['why', '/f', 'app'])), /COPY f/);
  assert.equal(existsSync(left), false);
  succeeded(await rig.slipway(['rmi', 'app']));
  succeeded(await rig.slipway(['prune', '--all', '--force']));
  assert.deepEqual(counts(), [0, 0]);
});

test('mirrors of repositories and digests of contexts are listed, and go', async () => {
  await using rig = Rig.create();
  const repository = rig.context({ f: 'f', Dockerfile: 'FROM scratch\nCOPY f /f\n' }, 'repository');
  const git = (...args: readonly string[]): void =>
    void execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', ...args], { cwd: repository, stdio: 'ignore' });
  git('init', '-b', 'main');
  git('add', '.');
  git('commit', '-m', 'one');
  await using served = await serveGit(rig.folder);
  const flags = ['-o', rig.path('out')];
  succeeded(await rig.slipway(['build', ...flags, `${served.address}/repository#main`]));
  succeeded(await rig.slipway(['build', ...flags, repository]));
  const [mirror] = await rows(rig, 'type=source.git.checkout');
  assert.match(mirror?.description ?? '', /^mirror of git:\/\/127\.0\.0\.1:\d+\/repository$/);
  assert.equal((await rows(rig, 'type=source.local')).length, 1);
  succeeded(await rig.slipway(['prune', '--force', '--filter', 'type~=^source']));
  assert.deepEqual(await rows(rig, 'type~=^source'), []);
  succeeded(await rig.slipway(['build', ...flags, '--no-cache', `${served.address}/repository#main`]));
});

test('automatic collection: by age, by size, by free space, above the reserve; not when it is switched off', async () => {
  await using rig = Rig.create();
  rig.context({ Dockerfile: 'FROM busybox\nRUN head -c 200000 /dev/urandom > /one\n' });
  const other = rig.context({ Dockerfile: 'FROM busybox\nRUN head -c 200000 /dev/urandom > /two\n' }, 'other');
  const build = async (gc: string, context = other): Promise<boolean> => {
    const config = rig.path('gc.toml');
    writeFileSync(config, `${readFileSync(process.env['SLIPWAY_TEST_CONFIG'] ?? '', 'utf8')}\n[gc]\n${gc}\n`);
    rmSync(join(rig.store, 'v1/collected'), { force: true }); // as if the last one was long ago
    succeeded(await rig.slipway(['build', '--no-cache', '-o', 'type=cacheonly', context], { env: { SLIPWAY_CONFIG: config } }));
    return (await rows(rig, 'type=regular')).some(({ description }) => description.includes('layer, made by') && description !== '');
  };
  const records = async (): Promise<number> => (await rows(rig, 'id~=^record:')).length;
  succeeded(await rig.slipway(['build', '-o', 'type=cacheonly', rig.path('context')]));
  assert.equal(await records(), 1);
  for (const [gc, kept] of [
    ['enabled = true', 2],
    ['max-age-ms = 1800000', 1],
    ['max-bytes = 100', 0],
    ['min-free-bytes = 900000000000000\nreserved-bytes = 0', 0],
    ['min-free-bytes = 900000000000000', 2],
    ['enabled = false\nmax-bytes = 100', 2],
  ] as const) {
    rmSync(rig.store, { recursive: true });
    succeeded(await rig.slipway(['build', '-o', 'type=cacheonly', rig.path('context')]));
    age(rig, 'cache', 3600);
    age(rig, 'layers', 3600);
    await build(gc);
    assert.equal(await records(), kept, gc);
  }
});

test('a store that cannot be written: its images are shown, saved and pushed, and what changes it is refused; one of a newer version', async () => {
  await using rig = Rig.create();
  await using registry = await startRealRegistry();
  const context = rig.context({ Dockerfile: 'FROM busybox\nRUN echo made > /made\n' });
  succeeded(await rig.slipway(['build', '-t', 'app', context]));
  succeeded(await command('mount', ['--bind', rig.store, rig.store]));
  try {
    succeeded(await command('mount', ['-o', 'remount,bind,ro', rig.store]));
    const refused = await rig.slipway(['build', '-t', 'app', context]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /the store at .* cannot be written[^]*--root/);
    for (const query of [['du'], ['images'], ['inspect', 'app'], ['history'], ['store', 'check']]) succeeded(await rig.slipway(query));
    // No blob was made yet of what RUN left.
    const name = `${registry.address}/read-only/app:1`;
    const aside = (): readonly string[] => readdirSync(rig.folder).filter((file) => file.startsWith('slipway-aside-'));
    const env = { TMPDIR: rig.folder };
    succeeded(await rig.slipway(['push', 'app', name], { env }));
    const packings = [[], ['--format', 'oci'], ['--format', 'oci', '--compression', 'zstd']];
    for (const more of packings) succeeded(await rig.slipway(['save', ...more, '-o', rig.path(`${more.length}.tar`), 'app'], { env }));
    const sources = [
      `docker://${name}`,
      ...packings.map(({ length }) => `${length === 0 ? 'docker' : 'oci'}-archive:${rig.path(`${length}.tar`)}`),
    ];
    for (const [number, source] of sources.entries())
      succeeded(await command('skopeo', ['copy', '--quiet', '--src-tls-verify=false', source, `dir:${rig.path(`taken-${number}`)}`]));
    assert.deepEqual(aside(), [], 'what was made elsewhere for that is gone');
    for (const change of [
      ['tag', 'app', 'other'],
      ['rmi', 'app'],
    ]) {
      const { code, stderr } = await rig.slipway(change);
      assert.equal(code, 1);
      assert.match(stderr, /cannot be written[^]*mount it/);
    }
    const pruned = await rig.slipway(['prune', '--all', '--force']);
    assert.equal(pruned.code, 1);
    assert.match(pruned.stderr, /cannot be written/);
  } finally {
    await command('umount', [rig.store]);
  }
  writeFileSync(join(rig.store, 'v1/store.json'), '{"format":99}');
  for (const words of [['build', context], ['du'], ['prune', '--force'], ['store', 'check', '--repair']]) {
    const refused = await rig.slipway(words);
    assert.equal(refused.code, 1, words.join(' '));
    assert.match(refused.stderr, /written by a newer slipway \(format 99[^]*update slipway/);
  }
  assert.ok(existsSync(join(rig.store, 'v1/index.json')), 'nothing was touched');
});

test('past builds: listed, shown and compared, by the words that people try', async () => {
  await using rig = Rig.create();
  const context = rig.context({ Dockerfile: 'FROM scratch\nCOPY f /f\n', f: 'one' });
  const build = async (): Promise<void> => void succeeded(await rig.slipway(['build', '-o', 'type=cacheonly', context]));
  await build();
  writeFileSync(join(context, 'f'), 'two');
  await build();
  const history = async (...words: readonly string[]): Promise<string> => succeeded(await rig.slipway(['history', ...words]));
  assert.equal((await history()).trim().split('\n').length, 3);
  assert.equal(await history('ls'), await history());
  assert.equal(await history('show'), await history('^0'));
  assert.match(await history('show'), /executed .*COPY f \/f\n +why: 1 of 1 files changed: f \(content\)/);
  const compared = await history('^1', '^0');
  assert.match(compared, /COPY f \/f: .*→ executed: 1 of 1 files changed: f \(content\)/);
  for (const words of [['compare'], ['diff', '^1'], ['compare', '^1', '^0']]) assert.equal(await history(...words), compared);
});
