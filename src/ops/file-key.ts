// The key of a FileOp: what its actions say, the whole of what they change, and of what they copy only the selected paths.

import {
  baseName,
  canonicalJson,
  type Digest,
  digestOf,
  fromBytePath,
  hideLogin,
  isSlipwayError,
  type JobContext,
  locate,
  SlipwayError,
} from '../base/index.ts';
import type { CopyAction, FileAction, FileSpec, GraphVertex, Owner } from '../graph/index.ts';
import type { RootFS } from '../snapshot/index.ts';
import { type CacheMap, type KeyField, type PathList, PathListWriter } from '../solver/index.ts';
import { destinationOf, selectorOf } from './copy-select.ts';
import type { OpDeps } from './deps.ts';
import { cleanPath } from './file-path.ts';
import { expansionNotes } from './key-notes.ts';
import { selected, type Selection } from './selection.ts';

/** Longer texts of inline files are shown by digest. */
const SHOWN_TEXT = 4000;

/** Makes the key. May reject with NeedsBytes, `COPY_NOT_FOUND`. `step` is its place for explanations. */
export async function fileKey(
  vertex: GraphVertex,
  spec: FileSpec,
  step: string,
  inputs: readonly RootFS[],
  deps: OpDeps,
  job: JobContext,
): Promise<CacheMap> {
  const changed = new Set(spec.actions.map(({ input }) => input).filter((input) => inputs[input] !== undefined));
  const fields: KeyField[] = [{ name: 'command', value: commandOf(vertex, spec) }, ...optionFields(spec)];
  const contents: Digest[] = [];
  for (const input of [...changed].sort((a, b) => a - b)) {
    fields.push({ name: `input ${input}`, value: (inputs[input] as RootFS).identity });
  }
  for (const [index, action] of spec.actions.entries()) {
    const { secondaryInput, action: copied } = action;
    const source = inputs[secondaryInput];
    if (copied.kind === 'copy' && source !== undefined) {
      const name = sourceName(vertex, secondaryInput);
      const selector = selectorOf(copied);
      const selection = await atSource(vertex, index, () =>
        selected(source, secondaryInput, selector, { name, vertex: vertex.digest, destination: destinationOf(copied) }, deps, job),
      );
      contents.push(selection.digest);
      fields.push(contentField(vertex, secondaryInput, name, selection));
    }
    for (const { name, digest } of await ownerFiles(action, changed, inputs, deps, job)) {
      contents.push(digest);
      fields.push({ name: `owner ${name}`, value: digest });
    }
  }
  const identities = [...changed].sort((a, b) => a - b).map((input) => [input, (inputs[input] as RootFS).identity] as const);
  const key = digestOf(
    canonicalJson({ op: 'file', actions: spec.actions.map((action) => keyedAction(action, inputs.length)), identities, contents }),
  );
  const ignored = inputs.flatMap(({ folder }): KeyField[] =>
    folder === undefined ? [] : [{ name: 'ignore', value: folder.exclude.join('\n') }],
  );
  const notes = [...ignored, ...expansionNotes(vertex)];
  return { key, step, fields: mergeFields(fields), ...(notes.length === 0 ? {} : { notes }) };
}

/** What fails about one source of a copy is said where that source was written. */
async function atSource<T>({ about }: GraphVertex, index: number, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const range = about.sources?.[index];
    if (about.location === undefined || range === undefined) throw error;
    const { source } = about.location;
    const written = source.text.split('\n')[range.start.line - 1]?.slice(range.start.column, range.end.column) ?? '';
    throw locate(leadsOut(error, written), { source, range });
  }
}

/** `..` never leaves the place that is copied from: whoever writes it expects what is beside the context. */
function leadsOut(error: unknown, written: string): unknown {
  if (!isSlipwayError(error, 'COPY_NOT_FOUND') || !/^(?:\.\/)*\.\.(?:\/|$)/.test(written)) return error;
  const hint = 'files outside are out of reach: build with the folder above as context, or name another by --build-context';
  return new SlipwayError(error.code, error.message, { hint, facts: error.facts, cause: error });
}

/** An action as far as it counts: a source's folder does not, its name does. */
function keyedAction(action: FileAction, inputs: number): unknown {
  const { input, secondaryInput, output } = action;
  const said = action.action;
  if (said.kind !== 'copy' || secondaryInput < 0 || secondaryInput >= inputs) return { input, secondaryInput, output, ...said };
  const { requiredPaths: _, ...counted } = said;
  return { input, secondaryInput, output, ...counted, src: baseName(cleanPath(said.src)) };
}

/** The instruction in words that count: `COPY f /dest`. */
function commandOf(vertex: GraphVertex, { actions }: FileSpec): string {
  const kind = /^[A-Z]+/.exec(vertex.about.instruction ?? '')?.[0];
  const words = actions.map(({ action }) => {
    switch (action.kind) {
      case 'copy':
        return fromBytePath(baseName(cleanPath(action.src))) || '/';
      case 'mkdir':
      case 'mkfile':
      case 'rm':
        return `${kind === undefined ? `${action.kind} ` : ''}${fromBytePath(action.path)}`;
      case 'symlink':
        return `${fromBytePath(action.target)} ${fromBytePath(action.path)}`;
    }
  });
  const dests = new Set(actions.flatMap(({ action }) => (action.kind === 'copy' ? [fromBytePath(action.dest)] : [])));
  return [...(kind === undefined ? [] : [kind]), ...words, ...dests].join(' ');
}

/** Everything else that the actions say. */
function optionFields({ actions }: FileSpec): KeyField[] {
  const values = new Map<string, Set<string>>();
  const note = (name: string, value: string): void => {
    const known = values.get(name) ?? new Set<string>();
    values.set(name, known.add(value));
  };
  for (const { action, input, secondaryInput, output } of actions) {
    if ('owner' in action && action.owner !== undefined) note('option chown', ownerText(action.owner));
    if ('timestamp' in action && action.timestamp !== undefined) note('option timestamp', String(action.timestamp));
    if (action.kind === 'mkfile') note(`heredoc ${fromBytePath(baseName(action.path))}`, shownText(action.data));
    if ('mode' in action && action.mode !== undefined)
      note('option chmod', typeof action.mode === 'number' ? action.mode.toString(8) : action.mode);
    note(
      'option flags',
      canonicalJson([input, secondaryInput, output, action.kind === 'copy' ? flagsOf(action) : { ...action, data: undefined }]),
    );
    if (action.kind !== 'copy') continue;
    if (action.excludePatterns.length > 0) note('option exclude', action.excludePatterns.map(fromBytePath).join(' '));
    if (action.includePatterns.length > 0) note('option parents', action.includePatterns.map(fromBytePath).join(' '));
    if (action.attemptUnpack) note('option unpack', 'true');
  }
  return [...values].map(([name, set]) => ({ name, value: [...set].join(' ') }));
}

function flagsOf(action: CopyAction): unknown {
  const { followSymlink, dirCopyContents, createDestPath, allowWildcard, allowEmptyWildcard, alwaysReplaceExistingDestPaths } = action;
  return { followSymlink, dirCopyContents, createDestPath, allowWildcard, allowEmptyWildcard, alwaysReplaceExistingDestPaths };
}

function ownerText({ user, group }: Owner): string {
  const text = (who: Owner['user']): string => (who === undefined ? '' : 'id' in who ? String(who.id) : who.name);
  return group === undefined ? text(user) : `${text(user)}:${text(group)}`;
}

function shownText(data: string): string {
  return data.length > SHOWN_TEXT ? digestOf(Buffer.from(data, 'latin1')) : fromBytePath(data);
}

/** What a field of copied content is called and shows: an inline file its text, all else its digest and list. */
function contentField(vertex: GraphVertex, input: number, name: string | undefined, selection: Selection): KeyField {
  const op = vertex.inputs[input]?.vertex.op;
  const only = op?.type === 'file' && op.actions.length === 1 ? op.actions[0]?.action : undefined;
  if (only?.kind === 'mkfile') return { name: `heredoc ${fromBytePath(baseName(only.path))}`, value: shownText(only.data) };
  const { digest, list } = selection;
  return { name: name === undefined ? 'files' : `files ${name}`, value: digest, ...(list === undefined ? {} : { list }) };
}

/** What people call an input; undefined: the build context. */
export function sourceName(vertex: GraphVertex, input: number): string | undefined {
  const producer = vertex.inputs[input]?.vertex;
  if (producer === undefined) return undefined;
  if (producer.op.type !== 'source') {
    const { stage, name } = producer.about;
    return stage === undefined && name.startsWith('[internal] ') ? undefined : (stage ?? name); // a context that is unpacked, or a part of one
  }
  const { source } = producer.op;
  switch (source.kind) {
    case 'local':
      return source.name === 'context' ? undefined : source.name;
    case 'git':
      return hideLogin(source.remote);
    case 'http':
      return hideLogin(source.url);
    case 'image':
    case 'oci-layout':
      return producer.about.stage ?? source.ref;
  }
}

/** Passwd and group files of inputs that do not count as a whole. A file that is not there counts as such. */
async function ownerFiles(
  { action }: FileAction,
  changed: ReadonlySet<number>,
  inputs: readonly RootFS[],
  deps: OpDeps,
  job: JobContext,
): Promise<readonly { readonly name: string; readonly digest: Digest }[]> {
  if (!('owner' in action) || action.owner === undefined) return [];
  const { user, group } = action.owner;
  const found: { name: string; digest: Digest }[] = [];
  for (const [who, file] of [
    [user, '/etc/passwd'],
    [group, '/etc/group'],
  ] as const) {
    if (who === undefined || 'id' in who || changed.has(who.input)) continue;
    const input = inputs[who.input];
    if (input === undefined) continue;
    // By glob, so that a missing file is an empty selection.
    const selector = { src: `${file.slice(0, -1)}[${file.slice(-1)}]`, allowWildcard: true };
    const all = { ...selector, followSymlink: true, dirCopyContents: false, includePatterns: [], excludePatterns: [], requiredPaths: [] };
    try {
      found.push({ name: who.name, digest: (await selected(input, who.input, all, {}, deps, job)).digest });
    } catch (error) {
      if ((error as { code?: string }).code !== 'COPY_NOT_FOUND') throw error;
      found.push({ name: who.name, digest: digestOf('') });
    }
  }
  return found;
}

/** Several sources of one name become one field: their digests together, their lists one after another. */
function mergeFields(fields: readonly KeyField[]): readonly KeyField[] {
  const merged = new Map<string, KeyField>();
  for (const field of fields) {
    const known = merged.get(field.name);
    if (known === undefined) {
      merged.set(field.name, field);
      continue;
    }
    merged.set(field.name, {
      name: field.name,
      value: field.name.startsWith('files') ? digestOf(`${known.value}\n${field.value}`) : `${known.value}\n${field.value}`,
      ...(known.list === undefined || field.list === undefined ? {} : { list: joinedLists(known.list, field.list) }),
    });
  }
  return [...merged.values()];
}

function joinedLists(first: () => PathList, second: () => PathList): () => PathList {
  return () => {
    const joined = new PathListWriter();
    joined.append(first());
    joined.append(second());
    return joined.finish();
  };
}
