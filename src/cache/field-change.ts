// One changed field of a key, in words.

import { isDigest, type StepReason } from '../base/index.ts';
import type { CacheMap, KeyField, ListComparison, PathList } from '../solver/index.ts';
import type { Attempt } from './attempts.ts';
import { countFiles, diffLists } from './diff-lists.ts';

/** A difference between two keys. `before` or `now` is absent when the field is. */
export interface FieldDifference {
  readonly name: string;
  /** What the field was called, where that is another name. */
  readonly oldName?: string;
  readonly kind: string;
  readonly object: string;
  readonly before: string | undefined;
  readonly now: string | undefined;
  readonly field: KeyField | undefined;
}

/** A list beside the one behind an earlier value of a step's field; undefined: that one is not known. */
export type CompareLists = (step: string, field: string, value: string, now: () => PathList) => ListComparison | undefined;

/** Longest value shown, characters. */
const SHOWN = 80;
/** Changed paths named in the text; all of them are in the details. */
const NAMED = 5;

/** The reason that one difference is. */
export function fieldChange(difference: FieldDifference, map: CacheMap, nearest: Attempt, list: CompareLists): StepReason {
  const { kind, object } = difference;
  switch (kind) {
    case 'command':
      return commandChange(difference);
    case 'arg':
      return { cause: 'argument', text: valueChange(`ARG ${object}`, difference, defaultOf(map, object)), details: [object] };
    case 'env':
      return { cause: 'environment', text: valueChange(`ENV ${object}`, difference), details: [object] };
    case 'user':
    case 'workdir':
      return { cause: kind, text: valueChange(kind.toUpperCase(), difference) };
    case 'shell':
      return { cause: 'shell', text: valueChange('SHELL', difference) };
    case 'platform':
      return { cause: 'platform', text: valueChange('the platform', difference) };
    case 'heredoc':
      return { cause: 'heredoc', text: `the text of the inline file ${object} changed`, details: [object] };
    case 'mount':
      return { cause: 'mount', text: mountChange(difference), details: [object] };
    case 'files':
    case 'bind':
      return contentChange(difference, map, nearest, list);
    case 'owner':
      return { cause: 'owner', text: `the owner ${object} is somebody else in the tree that is asked` };
    case 'git':
      return { cause: 'git', text: `git ref moved: ${object} ${short(difference.before)} → ${short(difference.now)}`, details: [object] };
    case 'http':
      return { cause: 'http', text: `${object} has new content`, details: [object] };
    case 'modified':
      return { cause: 'http', text: valueChange(`Last-Modified of ${object}`, difference), details: [object] };
    case 'image':
      return { cause: 'base', text: `image moved: ${object}`, details: [object] };
    case 'option':
      if (object === 'flags') return { cause: 'option', text: 'its options changed' };
      return { cause: 'option', text: valueChange(`option ${object}`, difference), details: [object] };
    default:
      return { cause: kind, text: valueChange(difference.name, difference) };
  }
}

function defaultOf(map: CacheMap, name: string): string {
  return map.notes?.some((note) => note.name === `default ${name}`) === true ? ' (its default)' : '';
}

/** `ARG VERSION changed: 1.2 → 1.3`; without values where they are digests or several lines. */
function valueChange(what: string, { before, now }: FieldDifference, remark = ''): string {
  if (before === undefined) return `${what} is new${remark}${showable(now) ? `: ${abbreviate(now)}` : ''}`;
  if (now === undefined) return `${what} is gone`;
  return showable(before) && showable(now)
    ? `${what} changed${remark}: ${abbreviate(before)} → ${abbreviate(now)}`
    : `${what} changed${remark}`;
}

function showable(value: string | undefined): value is string {
  return value !== undefined && !isDigest(value) && !value.includes('\n') && !value.includes('… sha256:');
}

function abbreviate(value: string): string {
  if (value === '') return '(empty)';
  return value.length <= SHOWN ? value : `${value.slice(0, SHOWN)}…`;
}

function short(value: string | undefined): string {
  return value === undefined ? '(none)' : value.slice(0, 12);
}

/** A command may be JSON of what is executed: then its shell is told from its text. */
function commandChange(difference: FieldDifference): StepReason {
  const [from, to] = [folderOf(difference.before), folderOf(difference.now)];
  if (from !== undefined && to !== undefined) return { cause: 'workdir', text: `WORKDIR changed: ${from} → ${to}` };
  const [before, now] = [readCommand(difference.before), readCommand(difference.now)];
  if (before.shell !== now.shell && before.text === now.text) {
    return { cause: 'shell', text: `SHELL changed: ${before.shell ?? 'none'} → ${now.shell ?? 'none'}` };
  }
  const [a, b] = [before.text.split('\n'), now.text.split('\n')];
  if (a.length === 1 && b.length === 1) {
    return { cause: 'command', text: `the command changed: \`${abbreviate(before.text)}\` → \`${abbreviate(now.text)}\`` };
  }
  const line = b.findIndex((text, index) => text !== a[index]);
  const at = line < 0 ? b.length : line;
  const cause = now.text.includes('\n') ? 'heredoc' : 'command';
  return { cause, text: `line ${at + 1} of the command changed: \`${abbreviate(a[at] ?? '')}\` → \`${abbreviate(b[at] ?? '')}\`` };
}

function folderOf(command: string | undefined): string | undefined {
  return /^WORKDIR (.*)$/s.exec(command ?? '')?.[1];
}

function readCommand(value: string | undefined): { readonly shell: string | undefined; readonly text: string } {
  if (value === undefined) return { shell: undefined, text: '' };
  try {
    const words = JSON.parse(value) as unknown;
    if (
      Array.isArray(words) &&
      words.length >= 2 &&
      words.every((word) => typeof word === 'string') &&
      /^[-/][\w+-]*[cC]$/.test(String(words.at(-2)))
    ) {
      return { shell: words.slice(0, -1).join(' '), text: String(words.at(-1)) };
    }
  } catch {
    // plain text
  }
  return { shell: undefined, text: value };
}

function mountChange({ object, before, now }: FieldDifference): string {
  if (before === undefined) return `the mount at ${object} is new`;
  if (now === undefined) return `the mount at ${object} is gone`;
  return `options of the mount at ${object} changed`;
}

function contentChange(
  { kind, object, before, now, field, name, oldName = name }: FieldDifference,
  map: CacheMap,
  nearest: Attempt,
  list: CompareLists,
): StepReason {
  const where = kind === 'bind' ? ` bound at ${object}` : object === '' ? '' : ` from ${object}`;
  if (before === undefined || now === undefined) {
    return { cause: 'content', text: `it takes files${where} ${before === undefined ? 'now' : 'no longer'}` };
  }
  const compared = field?.list === undefined ? undefined : list(nearest.step, oldName, before, field.list);
  if (compared === undefined) return { cause: 'content', text: `files${where} changed` };
  const changes = diffLists(compared.before, compared.now);
  const details = changes.map(({ text }) => text);
  if (changes.length === 0) return { cause: 'content', text: `files${where} changed` };
  const named = details.slice(0, NAMED).join(', ') + (details.length > NAMED ? ` and ${thousands(details.length - NAMED)} more` : '');
  const [ignoreBefore, ignoreNow] = [nearest.notes.get('ignore'), map.notes?.find(({ name }) => name === 'ignore')?.value];
  if (
    ignoreBefore !== undefined &&
    ignoreNow !== undefined &&
    ignoreBefore !== ignoreNow &&
    changes.every(({ kind: how }) => how === 'new' || how === 'removed')
  ) {
    return { cause: 'ignore', text: `.dockerignore changed: ${named}`, details };
  }
  const total = Math.max(compared.same + Math.max(countFiles(compared.now), countFiles(compared.before)), changes.length);
  return { cause: 'content', text: `${thousands(changes.length)} of ${thousands(total)} files${where} changed: ${named}`, details };
}

function thousands(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}
