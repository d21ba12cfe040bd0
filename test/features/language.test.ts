// What of the language only a whole build shows: which file is the Dockerfile, names on the command line, where an error points.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { serveGit } from '../rig/git-server.ts';
import { command, type Files, Rig } from '../rig/rig.ts';

/** The label `of` of what a context builds, or what was said instead. */
async function labelOf(rig: Rig, context: string, flags: readonly string[] = []): Promise<string> {
  const metadata = rig.path('metadata.json');
  rmSync(metadata, { force: true });
  const { code, stderr } = await rig.slipway(['build', '-t', 'language', ...flags, context]);
  if (code !== 0) return stderr;
  const shown = await rig.slipway(['inspect', '--format', 'json', 'language']);
  return /"of": ?"([^"]*)"/.exec(shown.stdout)?.[1] ?? shown.stdout + shown.stderr;
}

const named = (of: string): string => `FROM scratch\nLABEL of=${of}\n`;

test('the Dockerfile: its usual name, else in lower case, through a symlink; a near name is suggested', async () => {
  await using rig = Rig.create();
  const build = (name: string, files: Files, flags: readonly string[] = []): Promise<string> =>
    labelOf(rig, rig.context(files, name), flags);
  assert.equal(await build('both', { Dockerfile: named('usual'), dockerfile: named('lower') }), 'usual');
  assert.equal(await build('lower', { dockerfile: named('lower') }), 'lower');
  assert.equal(await build('folder', { 'Dockerfile/x': '', dockerfile: named('lower') }), 'lower');
  const linked = rig.context({ 'sub/D': named('linked') }, 'linked');
  symlinkSync('sub/D', join(linked, 'Dockerfile'));
  assert.equal(await labelOf(rig, linked), 'linked');
  const misspelt = await build('misspelt', { Dockerfile: named('usual') }, ['-f', rig.path('misspelt/Dockerfle')]);
  assert.match(misspelt, /open Dockerfle: no such file[^]*did you mean Dockerfile\?/);
});

test('contexts are called as images are; nothing is called nothing', async () => {
  await using rig = Rig.create();
  const context = rig.context({ Dockerfile: 'FROM library/base:latest\nLABEL of=base\n', 'base/f': '' });
  const base = join(context, 'base');
  assert.equal(await labelOf(rig, context, ['--build-context', `docker.io/library/base=${base}`]), 'base');
  for (const name of ['a b', 'a@b', 'Base', '-a', 'a:b:c']) {
    const said = await labelOf(rig, context, ['--build-context', `${name}=${base}`]);
    assert.ok(said.includes(`invalid context name ${name}: `), said);
  }
  assert.match(await labelOf(rig, context, ['--label', '=x']), /invalid key-value pair "=x": empty key/);
  assert.match(await labelOf(rig, context, ['--build-arg', '=x']), /invalid key-value pair "=x": empty key/);
  const odd = await labelOf(rig, context, ['--build-context', 'base=docker-image://UP/per']);
  assert.match(odd, /--> Dockerfile:1:/);
});

test('the only image of an OCI layout needs no name; of several one does', async () => {
  await using rig = Rig.create();
  const layout = rig.path('layout');
  const context = rig.context({ Dockerfile: 'FROM base\nLABEL kept=1\n', one: named('one'), two: named('two') });
  const add = async (name: string): Promise<void> => {
    const to = ['-t', `${name}:1`, '-o', `type=oci,tar=false,dest=${layout}`];
    const { code, stderr } = await rig.slipway(['build', '-f', join(context, name), ...to, context]);
    assert.equal(code, 0, stderr);
  };
  const from = (tag: string): Promise<string> => labelOf(rig, context, ['--build-context', `base=oci-layout://${layout}${tag}`]);
  await add('one');
  assert.equal(await from(''), 'one');
  assert.equal(await from(':1'), 'one');
  assert.match(await from(':2'), /has no image "2"[^]*it has one:1/);
  await add('two');
  assert.match(await from(''), /names no image and the layout has several[^]*it has one:1, two:1/);
});

test('a source that is missing is pointed at, not its whole instruction', async () => {
  await using rig = Rig.create();
  const context = rig.context({ Dockerfile: 'FROM scratch\nCOPY one \\\n  thre \\\n  /x/\n', one: '', three: '' });
  const { stderr } = await rig.slipway(['build', context]);
  assert.match(stderr, /--> Dockerfile:3:3\n[^]*\n3 \| {3}thre \\\n {2}\| {3}\^\^\^\^\n[^]*did you mean "\/three"\?/);
  const outside = rig.context({ Dockerfile: 'FROM scratch\nCOPY ../two /\n' }, 'outside');
  assert.match(
    (await rig.slipway(['build', outside])).stderr,
    /"\/two": not found\n --> Dockerfile:2:6\n[^]*files outside are out of reach/,
  );
});

test('wildcards that can match nothing are pointed at, in the context and in a stage', async () => {
  await using rig = Rig.create();
  const fails = async (copy: string, told: RegExp): Promise<void> => {
    const dockerfile = `FROM scratch AS files\nCOPY a /a\nFROM scratch\nCOPY ${copy} /x/\n`;
    const { code, stderr } = await rig.slipway(['build', rig.context({ Dockerfile: dockerfile, a: '' }, `c${copy.length}`)]);
    assert.equal(code, 1, stderr);
    assert.match(stderr, told);
  };
  await fails('a [2-1]', /syntax error in pattern: \[2-1\]\n --> Dockerfile:4:8\n[^]*the range 2-1 is empty: write 1-2/);
  await fails('gone/*', /"\/gone": not found\n --> Dockerfile:4:6\n/);
  await fails('--from=files gone/* /a', /"\/gone": not found\n --> Dockerfile:4:19\n/);
});

test('a wildcard that matches nothing is fine where a symlink on its way makes BuildKit look into the folder', async () => {
  await using rig = Rig.create();
  const files = { Dockerfile: 'FROM scratch\nCOPY a/*/*.txt top /x/\n', '.dockerignore': 'a/b\n', 'a/b/f.txt': '', 'a/c': '', top: '' };
  const build = async (name: string, link?: string): Promise<number | null> => {
    const context = rig.context(files, name);
    if (link !== undefined) symlinkSync(link, join(context, 'a/l'));
    return (await rig.slipway(['build', context])).code;
  };
  assert.deepEqual([await build('linked', '../top'), await build('dangling', 'nowhere'), await build('plain')], [0, 0, 1]);
});

test('what is meant instead: a stage for an image that is not there, a base with a shell, a command', async () => {
  await using rig = Rig.create();
  const fails = async (dockerfile: string, hint: RegExp): Promise<void> => {
    const { code, stderr } = await rig.slipway(['build', rig.context({ Dockerfile: dockerfile }, `c${dockerfile.length}`)]);
    assert.equal(code, 1, stderr);
    assert.match(stderr, hint);
  };
  await fails('FROM scratch AS build\nFROM scratch\nCOPY --from=builder /x /\n', /--> Dockerfile:3:[^]*did you mean the stage build\?/);
  await fails('FROM scratch\nRUN ls\n', /--> Dockerfile:2:[^]*this stage has no shell/);
  await fails('FROM scratch\nRUN\n', /--> Dockerfile:2:[^]*there is no command behind RUN/);
  await fails('FROM busybox\nRUN ["/gone"]\n', /--> Dockerfile:2:[^]*\/gone is not in this stage/);
});

test('a file that is no program is said to be none, without a word of other processors', async () => {
  await using rig = Rig.create();
  const context = rig.context({ Dockerfile: 'FROM busybox\nCOPY --chmod=755 notes /notes\nRUN ["/notes"]\n', notes: 'just text\n' });
  const { code, stderr } = await rig.slipway(['build', context]);
  assert.equal(code, 1);
  assert.match(stderr, /--> Dockerfile:3:1[^]*neither a program for linux\/\w+ nor a script with #!/);
  assert.doesNotMatch(stderr, /emulate|qemu/);
});

test('a secret that need not be there is an empty variable', async () => {
  await using rig = Rig.create();
  const run = 'RUN --mount=type=secret,id=none,env=NONE printf %s "${NONE-unset}" > /out\n';
  const context = rig.context({ Dockerfile: `FROM busybox\n${run}FROM scratch\nCOPY --from=0 /out /\n` });
  const { code, stderr } = await rig.slipway(['build', '-o', `type=local,dest=${rig.path('out')}`, context]);
  assert.equal(code, 0, stderr);
  assert.equal(readFileSync(rig.path('out/out'), 'utf8'), '');
});

test('of two mounts at one path the last counts, a file after a folder too; a right that does not exist is refused', async () => {
  await using rig = Rig.create();
  const twice = 'RUN --mount=target=/x,source=folder --mount=target=/x,source=file cat /x > /out\n';
  const context = rig.context({ Dockerfile: `FROM busybox\n${twice}`, file: 'of the file', 'folder/f': '' });
  const built = await rig.slipway(['build', '-o', rig.path('out'), context]);
  assert.equal(built.code, 0, built.stderr);
  assert.equal(readFileSync(rig.path('out/out'), 'utf8'), 'of the file');
  const refused = await rig.slipway(['build', '--allow', 'network.hots', context]);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /unknown entitlement network\.hots[^]*did you mean network\.host\?/);
});

test('an ignore file of the Dockerfile’s own goes before that of the context; a named context has its own', async () => {
  await using rig = Rig.create();
  const dockerfile = 'FROM scratch\nCOPY . /\nCOPY --from=other . /other/\nCOPY --from=none / /none/\n';
  const files = { Dockerfile: dockerfile, '.dockerignore': 'a\n', 'Dockerfile.dockerignore': 'b\nother\n*ocker*\n', a: '', b: '' };
  const context = rig.context({ ...files, 'other/.dockerignore': 'c\n.dockerignore\n', 'other/c': '', 'other/d': '' });
  const flags = ['--build-context', `other=${join(context, 'other')}`, '--build-context', 'none=docker-image://scratch'];
  const build = async (name: string, ...more: readonly string[]): Promise<readonly string[]> => {
    const { code, stderr } = await rig.slipway(['build', '-o', `type=local,dest=${rig.path(name)}`, ...flags, ...more, context]);
    assert.equal(code, 0, stderr);
    return readdirSync(rig.path(name), { recursive: true, encoding: 'utf8' }).sort();
  };
  assert.deepEqual(await build('own'), ['a', 'none', 'other', 'other/d']);
  rmSync(join(context, 'Dockerfile.dockerignore'));
  assert.deepEqual(await build('usual'), [
    '.dockerignore',
    'Dockerfile',
    'b',
    'none',
    'other',
    'other/.dockerignore',
    'other/c',
    'other/d',
  ]);
});

test('a repository as context: its git folder is kept, and its commit dates the image, when build arguments say so', async () => {
  await using rig = Rig.create();
  const folder = rig.context({ Dockerfile: 'FROM scratch\nCOPY . /\n', f: '' }, 'app');
  const env = { ...process.env, GIT_COMMITTER_DATE: '2020-02-03T04:05:06Z', GIT_CONFIG_GLOBAL: '/dev/null' };
  const who = ['-c', 'user.name=x', '-c', 'user.email=x@example.org'];
  for (const args of [
    ['init', '-q'],
    ['add', '.'],
    [...who, 'commit', '-qm', 'one'],
  ]) {
    const { code, stderr } = await command('git', ['-C', folder, ...args], { env });
    assert.equal(code, 0, stderr);
  }
  await using server = await serveGit(rig.folder);
  const build = async (...flags: readonly string[]): Promise<string> => {
    const out = rig.path(`out${flags.length}`);
    const context = `${server.address}/app`;
    for (const how of [
      ['-o', `type=local,dest=${out}`],
      ['-t', 'dated'],
    ]) {
      const { code, stderr } = await rig.slipway(['build', ...how, ...flags, context]);
      assert.equal(code, 0, stderr);
    }
    return out;
  };
  assert.ok(!existsSync(join(await build(), '.git')));
  const kept = await build('--build-arg=BUILDKIT_CONTEXT_KEEP_GIT_DIR=1', '--build-arg=SOURCE_DATE_EPOCH=context');
  assert.ok(existsSync(join(kept, '.git')));
  assert.equal(statSync(join(kept, 'f')).mtime.toISOString(), '2020-02-03T04:05:06.000Z');
  const { stdout } = await rig.slipway(['inspect', '--format', 'json', 'dated']);
  assert.match(stdout, /2020-02-03T04:05:06/);
});

test('a Dockerfile is fetched from an address, whatever the context is: none of the context is taken for it', async () => {
  await using rig = Rig.create();
  const wrong = 'FROM scratch\nLABEL from=context\nCOPY f /\n';
  const archive = execFileSync('tar', ['-c', '-C', rig.context({ Dockerfile: wrong, f: 'f' }), '.']);
  const server = createServer(({ url }, answer) => {
    if (url === '/context.tar') answer.end(archive);
    else if (url === '/app.Dockerfile') answer.end('FROM scratch\nLABEL from=address\nCOPY f /\n');
    else answer.writeHead(404).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const folder = rig.context({ Dockerfile: wrong, f: 'f' });
    for (const context of [folder, `${address}/context.tar`, '-']) {
      const built = await rig.slipway(['build', '-t', 'fetched', '-f', `${address}/app.Dockerfile`, context], { input: archive });
      assert.equal(built.code, 0, built.stderr);
      const { stdout } = await rig.slipway(['inspect', '--format', 'json', 'fetched']);
      assert.match(stdout, /"from": ?"address"/, context);
    }
    // As a named context the file has one name, too.
    const named = rig.context({ Dockerfile: 'FROM scratch\nCOPY --from=archive context /c.tar\n' });
    const words = ['build', '--build-context', `archive=${address}/context.tar`, '-o', rig.path('named'), named];
    assert.equal((await rig.slipway(words)).code, 0);
    assert.deepEqual(readFileSync(rig.path('named/c.tar')), archive);
    const gone = await rig.slipway(['build', '-f', `${address}/gone`, folder]);
    assert.match(gone.stderr, /invalid response status 404/);
  } finally {
    server.close();
  }
});

test('--add-host NAME:host-gateway leads a step to what listens on this machine, whichever network it has', async () => {
  await using rig = Rig.create();
  const server = createServer((_, answer) => answer.end('of the machine\n')).listen(0, '0.0.0.0');
  await once(server, 'listening');
  try {
    const url = `http://machine:${(server.address() as AddressInfo).port}/`;
    const context = rig.context({
      Dockerfile: `FROM busybox\nRUN wget -qO /own ${url}\nRUN --network=host wget -qO /host ${url} && cmp /own /host\n`,
    });
    const words = ['build', '--allow', 'network.host', '--add-host', 'machine:host-gateway', '-o', 'type=cacheonly', context];
    const built = await rig.slipway(words);
    assert.equal(built.code, 0, built.stderr);
  } finally {
    server.close();
  }
});
