// Damage to a store, and what must be true of it before and after a repair. For a test of some kinds and a soak of all.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Outcome, Rig } from './rig.ts';

const DOCKERFILE = `FROM busybox AS build
COPY source /source
RUN cat /source > /made && head -c 100000 /dev/zero > /padding
FROM busybox
COPY --from=build /made /made
RUN cat /made > /copied
`;

function succeeded(outcome: Outcome): string {
  assert.equal(outcome.code, 0, outcome.stdout + outcome.stderr);
  return outcome.stdout;
}

/** Builds the two stages, whose files must be right. */
async function build(rig: Rig): Promise<void> {
  const outputs = ['-o', `type=tar,dest=${rig.path('out.tar')}`, '-o', 'type=image,name=app'];
  succeeded(await rig.slipway(['build', ...outputs, rig.path('context')]));
  const copied = execFileSync('tar', ['-xOf', rig.path('out.tar'), 'copied'], { encoding: 'utf8' });
  assert.equal(copied, readFileSync(rig.path('context/source'), 'utf8'));
}

/** Files below the store's folder, largest first. */
function filesIn(rig: Rig, folder: string): readonly string[] {
  const below = (path: string): readonly string[] =>
    readdirSync(path, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? below(join(path, entry.name)) : [join(path, entry.name)],
    );
  return [...below(join(rig.store, 'v1', folder))].sort((a, b) => lstatSync(b).size - lstatSync(a).size);
}

function first(paths: readonly string[], pattern: RegExp): string {
  const found = paths.find((path) => pattern.test(path));
  assert.ok(found !== undefined, `nothing of ${pattern.source} in ${paths.join('\n')}`);
  return found;
}

function flip(path: string, at = statSync(path).size >> 1): void {
  const bytes = readFileSync(path);
  bytes[at] = (bytes[at] ?? 0) ^ 0xff;
  writeFileSync(path, bytes);
}

/** What is done to a store that a build just left, and whether `store check` has to say something about it. */
export const DAMAGE: readonly (readonly [name: string, harm: (rig: Rig) => void, noticed: boolean])[] = [
  ['a blob cut short', (rig) => truncateSync(filesIn(rig, 'blobs')[0] as string, 1000), true],
  ['a flipped byte in a blob', (rig) => flip(filesIn(rig, 'blobs')[0] as string), true],
  ['every blob gone', (rig) => rmSync(join(rig.store, 'v1/blobs'), { recursive: true }), true],
  ['a manifest gone', (rig) => rmSync(join(rig.store, 'v1/blobs/sha256', imageDigest(rig))), true],
  ['every layer folder gone', (rig) => rmSync(join(rig.store, 'v1/layers'), { recursive: true }), false],
  ['an index cut short', (rig) => truncateSync(first(filesIn(rig, 'layers'), /\/index$/), 20), true],
  ['a flipped byte in an index', (rig) => flip(first(filesIn(rig, 'layers'), /\/index$/)), true],
  ['an index gone', (rig) => rmSync(first(filesIn(rig, 'layers'), /\/index$/)), true],
  ['the facts of all layers gone', (rig) => everyFile(rig, 'layers', /layer\.json$/, (path) => rmSync(path)), true],
  ['the facts of all layers emptied', (rig) => everyFile(rig, 'layers', /layer\.json$/, (path) => truncateSync(path)), true],
  ['packs gone', (rig) => everyFile(rig, 'layers', /\/tar$/, (path) => rmSync(path)), true],
  ['packs cut short', (rig) => everyFile(rig, 'layers', /\/tar$/, (path) => truncateSync(path, 1)), true],
  ['unpacked folders emptied', (rig) => everyFile(rig, 'layers', /\/fs[^/]*\//, (path) => rmSync(path)), true],
  ['records cut short', (rig) => everyFile(rig, 'cache/records', /./, (path) => truncateSync(path, 30)), true],
  ['records of something else', (rig) => everyFile(rig, 'cache/records', /./, (path) => writeFileSync(path, '{"key":1}')), true],
  ['notes of earlier steps scrambled', (rig) => everyFile(rig, 'cache/steps', /./, (path) => writeFileSync(path, '\0\xff{"a":\n')), false],
  ['digests of paths scrambled', (rig) => everyFile(rig, 'cache/paths', /./, (path) => writeFileSync(path, 'sha256:x y\n\n')), false],
  ['the history scrambled', (rig) => everyFile(rig, 'history', /./, (path) => writeFileSync(path, '{')), false],
  ['file digests of the context scrambled', (rig) => everyFile(rig, 'state/folders', /./, (path) => flip(path)), false],
  ['the list of names scrambled', (rig) => writeFileSync(join(rig.store, 'v1/index.json'), '{"manifests": 3'), true],
  ['the list of names gone', (rig) => rmSync(join(rig.store, 'v1/index.json')), false],
  [
    'half-written work of a dead process',
    (rig) => {
      mkdirSync(join(rig.store, 'v1/tmp/1-1-1-1.x/blob'), { recursive: true });
      writeFileSync(join(rig.store, 'v1/tmp/stray'), 'x');
      writeFileSync(join(rig.store, 'v1/blobs/sha256/.tmp-1-2'), 'x');
    },
    false,
  ],
  [
    'files that are not ours',
    (rig) => {
      for (const folder of [
        '',
        'blobs',
        'blobs/sha256',
        'layers',
        'cache/records',
        'leases',
        'locks',
        'gate',
        'tmp',
        'state',
        'history',
        'state/git',
      ]) {
        mkdirSync(join(rig.store, 'v1', folder), { recursive: true });
        writeFileSync(join(rig.store, 'v1', folder, 'README of mine'), 'x');
        mkdirSync(join(rig.store, 'v1', folder, 'folder of mine'));
      }
    },
    false,
  ],
  [
    'a folder where a blob should be',
    (rig) => {
      const [blob] = filesIn(rig, 'blobs');
      rmSync(blob as string);
      mkdirSync(blob as string);
    },
    true,
  ],
  [
    'folders where records and notes should be',
    (rig) => {
      for (const folder of ['cache', 'history']) {
        everyFile(rig, folder, /./, (path) => {
          rmSync(path);
          mkdirSync(path);
        });
      }
    },
    true,
  ],
  ['everything owned by somebody else', (rig) => void execFileSync('chown', ['-R', '1234:1234', rig.store]), false],
  ['times in the future', (rig) => everyFile(rig, '', /./, (path) => utimesSync(path, 4e9, 4e9)), false],
  ['a format file cut short', (rig) => truncateSync(join(rig.store, 'v1/store.json'), 3), false],
];

function everyFile(rig: Rig, folder: string, pattern: RegExp, change: (path: string) => void): void {
  const found = filesIn(rig, folder).filter((path) => pattern.test(path) && lstatSync(path).isFile());
  assert.ok(found.length > 0, `nothing of ${pattern.source} in ${folder}`);
  for (const path of found) change(path);
}

function imageDigest(rig: Rig): string {
  const { manifests } = JSON.parse(readFileSync(join(rig.store, 'v1/index.json'), 'utf8')) as { manifests: { digest: string }[] };
  return (manifests[0]?.digest ?? '').slice(7);
}

/** A rig with a built store, and a copy of it. */
export async function builtStore(rig: Rig): Promise<void> {
  rig.context({ Dockerfile: DOCKERFILE, source: 'source\n' });
  await build(rig);
  execFileSync('cp', ['-a', rig.store, rig.path('pristine')]);
}

/** Harms a copy of the built store: it is noticed, a build does without it or names the remedy, and a repair makes the store sound. */
export async function suffer(rig: Rig, [name, harm, noticed]: (typeof DAMAGE)[number]): Promise<void> {
  rmSync(rig.store, { recursive: true });
  execFileSync('cp', ['-a', rig.path('pristine'), rig.store]);
  harm(rig);
  const check = await rig.slipway(['store', 'check']);
  assert.deepEqual([check.code, check.stdout === 'the store is sound\n'], noticed ? [1, false] : [0, true], check.stdout + check.stderr);
  writeFileSync(rig.path('context/source'), `changed ${name}\n`);
  const failure = await build(rig).then(
    () => undefined,
    (error: unknown) => String(error),
  );
  // That a file is missing in a folder is not looked for in every build: a step that misses it fails as it would in such an image.
  if (failure !== undefined && !name.includes('emptied')) assert.match(failure, /slipway store check --repair/);
  succeeded(await rig.slipway(['store', 'check', '--repair']));
  assert.equal(succeeded(await rig.slipway(['store', 'check'])), 'the store is sound\n');
  writeFileSync(rig.path('context/source'), 'source\n');
  await build(rig);
  writeFileSync(rig.path('context/source'), 'another\n');
  await build(rig);
  for (const query of [['du'], ['images'], ['history'], ['prune', '--all', '--force']]) succeeded(await rig.slipway(query));
}
