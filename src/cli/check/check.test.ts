// `slipway check` from its arguments to what is printed and written. Bases are `scratch`, so nothing is asked of a registry.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { run } from '../run.ts';
import type { World } from '../world.ts';
import { lineDiff } from './line-diff.ts';

const WRONG = 'FROM scratch as build\nCOPY a /a\n\nFROM scratch\nENV a b\nCOPY --from=buidl /a /b\nUSER 1\nCMD run me\n';
const RIGHT = 'FROM scratch AS build\nCOPY a /a\n\nFROM scratch\nENV a=b\nCOPY --from=build /a /b\nUSER 1\nCMD ["run", "me"]\n';

interface Folder extends Disposable {
  readonly path: string;
  /** Exit code and what was printed. */
  check(...args: readonly string[]): Promise<{ readonly status: number; readonly out: string; readonly err: string }>;
}

function folder(files: Readonly<Record<string, string>>): Folder {
  const path = mkdtempSync(join(tmpdir(), 'slipway-check-'));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return {
    path,
    check: async (...args) => {
      const [stdout, stderr] = [new PassThrough(), new PassThrough()];
      const world = {
        env: { SLIPWAY_ROOT: join(path, '.store'), SLIPWAY_CONFIG: join(path, 'config.toml'), DOCKER_CONFIG: path },
        cwd: path,
        uid: 0,
        stdin: process.stdin,
        stdout: stdout as unknown as World['stdout'],
        stderr: stderr as unknown as World['stderr'],
        signal: new AbortController().signal,
        now: () => new Date(0),
      };
      writeFileSync(join(path, 'config.toml'), '[registry."docker.io"]\nmirrors = ["127.0.0.1:1"]\n');
      const status = await run(['check', ...args], world);
      const text = (stream: PassThrough): string => String(stream.read() ?? '');
      return { status, out: text(stdout), err: text(stderr) };
    },
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}

void test('names what it finds and where, and fails', async () => {
  using at = folder({ Dockerfile: WRONG });
  const { status, out } = await at.check();
  assert.equal(status, 1);
  assert.match(out, /MisspelledStageName[^\n]*buidl[^\n]*build[^\n]*\n *--> Dockerfile:6:13\n/);
  assert.match(out, /LegacyKeyValueFormat/);
  using clean = folder({ 'app.Dockerfile': RIGHT });
  assert.deepEqual(await clean.check('app.Dockerfile'), { status: 0, out: 'Nothing found.\n', err: '' });
});

void test('a stage that nothing uses is found, and goes by --fix when it has no name to be asked for', async () => {
  using at = folder({ Dockerfile: 'FROM scratch\nCOPY a /a\nFROM scratch AS tests\nCOPY b /b\nFROM scratch\nCOPY c /c\n' });
  const { status, out } = await at.check('--format=json');
  assert.equal(status, 1);
  const { findings } = JSON.parse(out) as { findings: readonly { rule: string; message: string }[] };
  assert.deepEqual(
    findings.map(({ rule }) => rule),
    ['UnusedStage', 'UnusedStage'],
  );
  await at.check('--fix');
  assert.equal(readFileSync(join(at.path, 'Dockerfile'), 'utf8'), 'FROM scratch AS tests\nCOPY b /b\nFROM scratch\nCOPY c /c\n');
});

void test('--fix cures the file and says what it did; the second time there is nothing to do', async () => {
  using at = folder({ real: WRONG });
  chmodSync(join(at.path, 'real'), 0o640);
  symlinkSync('real', join(at.path, 'Dockerfile'));
  const first = await at.check('--fix');
  assert.equal(first.status, 0, first.out);
  assert.match(first.out, /- 5 \| ENV a b\n[^]*\+ 5 \| ENV a=b\n/);
  assert.equal(readFileSync(join(at.path, 'real'), 'utf8'), RIGHT);
  assert.ok(lstatSync(join(at.path, 'Dockerfile')).isSymbolicLink());
  assert.equal(statSync(join(at.path, 'real')).mode & 0o777, 0o640);
  assert.deepEqual(await at.check('--fix'), { status: 0, out: 'Nothing found.\n', err: '' });
});

void test('--fix leaves the ends of lines as they are: CR LF, a byte order mark, no line feed at the end', async () => {
  const cured = async (text: string): Promise<string> => {
    using at = folder({ Dockerfile: text });
    await at.check('--fix');
    return readFileSync(join(at.path, 'Dockerfile'), 'utf8');
  };
  const wrong = '\ufeffFROM scratch as a\nCOPY . /app\nRUN npm ci && npm run build\nUSER 1 # nobody\nCMD run me';
  const right = await cured(wrong);
  assert.match(right, /^\ufeffFROM scratch AS a\nCOPY package[^]*\n# nobody\nUSER 1\nCMD \["run", "me"\]$/);
  assert.equal(await cured(wrong.replaceAll('\n', '\r\n')), right.replaceAll('\n', '\r\n'));
});

void test('--fix keeps the owner, the names and the place of a file', async () => {
  using at = folder({ Dockerfile: WRONG });
  const file = join(at.path, 'Dockerfile');
  if (process.getuid?.() === 0) chownSync(file, 1234, 2345);
  const before = statSync(file);
  assert.equal((await at.check('--fix')).status, 0);
  const { uid, gid } = statSync(file);
  assert.deepEqual([uid, gid], [before.uid, before.gid]);
  assert.deepEqual(
    readdirSync(at.path).filter((name) => name.includes('.tmp')),
    [],
  );

  writeFileSync(file, WRONG);
  linkSync(file, join(at.path, 'other'));
  assert.equal((await at.check('--fix')).status, 0);
  assert.equal(readFileSync(join(at.path, 'other'), 'utf8'), RIGHT, 'both names are of one file still');
});

/** Of a process of root's: goes on as an ordinary user, who may not be able to enter the folder of the sources. */
const AS_ANOTHER = 'if (process.getuid() === 0) { process.setgroups([]); process.setgid(65534); process.setuid(65534); }';

/** `writeBack` in a process of its own, behind a command that makes its surroundings. */
function writeElsewhere(
  file: string,
  first: string,
  ...before: readonly string[]
): { readonly status: number | null; readonly said: string } {
  const door = JSON.stringify(new URL('./write-back.ts', import.meta.url).href);
  const program = `import { readFileSync } from 'node:fs';
    const { writeBack } = await import(${door});
    ${first}
    writeBack(${JSON.stringify(file)}, readFileSync(${JSON.stringify(file)}, 'utf8'), 'FROM cured\\n');`;
  const [command = '', ...args] = [...before, process.execPath, '--import', 'tsx', '--input-type=module', '-e', program];
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8', cwd: join(import.meta.dirname, '../../..') });
  return { status, said: stderr };
}

void test('--fix writes over a file that is mounted, as into a container; one that may not be written stays', () => {
  using at = folder({ real: WRONG, Dockerfile: '', locked: WRONG });
  const [real, mounted, locked] = [join(at.path, 'real'), join(at.path, 'Dockerfile'), join(at.path, 'locked')];
  const inside = writeElsewhere(
    mounted,
    '',
    'unshare',
    '--user',
    '--map-root-user',
    '--mount',
    'sh',
    '-c',
    `mount --bind '${real}' '${mounted}' && exec "$@"`,
    'sh',
  );
  assert.equal(inside.status, 0, inside.said);
  assert.equal(readFileSync(real, 'utf8'), 'FROM cured\n');

  chmodSync(locked, 0o444);
  chmodSync(at.path, 0o777);
  const refused = writeElsewhere(locked, AS_ANOTHER);
  assert.match(refused.said, /FIX_REFUSED[^]*EACCES|EACCES[^]*FIX_REFUSED/);
  assert.equal(readFileSync(locked, 'utf8'), WRONG);
});

void test('--fix leaves a file alone whose bytes it cannot write back', async () => {
  using at = folder({});
  const bytes = Buffer.from('FROM scratch as x\nLABEL a="\xff"\n', 'latin1');
  writeFileSync(join(at.path, 'Dockerfile'), bytes);
  const { status, err } = await at.check('--fix');
  assert.equal(status, 1);
  assert.match(err, /no UTF-8/);
  assert.deepEqual(readFileSync(join(at.path, 'Dockerfile')), bytes);
});

void test('mistakes are findings too, all of them', async () => {
  using at = folder({ Dockerfile: 'FROM scratch\nCOPI a b\nUSER\n' });
  const { status, out } = await at.check();
  assert.equal(status, 1);
  assert.match(out, /COPI/);
  assert.match(out, /Dockerfile:3/);
});

void test('an image that cannot be asked for hides what depends on it, and is told', async () => {
  using at = folder({ Dockerfile: 'FROM lost:1 as a\nWORKDIR $HOME_OF_BASE\nCMD ["x"]\n' });
  const { status, out, err } = await at.check();
  assert.equal(status, 1);
  assert.match(out, /FromAsCasing/);
  assert.doesNotMatch(out, /UndefinedVar|RunsAsRoot/);
  assert.match(err, /note: docker\.io\/library\/lost:1 could not be looked at/);
});

void test('what the file alone decides is said of an image that cannot be asked for', async () => {
  using at = folder({ Dockerfile: 'FROM lost:1 AS a\nFROM scratch AS b\nWORKDIR rel$NOPE\nCMD ["x"]\n' });
  assert.match((await at.check('--target', 'b')).out, /UndefinedVar[^]*WorkdirRelativePath|WorkdirRelativePath[^]*UndefinedVar/);
  for (const [text, root] of [
    ['FROM lost:1\nUSER root\nCMD ["x"]', true],
    ['FROM lost:1\nUSER app\nCMD ["x"]', false],
    ['FROM lost:1\nCMD ["x"]', false],
    ['FROM python:3.12', true],
    ['FROM python:3.12\nUSER 1000', false],
  ] as const) {
    using own = folder({ Dockerfile: `${text}\n` });
    const { out } = await own.check();
    assert.equal(/RunsAsRoot/.test(out), root, text);
  }
});

interface SarifRun {
  readonly tool: { readonly driver: { readonly rules: readonly { readonly id: string; readonly helpUri?: string }[] } };
  readonly results: readonly {
    readonly ruleId: string;
    readonly ruleIndex: number;
    readonly locations: readonly { readonly physicalLocation: { readonly artifactLocation: object; readonly region: object } }[];
    readonly fixes?: readonly object[];
  }[];
}

void test('SARIF: rules with help, places relative to the sources, replacements', async () => {
  using at = folder({ Dockerfile: 'FROM scratch as b\nCOPI x y\n' });
  const { out } = await at.check('--format=sarif');
  const log = JSON.parse(out) as { readonly version: string; readonly runs: readonly SarifRun[] };
  assert.equal(log.version, '2.1.0');
  const [{ tool, results } = assert.fail()] = log.runs;
  const { rules } = tool.driver;
  for (const { ruleId, ruleIndex } of results) assert.equal(rules[ruleIndex]?.id, ruleId);
  assert.equal(new Set(rules.map(({ id }) => id)).size, rules.length);
  const [casing] = results.filter(({ ruleId }) => ruleId === 'FromAsCasing');
  const artifactLocation = { uri: 'Dockerfile', uriBaseId: '%SRCROOT%' };
  const region = { startLine: 1, startColumn: 14, endLine: 1, endColumn: 16 };
  assert.deepEqual(casing?.locations, [{ physicalLocation: { artifactLocation, region } }]);
  assert.deepEqual(casing?.fixes, [
    {
      description: { text: 'write AS' },
      artifactChanges: [{ artifactLocation, replacements: [{ deletedRegion: region, insertedContent: { text: 'AS' } }] }],
    },
  ]);
  assert.ok(results.some(({ ruleId }) => ruleId.startsWith('DOCKERFILE_')));
});

void test('JSON has the findings as they are; an unknown form is refused', async () => {
  using at = folder({ Dockerfile: 'FROM scratch as b\n' });
  const { out } = await at.check('--format', 'json');
  const { findings } = JSON.parse(out) as { readonly findings: readonly { readonly rule: string }[] };
  assert.deepEqual(
    findings.map(({ rule }) => rule),
    ['FromAsCasing'],
  );
  const wrong = await at.check('--format=xml');
  assert.equal(wrong.status, 1);
  assert.match(wrong.err, /text, json, sarif/);
});

void test('lineDiff shows removed and added lines with their numbers', () => {
  assert.deepEqual(lineDiff('a\nb\nc\nd', 'a\nx\nc\ny\nd'), ['- 2 | b', '+ 2 | x', '+ 4 | y']);
  assert.deepEqual(lineDiff('a', 'a'), []);
});
