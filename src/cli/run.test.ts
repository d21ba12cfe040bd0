// Wrong calls: what no command takes is refused before anything is done.

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { BUILD_FLAGS } from './build-flags.ts';
import { parseFlags } from './flags.ts';
import { readCall } from '../request/index.ts';
import { askedOf } from './request/build-call.ts';
import { inPlaceOf } from './other-builders.ts';
import { COMMANDS } from './run.ts';
import { callCommand } from './test-call.ts';

/** Exit code and all that was printed. */
async function call(...args: readonly string[]): Promise<string> {
  const { code, text } = await callCommand(args, { SLIPWAY_ROOT: '/nowhere', DOCKER_CONFIG: '/nowhere' });
  return `${code}: ${text}`;
}

test('words behind a command that takes none are refused: nothing is listed, forgotten or removed', async () => {
  for (const command of ['images', 'info', 'du', 'prune']) {
    assert.match(await call(command, 'old'), new RegExp(`^1: ERROR: "slipway ${command}" takes no arguments, got: old\n`), command);
  }
  for (const command of ['login', 'logout']) {
    assert.match(
      await call(command, 'a.example', 'b.example'),
      /^1: ERROR: "slipway log(in|out)" takes one registry, got: a\.example b\.example\n/,
    );
  }
  assert.match(await call('check', '--runtime', 'app', '.'), /^1: ERROR: "slipway check" with --runtime takes no folder, got: \.\n/);
});

test('a form that a command does not have is refused, and those are named that it has', async () => {
  for (const words of [
    ['images'],
    ['info'],
    ['history'],
    ['report'],
    ['inspect', 'app'],
    ['why', '/f', 'app'],
    ['check', '--runtime', 'app'],
  ]) {
    assert.match(await call(...words, '--format', 'xml'), /^1: ERROR: unknown format: xml\nhelp: there is json; /, words.join(' '));
  }
  assert.match(await call('save', '--format', 'tar', 'app'), /^1: ERROR: unknown format: tar\nhelp: there are docker and oci\n/);
  assert.match(await call('report', '-o', 'x.txt'), /^1: ERROR: --output "x\.txt": [^\n]*\.html[^]*slipway report --help/);
});

test('a rung that there is not is refused before anything is done, not when the first step has to run', async () => {
  for (const words of [['build', '.'], ['du'], ['info']]) {
    assert.equal(
      await call(...words, '--rung', 'rootles-subid'),
      '1: ERROR: no such rung: rootles-subid\nhelp: did you mean rootless-subid?\n',
    );
  }
});

test('an empty --root is a variable that is not set: no store is made of the current folder', async () => {
  assert.equal(await call('images', '--root', ''), '1: ERROR: --root is empty\nhelp: name a folder, or leave it out for the usual one\n');
});

test('quiet and another display exclude each other', async () => {
  const args = ['build', '-q', '--progress', 'plain', import.meta.dirname, '-f', '/nowhere'];
  assert.match(await call(...args), /^1: ERROR: --progress=plain and --quiet cannot be used together\n/);
});

test('a folder is no Bake file, and no target', async () => {
  const file = `${import.meta.dirname}/bake`;
  assert.equal(
    await call('bake', '--print', '-f', file),
    `1: ERROR: cannot read the Bake file ${file}: it is a folder\nhelp: name the file in it\n`,
  );
  const root = `${import.meta.dirname}/../../docker-bake.hcl`;
  for (const word of ['.', './app'])
    assert.match(
      await call('bake', '--print', '-f', root, word),
      /^1: ERROR: failed to find target [^\n]+\nhelp: words behind bake are names/,
    );
});

test('the list of commands has each of them once', async () => {
  const listed = [...(await call('--help')).matchAll(/^ {2}(\w+) +\S/gm)].map(([, name]) => name);
  assert.deepEqual(listed.toSorted(), Object.keys(COMMANDS).toSorted());
});

test('help is for commands; a flag in front of the command is shown its place', async () => {
  assert.match(await call('help', 'logout'), /^0: Usage: slipway logout \[REGISTRY\]\n/);
  assert.match(await call('help', 'bulid'), /^1: ERROR: unknown command: bulid \(did you mean build\?\)\n/);
  assert.match(
    await call('compose', 'build'),
    /^1: ERROR: unknown command: compose\nhelp: slipway bake builds the services of a Compose project\n/,
  );
  assert.match(
    await call('--platform', 'linux/arm64', 'build', '.'),
    /^1: ERROR: unknown flag: --platform\nhelp: flags stand behind the command: slipway build --platform /,
  );
});

test('words of strangers in a failure do nothing to a terminal', async () => {
  const answer = await call('bu\u001b]0;t\u0007\u001b[31mild\u009b2J');
  assert.match(answer, /^1: ERROR: unknown command: bu\\x1b\]0;t\\x07\\x1b\[31mild\\u009b2J\nhelp: /);
});

test('a word that every object has is no command', async () => {
  for (const word of ['constructor', 'toString', '__proto__'])
    assert.match(await call(word), new RegExp(`^1: ERROR: unknown command: ${word}\\n`));
});

test('a flag that may stand alone takes the value behind it where that can be one', () => {
  const read = (...args: readonly string[]): string => {
    const flags = parseFlags('build', BUILD_FLAGS, args);
    return [flags.text('provenance'), flags.text('sbom'), ...flags.words].join(' ');
  };
  assert.equal(read('--provenance', 'false', '--sbom', 'true', '.'), 'false true .');
  assert.equal(read('--provenance', 'mode=max', '--sbom', 'generator=a/b', '.'), 'mode=max generator=a/b .');
  assert.equal(read('--provenance', '--sbom', '.'), 'true true .');
  assert.equal(read('--sbom', 'folder', '--provenance'), 'true true folder');
});

test('of flags that ask something instead of building the last counts', () => {
  const asked = (...args: readonly string[]): string => {
    const flags = parseFlags('build', BUILD_FLAGS, [...args, '.']);
    const call = readCall(askedOf(flags));
    return `${call?.method} ${call?.format} ${flags.words.join(' ')}`;
  };
  assert.equal(asked('--check', '--call=outline'), 'outline default .');
  assert.equal(asked('--call=outline', '--check'), 'check default .');
  assert.equal(asked('--call=outline', '--check=false'), 'outline default .');
  assert.equal(asked('--check', '--call=build'), 'undefined undefined .');
  assert.equal(asked('--call=targets,format='), 'targets default .');
  assert.equal(asked('--print', 'targets,format=json'), 'targets json .');
  assert.equal(asked('--print'), 'outline default .');
});

test('a folder in place of a Dockerfile is called one; a symlink to nothing is not offered in its own place', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-link-'));
  try {
    symlinkSync('gone', join(folder, 'Dockerfile'));
    const root = ['--root', join(folder, 'store')];
    assert.match(
      await call('build', ...root, '-f', '/proc', folder),
      /failed to read dockerfile: proc is not a regular file, but a folder/,
    );
    assert.match(
      await call('build', ...root, folder),
      /open Dockerfile: no such file or directory [^\n]*\nhelp: the Dockerfile is looked for/,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a policy that only Docker’s client reads is not passed over', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-policy-'));
  try {
    const file = join(folder, 'bake.hcl');
    writeFileSync(file, `target "default" { dockerfile-inline = "FROM scratch" }\n`);
    const env = { EXPERIMENTAL_BUILDKIT_SOURCE_POLICY: 'policy.json', SLIPWAY_ROOT: join(folder, 'store') };
    for (const args of [
      ['build', folder],
      ['bake', '-f', file],
    ]) {
      const { code, text } = await callCommand(args, env);
      assert.equal(code, 1);
      assert.match(text, /EXPERIMENTAL_BUILDKIT_SOURCE_POLICY names a policy \(policy\.json\), which is not evaluated[^]*slipway serve/);
    }
    assert.ok(!existsSync(join(folder, 'store')));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a flag that other builders have is told with what to write in its place', async () => {
  for (const [flag, hint] of [
    ['--destination=app', 'write -t NAME --push'],
    ['--no-push', 'nothing is pushed without --push: leave it out'],
    ['--arch=arm64', 'write --platform OS/ARCH[/VARIANT]'],
  ] as const)
    assert.equal(await call('build', flag, '/'), `1: ERROR: unknown flag: ${flag.replace(/=.*/, '')}\nhelp: ${hint}\n`);
  assert.match(await call('build', '--constructor', '/'), /^1: ERROR: unknown flag: --constructor\nhelp: see /);
  const known = new Set(BUILD_FLAGS.flatMap(({ name, aliases = [] }) => [name, ...aliases]));
  assert.deepEqual(
    [...known].filter((name) => inPlaceOf(`--${name}`) !== undefined),
    [],
    'these are flags of ours',
  );
});

test('limits, hosts and attestations that would have no effect are refused', async () => {
  for (const [flag, problem] of [
    ['--resource=memroy=1g', /unknown limit in --resource: memroy\nhelp: did you mean memory\?/],
    ['--resource=x=1', /unknown limit in --resource: x\nhelp: there are memory, /],
    ['--cpus=many', /invalid number "many" for --cpus\nhelp: write how many processors/],
    ['--resource=cpus=-1', /invalid number "-1" for --cpus/],
    ['--add-host=db:10.0.0', /invalid IP address in --add-host: "10\.0\.0"/],
    ['--shm-size=-1', /invalid size "-1" for --shm-size/],
    ['--sbom=yes', /invalid value "yes" for --sbom: expected key=value/],
    ['--build-arg=', /invalid key-value pair "": empty key\nhelp: write --build-arg NAME=VALUE/],
    ['--tag=', /invalid value for --tag: invalid reference format: "": it is empty/],
    ['--tag=a/B', /invalid value for --tag: [^\n]*must be lowercase\nhelp: write a\/b/],
    ['--iidfile=/proc/none/id', /--iidfile \/proc\/none\/id cannot be written: there is no folder \/proc\/none\nhelp: /],
    ['--metadata-file=/proc', /--metadata-file \/proc cannot be written: it is a folder/],
  ] as const)
    assert.match(await call('build', flag, '/'), problem);
  assert.match(await call('build', '-q', '--progress=plain', '/'), /--progress=plain and --quiet cannot be used together/);
  assert.match(await call('build', ''), /the build context is empty: name a folder/);
});

test('a size that is none is refused by the name of the flag that was given', async () => {
  for (const flag of ['--max-used-space', '--keep-storage', '--reserved-space']) {
    for (const words of [[flag, '10%'], [`${flag}=10%`]]) {
      assert.match(await call('prune', ...words), new RegExp(`^1: ERROR: invalid size "10%" for ${flag}: `), words.join(' '));
    }
  }
});
