// Findings that show only when a Dockerfile is evaluated. The rules themselves are rows of the Dockerfile room's table.

import { isSlipwayError, SlipwayError, type SourceRange, toBytePath } from '../base/index.ts';
import {
  type Dockerfile,
  type Expansion,
  expandWord,
  LINT_RULES,
  type Linter,
  type LintPlace,
  looksSecret,
  PatternMatcher,
  type Stage,
  type Word,
} from '../dockerfile/index.ts';
import { formatPlatform, normalizePlatform, parsePlatform, type Platform } from '../oci/index.ts';
import type { Environment } from './environment.ts';
import { Fault } from './fault.ts';
import { type ArgFacts, globalScope, hintOf } from './global-args.ts';
import { isReference } from './is-reference.ts';
import { jsonFormFix, pairFix, removalFix, replaceFix, variableFix, variableRange } from './lint-fixes.ts';
import { nearest } from './nearest.ts';
import type { GraphOptions } from './options.ts';
import type { StageCommand, StageState } from './stage-state.ts';
import { cleanPath } from './unix-path.ts';

/** Reports one kind of finding per method. All of them do nothing where nobody listens. */
export class EvaluationLint {
  readonly #dockerfile: Dockerfile;
  #linter: Linter | undefined;
  readonly #ignore: readonly string[];
  #matcher: { readonly value: PatternMatcher | undefined } | undefined;

  /** Without a linter (the second platform of several) nothing is looked at. */
  constructor(dockerfile: Dockerfile, options: GraphOptions, linter: Linter | undefined) {
    this.#dockerfile = dockerfile;
    this.#linter = linter;
    const isLocal = options.context === undefined || ('source' in options.context && options.context.source.kind === 'local');
    this.#ignore = isLocal ? (options.ignore ?? []) : [];
  }

  /** Nothing is looked at from now on. */
  end(): void {
    this.#linter = undefined;
  }

  /** FROM with the arguments' own defaults names no image. `base`: platform arguments only. */
  defaultBases(base: Environment): void {
    const { metaArgs, escape, stages } = this.#dockerfile;
    const scope = this.#linter === undefined ? undefined : defaultScope(() => globalScope(base, metaArgs, {}, escape));
    if (scope === undefined) return;
    for (const stage of stages) {
      const expansion = expandWord(stage.base.text, (name) => scope.env.get(name), { escape });
      if (!expansion.ok) return;
      if (!isReference(expansion.value.value)) {
        this.#linter?.report(LINT_RULES.InvalidDefaultArgInFrom, { range: stage.from.range, comments: [] }, [stage.base.text]);
      }
    }
  }

  /** FROM uses arguments that are not declared in the global scope. */
  undeclaredInFrom(word: Word, names: readonly string[], args: ReadonlyMap<string, ArgFacts>, env: Environment, stage: Stage): void {
    for (const name of this.#linter === undefined ? [] : names) {
      if (args.has(name)) continue;
      const near = nearest(name, [...args.keys(), ...env.keys()]);
      const place = { ...placeOfStage(stage), exact: variableRange([word], name) };
      this.#linter?.report(LINT_RULES.UndefinedArgInFrom, place, [name, near ?? ''], variableFix([word], name, near));
    }
  }

  /** FROM's `--platform`: a constant, or what it is anyway. */
  platformFlag(word: Word, expansion: Expansion, env: Environment, stage: Stage): void {
    const { used, unset, value } = expansion;
    const place = { ...placeOfStage(stage), exact: word.range };
    if (used.length === 1 && unset.length === 0 && used[0] === 'TARGETPLATFORM' && value === env.get('TARGETPLATFORM')) {
      const flag = stage.from.flags.find(({ name }) => name === 'platform');
      const fix = flag === undefined ? {} : removalFix('remove the flag', flag.range.start, stage.base.range.start);
      this.#linter?.report(LINT_RULES.RedundantTargetPlatform, place, [word.text], fix);
    }
    if (used.length > 0 || unset.length > 0) return;
    const platform = platformOf(value);
    const name = stage.name ?? '';
    if (platform === undefined || name.includes(platform.os) || name.includes(platform.architecture)) return;
    this.#linter?.report(LINT_RULES.FromPlatformFlagConstDisallowed, place, [value]);
  }

  /** The base image is for another platform. */
  basePlatform(name: string, wanted: Platform, actual: Platform, state: StageState): void {
    if (wanted.os === actual.os && wanted.architecture === actual.architecture) return;
    const expected = formatPlatform(normalizePlatform(wanted));
    const found = formatPlatform(normalizePlatform(actual));
    const place = { range: state.range, comments: [], exact: state.stage?.base.range };
    this.#linter?.report(LINT_RULES.InvalidBaseImagePlatform, place, [name, expected, found]);
  }

  /** A variable that neither the environment nor a declared ARG has. */
  undefinedVariable(name: string, env: Environment, command: StageCommand): void {
    if (name === 'BUILDKIT_SBOM_SCAN_CONTEXT' || name === 'BUILDKIT_SBOM_SCAN_STAGE' || this.#linter === undefined) return;
    const near = nearest(name, env.keys());
    const words = command.onbuild ? [] : command.instruction.words;
    this.#linter.report(
      LINT_RULES.UndefinedVar,
      placeOf(command, variableRange(words, name)),
      [name, near ?? ''],
      variableFix(words, name, near),
    );
  }

  /** `ENV name value`, without `=`. */
  legacyPair(command: StageCommand): void {
    const { instruction } = command;
    const pair = instruction.kind === 'ENV' || instruction.kind === 'LABEL' ? instruction.pairs[0] : undefined;
    const fix = pair === undefined || command.onbuild ? {} : pairFix(pair.name, pair.value);
    this.#linter?.report(LINT_RULES.LegacyKeyValueFormat, placeOf(command), [instruction.keyword.text], fix);
  }

  /** A name that says: the value is secret. */
  secretName(kind: 'ARG' | 'ENV', name: string, word: Word, command: StageCommand): void {
    if (!looksSecret(name)) return;
    const hint = 'mount it where it is needed: RUN --mount=type=secret,id=…';
    this.#linter?.report(LINT_RULES.SecretsUsedInArgOrEnv, placeOf(command, word.range), [kind, name], { hint });
  }

  /** `80/TCP`. */
  protocolCasing(port: string, word: Word, command: StageCommand): void {
    const fix = word.text === port ? replaceFix('write it in lower case', word.range, port.toLowerCase()) : {};
    this.#linter?.report(LINT_RULES.ExposeProtoCasing, placeOf(command, word.range), [port], fix);
  }

  /** `8080:80`. `wanted`: what of it counts. */
  exposeFormat(port: string, word: Word, command: StageCommand): void {
    const counts = port.slice(port.lastIndexOf(':') + 1);
    const fix = word.text === port ? replaceFix(`write ${counts}`, word.range, counts) : {};
    this.#linter?.report(LINT_RULES.ExposeInvalidFormat, placeOf(command, word.range), [port], fix);
  }

  /** CMD or ENTRYPOINT as a text for the shell, where no SHELL was chosen. */
  shellForm(command: StageCommand): void {
    const { instruction } = command;
    const line = instruction.kind === 'CMD' || instruction.kind === 'ENTRYPOINT' ? instruction.command : undefined;
    const text = line?.form === 'shell' ? line.command : undefined;
    const fix = text === undefined || command.onbuild ? {} : jsonFormFix(text);
    this.#linter?.report(LINT_RULES.JSONArgsRecommended, placeOf(command), [instruction.keyword.text], fix);
  }

  /** CMD, ENTRYPOINT or HEALTHCHECK again: `earlier` does not count. */
  usedTwice(command: StageCommand, earlier: SourceRange): void {
    const { comments } = placeOf(command);
    this.#linter?.report(LINT_RULES.MultipleInstructionsDisallowed, { range: earlier, comments }, [command.instruction.keyword.text], {
      ...(command.onbuild
        ? {}
        : removalFix('remove it', { line: earlier.start.line, column: 0 }, { line: earlier.end.line + 1, column: 0 })),
      related: [{ range: command.range, message: 'this one counts' }],
    });
  }

  /** A source that `.dockerignore` leaves out of the context. */
  ignoredSource(path: string, command: StageCommand): void {
    const matcher = this.#linter === undefined ? undefined : this.#ignoreMatcher();
    if (matcher === undefined) return;
    const clean = cleanPath(path);
    const isRoot = clean === '.' || clean === '/';
    const ignored = isRoot ? matcher.patterns.some(({ text }) => ['*', '**', '**/*'].includes(text)) : matcher.matches(toBytePath(clean));
    if (!ignored) return;
    const verb = command.instruction.kind === 'ADD' ? 'Add' : 'Copy';
    const word = command.instruction.words.find(({ text }) => text === path);
    this.#linter?.report(LINT_RULES.CopyIgnoredFile, placeOf(command, word?.range), [verb, clean]);
  }

  /** The first WORKDIR of a chain of stages is relative. */
  relativeWorkdir(path: string, command: StageCommand): void {
    this.#linter?.report(LINT_RULES.WorkdirRelativePath, placeOf(command), [path]);
  }

  /** Undefined when there is nothing to match, or a pattern takes files out again: then nobody can say by the path alone. */
  #ignoreMatcher(): PatternMatcher | undefined {
    if (this.#matcher === undefined) {
      const read = PatternMatcher.compile(this.#ignore);
      if (!read.ok)
        throw new SlipwayError('IGNORE_INVALID', `failed parsing .dockerignore: ${read.problem.message}`, hintOf(read.problem.hint));
      this.#matcher = { value: !read.value.hasExclusions && read.value.patterns.length > 0 ? read.value : undefined };
    }
    return this.#matcher.value;
  }
}

function placeOf(command: StageCommand, exact?: SourceRange): LintPlace {
  if (command.onbuild) return { range: command.range, comments: [] };
  return { range: command.range, comments: command.instruction.comments, exact };
}

function placeOfStage(stage: Stage): LintPlace {
  return { range: stage.from.range, comments: stage.from.comments };
}

/** Undefined when the defaults cannot be evaluated: the build itself will say so. */
function defaultScope<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}

function platformOf(text: string): Platform | undefined {
  try {
    return parsePlatform(text);
  } catch (error) {
    if (isSlipwayError(error)) return undefined; // evaluation says so
    throw error;
  }
}
