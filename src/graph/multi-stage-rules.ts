// Our own rules, over all stages of an evaluated file.

import { isSlipwayError, suggest } from '../base/index.ts';
import type { Linter, LintPlace } from '../dockerfile/index.ts';
import { parseReference, type Reference } from '../oci/index.ts';
import { commandRules } from './command-rules.ts';
import { finalStageRules } from './final-stage-rules.ts';
import { formRules } from './form-rules.ts';
import { mountSource } from './mounts.ts';
import { orderRules } from './order-rules.ts';
import { OWN_RULES } from './own-rules.ts';
import { originOf, placeOfCommand, placeOfStage, type RuleContext, withFix } from './rule-context.ts';
import type { Scope } from './scope.ts';
import { SourceEdits } from './source-edits.ts';
import { reachableFrom } from './stages.ts';
import { SCRATCH, type StageCommand, type StageState } from './stage-state.ts';
import { cleanPath } from './unix-path.ts';

/** Reports what is doubtful about how the stages work together. */
export function multiStageRules(scope: Scope, linter: Linter, target: StageState, gates: readonly StageState[]): void {
  const context: RuleContext = { scope, linter, target, gates, edits: new SourceEdits(scope.dockerfile.source) };
  const meant = new Set<string>();
  for (const state of scope.table.stages) {
    for (const name of baseNames(context, state)) meant.add(name);
    for (const command of state.commands) if (!command.onbuild) wholeRoot(context, command);
    formRules(context, state);
    commandRules(context, state);
  }
  unusedStages(context, meant);
  const needed = reachableFrom([target, ...gates]);
  for (const state of scope.table.stages) {
    if (!needed.has(state) || state.contextName !== undefined) continue;
    mutableTag(context, state);
    orderRules(context, state);
  }
  finalStageRules(context);
}

/** So many named stages that nothing uses are targets: another file (for bake, compose or CI) names them. */
const MANY_TARGETS = 3;

/** What people call stages that they build by name: for work on the sources, not for the product. */
const TARGET_NAME =
  /(?:^|[-_])(?:artifacts?|bench(?:mark)?s?|ci|debug|dev|devel|development|docs?|format|fmt|generate|golden|lint|local|release|shell|update|validate|vendor|verify)(?:$|[-_])/;

/** Whether a name may be what a FROM with variables chooses: `FROM base-${TARGETARCH}`. */
function chosenByVariable(stages: readonly StageState[]): (name: string) => boolean {
  const patterns = stages.flatMap(({ stage }) => {
    const text = stage?.base.text ?? '';
    if (!text.includes('$')) return [];
    const literals = text.toLowerCase().split(/\$\{[^}]*\}|\$\w+/);
    return [new RegExp(`^${literals.map((part) => part.replace(/[^\w-]/g, '\\$&')).join('.*')}$`)];
  });
  return (name) => patterns.some((pattern) => pattern.test(name));
}

/** A stage with a description is offered as a target; any other must be used by something. `meant`: what misspelt names mean. */
function unusedStages({ scope, linter, target, gates, edits }: RuleContext, meant: ReadonlySet<string>): void {
  const { stages } = scope.table;
  const offered = stages.filter(({ stage }) => stage?.description !== undefined);
  const last = stages.at(-1);
  const used = reachableFrom([target, ...gates, ...offered, ...(last === undefined ? [] : [last])]);
  const wanted = new Set(stages.flatMap((state) => [...state.deps.keys(), ...(state.parent === undefined ? [] : [state.parent])]));
  const chosen = chosenByVariable(scope.table.stages);
  const alone = stages.filter((state) => !used.has(state) && !wanted.has(state) && !meant.has(state.name));
  const named = alone.filter(({ stage }) => stage?.name !== undefined);
  const unused = alone.filter(({ name }) => !chosen(name) && !TARGET_NAME.test(name));
  for (const state of unused) {
    const { stage } = state;
    if (stage === undefined || (stage.name !== undefined && named.length >= MANY_TARGETS)) continue;
    const hint = /test/.test(state.name)
      ? `it runs only by --target ${state.name}, or with every build by --gate ${state.name}`
      : `remove it, or say above it what it is a target for: "# ${state.name} <description>"`;
    const fix = { title: 'remove the stage', edits: [{ range: edits.lines(stage.range), text: '' }] };
    linter.report(OWN_RULES.UnusedStage, placeOfStage(state, stage.from.name?.range), [state.name], {
      ...(stage.name === undefined ? { fix, hint: 'remove it' } : { hint }),
    });
  }
}

/** FROM, --from and from= that name an image but nearly a stage. Returns the stages that seem to be meant. */
function baseNames(context: RuleContext, state: StageState): readonly string[] {
  const { scope, linter } = context;
  const { stage } = state;
  const meant: string[] = [];
  if (stage === undefined) return meant;
  const misspelled = (name: string, place: LintPlace, written: string): void => {
    const near = reportMisspelled(context, name, state, place, written);
    if (near !== undefined) meant.push(near);
  };
  if (state.parent === undefined && state.contextName === undefined && state.writtenBase !== SCRATCH) {
    const later = scope.table.stages.find(({ name, index }) => index > state.index && name === state.writtenBase);
    if (later !== undefined) {
      linter.report(OWN_RULES.LateStageName, placeOfStage(state, stage.base.range), [state.writtenBase], {
        hint: `move the stage ${later.name} in front of this one, or rename it`,
        related: [{ range: later.range, message: `${later.name} begins here` }],
      });
      meant.push(later.name);
    } else misspelled(state.writtenBase, placeOfStage(state, stage.base.range), stage.base.text);
  }
  for (const command of state.commands) {
    const { instruction, sources, onbuild } = command;
    if (onbuild) continue;
    const from = instruction.kind === 'COPY' ? instruction.from : undefined;
    if (from !== undefined && sources[0]?.stage === undefined) misspelled(from.text, placeOfCommand(command, from.range), from.text);
    if (instruction.kind !== 'RUN') continue;
    for (const [index, mount] of instruction.mounts.entries()) {
      const name = mountSource(mount.text);
      if (name === undefined || sources[index]?.stage !== undefined) continue;
      const exact = context.edits.find(mount.range, `from=${name}`, name);
      misspelled(name, placeOfCommand(command, exact ?? mount.range), exact === undefined ? '' : name);
    }
  }
  return meant;
}

/** The stage that is meant, when one seems to be. */
function reportMisspelled(
  { scope, linter }: RuleContext,
  name: string,
  state: StageState,
  place: LintPlace,
  written: string,
): string | undefined {
  if (!/^[a-z0-9._-]+$/i.test(name) || KNOWN_IMAGES.has(name) || scope.contexts.find(name, scope.target) !== undefined) return undefined;
  const earlier = scope.table.stages.filter(({ stage, index }) => stage?.name !== undefined && index < state.index).map((one) => one.name);
  const near = earlier.find((stage) => plain(stage) === plain(name)) ?? suggest(name, earlier);
  // Two letters of four may well be meant: "deps" is not "dev".
  if (near !== undefined && name.length < 5 && !nearlyEqual(name, near)) return undefined;
  if (near === undefined || near === name || KNOWN_IMAGES.has(near)) return undefined;
  const fix =
    written === name && place.exact !== undefined ? { title: `write ${near}`, edits: [{ range: place.exact, text: near }] } : undefined;
  linter.report(OWN_RULES.MisspelledStageName, place, [name, near], withFix(fix));
  return near;
}

/** One letter more, less or otherwise, or two that changed places. */
function nearlyEqual(a: string, b: string): boolean {
  const [short, long] = a.length < b.length ? [a, b] : [b, a];
  const without = (text: string, at: number): string => text.slice(0, at) + text.slice(at + 1);
  if (long.length === short.length + 1) return Array.from(long).some((_, at) => without(long, at) === short);
  if (long.length !== short.length) return false;
  const changed = Array.from(long).flatMap((char, at) => (char === short[at] ? [] : [at]));
  const [first = 0, second] = changed;
  return (
    changed.length < 2 || (changed.length === 2 && second === first + 1 && long[first] === short[second] && long[second] === short[first])
  );
}

function plain(name: string): string {
  return name.toLowerCase().replace(/[-_.]/g, '');
}

/** Official images whose names people give to stages too, or that are near to what stages are called. */
const KNOWN_IMAGES = new Set(
  (
    'alpine amazonlinux archlinux bash buildpack-deps busybox caddy clojure composer debian docker elixir erlang fedora gcc golang gradle haproxy ' +
    'haskell httpd hello-world influxdb java julia kong mariadb maven memcached mongo mysql neo4j nginx node openjdk oraclelinux perl php postgres ' +
    'python r-base rabbitmq redis registry rockylinux ruby rust scratch swift tomcat traefik ubuntu varnish vault wordpress'
  ).split(' '),
);

/** Another name for an image that was made to be taken whole is no build stage. */
function runsSomething(state: StageState): boolean {
  return (
    state.commands.some(({ instruction }) => instruction.kind === 'RUN') || (state.parent !== undefined && runsSomething(state.parent))
  );
}

function wholeRoot({ linter }: RuleContext, command: StageCommand): void {
  const { instruction, sources } = command;
  const [source] = sources;
  if (instruction.kind !== 'COPY' || source?.stage === undefined || originOf(source) === SCRATCH || !runsSomething(source)) return;
  const root = instruction.sources.find(({ text }) => ['/', '/*'].includes(cleanPath(`/${text}`)));
  if (root === undefined) return;
  linter.report(OWN_RULES.WholeRootCopied, placeOfCommand(command, root.range), [source.name], {
    hint: 'copy the files that the result needs, or gather them in a folder of the build stage and copy that',
    related: [{ range: source.range, message: `${source.name} begins here` }],
  });
}

const ROLLING = new Set(
  'latest stable edge main master nightly lts current rolling testing unstable sid rawhide tip develop dev'.split(' '),
);

/** `lts`, `stable-slim`; not `stable-20240101`, which is one day's. */
function isRolling(tag: string): boolean {
  const [first = '', ...rest] = tag.split('-');
  return ROLLING.has(first) && !rest.some((part) => /\d/.test(part));
}

function mutableTag({ linter }: RuleContext, state: StageState): void {
  const { stage } = state;
  if (stage === undefined || state.parent !== undefined || state.writtenBase === SCRATCH || state.baseConfig === undefined) return;
  const written = referenceOf(state.writtenBase);
  if (written === undefined || written.digest !== undefined || (written.tag !== undefined && !isRolling(written.tag))) return;
  const tag = written.tag ?? 'latest';
  const digest = referenceOf(state.base)?.digest;
  const pinned = `${stage.base.text}${written.tag === undefined ? ':latest' : ''}@${digest ?? ''}`;
  const fix =
    digest === undefined || stage.base.text.includes('$')
      ? undefined
      : { title: 'pin it to what it is now', edits: [{ range: stage.base.range, text: pinned }] };
  const hint = 'name a version, and a digest where builds must be the same';
  linter.report(OWN_RULES.MutableBaseTag, placeOfStage(state, stage.base.range), [state.writtenBase, tag], withFix(fix, hint));
}

function referenceOf(text: string): Reference | undefined {
  try {
    return parseReference(text);
  } catch (error) {
    if (isSlipwayError(error)) return undefined; // a named context may be called anything
    throw error;
  }
}
