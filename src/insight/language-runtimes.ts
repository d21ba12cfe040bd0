// Programs that another program runs: Node, Python, Java. The file that is run, and the right version of what runs it.

import { baseName, type BytePath, parentPath, toBytePath } from '../base/index.ts';
import { textsIn } from './byte-search.ts';
import { releaseCure } from './cures.ts';
import type { Finding } from './finding.ts';
import { newestClass, pythonDemands } from './language-demands.ts';
import { checkReadable } from './readable.ts';
import { type RuntimeContext, shown, whereReadable } from './runtime-context.ts';
import { fileAt, resolveInTree, textAt, treePath, walkTree, withFile } from './tree-files.ts';

/** Checks what a command line hands to an interpreter. `program` is the interpreter's real path. */
export function checkInterpreted(context: RuntimeContext, args: readonly string[], program: BytePath): void {
  const name = baseName(treePath(toBytePath(args[0] ?? '')));
  const rest = args.slice(1);
  if (/^(node|nodejs)$/.test(name)) {
    checkNodeParts(context, program);
    checkNode(context, rest);
  } else if (/^python[\d.]*$/.test(name)) checkPython(context, rest, program);
  else if (name === 'java') checkJava(context, rest, program);
  else if (/^(ba|da|a|z|k)?sh$/.test(name) || name === 'perl' || name === 'ruby' || name === 'php') {
    const script = rest.find((word) => !word.startsWith('-'));
    if (rest.length > 0 && script === rest[0]) checkScriptFile(context, script as string, name);
  }
}

function checkScriptFile(context: RuntimeContext, script: string, by: string): void {
  const path = treePath(toBytePath(script), context.workdir);
  const entry = resolveInTree(context.tree, path);
  if (entry !== undefined) {
    checkReadable(context, path, entry);
    return;
  }
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

/** A part of its own code that Debian's Node reads from files. */
const NODE_PART = '/usr/share/nodejs/cjs-module-lexer/lexer.js';

function checkNodeParts(context: RuntimeContext, program: BytePath): void {
  if (fileAt(context.tree, treePath(NODE_PART)) !== undefined) return;
  const wants = whereReadable(() => {
    const entry = fileAt(context.tree, program);
    const elf = entry === undefined ? undefined : context.search.elf(entry);
    const name = elf?.needed.find((one) => one.startsWith('libnode.so'));
    if (entry === undefined || elf === undefined || name === undefined) return false;
    // Where the library is missing too, that of the stage it would come from tells.
    for (const { tree, search } of [context, ...context.stages]) {
      const library = search.locate(name, { entry, elf })?.file.entry;
      if (library !== undefined) return withFile(tree, library, (read, size) => textsIn(read, size, [NODE_PART])).size > 0;
    }
    return false;
  });
  if (wants !== true) return;
  context.add({
    rule: 'runtime-incomplete',
    severity: 'error',
    path: shown(program),
    message: `this node reads parts of itself from files that are not there (${NODE_PART})`,
    ...releaseCure(context, 'node'),
  });
}

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
  checkReadable(context, file.path, file);
  checkNodeEngine(context, parentPath(file.path));
}

/** `engines.node` of the nearest package.json against the Node there. */
function checkNodeEngine(context: RuntimeContext, from: BytePath): void {
  const header = ['usr/local/include/node/node_version.h', 'usr/include/node/node_version.h']
    .map((path) => textAt(context.tree, path))
    .find((text) => text !== undefined);
  const packaged = context.packages.packages.find(({ name }) => name === 'nodejs' || name === 'nodejs-current')?.version;
  const major = Number(/#define NODE_MAJOR_VERSION (\d+)/.exec(header ?? '')?.[1] ?? /^(?:\d+:)?(\d+)/.exec(packaged ?? '')?.[1]);
  if (!Number.isInteger(major)) return;
  for (let folder = from; ; folder = parentPath(folder)) {
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
function nodeSatisfies(major: number, range: string): boolean {
  return range.split('||').some((part) => {
    const terms = [...part.trim().matchAll(/(?:(>=|<=|>|<|\^|~|=)\s*)?v?(\d+)(?:\.(\d+|x|\*))?(?:\.(\d+|x|\*))?/g)];
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
  const version = /^python(\d\.\d+)/.exec(baseName(program))?.[1];
  if (version === undefined) return;
  const prefix = parentPath(parentPath(program));
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
      ...releaseCure(context, baseName(program)),
    });
  }
  for (const { entry, version: wanted, what } of pythonDemands(context)) {
    if (wanted === version || what !== 'extension' || context.program(`python${wanted}`) !== undefined) continue;
    context.add({
      rule: 'runtime-version',
      severity: 'warning',
      path: shown(entry.path),
      message: `it is for python ${wanted}, and python ${version} is there: importing it fails`,
      ...releaseCure(context, `python${wanted}`),
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
        ...releaseCure(context, `python${match[1] ?? ''}`),
      });
    }
  }
}

/** The launcher looks for the rest of Java beside its own folder: in `lib`, of Java 8 in `lib/amd64` or `jre/lib/amd64`. */
function checkJavaHome(context: RuntimeContext, program: BytePath): void {
  const { tree } = context;
  const needed = whereReadable(() => {
    const entry = fileAt(tree, program);
    return entry === undefined ? undefined : context.search.elf(entry)?.needed;
  });
  if (needed?.includes('libjli.so') !== true) return;
  const home = parentPath(parentPath(program));
  const folders = [`${home}/lib`, `${home}/jre/lib`].flatMap((folder) => [folder, ...tree.list(folder).map((name) => `${folder}/${name}`)]);
  if (folders.some((folder) => fileAt(tree, `${folder}/libjava.so`) !== undefined)) return;
  context.add({
    rule: 'runtime-incomplete',
    severity: 'error',
    path: shown(program),
    message: `java is there without the rest of it (${shown(`${home}/lib/libjava.so`)})`,
    ...wholeHome(context),
  });
}

/** Installing another one would not help: the one that was copied would be started still. */
function wholeHome(context: RuntimeContext): Pick<Finding, 'cure' | 'found'> {
  for (const stage of context.stages) {
    const program = context.programPath('java', stage.tree);
    if (program === undefined) continue;
    const home = shown(parentPath(parentPath(program.entry.path)));
    return { cure: `copy all of ${home} from ${stage.name}, and start its bin/java`, found: [context.foundAt(stage, program.path)] };
  }
  return {};
}

function checkJava(context: RuntimeContext, args: readonly string[], program: BytePath): void {
  checkJavaHome(context, program);
  const at = args.indexOf('-jar');
  const jar = at < 0 ? undefined : args[at + 1];
  if (jar === undefined) return;
  const path = treePath(toBytePath(jar), context.workdir);
  const entry = fileAt(context.tree, path);
  if (entry === undefined) {
    context.add({ rule: 'script-missing', severity: 'error', path: shown(path), message: 'java is told to run it, and it is not there' });
    return;
  }
  checkReadable(context, path, entry);
  const home = parentPath(parentPath(program));
  const text = ['release', '../release'].map((file) => textAt(context.tree, treePath(file, home))).find((release) => release !== undefined);
  const there = majorOfJava(/JAVA_VERSION="([^"]+)"/.exec(text ?? '')?.[1] ?? /(?:java|jdk|jre)-?(\d+)/.exec(program)?.[1]);
  const needed = whereReadable(() => newestClass(context, entry));
  if (there === undefined || needed === undefined || needed <= there) return;
  context.add({
    rule: 'runtime-version',
    severity: 'error',
    path: shown(path),
    message: `its classes are for Java ${needed}, and Java ${there} is there`,
    ...releaseCure(context, 'java'),
  });
}

function majorOfJava(version: string | undefined): number | undefined {
  const match = /^(?:1\.)?(\d+)/.exec(version ?? '');
  return match === null ? undefined : Number(match[1]);
}
