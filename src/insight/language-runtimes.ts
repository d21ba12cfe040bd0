// Programs that another program runs: Node, Python, Java. The file that is run, and the right version of what runs it.

import { inflateRawSync } from 'node:zlib';
import { type BytePath, toBytePath } from '../base/index.ts';
import type { Entry } from '../layer/index.ts';
import { type RuntimeContext, shown, whereReadable } from './runtime-context.ts';
import { baseOf, fileAt, parentOf, type RangeReader, resolveInTree, textAt, treePath, walkTree, withFile } from './tree-files.ts';

/** Checks what a command line hands to an interpreter. `program` is the interpreter's real path. */
export function checkInterpreted(context: RuntimeContext, args: readonly string[], program: BytePath): void {
  const name = baseOf(treePath(toBytePath(args[0] ?? '')));
  const rest = args.slice(1);
  if (/^(node|nodejs)$/.test(name)) checkNode(context, rest);
  else if (/^python[\d.]*$/.test(name)) checkPython(context, rest, program);
  else if (name === 'java') checkJava(context, rest, program);
  else if (/^(ba|da|a|z|k)?sh$/.test(name) || name === 'perl' || name === 'ruby' || name === 'php') {
    const script = rest.find((word) => !word.startsWith('-'));
    if (rest.length > 0 && script === rest[0]) checkScriptFile(context, script as string, name);
  }
}

function checkScriptFile(context: RuntimeContext, script: string, by: string): void {
  const path = treePath(toBytePath(script), context.workdir);
  if (resolveInTree(context.tree, path) !== undefined) return;
  context.add({ rule: 'script-missing', severity: 'error', path: shown(path), message: `${by} is told to run it, and it is not there` });
}

const NODE_TAKES_VALUE = new Set([
  '-r',
  '--require',
  '--import',
  '--loader',
  '--experimental-loader',
  '-C',
  '--conditions',
  '--env-file',
  '--title',
]);

function checkNode(context: RuntimeContext, args: readonly string[]): void {
  let script: string | undefined;
  for (let index = 0; index < args.length; index += 1) {
    const word = args[index] as string;
    if (/^(-e|--eval|-p|--print|-v|--version|--test|-i|--run)\b/.test(word)) return;
    if (NODE_TAKES_VALUE.has(word)) index += 1;
    else if (!word.startsWith('-')) {
      script = word;
      break;
    }
  }
  if (script === undefined) return;
  const path = treePath(toBytePath(script), context.workdir);
  const candidates = [path, `${path}.js`, `${path}.json`, `${path}.node`, `${path}/index.js`, `${path}/package.json`];
  const file = candidates.map((candidate) => fileAt(context.tree, candidate)).find((entry) => entry !== undefined);
  if (file === undefined) {
    context.add({ rule: 'script-missing', severity: 'error', path: shown(path), message: 'node is told to run it, and it is not there' });
    return;
  }
  checkNodeEngine(context, parentOf(file.path));
}

/** `engines.node` of the nearest package.json against the Node there. */
function checkNodeEngine(context: RuntimeContext, from: BytePath): void {
  const header = ['usr/local/include/node/node_version.h', 'usr/include/node/node_version.h']
    .map((path) => textAt(context.tree, path))
    .find((text) => text !== undefined);
  const packaged = context.packages.packages.find(({ name }) => name === 'nodejs' || name === 'nodejs-current')?.version;
  const major = Number(/#define NODE_MAJOR_VERSION (\d+)/.exec(header ?? '')?.[1] ?? /^(?:\d+:)?(\d+)/.exec(packaged ?? '')?.[1]);
  if (!Number.isInteger(major)) return;
  for (let folder = from; ; folder = parentOf(folder)) {
    const path = folder === '' ? 'package.json' : `${folder}/package.json`;
    const text = textAt(context.tree, path);
    if (text !== undefined) {
      const wanted = enginesOf(text);
      if (wanted !== undefined && !nodeSatisfies(major, wanted)) {
        context.add({
          rule: 'runtime-version',
          severity: 'warning',
          path: shown(path),
          message: `it asks for node ${wanted}, and node ${major} is there`,
        });
      }
      return;
    }
    if (folder === '') return;
  }
}

function enginesOf(text: string): string | undefined {
  try {
    const document = JSON.parse(text) as { readonly engines?: { readonly node?: unknown } } | null;
    const node = document?.engines?.node;
    return typeof node === 'string' ? node.slice(0, 100) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether some version of this major is in a semver range, as far as majors tell; true when the range is not understood. */
export function nodeSatisfies(major: number, range: string): boolean {
  return range.split('||').some((part) => {
    const terms = [...part.trim().matchAll(/(>=|<=|>|<|\^|~|=)?\s*v?(\d+)(?:\.(\d+|x|\*))?(?:\.(\d+|x|\*))?/g)];
    if (terms.length === 0 || part.includes(' - ')) return true;
    return terms.every(([, operator = '=', text, minor]) => {
      const value = Number(text);
      if (operator === '>=') return major >= value;
      if (operator === '>') return minor === undefined ? major > value : major >= value;
      if (operator === '<') return minor === undefined || Number(minor) === 0 ? major < value : major <= value;
      if (operator === '<=') return major <= value;
      return major === value;
    });
  });
}

function checkPython(context: RuntimeContext, args: readonly string[], program: BytePath): void {
  const first = args[0];
  const script = first === '-u' || first === '-B' || first === '-O' ? args[1] : first;
  if (script !== undefined && !script.startsWith('-')) checkScriptFile(context, script, 'python');
  const version = /^python(\d\.\d+)/.exec(baseOf(program))?.[1];
  if (version === undefined) return;
  const prefix = parentOf(parentOf(program));
  const library = [
    `${prefix}/lib/python${version}`,
    `usr/lib/python${version}`,
    `usr/local/lib/python${version}`,
    `usr/lib64/python${version}`,
  ];
  if (
    !library.some((path) => fileAt(context.tree, `${path}/os.py`) !== undefined || fileAt(context.tree, `${path}/os.pyc`) !== undefined)
  ) {
    context.add({
      rule: 'runtime-incomplete',
      severity: 'error',
      path: shown(program),
      message: `python ${version} is there without its library (${shown(library[0] as string)}/os.py)`,
    });
  }
  const others = new Set<string>();
  for (const top of ['usr/local/lib', 'opt', 'app', 'venv', '.venv', 'home', 'root/.local', context.workdir]) {
    if (top === '') continue;
    for (const entry of walkTree(context.tree, top, 20_000)) {
      const match = /(?:^|\/)python(\d\.\d+)\/site-packages$/.exec(entry.path);
      if (match === null || match[1] === version || !context.isOwn(entry.path) || others.has(entry.path)) continue;
      others.add(entry.path);
      if (context.tree.list(entry.path).every((name) => /^(pip|setuptools|wheel|_distutils_hack|README)/.test(name))) continue;
      if (context.program(`python${match[1] ?? ''}`) !== undefined) continue;
      context.add({
        rule: 'runtime-version',
        severity: 'warning',
        path: shown(entry.path),
        message: `these packages are for python ${match[1] ?? ''}, and python ${version} is there: it does not look at them`,
      });
    }
  }
}

function checkJava(context: RuntimeContext, args: readonly string[], program: BytePath): void {
  const at = args.indexOf('-jar');
  const jar = at < 0 ? undefined : args[at + 1];
  if (jar === undefined) return;
  const path = treePath(toBytePath(jar), context.workdir);
  const entry = fileAt(context.tree, path);
  if (entry === undefined) {
    context.add({ rule: 'script-missing', severity: 'error', path: shown(path), message: 'java is told to run it, and it is not there' });
    return;
  }
  const home = parentOf(parentOf(program));
  const text = ['release', '../release'].map((file) => textAt(context.tree, treePath(file, home))).find((release) => release !== undefined);
  const there = majorOfJava(/JAVA_VERSION="([^"]+)"/.exec(text ?? '')?.[1] ?? /(?:java|jdk|jre)-?(\d+)/.exec(program)?.[1]);
  const needed = whereReadable(() => newestClass(context, entry));
  if (there === undefined || needed === undefined || needed <= there) return;
  context.add({
    rule: 'runtime-version',
    severity: 'error',
    path: shown(path),
    message: `its classes are for Java ${needed}, and Java ${there} is there`,
  });
}

function majorOfJava(version: string | undefined): number | undefined {
  const match = /^(?:1\.)?(\d+)/.exec(version ?? '');
  return match === null ? undefined : Number(match[1]);
}

/** The Java version that the first classes of a jar need (those for newer versions only, under META-INF, left out). */
function newestClass(context: RuntimeContext, entry: Entry): number | undefined {
  return withFile(context.tree, entry, (read, size) => {
    let newest: number | undefined;
    for (const { name, offset, compressed, method } of zipMembers(read, size, 2000)) {
      if (!name.endsWith('.class') || name.startsWith('META-INF/') || name === 'module-info.class') continue;
      const head = read(offset, 30);
      if (head.length < 30) continue;
      const data = read(offset + 30 + head.readUInt16LE(26) + head.readUInt16LE(28), Math.min(compressed, 1 << 16));
      const start = method === 8 ? inflateStart(data) : data;
      if (start === undefined || start.length < 8 || start.readUInt32BE(0) !== 0xcafebabe) continue;
      newest = Math.max(newest ?? 0, start.readUInt16BE(6) - 44);
      if (name.includes('/') && newest > 0) break;
    }
    return newest;
  });
}

function inflateStart(data: Buffer): Buffer | undefined {
  try {
    return inflateRawSync(data, { maxOutputLength: 4 << 20, finishFlush: 2 });
  } catch {
    return undefined;
  }
}

/** A member of a zip archive. */
export interface ZipMember {
  readonly name: string;
  /** Of its local header. */
  readonly offset: number;
  readonly compressed: number;
  readonly method: number;
}

/** Members by the central directory; none for what is no zip. At most `limit`. */
export function zipMembers(read: RangeReader, size: number, limit: number): readonly ZipMember[] {
  const tail = read(Math.max(0, size - 65_557), 65_557);
  const end = tail.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  if (end < 0 || tail.length < end + 22) return [];
  const directory = read(tail.readUInt32LE(end + 16), Math.min(tail.readUInt32LE(end + 12), 16 << 20));
  const members: ZipMember[] = [];
  for (let at = 0; at + 46 <= directory.length && members.length < limit;) {
    if (directory.readUInt32LE(at) !== 0x02014b50) break;
    const length = directory.readUInt16LE(at + 28);
    members.push({
      name: directory.toString('utf8', at + 46, at + 46 + length),
      method: directory.readUInt16LE(at + 10),
      compressed: directory.readUInt32LE(at + 20),
      offset: directory.readUInt32LE(at + 42),
    });
    at += 46 + length + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
  }
  return members;
}

/** Bytes of one member, at most 4 MiB. */
export function zipData(read: RangeReader, { offset, compressed, method }: ZipMember): Buffer | undefined {
  const head = read(offset, 30);
  if (head.length < 30 || head.readUInt32LE(0) !== 0x04034b50) return undefined;
  const data = read(offset + 30 + head.readUInt16LE(26) + head.readUInt16LE(28), Math.min(compressed, 4 << 20));
  return method === 8 ? inflateStart(data) : data;
}
