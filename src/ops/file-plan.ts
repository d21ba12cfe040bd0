// A FileOp's actions applied to its inputs, in memory: what comes out is the list of layers to write. No byte is read but those of
// passwd and group files.

import type { BytePath } from '../base/index.ts';
import type { FileAction, FileSpec, Owner } from '../graph/index.ts';
import type { Entry, Tree } from '../layer/index.ts';
import { copy } from './copy.ts';
import { type ArchiveMember, unpackInto } from './copy-unpack.ts';
import { type EntryTime, makeDirectories, makeDirectory, makeFile, makeSymlink, remove } from './file-actions.ts';
import { Draft, type DraftItem, DraftTree, EMPTY_TREE } from './file-draft.ts';
import { type Ids, resolveOwner } from './file-owner.ts';

/** One output: a vertex input (-1: nothing) with change sets on top, lowest first. Outputs that build on one another share lists. */
export interface PlannedOutput {
  readonly input: number;
  readonly layers: readonly (readonly DraftItem[])[];
}

export interface PlanSurroundings {
  /** Time of directories that are made on the way. */
  readonly now: EntryTime;
  /** Members of a file that is an archive; undefined: it is none. */
  readonly archive: (tree: Tree, entry: Entry) => Iterable<ArchiveMember> | undefined;
  /** Told about owners that the passwd and group files do not have. */
  readonly unknownOwner: (kind: 'user' | 'group', name: string) => void;
}

/** A result while more may come on top of it. */
interface State {
  readonly input: number;
  readonly below: readonly (readonly DraftItem[])[];
  readonly tree: Tree;
  readonly draft: Draft | undefined;
}

/** Applies the actions that the outputs need; `inputs` are the trees of the vertex's inputs. */
export function planFiles(spec: FileSpec, inputs: readonly Tree[], around: PlanSurroundings): readonly PlannedOutput[] {
  const { actions } = spec;
  const uses = countUses(actions, inputs.length);
  const done = new Map<number, State>();
  const finished = new Map<Draft, readonly DraftItem[]>();
  const layersOf = ({ below, draft }: State): readonly (readonly DraftItem[])[] => {
    if (draft === undefined) return below;
    let entries = finished.get(draft);
    if (entries === undefined) finished.set(draft, (entries = draft.finish()));
    return [...below, entries];
  };
  const stateOf = (index: number): State => {
    if (index < 0) return { input: -1, below: [], tree: EMPTY_TREE, draft: undefined };
    const tree = inputs[index];
    if (tree !== undefined) return { input: index, below: [], tree, draft: undefined };
    let state = done.get(index);
    if (state === undefined) done.set(index, (state = run(actions[index - inputs.length])));
    return state;
  };
  const run = (action: FileAction | undefined): State => {
    if (action === undefined) throw new Error('internal: a file action of an input that there is not');
    const before = stateOf(action.input);
    // A result that nobody else looks at is changed in place: one layer for the whole instruction.
    const inPlace = before.draft !== undefined && uses.get(action.input) === 1;
    const draft = inPlace ? before.draft : new Draft(before.tree);
    const below = inPlace ? before.below : layersOf(before);
    const source = stateOf(action.secondaryInput).tree;
    apply(draft, action, source, (index) => stateOf(index).tree, around);
    return { input: before.input, below, tree: new DraftTree(draft), draft };
  };
  // An action builds on earlier ones only. One after the other: a recursion would be as deep as they are many.
  for (const index of neededActions(actions, inputs.length)) stateOf(index);
  const outputs: PlannedOutput[] = [];
  for (const [index, action] of actions.entries()) {
    if (action.output < 0) continue;
    const state = stateOf(inputs.length + index);
    outputs[action.output] = { input: state.input, layers: layersOf(state) };
  }
  return outputs;
}

function apply(draft: Draft, { action }: FileAction, source: Tree, treeOf: (input: number) => Tree, around: PlanSurroundings): void {
  const ownerOf = (owner: Owner | undefined): Ids | undefined =>
    owner === undefined ? undefined : resolveOwner(owner, treeOf, around.unknownOwner);
  const timeOf = (timestamp: number | undefined): EntryTime => (timestamp === undefined ? around.now : { mtime: timestamp, mtimeNs: 0 });
  switch (action.kind) {
    case 'copy': {
      const unpack = (target: Draft, tree: Tree, entry: Entry, directory: BytePath, owner: Ids | undefined): boolean => {
        const members = around.archive(tree, entry);
        if (members === undefined) return false;
        const time = timeOf(action.timestamp);
        makeDirectories(target, directory, { mode: 0o755, owner, time });
        unpackInto(target, directory, members, owner, around.now);
        return true;
      };
      return copy(draft, action, { source, owner: ownerOf(action.owner), now: around.now, unpack });
    }
    case 'mkdir':
      return makeDirectory(draft, action, ownerOf(action.owner), timeOf(action.timestamp));
    case 'mkfile':
      return makeFile(draft, action, ownerOf(action.owner), timeOf(action.timestamp));
    case 'symlink':
      return makeSymlink(draft, action, ownerOf(action.owner), timeOf(action.timestamp));
    case 'rm':
      return remove(draft, action);
  }
}

/** Numbers of the actions that outputs stand on, earlier ones first. */
function neededActions(actions: readonly FileAction[], inputs: number): readonly number[] {
  const needed = new Set<number>();
  for (const [index, { action, input, secondaryInput, output }] of [...actions.entries()].reverse()) {
    if (output >= 0) needed.add(inputs + index);
    if (!needed.has(inputs + index)) continue;
    const owner = 'owner' in action ? [action.owner?.user, action.owner?.group] : [];
    const owners = owner.map((who) => (who !== undefined && 'name' in who ? who.input : -1));
    for (const before of [input, secondaryInput, ...owners]) if (before >= inputs) needed.add(before);
  }
  return [...needed].sort((a, b) => a - b);
}

/** How often each action's result is built on, read from or given out. Looking up owners does not count: it changes nothing. */
function countUses(actions: readonly FileAction[], inputs: number): ReadonlyMap<number, number> {
  const uses = new Map<number, number>();
  const use = (index: number): void => void uses.set(index, (uses.get(index) ?? 0) + 1);
  for (const [index, action] of actions.entries()) {
    use(action.input);
    use(action.secondaryInput);
    if (action.output >= 0) use(inputs + index);
  }
  return uses;
}
