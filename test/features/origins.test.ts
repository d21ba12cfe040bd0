// Where files came from: what `inspect --files` and `why` say, held against the layers themselves as tar lists them.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { command, Rig } from '../rig/rig.ts';

const EXAMPLES = join(import.meta.dirname, '../../examples');

interface FileRow {
  readonly path: string;
  readonly kind: string;
  readonly layer?: number;
  readonly made?: string;
  readonly package?: string;
}

interface Why {
  readonly package?: string;
  readonly steps: readonly { readonly layer: number; readonly what: string; readonly made: string }[];
  readonly sources: readonly { readonly stage: string; readonly path: string; readonly made: string }[];
}

const read = (path: string): string => readFileSync(path, 'utf8');

/** The layers of a layout folder, lowest first, as paths that tar lists; and what history says of each. */
async function layersOf(layout: string): Promise<readonly { readonly paths: readonly string[]; readonly said: string }[]> {
  const blob = (digest: string): string => join(layout, 'blobs', digest.replace(':', '/'));
  const index = JSON.parse(read(join(layout, 'index.json'))) as { manifests: { digest: string }[] };
  const manifest = JSON.parse(read(blob(index.manifests[0]?.digest ?? ''))) as { config: { digest: string }; layers: { digest: string }[] };
  const config = JSON.parse(read(blob(manifest.config.digest))) as { history: { created_by?: string; empty_layer?: boolean }[] };
  const said = config.history.filter((entry) => entry.empty_layer !== true).map((entry) => entry.created_by ?? '');
  const layers = [];
  for (const [number, { digest }] of manifest.layers.entries()) {
    const listed = await command('tar', ['-tf', blob(digest), '--quoting-style=literal']);
    assert.equal(listed.code, 0, listed.stderr);
    const paths = listed.stdout.split('\n').filter(Boolean);
    layers.push({ paths: paths.map((path) => path.replace(/^\.?\//, '').replace(/\/$/, '')), said: said[number] ?? '' });
  }
  return layers;
}

/** The topmost layer of every path, by the rules of whiteouts. */
function topmost(layers: readonly { readonly paths: readonly string[] }[]): ReadonlyMap<string, number> {
  const top = new Map<string, number>();
  for (const [layer, { paths }] of layers.entries()) {
    for (const path of paths) {
      const hidden = /^(.*\/)?\.wh\.([^/]+)$/.exec(path);
      if (hidden === null) continue;
      const [, folder = '', name = ''] = hidden;
      const opaque = name === '.wh..opq';
      const gone = opaque ? folder.replace(/\/$/, '') : `${folder}${name}`;
      for (const known of [...top.keys()]) if (known.startsWith(`${gone}/`) || (!opaque && known === gone)) top.delete(known);
    }
    for (const path of paths) if (path !== '' && path !== '.' && !/(^|\/)\.wh\./.test(path)) top.set(path, layer);
  }
  return top;
}

/** Builds, and holds what is said of every path against the layers. */
async function checkImage(
  rig: Rig,
  name: string,
  context: string,
  dockerfile: string,
  args: readonly string[] = [],
): Promise<readonly FileRow[]> {
  const built = await rig.slipway(['build', '-t', name, ...args, context]);
  assert.equal(built.code, 0, built.stderr);
  const layout = rig.path(`${name}-layout`);
  mkdirSync(layout);
  const saved = await rig.slipway(['build', '-t', name, ...args, '-o', `type=oci,dest=${layout},tar=false`, context]);
  assert.equal(saved.code, 0, saved.stderr);
  const layers = await layersOf(layout);
  const inspected = await rig.slipway(['inspect', '--files', '--format', 'json', name]);
  assert.equal(inspected.code, 0, inspected.stderr);
  const { files } = JSON.parse(inspected.stdout) as { files: readonly FileRow[] };
  const top = topmost(layers);
  const said = new Map(files.map((file) => [file.path.slice(1), file.layer]));
  for (const [path, layer] of top) assert.equal(said.get(path), layer, `${name}: layer of /${path}`);
  for (const [path, layer] of said) if (layer !== undefined) assert.ok(top.has(path), `${name}: no layer has /${path}`);
  const lines = dockerfile.split('\n');
  for (const { path, layer, made = '' } of files) {
    if (layer === undefined || made.startsWith('base ')) continue;
    const [, line = '', keyword = ''] = /:(\d+) (?:ONBUILD )?(\w+)/.exec(made) ?? [];
    assert.match(
      lines[Number(line) - 1] ?? '',
      new RegExp(`^\\s*(ONBUILD )?(${keyword}|FROM)`, 'i'),
      `${name}: ${path} is made by ${made}`,
    );
    assert.match(layers[layer]?.said ?? '', new RegExp(`^${keyword}\\b`, 'i'), `${name}: history of the layer of ${path}`);
  }
  return files;
}

async function why(rig: Rig, path: string, ...place: readonly string[]): Promise<Why> {
  const told = await rig.slipway(['why', path, ...place, '--format', 'json']);
  assert.equal(told.code, 0, told.stderr);
  return JSON.parse(told.stdout) as Why;
}

test('every file of the examples is of the layer, and of the line, that is said', async () => {
  await using rig = Rig.create();
  for (const [example, target] of [
    ['hello-go'],
    ['cpp-nginx'],
    ['per-architecture'],
    ['two-services', 'both'],
    ['two-services', 'api'],
  ] as const) {
    const folder = join(EXAMPLES, example);
    await checkImage(
      rig,
      `${example}-${target ?? 'all'}`,
      folder,
      read(join(folder, 'Dockerfile')),
      target === undefined ? [] : ['--target', target],
    );
  }
});

test('links, merged folders, overwritten and deleted files, ONBUILD, heredocs, bases and packages', async () => {
  await using rig = Rig.create();
  const parent = rig.context({ Dockerfile: 'FROM debian\nONBUILD RUN echo child > /onbuild.txt\n' }, 'parent');
  assert.equal((await rig.slipway(['build', '-t', 'parent', parent])).code, 0);
  const dockerfile = `FROM busybox AS made
RUN mkdir -p /out/sub && echo one > /out/sub/one && echo two > /out/sub/two && echo linked > /linked && ln /linked /linked2
COPY <<EOF /out/here
from a heredoc
EOF

FROM made AS continued
RUN echo three > /out/sub/three

FROM parent
COPY --from=made /out/sub /merged
COPY --link --from=continued /out/sub/three /merged/three
COPY --from=made /linked /linked2 /both/
RUN echo again > /merged/two && rm /etc/debian_version
COPY <<EOF /here
text
EOF
RUN <<EOF
mkdir -p /made/by/script
echo x > /made/by/script/x
EOF
COPY one.txt two.txt /files/
RUN rm -r /files && mkdir /files && echo new > /files/three.txt
`;
  const context = rig.context({ Dockerfile: dockerfile, 'one.txt': '1', 'two.txt': '2' }, 'child');
  const files = await checkImage(rig, 'child', context, dockerfile);
  const made = (path: string): string => files.find((file) => file.path === path)?.made ?? '';
  assert.match(made('/merged/one'), /Dockerfile:11 COPY --from=made \/out\/sub \/merged/);
  assert.match(made('/merged/three'), /Dockerfile:12 COPY --link/);
  assert.match(made('/merged/two'), /Dockerfile:14 RUN echo again/);
  assert.match(made('/onbuild.txt'), /RUN echo child/);
  assert.match(made('/here'), /Dockerfile:15 COPY <<EOF/);
  assert.match(made('/made/by/script/x'), /Dockerfile:18 RUN <<EOF/);
  assert.match(made('/usr/bin/env'), /^base /);

  const two = await why(rig, '/merged/two', 'child');
  assert.deepEqual(
    two.steps.map(({ what, made: by }) => `${what} ${/:(\d+)/.exec(by)?.[1] ?? ''}`),
    ['added 11', 'replaced 14'],
  );
  const one = await why(rig, '/merged/one', 'child');
  assert.deepEqual(
    one.sources.slice(0, 1).map(({ stage, path }) => [stage, path]),
    [['made', '/out/sub/one']],
  );
  const gone = await why(rig, '/files/one.txt', 'child');
  assert.deepEqual(
    gone.steps.map(({ what }) => what),
    ['added', 'hidden'],
  );
  const removed = await why(rig, '/etc/debian_version', 'child');
  assert.equal(removed.steps.at(-1)?.what, 'removed');
  // A stage by its name, of the newest build that has one, and beside its image.
  for (const place of [['continued'], ['child', '--stage', 'continued']]) {
    const three = await why(rig, '/out/sub/three', ...place);
    assert.match(three.steps[0]?.made ?? '', /continued Dockerfile:8 RUN echo three/);
  }
  const unknown = await rig.slipway(['why', '/x', 'child', '--stage', 'nope']);
  assert.match(unknown.stderr, /no stage nope/);
  assert.match(unknown.stderr, /it has made, continued/);

  // Packages, as the image's own tool tells them.
  const owned = files.filter((file) => file.package !== undefined && file.kind === 'file' && /^\/usr\/(bin|sbin|lib)\//.test(file.path));
  assert.ok(owned.length > 200, `${owned.length} files have a package`);
  const sample = owned.filter((_, index) => index % Math.ceil(owned.length / 60) === 0).map(({ path }) => path);
  const asked = await rig.slipway(['run', 'child', 'dpkg-query', '-S', ...sample.flatMap((path) => [path, path.replace(/^\/usr/, '')])]);
  const answers = new Map<string, string>();
  for (const [, owner = '', path = ''] of asked.stdout.matchAll(/^(\S+?)(?::\w+)?: (\/.*)$/gm))
    answers.set(path.replace(/^\/usr/, ''), owner);
  for (const path of sample) assert.equal(files.find((file) => file.path === path)?.package, answers.get(path.replace(/^\/usr/, '')), path);
});
