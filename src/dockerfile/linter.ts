// Which findings are wanted, and the one who passes them on.

import { type Diagnostic, type Fix, type SourceRange, suggest } from '../base/index.ts';
import type { Comment } from './ast.ts';
import { findDirective, readDirective } from './directives.ts';
import { parseGoBool, quote, trimSpace } from './go-text.ts';
import type { LintRule } from './lint-rules.ts';
import { bad, good, type Outcome } from './outcome.ts';

/** What `check=` says. */
export interface LintConfig {
  readonly skipAll: boolean;
  readonly skip: ReadonlySet<string>;
  readonly experimentalAll: boolean;
  readonly experimental: ReadonlySet<string>;
  /** Any finding fails the build. */
  readonly error: boolean;
}

/** Everything that is not experimental. */
export const DEFAULT_LINT: LintConfig = {
  skipAll: false,
  skip: new Set(),
  experimentalAll: false,
  experimental: new Set(),
  error: false,
};

/** Reads `skip=A,B;error=true;experimental=C`. Names are case-sensitive; unknown ones mean nothing, as in BuildKit. */
export function parseLintConfig(text: string): Outcome<LintConfig> {
  const config = { ...DEFAULT_LINT };
  const trimmed = trimSpace(text);
  if (trimmed === '') return good(config);
  for (const option of splitOptions(trimmed)) {
    const equals = option.indexOf('=');
    if (equals < 0) return invalidOption(option);
    const key = trimSpace(option.slice(0, equals));
    const value = trimSpace(option.slice(equals + 1));
    if (key === 'skip') {
      if (value === 'all') config.skipAll = true;
      else config.skip = namesOf(value);
    } else if (key === 'experimental') {
      if (value === 'all') config.experimentalAll = true;
      else config.experimental = namesOf(value);
    } else if (key === 'error') {
      const flag = parseGoBool(value);
      if (flag === undefined)
        return bad(`failed to parse check option ${quote(option)}: ${quote(value)} is no boolean`, 'write error=true');
      config.error = flag;
    } else return invalidOption(key);
  }
  return good(config);
}

/** At most three: what follows the second semicolon is one option. */
function splitOptions(text: string): readonly string[] {
  const parts = text.split(';');
  return parts.length <= 3 ? parts : [...parts.slice(0, 2), parts.slice(2).join(';')];
}

function namesOf(list: string): ReadonlySet<string> {
  return new Set(list.split(',').map(trimSpace));
}

function invalidOption(option: string): Outcome<never> {
  const near = suggest(option, ['skip', 'error', 'experimental']);
  return bad(
    `invalid check option ${quote(option)}`,
    near === undefined ? 'write skip=Rule,Rule;error=true;experimental=Rule' : `did you mean ${near}=…?`,
  );
}

/**
 * What a file's `# check=` directive asks for; `override` (build argument BUILDKIT_DOCKERFILE_CHECK) takes its place.
 * The directive's value ends at its first space.
 */
export function lintConfigOf(text: string, override?: string): Outcome<LintConfig> {
  const config = parseLintConfig(override ?? findDirective(text, 'check')?.word ?? '');
  return config.ok ? config : bad(`failed to parse check options: ${config.problem.message}`, config.problem.hint);
}

/** Where a finding is. */
export interface LintPlace {
  /** The instruction. */
  readonly range: SourceRange;
  /** Comments above it, whose `# check=` counts; empty where a rule does not heed them. */
  readonly comments: readonly Comment[];
  /** The word that is meant. */
  readonly exact?: SourceRange | undefined;
}

/** What a finding may carry beside its message. */
export interface LintExtras {
  readonly hint?: string;
  readonly fix?: Fix;
  readonly related?: Diagnostic['related'];
}

/** Passes on the findings that are wanted, and remembers that there were some. */
export class Linter {
  readonly #config: LintConfig;
  readonly #sink: (diagnostic: Diagnostic) => void;
  readonly #origins: ReadonlySet<LintRule['origin']>;
  readonly #reported = new Set<string>();

  /** `origins`: whose rules are heard; default BuildKit's alone. */
  constructor(config: LintConfig, sink: (diagnostic: Diagnostic) => void, origins: readonly LintRule['origin'][] = ['buildkit']) {
    this.#config = config;
    this.#sink = sink;
    this.#origins = new Set(origins);
  }

  /** Passes a finding on unless the configuration or the instruction's own `# check=` comment has it skipped. */
  report<Facts extends readonly string[]>(rule: LintRule<Facts>, place: LintPlace, facts: Facts, extras: LintExtras = {}): void {
    if (!this.#origins.has(rule.origin) || !this.#wants(rule.name, rule.experimental, place.comments)) return;
    this.#reported.add(rule.name);
    // Clients that speak BuildKit's format expect the instruction's first line; a word on it is just more exact.
    const onFirstLine = place.exact?.start.line === place.range.start.line;
    const elsewhere = place.exact !== undefined && !onFirstLine ? [{ range: place.exact, message: 'here' }] : [];
    const related = [...elsewhere, ...(extras.related ?? [])];
    this.#sink({
      rule: rule.name,
      severity: 'warning',
      message: rule.message(...facts),
      range: onFirstLine && place.exact !== undefined ? place.exact : place.range,
      description: rule.description,
      ...(rule.url === undefined ? {} : { url: rule.url }),
      ...(extras.hint === undefined ? {} : { hint: extras.hint }),
      ...(extras.fix === undefined ? {} : { fix: extras.fix }),
      ...(related.length === 0 ? {} : { related }),
    });
  }

  /** With `error=true`, the message that fails the build if anything was reported. */
  failure(): string | undefined {
    if (!this.#config.error || this.#reported.size === 0) return undefined;
    return `lint violation found for rules: ${[...this.#reported].join(', ')}`;
  }

  #wants(name: string, experimental: boolean, comments: readonly Comment[]): boolean {
    const own = ownConfig(comments);
    if (experimental) {
      return [this.#config, own].some((config) => config?.experimentalAll === true || config?.experimental.has(name) === true);
    }
    return ![this.#config, own].some((config) => config?.skipAll === true || config?.skip.has(name) === true);
  }
}

/** The `check=` among an instruction's comments: the first counts, and a malformed one counts for nothing. */
function ownConfig(comments: readonly Comment[]): LintConfig | undefined {
  for (const { text } of comments) {
    const directive = readDirective(text, 0, text.length, '');
    if (directive?.name !== 'check') continue;
    const config = parseLintConfig(directive.value.split(' ', 1)[0] ?? '');
    return config.ok ? config.value : undefined;
  }
  return undefined;
}
