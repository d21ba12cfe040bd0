// COPY and ADD: files into the stage's file system; WORKDIR: a folder in it.

import { isSlipwayError, toBytePath } from '../base/index.ts';
import type { AddInstruction, CopyInstruction, Word, WorkdirInstruction } from '../dockerfile/index.ts';
import { parseChmod, parseOwner } from './chmod.ts';
import type { Fault } from './fault.ts';
import { type GitRef, gitSource, isHttpAddress, parseGitRef } from './git-ref.ts';
import type { CopyAction, FileAction, FileSpec, GraphEdge, MkdirAction, Owner } from './op-spec.ts';
import { isHttpUrl, urlFilename } from './url.ts';
import type { StageState } from './stage-state.ts';
import { countStep, expand, fault, InputList, makeEdge, makeLink, record, type Step } from './step.ts';
import type { LaterText } from './step-about.ts';
import { absolutePath, cleanPath, destinationPath, joinPath } from './unix-path.ts';

const NONE: readonly never[] = [];

const CHECKSUM = /^(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$/;

/** An instruction's flags and words with their variables' values. */
interface CopyWords {
  readonly chown: string;
  readonly chmod: string;
  readonly checksum: string;
  readonly sources: readonly string[];
  readonly destination: string;
  readonly documents: readonly { readonly name: string; readonly content: string }[];
}

/** One thing to copy: a tree, a path in it, and how. */
interface Part {
  readonly tree: GraphEdge | undefined;
  readonly src: string;
  /** What of the tree it uses; undefined: it was fetched or written for this step. */
  readonly used: string | undefined;
  /** A path of a tree, not what was fetched or written for this step: links, wildcards and folders' contents count. */
  readonly isPath: boolean;
  readonly attemptUnpack: boolean;
  readonly includePatterns: readonly string[];
  readonly requiredPaths: readonly string[];
}

/** Evaluates COPY or ADD: one vertex, whatever the number of sources; with `--link` one more that stacks it on the stage. */
export function evaluateCopy(step: Step, instruction: CopyInstruction | AddInstruction): void {
  const { state } = step;
  const words = expandCopy(step, instruction);
  const isAdd = instruction.kind === 'ADD';
  const source = isAdd ? undefined : step.sources[0];
  if (source !== undefined && !source.dispatched) throw laterStage(step, instruction as CopyInstruction, source);
  const mode = modeOf(step, words.chmod, instruction.chmod);
  // BuildKit stacks nothing where a mode is given: names are looked up as without --link.
  const linked = instruction.link && words.chmod === '';
  if (linked) refuseNames(step, words.chown, instruction.chown);
  checkChecksum(step, instruction, words);
  countStep(step);

  const parts = partsOf(step, instruction, words, source);
  const inputs = new InputList();
  const base = linked ? -1 : inputs.add(state.root);
  for (let index = 0; index < parts.length; index += 1) inputs.add(parts[index]?.tree);
  const how: CopyManner = {
    dest: toBytePath(destinationPath(state.cwd, words.destination)),
    owner: words.chown === '' ? undefined : parseOwner(words.chown, base),
    mode,
    excludePatterns: instruction.exclude.length === 0 ? NONE : instruction.exclude.map(({ text }) => toBytePath(text)),
  };
  const op: FileSpec = { type: 'file', actions: copyActions(parts, base, inputs, how) };
  // A trigger's words are in another text.
  const places = step.onbuild ? undefined : instruction.sources;
  const copied = makeEdge(step, op, inputs.edges, undefined, state.ignoreCache, places);
  // On an empty stage there is nothing to stack.
  state.root = linked && state.root !== undefined ? makeLink(step, [state.root, copied]) : copied;
  const used = source === undefined ? state.contextPaths : source.paths;
  for (let index = 0; index < parts.length; index += 1) {
    const path = parts[index]?.used;
    if (path !== undefined) used.add(path);
  }
  record(step, historyOf(instruction, words), state.root);
}

/** What all sources of an instruction have in common. */
interface CopyManner {
  readonly dest: string;
  readonly owner: Owner | undefined;
  readonly mode: number | string | undefined;
  readonly excludePatterns: readonly string[];
}

/** One action for each part: the first on the base, each other one on the result of the one before. */
function copyActions(parts: readonly Part[], base: number, inputs: InputList, how: CopyManner): readonly FileAction[] {
  const before = inputs.edges.length - 1;
  const last = parts.length - 1;
  return parts.map((part, index) => ({
    input: index === 0 ? base : before + index,
    secondaryInput: inputs.add(part.tree),
    output: index === last ? 0 : -1,
    action: copyAction(part, how),
  }));
}

function copyAction(
  { src, isPath, attemptUnpack, includePatterns, requiredPaths }: Part,
  { dest, owner, mode, excludePatterns }: CopyManner,
): CopyAction {
  // Assigned, not spread: a file has hundreds of these.
  const action: { -readonly [K in keyof CopyAction]: CopyAction[K] } = {
    kind: 'copy',
    src,
    dest,
    followSymlink: isPath,
    dirCopyContents: isPath,
    attemptUnpack,
    createDestPath: true,
    allowWildcard: isPath,
    allowEmptyWildcard: isPath,
    includePatterns,
    excludePatterns,
    alwaysReplaceExistingDestPaths: false,
    requiredPaths,
  };
  if (owner !== undefined) action.owner = owner;
  if (mode !== undefined) action.mode = mode;
  return action;
}

/** With `--link` the files are laid on whatever is below: there are no accounts to look names up in. */
function refuseNames(step: Step, chown: string, word: Word | undefined): void {
  const { user, group } = parseOwner(chown, -1);
  if (![user, group].some((who) => who !== undefined && 'name' in who)) return;
  throw fault(
    step,
    `--chown=${chown}: user and group names can't be resolved when used with --link, use numeric uid[:gid] instead`,
    'write the numbers that /etc/passwd and /etc/group of the base have, or leave --link out',
    word === undefined ? {} : { word },
  );
}

function expandCopy(step: Step, instruction: CopyInstruction | AddInstruction): CopyWords {
  return {
    chown: expandMaybe(step, instruction.chown),
    chmod: expandMaybe(step, instruction.chmod),
    checksum: instruction.kind === 'ADD' ? expandMaybe(step, instruction.checksum) : '',
    sources: instruction.sources.map((source) => expand(step, source)),
    destination: expand(step, instruction.destination),
    documents: instruction.inlineFiles.length === 0 ? NONE : expandDocuments(step, instruction),
  };
}

function expandMaybe(step: Step, word: Word | undefined): string {
  return word === undefined ? '' : expand(step, word);
}

function expandDocuments(step: Step, { inlineFiles, heredocs }: CopyInstruction | AddInstruction): CopyWords['documents'] {
  return inlineFiles.map(({ name, content, expand: isTemplate }, index) => {
    const document = heredocs[index];
    // Without its tabs a document's columns are other ones.
    const lines = document?.content === content ? { text: content, range: document.range } : content;
    return { name, content: isTemplate ? expand(step, lines, { ignoreQuotes: true, escape: '\\' }) : content };
  });
}

function laterStage(step: Step, instruction: CopyInstruction, source: StageState): Fault {
  const from = JSON.stringify(instruction.from?.text ?? '');
  return fault(
    step,
    `cannot copy from stage ${from}, it needs to be defined before current stage ${JSON.stringify(step.state.name)}`,
    `move the stage ${source.name} in front of ${step.state.name}`,
    { word: instruction.from, related: { range: source.range, message: `${source.name} begins here` } },
  );
}

function modeOf(step: Step, chmod: string, word: Word | undefined): number | string | undefined {
  if (chmod === '') return undefined;
  const read = parseChmod(chmod);
  if ('wrong' in read) throw fault(step, read.wrong, 'write octal digits such as 0755, or u=rwX,go=rX', { word });
  return read.mode;
}

function checkChecksum(step: Step, instruction: CopyInstruction | AddInstruction, words: CopyWords): void {
  if (words.checksum === '' || instruction.kind !== 'ADD') return;
  const [source = ''] = words.sources;
  if (words.sources.length !== 1)
    throw fault(step, "checksum can't be specified for multiple sources", 'write an ADD for each source', { word: instruction.checksum });
  if (!isRemote(step, source))
    throw fault(step, 'checksum requires HTTP(S) or Git sources', 'files of the context are known by their content anyway', {
      word: instruction.checksum,
    });
}

function isRemote(step: Step, source: string): boolean {
  return gitRefOf(step, source) !== undefined || isHttpUrl(source);
}

/** A git address as ADD takes them: one that could be a path is a path. */
function gitRefOf(step: Step, source: string, word?: Word): GitRef | undefined {
  try {
    const ref = parseGitRef(source);
    return ref === undefined || ref.looksLocal ? undefined : ref;
  } catch (error) {
    if (isSlipwayError(error)) throw fault(step, error.message, error.hint, { word });
    throw error;
  }
}

function partsOf(
  step: Step,
  instruction: CopyInstruction | AddInstruction,
  words: CopyWords,
  source: StageState | undefined,
): readonly Part[] {
  const parts = words.sources.map((text, index) => sourcePart(step, instruction, words, text, index, source));
  return words.documents.length === 0 ? parts : [...parts, ...words.documents.map((document) => documentPart(step, document))];
}

function sourcePart(
  step: Step,
  instruction: CopyInstruction | AddInstruction,
  words: CopyWords,
  text: string,
  index: number,
  source: StageState | undefined,
): Part {
  const word = instruction.sources[index];
  const git = gitRefOf(step, text, word);
  if (git !== undefined) {
    if (instruction.kind !== 'ADD') throw fault(step, "source can't be a git ref for COPY", 'ADD fetches repositories', { word });
    return gitPart(step, instruction, words, git);
  }
  if (isHttpAddress(text)) {
    if (instruction.kind !== 'ADD') throw fault(step, "source can't be a URL for COPY", 'ADD fetches addresses', { word });
    return httpPart(step, instruction, words, text);
  }
  return pathPart(step, instruction, text, source);
}

function gitPart(step: Step, instruction: AddInstruction, words: CopyWords, ref: GitRef): Part {
  const { keepGitDir } = instruction;
  if (keepGitDir !== undefined && ref.keepGitDir !== undefined && keepGitDir !== ref.keepGitDir) {
    throw fault(step, 'inconsistent keep-git-dir configuration', 'say it once: by the flag or in the address');
  }
  if (words.checksum !== '' && ref.checksum !== undefined && words.checksum !== ref.checksum) {
    throw fault(
      step,
      `checksum mismatch ${JSON.stringify(words.checksum)} != ${JSON.stringify(ref.checksum)}`,
      'say it once: by the flag or in the address',
      { word: instruction.checksum },
    );
  }
  const { mtime: _, ...counted } = ref; // only contexts take it
  const source = gitSource(counted, {
    keepGitDir: ref.keepGitDir ?? keepGitDir ?? false,
    ...(words.checksum === '' ? {} : { checksum: words.checksum }),
  });
  return fetched(makeEdge(step, { type: 'source', source }, [], undefined), '/', false);
}

function httpPart(step: Step, instruction: AddInstruction, words: CopyWords, url: string): Part {
  const filename = urlFilename(url);
  if (words.checksum !== '' && !CHECKSUM.test(words.checksum)) {
    throw fault(step, `invalid checksum digest format: ${JSON.stringify(words.checksum)}`, 'write sha256: and 64 hexadecimal digits', {
      word: instruction.checksum,
    });
  }
  const tree = makeEdge(
    step,
    {
      type: 'source',
      source: { kind: 'http', url, filename, ...(words.checksum === '' ? {} : { checksum: words.checksum }) },
    },
    [],
    undefined,
  );
  return fetched(tree, toBytePath(joinPath('/', filename)), instruction.unpack ?? false);
}

function fetched(tree: GraphEdge, src: string, attemptUnpack: boolean): Part {
  return { tree, src, used: undefined, isPath: false, attemptUnpack, includePatterns: NONE, requiredPaths: NONE };
}

function pathPart(step: Step, instruction: CopyInstruction | AddInstruction, text: string, source: StageState | undefined): Part {
  const isAdd = instruction.kind === 'ADD';
  if (source === undefined) step.scope.lint.ignoredSource(text, step);
  const tree = source === undefined ? step.scope.buildContext() : source.root;
  const attemptUnpack = isAdd ? (instruction.unpack ?? true) : false;
  const isPath = true;
  const used = absolutePath('/', text);
  if (isAdd || !instruction.parents) {
    return { tree, src: toBytePath(used), used, isPath, attemptUnpack, includePatterns: NONE, requiredPaths: NONE };
  }
  const pivot = text.indexOf('/./');
  const folder = pivot < 0 ? '/' : text.slice(0, pivot);
  const pattern = parentsPattern(pivot < 0 ? text : text.slice(pivot + 3));
  const literal = !hasWildcard(folder) && !hasWildcard(pattern);
  return {
    tree,
    src: toBytePath(absolutePath('/', folder)),
    used,
    isPath,
    attemptUnpack,
    includePatterns: [toBytePath(pattern.replace(/^\//, ''))],
    requiredPaths: literal ? [toBytePath(absolutePath('/', joinPath(folder, pattern)))] : NONE,
  };
}

/** The pattern below the pivot: absolute, joined only when it was relative. */
function parentsPattern(pattern: string): string {
  return pattern.startsWith('/') ? pattern : joinPath('/', pattern);
}

/** An inline file: a tree of its own with that one file. */
function documentPart(step: Step, document: CopyWords['documents'][number]): Part {
  const path = toBytePath(absolutePath('/', document.name));
  const tree = makeEdge(
    step,
    {
      type: 'file',
      actions: [
        { input: -1, secondaryInput: -1, output: 0, action: { kind: 'mkfile', path, mode: 0o644, data: toBytePath(document.content) } },
      ],
    },
    [],
    '[internal] preparing inline document',
  );
  return fetched(tree, path, false);
}

/** Wildcards of Go's `filepath.Match`; an escaped character is none. */
function hasWildcard(path: string): boolean {
  return /[*?[]/.test(path.replace(/\\[^]/g, ''));
}

function historyOf(instruction: CopyInstruction | AddInstruction, words: CopyWords): LaterText {
  return () => {
    let text: string = instruction.kind;
    if (instruction.kind === 'COPY' && instruction.parents) text += ' --parents';
    if (words.chown !== '') text += ` --chown=${words.chown}`;
    if (words.chmod !== '') text += ` --chmod=${words.chmod}`;
    for (const source of words.sources) text += ` ${source}`;
    for (const { name } of words.documents) text += ` <<${name}`;
    return `${text} ${words.destination} # buildkit`;
  };
}

/** Evaluates WORKDIR: the folder is made at once, owned by the user of the moment. */
export function evaluateWorkdir(step: Step, instruction: WorkdirInstruction): void {
  const { scope, state } = step;
  const path = expand(step, instruction.path);
  if (!state.workdirSet && !path.startsWith('/')) scope.lint.relativeWorkdir(path, step);
  state.workdirSet = true;
  changeFolder(state, path);
  let output: GraphEdge | undefined;
  if (state.cwd !== '/') {
    countStep(step);
    const inputs = new InputList();
    const input = inputs.add(state.root);
    const { User: user = '' } = state.draft.config;
    const action: { -readonly [K in keyof MkdirAction]: MkdirAction[K] } = {
      kind: 'mkdir',
      path: toBytePath(cleanPath(state.cwd)),
      mode: 0o755,
      makeParents: true,
    };
    if (user !== '') action.owner = parseOwner(user, input);
    if (scope.epoch !== undefined) action.timestamp = scope.epoch;
    const actions: readonly FileAction[] = [{ input, secondaryInput: -1, output: 0, action }];
    output = makeEdge(step, { type: 'file', actions }, inputs.edges, undefined);
    state.root = output;
  }
  record(step, `WORKDIR ${state.cwd}`, output);
}

/** The new working folder. An absolute path stays as it was written; an image for Windows has it without drive, by backslashes. */
export function changeFolder(state: StageState, path: string): void {
  const { config } = state.draft;
  const isWindows = state.platform.os === 'windows';
  if (!isWindows && path.startsWith('/')) {
    config.WorkingDir = state.cwd = path;
    return;
  }
  const slashed = (text: string): string => (isWindows ? text.replace(/^[A-Za-z]:/, '').replaceAll('\\', '/') : text);
  const current = slashed(config.WorkingDir ?? '');
  const wanted = slashed(path);
  const folder = wanted.startsWith('/') ? wanted : wanted === '' ? (current === '' ? '/' : current) : joinPath('/', current, wanted);
  config.WorkingDir = isWindows ? folder.replaceAll('/', '\\') : folder;
  state.cwd = folder;
}
