#!/usr/bin/env node
// `BUILDKITD=… BUILDX=… npx tsx test/compare/dockerfiles.ts FOLDER [WORD…]`: Dockerfiles are checked and outlined, and their targets listed,
// by BuildKit and here, and what differs is printed. Every base is one small image on both sides; digests of bases and the syntax line are
// left out. FOLDER holds git repositories as `owner/name`, of which the files of test/public-dockerfiles.txt are read; what it holds
// besides is read as Dockerfiles. WORD: only files that have it in their name.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { BuildErrors, isSlipwayError } from '../../src/base/index.ts';
import { callDockerfile } from '../../src/build/index.ts';
import { startAnyImageRegistry } from './any-image.ts';
import { Buildkit, HOSTS } from './buildkit.ts';

const CALLS = ['check', 'outline', 'targets'] as const;
const NAMES = join(import.meta.dirname, '../public-dockerfiles.txt');
/** The text itself; columns, which only we tell. */
const PASSED_OVER = ['sources', 'sourceIndex', 'character'];
/** buildx is mostly waited for. */
const AT_A_TIME = 3;

type Call = (typeof CALLS)[number];

/** What is compared of an answer: a document, or the words of a refusal. */
type Answer = { readonly document: unknown } | { readonly refused: string };

const [folder, ...words] = process.argv.slice(2);
const { BUILDKITD: daemon, BUILDX: buildx } = process.env;
if (folder === undefined || daemon === undefined || buildx === undefined) {
  console.error('usage: BUILDKITD=… BUILDX=… npx tsx test/compare/dockerfiles.ts FOLDER [WORD…]');
  process.exit(2);
}

await using registry = await startAnyImageRegistry();
await using peer = await Buildkit.start({ daemon, buildx }, registry.address);
const files = [...filesOf(folder)].filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));
const store = mkdtempSync('/tmp/slipway-compare-');
const counts = { same: 0, different: 0 };
try {
  const queue = files.values();
  await Promise.all(Array.from({ length: AT_A_TIME }, (_, place) => work(queue, join(store, `${place}`))));
} finally {
  rmSync(store, { recursive: true, force: true });
}
console.log(`${files.length} Dockerfiles: ${counts.same} have the same answers, ${counts.different} have not`);
process.exitCode = counts.different === 0 && files.length > 0 ? 0 : 1;

async function work(queue: Iterable<{ readonly name: string; readonly text: string }>, place: string): Promise<void> {
  const context = join(place, 'context');
  mkdirSync(context, { recursive: true });
  for (const { name, text } of queue) {
    writeFileSync(join(context, 'Dockerfile'), text);
    const lines: string[] = [];
    for (const call of callsFor(text))
      lines.push(...differences(await theirs(call, context), await ours(call, context)).map((line) => `  ${call}: ${line}`));
    counts[lines.length === 0 ? 'same' : 'different'] += 1;
    if (lines.length > 0) console.log(`${name}\n${lines.join('\n')}`);
  }
}

/** The newest BuildKit's daemon ends at the targets of a file with `# check=` above an instruction. */
function callsFor(text: string): readonly Call[] {
  return /^\s*#\s*check\s*=/m.test(text) ? CALLS.slice(0, 2) : CALLS;
}

async function theirs(call: Call, context: string): Promise<Answer> {
  const { stdout, stderr } = await peer.run(['build', `--call=${call},format=json`, context]);
  return stdout.trimStart().startsWith('{')
    ? { document: JSON.parse(stdout) as unknown }
    : {
        refused:
          stderr
            .trimEnd()
            .split('\n')
            .at(-1)
            ?.replace(/^ERROR: (?:failed to build: )?(?:failed to solve: )?/, '') ?? '',
      };
}

async function ours(call: Call, context: string): Promise<Answer> {
  const mirrors = Object.fromEntries(HOSTS.map((host) => [host, { mirrors: [registry.address] }]));
  try {
    const answer = await callDockerfile(
      {
        root: join(store, 'root'),
        settings: { registries: { ...mirrors, [registry.address]: { http: true } } },
        context: { kind: 'folder', path: context },
      },
      { method: call, format: 'json' },
    );
    return { document: answer.document };
  } catch (error) {
    const first = error instanceof BuildErrors ? error.errors[0] : error;
    if (!isSlipwayError(first)) throw error;
    return { refused: first.message };
  }
}

/** Differences of two answers, a line each. Words of a refusal may be better here: that both refuse is enough. */
function differences(theirs: Answer, ours: Answer): string[] {
  if ('refused' in theirs && 'refused' in ours) return [];
  if ('refused' in theirs) return [`BuildKit refuses: ${theirs.refused}`];
  if ('refused' in ours) return [`refused here: ${ours.refused}`];
  return diff(plain(theirs.document), plain(ours.document), '');
}

/** Without what cannot differ or may, and without lists of nothing, which Go writes as null. */
function plain(document: unknown): unknown {
  if (Array.isArray(document)) return document.map(plain);
  if (typeof document !== 'object' || document === null) return document;
  const left = Object.entries(document).filter(([key, value]) => !PASSED_OVER.includes(key) && value !== null && !isEmptyList(value));
  return Object.fromEntries(left.map(([key, value]) => [key, key === 'buildError' ? errorPlace(value) : plain(value)]));
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

function errorPlace(error: unknown): unknown {
  const { location } = error as { location?: { ranges?: { start: { line: number } }[] } };
  return location?.ranges === undefined ? 'no place' : Math.min(...location.ranges.map(({ start }) => start.line));
}

function diff(a: unknown, b: unknown, at: string): string[] {
  const [left, right] = [JSON.stringify(a), JSON.stringify(b)];
  if (left === right) return [];
  if (isObject(a) && isObject(b))
    return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((key) => diff(a[key], b[key], `${at}.${key}`));
  if (Array.isArray(a) && Array.isArray(b)) {
    const only = (from: unknown[], other: unknown[]): string[] => {
      const rest = other.map((item) => JSON.stringify(item));
      return from.map((item) => JSON.stringify(item)).filter((item) => !rest.includes(item));
    };
    const missing = only(a, b).map((item) => `${at}: only BuildKit: ${item}`);
    const more = only(b, a).map((item) => `${at}: only here: ${item}`);
    // BuildKit's warnings come in the order they were found in, ours in that of the file.
    return missing.length + more.length > 0 || at === '.warnings' ? [...missing, ...more] : [`${at}: another order`];
  }
  return [`${at}: BuildKit ${left ?? 'nothing'}, here ${right ?? 'nothing'}`];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function* filesOf(root: string): Generator<{ readonly name: string; readonly text: string }> {
  const names = readFileSync(NAMES, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  const repositories = new Set(names.map((name) => name.split(':', 1)[0] ?? '').filter((name) => existsSync(join(root, name))));
  for (const name of names) {
    const [repository = '', path = ''] = name.split(/:(.*)/, 2);
    if (!repositories.has(repository)) continue;
    const options = ['-C', join(root, repository), '-c', 'safe.directory=*', 'show', `HEAD:${path}`];
    yield { name, text: prepared(execFileSync('git', options, { encoding: 'utf8', maxBuffer: 1 << 26 })) };
  }
  for (const entry of readdirSync(root, { recursive: true, encoding: 'utf8' }).sort()) {
    if ([...repositories].some((repository) => entry.startsWith(`${repository}/`)) || !statSync(join(root, entry)).isFile()) continue;
    yield { name: relative('.', join(root, entry)), text: prepared(readFileSync(join(root, entry), 'utf8')) };
  }
}

function prepared(text: string): string {
  return text.replace(/^(#\s*)syntax(\s*=)/im, '$1sintax$2').replace(/@sha256:[0-9a-f]{64}/g, '');
}
