// Findings that show only when a Dockerfile is evaluated: who reports them, in which words, decides the rule table.

import { type Diagnostic, isSlipwayError, type SourceRange, toBytePath } from '../base/index.ts';
import { type Comment, type Dockerfile, type Expansion, expandWord, PatternMatcher, quote, type Stage } from '../dockerfile/index.ts';
import { formatPlatform, normalizePlatform, parsePlatform, parseReference, type Platform } from '../oci/index.ts';
import type { Environment } from './environment.ts';
import { Fault } from './fault.ts';
import { type ArgFacts, globalScope } from './global-args.ts';
import type { GraphOptions } from './options.ts';
import type { StageCommand, StageState } from './stage-state.ts';
import { cleanPath } from './unix-path.ts';

/** One call per rule. */
export interface EvaluationLint {
  /** FROM with the arguments' own defaults names no image. `base`: platform arguments only. */
  defaultBases(base: Environment): void;
  /** FROM uses arguments that are not declared in the global scope. */
  undeclaredInFrom(names: readonly string[], args: ReadonlyMap<string, ArgFacts>, env: Environment, stage: Stage): void;
  /** FROM's `--platform`: a constant, or what it is anyway. */
  platformFlag(written: string, expansion: Expansion, env: Environment, stage: Stage): void;
  /** The base image is for another platform. */
  basePlatform(name: string, wanted: Platform, actual: Platform, state: StageState): void;
  undefinedVariable(name: string, env: Environment, command: StageCommand): void;
  legacyPair(kind: 'ENV' | 'LABEL', command: StageCommand): void;
  secretName(kind: 'ARG' | 'ENV', name: string, command: StageCommand): void;
  protocolCasing(port: string, command: StageCommand): void;
  exposeFormat(port: string, command: StageCommand): void;
  shellForm(kind: 'CMD' | 'ENTRYPOINT', command: StageCommand): void;
  /** `earlier` is the one that does not count. */
  usedTwice(command: StageCommand, earlier: SourceRange): void;
  ignoredSource(path: string, isAdd: boolean, command: StageCommand): void;
  relativeWorkdir(path: string, command: StageCommand): void;
}

const SECRET = /(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)/i;
const HARMLESS = /(?:_|^)(?:public|file|version)(?:_|$)/i;
const NOT_ENVIRONMENT = ['BUILDKIT_SBOM_SCAN_CONTEXT', 'BUILDKIT_SBOM_SCAN_STAGE'];

/** Reports by the rule table; without `report` nothing is looked at. */
export function evaluationLint(
  dockerfile: Dockerfile,
  options: GraphOptions,
  report: ((diagnostic: Diagnostic) => void) | undefined,
): EvaluationLint {
  const say = (rule: string, message: string, range: SourceRange, _comments: readonly Comment[]): void => {
    report?.({ rule, severity: 'warning', message, range });
  };
  const ofCommand = (rule: string, message: string, command: StageCommand): void =>
    say(rule, message, command.range, command.onbuild ? [] : command.instruction.comments);
  const ofStage = (rule: string, message: string, stage: Stage): void => say(rule, message, stage.from.range, stage.from.comments);
  const meant = (near: string | undefined, prefix = ''): string => (near === undefined ? '' : ` (did you mean ${prefix}${near}?)`);

  // Where a pattern takes files out again, nobody can say by the path alone.
  let compiled: { readonly matcher: PatternMatcher | undefined } | undefined;
  const matcher = (): PatternMatcher | undefined => {
    if (compiled === undefined) {
      const isLocal = options.context === undefined || ('source' in options.context && options.context.source.kind === 'local');
      const read = PatternMatcher.compile(isLocal ? (options.ignore ?? []) : []);
      compiled = { matcher: read.ok && !read.value.hasExclusions && read.value.patterns.length > 0 ? read.value : undefined };
    }
    return compiled.matcher;
  };
  const ignoresAll = (): boolean => matcher()?.patterns.some(({ text }) => ['*', '**', '**/*'].includes(text)) ?? false;

  return {
    defaultBases(base) {
      if (report === undefined) return;
      let scope;
      try {
        scope = globalScope(base, dockerfile.metaArgs, {}, dockerfile.escape);
      } catch (error) {
        if (error instanceof Fault) return; // the build itself will say so
        throw error;
      }
      for (const stage of dockerfile.stages) {
        const expansion = expandWord(stage.base.text, (name) => scope.env.get(name), { escape: dockerfile.escape });
        if (!expansion.ok) return;
        if (isReference(expansion.value.value)) continue;
        say(
          'InvalidDefaultArgInFrom',
          `Default value for ARG ${stage.base.text} results in empty or invalid base image name`,
          stage.from.range,
          [],
        );
      }
    },
    undeclaredInFrom(names, args, env, stage) {
      for (const name of names) {
        if (args.has(name)) continue;
        const near = nearest(name, [...args.keys(), ...env.keys()]);
        ofStage('UndefinedArgInFrom', `FROM argument '${name}' is not declared${meant(near)}`, stage);
      }
    },
    platformFlag(written, expansion, env, stage) {
      const { used, unset, value } = expansion;
      if (used.length === 1 && unset.length === 0 && used[0] === 'TARGETPLATFORM' && value === env.get('TARGETPLATFORM')) {
        const message = `Setting platform to predefined ${written} in FROM is redundant as this is the default behavior`;
        ofStage('RedundantTargetPlatform', message, stage);
      }
      if (used.length > 0 || unset.length > 0) return;
      const platform = platformOf(value);
      const name = stage.name ?? '';
      if (platform === undefined || name.includes(platform.os) || name.includes(platform.architecture)) return;
      ofStage('FromPlatformFlagConstDisallowed', `FROM --platform flag should not use constant value ${quote(value)}`, stage);
    },
    basePlatform(name, wanted, actual, state) {
      if (wanted.os === actual.os && wanted.architecture === actual.architecture) return;
      const [expected, found] = [wanted, actual].map((platform) => quote(formatPlatform(normalizePlatform(platform))));
      const message = `Base image ${name} was pulled with platform ${found}, expected ${expected} for current build`;
      say('InvalidBaseImagePlatform', message, state.range, []);
    },
    undefinedVariable(name, env, command) {
      if (NOT_ENVIRONMENT.includes(name)) return;
      ofCommand('UndefinedVar', `Usage of undefined variable '$${name}'${meant(nearest(name, env.keys()), '$')}`, command);
    },
    legacyPair(_kind, command) {
      const name = command.instruction.keyword.text;
      ofCommand('LegacyKeyValueFormat', `"${name} key=value" should be used instead of legacy "${name} key value" format`, command);
    },
    secretName(kind, name, command) {
      if (!SECRET.test(name) || HARMLESS.test(name)) return;
      ofCommand('SecretsUsedInArgOrEnv', `Do not use ARG or ENV instructions for sensitive data (${kind} ${quote(name)})`, command);
    },
    protocolCasing(port, command) {
      ofCommand('ExposeProtoCasing', `Defined protocol '${port}' in EXPOSE instruction should be lowercase`, command);
    },
    exposeFormat(port, command) {
      const message = `EXPOSE instruction should not define an IP address or host-port mapping, found '${port}'`;
      ofCommand('ExposeInvalidFormat', message, command);
    },
    shellForm(_kind, command) {
      const name = command.instruction.keyword.text;
      const message = `JSON arguments recommended for ${name} to prevent unintended behavior related to OS signals`;
      ofCommand('JSONArgsRecommended', message, command);
    },
    usedTwice(command, earlier) {
      const name = command.instruction.keyword.text;
      const message = `Multiple ${name} instructions should not be used in the same stage because only the last one will be used`;
      say('MultipleInstructionsDisallowed', message, earlier, command.onbuild ? [] : command.instruction.comments);
    },
    ignoredSource(path, isAdd, command) {
      const clean = cleanPath(path);
      const ignored = clean === '.' || clean === '/' ? ignoresAll() : (matcher()?.matches(toBytePath(clean)) ?? false);
      if (!ignored) return;
      const message = `Attempting to ${isAdd ? 'Add' : 'Copy'} file ${quote(clean)} that is excluded by .dockerignore`;
      ofCommand('CopyIgnoredFile', message, command);
    },
    relativeWorkdir(path, command) {
      const message = `Relative workdir ${quote(path)} can have unexpected results if the base image changes`;
      ofCommand('WorkdirRelativePath', message, command);
    },
  };
}

function isReference(text: string): boolean {
  try {
    parseReference(text);
    return true;
  } catch (error) {
    if (isSlipwayError(error)) return false;
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

/** The candidate that one or two edits turn into `word`, case counting: what BuildKit suggests in these messages. */
function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = 3;
  for (const candidate of candidates) {
    if (candidate === word) return undefined;
    const distance = Math.abs(candidate.length - word.length) < bestDistance ? editDistance(word, candidate) : bestDistance;
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1;
      row.push(Math.min((row[j - 1] ?? 0) + 1, (previous[j] ?? 0) + 1, (previous[j - 1] ?? 0) + change));
    }
    previous = row;
  }
  return previous[b.length] ?? 0;
}
