// Test results in JUnit's form, as test runners of most languages write them.

import { type BytePath, fromBytePath } from '../../base/index.ts';
import type { Entry, Tree } from '../../layer/index.ts';
import { headOf } from '../tree-files.ts';
import type { TestCase, TestSuite } from './types.ts';
import { readXml } from './xml.ts';

/** Cases listed of one file: failed ones first. */
const MAX_CASES = 500;
/** Characters kept of a message. */
const MAX_MESSAGE = 2000;
/** Bytes of a file that is read; files of a stage. */
const MAX_FILE = 16 << 20;
const MAX_FILES = 200;

interface Draft {
  name: string;
  state: TestCase['state'];
  seconds: number | undefined;
  message: string;
}

/** A file that may hold results. */
export interface ResultFile {
  readonly path: BytePath;
  readonly size: number;
  /** Its first bytes; fewer at its end. */
  readonly head: (limit: number) => Buffer;
}

/** The results in files of a stage; files that are no JUnit are passed over. `entries`: what the stage made. */
export function testResults(stage: string, tree: Tree, entries: Iterable<Entry>): readonly TestSuite[] {
  return resultsIn(stage, filesOf(tree, entries));
}

function* filesOf(tree: Tree, entries: Iterable<Entry>): Generator<ResultFile> {
  for (const { path, kind, size } of entries) {
    if (kind !== 'file' || !isResultName(path)) continue;
    const entry = tree.lookup(path);
    if (entry?.kind !== 'file') continue; // a later layer took it away
    yield { path, size, head: (limit) => headOf(tree, entry, limit) };
  }
}

/** Whether a file of that name is looked into. */
export function isResultName(path: BytePath): boolean {
  return path.endsWith('.xml');
}

/** The results in files, from wherever they come. `clean` sees every text before it is cut: what must not be shown is taken out there. */
export function resultsIn(stage: string, files: Iterable<ResultFile>, clean: (text: string) => string = same): readonly TestSuite[] {
  const suites: TestSuite[] = [];
  for (const { path, size, head } of files) {
    if (suites.length >= MAX_FILES) break;
    if (size === 0 || size > MAX_FILE) continue;
    if (!/<testsuites?[\s>]/.test(head(4096).toString('utf8'))) continue;
    const suite = readJunit(head(MAX_FILE).toString('utf8'), clean);
    if (suite !== undefined) suites.push({ stage, path: `/${fromBytePath(path)}`, ...suite });
  }
  return suites;
}

function same(text: string): string {
  return text;
}

/** Reads one file; undefined when it has no test suites. Never throws. */
export function readJunit(text: string, clean: (text: string) => string = same): Omit<TestSuite, 'stage' | 'path'> | undefined {
  const cases: TestCase[] = [];
  let name: string | undefined;
  let seconds = 0;
  let root = true;
  let draft: Draft | undefined;
  let inMessage = false;
  const reading = readXml(text);
  let step = reading.next();
  for (; step.done !== true; step = reading.next()) {
    const event = step.value;
    if (event.type === 'open') {
      if (root && event.name !== 'testsuites' && event.name !== 'testsuite') return undefined;
      root = false;
      const of = (key: string): string => event.attributes.get(key) ?? '';
      switch (event.name) {
        case 'testsuites':
        case 'testsuite':
          name ??= of('name') || undefined;
          break;
        case 'testcase':
          draft = { name: caseName(of('classname'), of('name')), state: startState(of), seconds: numberOf(of('time')), message: '' };
          break;
        case 'failure':
        case 'error':
        case 'skipped':
          if (draft === undefined) break;
          if (draft.state !== 'failed') draft.state = event.name === 'skipped' ? 'skipped' : 'failed';
          draft.message = [draft.message, of('message')].filter(Boolean).join('\n');
          inMessage = true;
          break;
      }
    } else if (event.type === 'close') {
      if (event.name === 'failure' || event.name === 'error' || event.name === 'skipped') inMessage = false;
      if (event.name === 'testcase' && draft !== undefined) {
        seconds += draft.seconds ?? 0;
        cases.push(finished(draft, clean));
        draft = undefined;
      }
    } else if (inMessage && draft !== undefined && draft.message.length < MAX_MESSAGE) {
      const said = event.text.trim();
      if (!draft.message.includes(said)) draft.message = [draft.message, said].filter(Boolean).join('\n');
    }
  }
  if (root) return undefined;
  if (draft?.state === 'failed') cases.push(finished(draft, clean)); // the file ends in it
  const broken = step.value;
  const count = (state: TestCase['state']): number => cases.filter((one) => one.state === state).length;
  const sorted = [...cases].sort((a, b) => RANK[a.state] - RANK[b.state]);
  return {
    name: clean(name ?? '').slice(0, MAX_MESSAGE),
    ...{ passed: count('passed'), failed: count('failed'), skipped: count('skipped'), seconds },
    cases: sorted.slice(0, MAX_CASES),
    ...(sorted.length > MAX_CASES ? { unlisted: sorted.length - MAX_CASES } : {}),
    ...(broken === undefined ? {} : { broken }),
  };
}

const RANK = { failed: 0, skipped: 1, passed: 2 } as const;

function finished({ name, state, seconds, message }: Draft, clean: (text: string) => string): TestCase {
  return {
    name: clean(name).slice(0, MAX_MESSAGE),
    state,
    ...(seconds === undefined ? {} : { seconds }),
    ...(message === '' ? {} : { message: clean(message).slice(0, MAX_MESSAGE) }),
  };
}

/** GoogleTest and CTest have no element for a test that is turned off. */
function startState(of: (key: string) => string): TestCase['state'] {
  return /^(?:notrun|disabled|skipped|ignored)$/i.test(of('status')) || of('result') === 'suppressed' ? 'skipped' : 'passed';
}

function caseName(group: string, name: string): string {
  return group === '' || name.startsWith(group) ? name : `${group} › ${name}`;
}

function numberOf(text: string): number | undefined {
  const value = Number(text.replaceAll(',', ''));
  return text !== '' && Number.isFinite(value) && value >= 0 && value < 1e9 ? value : undefined;
}
