// Actions of LLB's file ops as ours.

import type { FileAction, Owner } from '../engine.ts';
import type { ChownOpt, FileAction as PbFileAction, UserOpt } from '../gen/llb_pb.ts';
import { decodePath, refuse } from './refuse.ts';

/** What numbers of a file action may mean: inputs of the op, of which `edges` remain, then the results of the actions `done` before. */
export interface ActionPlaces {
  readonly inputs: number;
  readonly edges: number;
  readonly done: number;
}

/** One action; `index` maps numbers of inputs to those of the inputs that remain. Throws InvalidArgument. */
export function decodeAction(action: PbFileAction, { inputs, edges, done }: ActionPlaces, index: (old: bigint) => number): FileAction {
  const place = (old: bigint): number => {
    if (old < BigInt(inputs)) return index(old);
    if (old >= BigInt(inputs + done)) throw refuse(`invalid input index ${old}`);
    return Number(old) - inputs + edges;
  };
  const owner = (chown: ChownOpt | undefined): { readonly owner?: Owner } => {
    const user = decodeUser(chown?.user, place);
    const group = decodeUser(chown?.group, place);
    if (user === undefined && group === undefined) return {};
    return { owner: { ...(user !== undefined && { user }), ...(group !== undefined && { group }) } };
  };
  const base = { input: place(action.input), secondaryInput: place(action.secondaryInput), output: Number(action.output) };
  switch (action.action.case) {
    case 'copy': {
      const copy = action.action.value;
      return {
        ...base,
        action: {
          kind: 'copy',
          src: decodePath(copy.src),
          dest: decodePath(copy.dest),
          ...owner(copy.owner),
          ...(copy.modeStr !== '' ? { mode: copy.modeStr } : copy.mode === -1 ? {} : { mode: copy.mode & 0o7777 }),
          followSymlink: copy.followSymlink,
          dirCopyContents: copy.dirCopyContents,
          attemptUnpack: copy.attemptUnpack,
          createDestPath: copy.createDestPath,
          allowWildcard: copy.allowWildcard,
          allowEmptyWildcard: copy.allowEmptyWildcard,
          ...timestamp(copy.timestamp),
          includePatterns: copy.includePatterns.map(decodePath),
          excludePatterns: copy.excludePatterns.map(decodePath),
          alwaysReplaceExistingDestPaths: copy.alwaysReplaceExistingDestPaths,
          requiredPaths: copy.requiredPaths.map(decodePath),
        },
      };
    }
    case 'mkfile': {
      const file = action.action.value;
      return {
        ...base,
        action: {
          kind: 'mkfile',
          path: decodePath(file.path),
          mode: file.mode & 0o7777,
          data: Buffer.from(file.data).toString('latin1'),
          ...owner(file.owner),
          ...timestamp(file.timestamp),
        },
      };
    }
    case 'mkdir': {
      const dir = action.action.value;
      return {
        ...base,
        action: {
          kind: 'mkdir',
          path: decodePath(dir.path),
          mode: dir.mode & 0o7777,
          makeParents: dir.makeParents,
          ...owner(dir.owner),
          ...timestamp(dir.timestamp),
        },
      };
    }
    case 'rm': {
      const { path, allowNotFound, allowWildcard } = action.action.value;
      return { ...base, action: { kind: 'rm', path: decodePath(path), allowNotFound, allowWildcard } };
    }
    case 'symlink': {
      const link = action.action.value;
      return {
        ...base,
        action: {
          kind: 'symlink',
          path: decodePath(link.newpath),
          target: decodePath(link.oldpath),
          ...owner(link.owner),
          ...timestamp(link.timestamp),
        },
      };
    }
    default:
      throw refuse('a file action that is not known');
  }
}

/** Nanoseconds to seconds; -1 stands for none. */
function timestamp(nanoseconds: bigint): { readonly timestamp?: number } {
  return nanoseconds === -1n ? {} : { timestamp: Number(nanoseconds / 1_000_000_000n) };
}

function decodeUser(
  option: UserOpt | undefined,
  place: (old: bigint) => number,
): { name: string; input: number } | { id: number } | undefined {
  switch (option?.user.case) {
    case 'byId':
      return { id: option.user.value };
    case 'byName':
      return { name: option.user.value.name, input: place(option.user.value.input) };
    default:
      return undefined;
  }
}
