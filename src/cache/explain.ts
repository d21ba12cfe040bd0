// Why a step has to run: the true cause in words that somebody can act on. Pure: earlier attempts in, reason out.

import type { Digest, StepReason } from '../base/index.ts';
import type { CacheMap, KeyField, StepContext, StepInput } from '../solver/index.ts';
import { type Attempt, labelOf } from './attempts.ts';
import { type CompareLists, fieldChange, type FieldDifference } from './field-change.ts';
import { safeField, splitFieldName } from './secret-names.ts';

/** What an explanation may ask for. */
export interface ExplainSources {
  /** Attempts before this build of the same Dockerfile, oldest first. */
  readonly attempts: readonly Attempt[];
  /** Attempts of other Dockerfiles: the same one may have been built from another folder. Asked when nothing is known of this one's. */
  readonly elsewhere?: () => readonly Attempt[];
  /** When the result of a key was last used, milliseconds since the epoch. */
  readonly usedAt?: (key: Digest) => number | undefined;
  readonly list: CompareLists;
  /** Caches that could not be imported, and why. */
  readonly failedImports: readonly string[];
  /** Caches that were imported, and whether one of them has something at this step's place. */
  readonly imported?: { readonly places: readonly string[]; readonly hasPlace: boolean };
}

/** How much a difference tells two steps apart when the nearest earlier one is looked for. */
const COMMAND_WEIGHT = 6;
/** The field that says what is run or copied. */
const COMMAND = 'command';
const OTHER_STAGE = 2.5;
const OTHER_PLACE = 0.5;
/** Kinds of fields whose values are words of the instruction, variables expanded. */
const EXPANDED: ReadonlySet<string> = new Set(['command', 'option', 'mount', 'heredoc', 'workdir']);
/** The field of everything an instruction says that has no name of its own: told only when nothing else differs. */
const FLAGS = 'option flags';
/** Differences of two states of one step that is looked for in another folder, at most. */
const TWIN_DIFFERENCES = 2;
/** Details listed at most. */
const DETAILS = 100;

/** The reason for a step that has no result. */
export function explainMiss(map: CacheMap, step: StepContext, sources: ExplainSources): StepReason {
  const { attempts, elsewhere = () => [], usedAt = () => undefined, list } = sources;
  const earlier = ({ outcome, at }: Attempt): boolean => outcome !== 'withdrawn' && at < step.since;
  const known = attempts.filter(earlier);
  const same = known.findLast(({ key }) => key === map.key);
  if (same !== undefined) return unfinished(same);
  const nearest = findNearest(map, known, usedAt) ?? findTwin(map, elsewhere().filter(earlier), list);
  if (nearest === undefined) return firstRun(map, step, sources);
  const changes = explainDifferences(differences(map, nearest), map, step, nearest, list);
  if (changes.length === 0) return { cause: 'first', text: 'no earlier run with this key is known' };
  const details = changes.flatMap((change) => change.details ?? []).slice(0, DETAILS);
  return {
    cause: changes.length === 1 || changes.every(({ cause }) => cause === changes[0]?.cause) ? (changes[0] as StepReason).cause : 'several',
    text: changes.map(({ text }) => text).join('; '),
    ...(details.length === 0 ? {} : { details }),
  };
}

function unfinished({ outcome }: Attempt): StepReason {
  switch (outcome) {
    case 'failed':
      return { cause: 'failed', text: 'nothing changed since its last run, which failed' };
    case 'canceled':
      return { cause: 'canceled', text: 'nothing changed since its last run, which was cancelled' };
    case 'started':
      return { cause: 'interrupted', text: 'nothing changed since its last run, which was interrupted' };
    default:
      return { cause: 'pruned', text: 'nothing changed, but its earlier result is no longer in the cache (pruned)' };
  }
}

function firstRun(map: CacheMap, step: StepContext, { failedImports, imported }: ExplainSources): StepReason {
  const unknown = 'no earlier run of this step is known';
  if (failedImports.length > 0) return { cause: 'import-failed', text: `${unknown} here, and ${failedImports.join('; ')}` };
  if (imported === undefined || imported.places.length === 0) return { cause: 'first', text: unknown };
  const one = imported.places.length === 1;
  const from = `the cache${one ? '' : 's'} imported from ${imported.places.join(' and ')}`;
  if (!imported.hasPlace) return { cause: 'first', text: `${unknown} here, nor is one in ${from}` };
  const ran = step.inputs.find(({ executed }) => executed);
  if (ran !== undefined) {
    const label = labelOf(ran.vertex);
    const text = `\`${label}\`${lineOf(ran)} before it ran, and ${from} ${one ? 'has' : 'have'} this step after another result`;
    return { cause: 'input', text, details: [label] };
  }
  // A shared cache has keys, not what went into them.
  const kinds = new Set(map.fields.map(({ name }) => splitFieldName(name)[0]));
  const others = [
    ...(kinds.has('files') || kinds.has('bind') ? ['other files'] : []),
    ...(kinds.has('arg') || kinds.has('env') ? ['other variables'] : []),
    ...(step.inputs.some(({ source, vertex }) => source && isImage(labelOf(vertex))) ? ['another base'] : []),
    'another instruction',
  ];
  return { cause: 'import-other', text: `${from} ${one ? 'has' : 'have'} this step with ${others.join(' or ')}` };
}

/**
 * The earlier attempt that differs least; of equals, one that succeeded, then the one whose result was used last, then the newest.
 * Steps with another command elsewhere do not count.
 */
function findNearest(map: CacheMap, attempts: readonly Attempt[], usedAt: (key: Digest) => number | undefined): Attempt | undefined {
  const [group, place] = splitStep(map.step);
  const uses = new Map<Attempt, number>(); // asking takes longer than comparing
  const lastUse = (attempt: Attempt): number => {
    const use = uses.get(attempt) ?? usedAt(attempt.key) ?? attempt.at;
    uses.set(attempt, use);
    return use;
  };
  const command = map.fields.find(({ name }) => name === COMMAND);
  let best: { readonly attempt: Attempt; readonly score: number } | undefined;
  for (const attempt of attempts) {
    // Most of what is known has another command: nothing else of it is looked at (a seventh of a build of 20 steps went into that).
    const before = attempt.fields.get(COMMAND);
    const other = command === undefined ? before !== undefined : isOther(command, before);
    if (other && !attempt.step.endsWith(`/${place}`)) continue;
    const [otherGroup, otherPlace] = splitStep(attempt.step);
    const own = otherGroup.stage === group.stage && otherPlace === place;
    if (other && !own) continue;
    let score = (otherGroup.stage === group.stage ? 0 : OTHER_STAGE) + (otherPlace === place ? 0 : OTHER_PLACE);
    if (attempt.outcome !== 'done') score += 0.25;
    for (const { kind } of differences(map, attempt)) score += kind === 'command' ? COMMAND_WEIGHT : 1;
    if (best === undefined || score < best.score || (score === best.score && lastUse(attempt) >= lastUse(best.attempt))) {
      best = { attempt, score };
    }
  }
  return best?.attempt;
}

/** Whether a field had another value, or none. */
function isOther(field: KeyField, before: string | undefined): boolean {
  const { value } = safeField(field);
  return before === undefined || (before !== value && before !== cut(value, before));
}

/** The same step of a Dockerfile in another folder, such as an earlier clone: the newest that is the same in most of what it takes. */
function findTwin(map: CacheMap, attempts: readonly Attempt[], list: ExplainSources['list']): Attempt | undefined {
  const [group, place] = splitStep(map.step);
  return attempts.findLast((attempt) => {
    const [otherGroup, otherPlace] = splitStep(attempt.step);
    if (otherGroup.stage !== group.stage || otherGroup.platform !== group.platform || otherPlace !== place) return false;
    const found = differences(map, attempt).filter(({ kind }) => kind !== 'input');
    return found.length <= TWIN_DIFFERENCES && found.every((difference) => isAlike(difference, attempt, list));
  });
}

/** Whether a difference is one that two states of one project may have. */
function isAlike({ kind, name, before, field }: FieldDifference, { step }: Attempt, list: ExplainSources['list']): boolean {
  if (kind === 'command') return false;
  if (kind !== 'files' && kind !== 'bind') return true;
  if (before === undefined || field?.list === undefined) return false;
  const compared = list(step, name, before, field.list);
  if (compared === undefined) return false;
  let [same, all] = [compared.same, compared.same];
  for (const { path, content } of compared.now.values()) {
    all += 1;
    if (compared.before.get(path)?.content === content) same += 1;
  }
  return same * 2 >= all;
}

/** `<dockerfile>\0<stage>\0<platform>/<KIND> <n>`. */
function splitStep(step: string): readonly [{ readonly stage: string; readonly platform: string }, string] {
  const slash = step.lastIndexOf('/');
  const [, stage = '', platform = ''] = step.slice(0, slash).split('\0');
  return [{ stage, platform }, step.slice(slash + 1)];
}

function differences(map: CacheMap, attempt: Attempt): readonly FieldDifference[] {
  const found: FieldDifference[] = [];
  const seen = new Set<string>();
  for (const field of map.fields) {
    seen.add(field.name);
    const before = attempt.fields.get(field.name);
    if (!isOther(field, before)) continue;
    const [kind, object] = splitFieldName(field.name);
    found.push({ name: field.name, kind, object, before, now: safeField(field).value, field });
  }
  for (const [name, before] of attempt.fields) {
    if (seen.has(name)) continue;
    const [kind, object] = splitFieldName(name);
    found.push({ name, kind, object, before, now: undefined, field: undefined });
  }
  const bytes = found.some(({ kind }) => kind === 'http');
  return withoutNewBinds(sameSources(sameVariables(found))).filter(({ kind }) => kind !== 'modified' || !bytes);
}

/** Long values are kept cut: compare what was kept. */
function cut(value: string, kept: string): string | undefined {
  const end = kept.lastIndexOf('… sha256:');
  return end < 0 ? undefined : value.startsWith(kept.slice(0, end)) && value.length > end ? kept : undefined;
}

/** A mount that has an input now, or has none any more, is told by its options. */
function withoutNewBinds(found: readonly FieldDifference[]): readonly FieldDifference[] {
  const mounts = new Set(found.flatMap(({ kind, object }) => (kind === 'mount' ? [object] : [])));
  return found.filter(
    ({ kind, object, before, now }) => kind !== 'bind' || !mounts.has(object) || (before !== undefined && now !== undefined),
  );
}

/** A variable that ARG gave before and ENV gives now is the same to the process. */
function sameVariables(found: readonly FieldDifference[]): readonly FieldDifference[] {
  const moved = new Set<string>();
  for (const one of found) {
    const other = found.find(({ kind, object }) => object === one.object && (kind === 'arg' || kind === 'env') && kind !== one.kind);
    if ((one.kind === 'arg' || one.kind === 'env') && other !== undefined && (one.before ?? one.now) === (other.before ?? other.now)) {
      moved.add(one.name).add(other.name);
    }
  }
  return found.filter(({ name }) => !moved.has(name));
}

/** A source that is called otherwise now (a stage was renamed) is compared by what it gives. */
function sameSources(found: readonly FieldDifference[]): readonly FieldDifference[] {
  const gone = found.filter(({ kind, now }) => kind === 'files' && now === undefined);
  const added = found.filter(({ kind, before }) => kind === 'files' && before === undefined);
  const [old, current] = [gone[0], added[0]];
  if (gone.length !== 1 || added.length !== 1 || old === undefined || current === undefined) return found;
  const rest = found.filter((one) => one !== old && one !== current);
  return old.before === current.now ? rest : [...rest, { ...current, before: old.before, oldName: old.name }];
}

function explainDifferences(
  found: readonly FieldDifference[],
  map: CacheMap,
  step: StepContext,
  nearest: Attempt,
  list: ExplainSources['list'],
): readonly StepReason[] {
  found = byVariables(found, map, nearest);
  const platforms = platformChange(map, nearest);
  if (platforms !== undefined) found = found.filter((one) => !followsPlatform(one));
  const telling = found.filter(({ kind, name }) => kind !== 'input' && kind !== 'order' && name !== FLAGS);
  const own = telling.length > 0 ? telling : found.filter(({ name }) => name === FLAGS);
  const reasons =
    groupBaseConfig(own, map, nearest) ??
    own.map((difference) => sourceChange(difference, step, fieldChange(difference, map, nearest, list)));
  if (platforms !== undefined) return merge([platforms, ...reasons]);
  const inputs = found.filter(({ kind }) => kind === 'input').map((difference) => inputChange(difference, step, nearest));
  // A new result before it is no news beside a cause of its own; a new base is.
  reasons.push(...inputs.filter(({ cause }) => reasons.length === 0 || cause === 'base'));
  if (reasons.length > 0) return merge(reasons);
  return found.filter(({ kind }) => kind === 'order').map(() => ({ cause: 'order', text: 'the order of its variables changed' }));
}

/** When the instruction is written as before and a variable in it has another value, it is the variable that changed. */
function byVariables(found: readonly FieldDifference[], map: CacheMap, nearest: Attempt): readonly FieldDifference[] {
  const notes = new Map((map.notes ?? []).map((note) => [note.name, safeField(note).value]));
  const text = notes.get('text');
  if (text === undefined || text !== nearest.notes.get('text')) return found;
  const variables = [...notes].flatMap(([name, now]): FieldDifference[] => {
    const [kind, object] = splitFieldName(name);
    const before = nearest.notes.get(name);
    if ((kind !== 'arg' && kind !== 'env') || before === undefined || before === now) return [];
    return [{ name, kind, object, before, now, field: undefined }];
  });
  if (variables.length === 0) return found;
  const names = new Set(variables.map(({ name }) => name));
  return [...variables, ...found.filter(({ kind, name }) => !EXPANDED.has(kind) && !names.has(name))];
}

/** Content of a source that is new itself, such as a git ref that moved, is told by that. */
function sourceChange({ kind }: FieldDifference, { inputs }: StepContext, change: StepReason): StepReason {
  if (kind !== 'files' && kind !== 'bind') return change;
  const told = inputs.flatMap(({ source, reason }) => (source && reason !== undefined ? [reason] : []));
  const moved = told.find(({ cause, details }) => (cause === 'git' || cause === 'http') && change.text.includes(`from ${details?.[0]}`));
  if (moved === undefined) return change;
  return { cause: moved.cause, text: moved.text, ...(change.details === undefined ? {} : { details: change.details }) };
}

/** The step was run for another platform before. */
function platformChange(map: CacheMap, nearest: Attempt): StepReason | undefined {
  const [[before], [now]] = [splitStep(nearest.step), splitStep(map.step)];
  if (before.platform === now.platform) return undefined;
  return { cause: 'platform', text: `the platform changed: ${before.platform} → ${now.platform}` };
}

/** Whether a difference is no news beside another platform. */
function followsPlatform({ kind, object }: FieldDifference): boolean {
  return (
    kind === 'platform' ||
    kind === 'input' ||
    kind === 'order' ||
    (kind === 'arg' && /^(BUILD|TARGET)(PLATFORM|OS|ARCH|VARIANT|OSVERSION)$/.test(object))
  );
}

/** When the base's configuration is another one and only what it sets differs, that is the one cause. */
function groupBaseConfig(own: readonly FieldDifference[], map: CacheMap, nearest: Attempt): StepReason[] | undefined {
  const now = map.notes?.find(({ name }) => name === 'base-config')?.value;
  const before = nearest.notes.get('base-config');
  const settable = own.every(({ kind }) => ['env', 'user', 'workdir', 'shell'].includes(kind));
  if (own.length === 0 || !settable || now === undefined || before === undefined || now === before) return undefined;
  const names = own.map(({ kind, object }) => (kind === 'env' ? `ENV ${object}` : kind.toUpperCase()));
  return [{ cause: 'base-config', text: `the configuration of the base image changed: ${names.join(', ')}`, details: names }];
}

function inputChange({ object }: FieldDifference, step: StepContext, nearest: Attempt): StepReason {
  const index = Number(object);
  const input = step.inputs[index];
  if (input === undefined) return { cause: 'input', text: `input ${object} changed` };
  const label = labelOf(input.vertex);
  const place = lineOf(input);
  const before = nearest.inputs[index];
  if (input.executed) return { cause: 'input', text: `\`${label}\`${place} before it ran and gave a new result`, details: [label] };
  if (input.source && before === label)
    return { cause: 'base', text: `base image moved: ${stripFrom(label)}`, details: [stripFrom(label)] };
  if (input.source && before !== undefined && isImage(before)) {
    return { cause: 'base', text: `base image changed: ${stripFrom(before)} → ${stripFrom(label)}`, details: [stripFrom(label)] };
  }
  if (before === undefined || before === label)
    return { cause: 'input', text: `\`${label}\`${place} before it has another result than last time` };
  return { cause: 'order', text: `it follows \`${label}\`${place} now, \`${before}\` before: instructions were moved, added or removed` };
}

/** ` (Dockerfile:7)`; empty for what has no line of its own. */
function lineOf({ source, vertex: { location } }: StepInput): string {
  return source || location === undefined ? '' : ` (${location.source.filename}:${location.range.start.line})`;
}

function isImage(label: string): boolean {
  return /^FROM /i.test(label);
}

function stripFrom(label: string): string {
  return label.replace(/^FROM\s+/i, '').replace(/@sha256:[a-f0-9]{64}/, '');
}

/** Reasons of one cause become one. */
function merge(reasons: readonly StepReason[]): readonly StepReason[] {
  const byText = new Map(reasons.map((reason) => [`${reason.cause} ${reason.text}`, reason]));
  return [...byText.values()];
}
