// The rule table. A rule is a row: its name, what it is about, where its page is, and its message.

import { quote } from './go-text.ts';

/** A rule; `Facts` is what its message is made of. */
export interface LintRule<Facts extends readonly string[] = readonly string[]> {
  readonly name: string;
  /** What the rule is about, for every finding of it. */
  readonly description: string;
  readonly url: string | undefined;
  /** Off unless asked for by `experimental=`; not silenced by `skip=`. */
  readonly experimental: boolean;
  /** `buildkit`: same name, trigger and message there. `slipway`: ours, and off where BuildKit's answers are expected. */
  readonly origin: 'buildkit' | 'slipway';
  message(...facts: Facts): string;
}

/** A rule that BuildKit has too. `pageless`: BuildKit has no page for it. */
function rule<Facts extends readonly string[]>(
  name: string,
  description: string,
  message: (...facts: Facts) => string,
  more: { readonly experimental?: true; readonly pageless?: true } = {},
): LintRule<Facts> {
  const kebab = name.replace(/(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/g, '-').toLowerCase();
  return {
    name,
    description,
    url: more.pageless === true ? undefined : `https://docs.docker.com/go/dockerfile/rule/${kebab}/`,
    experimental: more.experimental === true,
    origin: 'buildkit',
    message,
  };
}

const meant = (near: string, sigil = ''): string => (near === '' ? '' : ` (did you mean ${sigil}${near}?)`);

/** All of BuildKit's rules, by name. */
export const LINT_RULES = {
  StageNameCasing: rule('StageNameCasing', 'Stage names should be lowercase', (name: string) => `Stage name '${name}' should be lowercase`),
  FromAsCasing: rule(
    'FromAsCasing',
    "The 'as' keyword should match the case of the 'from' keyword",
    (from: string, as: string) => `'${as}' and '${from}' keywords' casing do not match`,
  ),
  NoEmptyContinuation: rule(
    'NoEmptyContinuation',
    'Empty continuation lines will become errors in a future release',
    () => 'Empty continuation line',
  ),
  ConsistentInstructionCasing: rule(
    'ConsistentInstructionCasing',
    'All commands within the Dockerfile should use the same casing (either upper or lower)',
    (command: string, casing: string) => `Command '${command}' should match the case of the command majority (${casing})`,
  ),
  DuplicateStageName: rule(
    'DuplicateStageName',
    'Stage names should be unique',
    (name: string) => `Duplicate stage name ${quote(name)}, stage names should be unique`,
  ),
  ReservedStageName: rule(
    'ReservedStageName',
    'Reserved words should not be used as stage names',
    (name: string) => `Stage name should not use the same name as reserved stage ${quote(name)}`,
  ),
  JSONArgsRecommended: rule(
    'JSONArgsRecommended',
    'JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals',
    (command: string) => `JSON arguments recommended for ${command} to prevent unintended behavior related to OS signals`,
  ),
  MaintainerDeprecated: rule(
    'MaintainerDeprecated',
    'The MAINTAINER instruction is deprecated, use a label instead to define an image author',
    () => 'Maintainer instruction is deprecated in favor of using label',
  ),
  UndefinedArgInFrom: rule(
    'UndefinedArgInFrom',
    'FROM command must use declared ARGs',
    (name: string, near: string) => `FROM argument '${name}' is not declared${meant(near)}`,
  ),
  WorkdirRelativePath: rule(
    'WorkdirRelativePath',
    'Relative workdir without an absolute workdir declared within the build can have unexpected results if the base image changes',
    (path: string) => `Relative workdir ${quote(path)} can have unexpected results if the base image changes`,
  ),
  UndefinedVar: rule(
    'UndefinedVar',
    'Variables should be defined before their use',
    (name: string, near: string) => `Usage of undefined variable '$${name}'${meant(near, '$')}`,
  ),
  MultipleInstructionsDisallowed: rule(
    'MultipleInstructionsDisallowed',
    'Multiple instructions of the same type should not be used in the same stage',
    (command: string) => `Multiple ${command} instructions should not be used in the same stage because only the last one will be used`,
  ),
  LegacyKeyValueFormat: rule(
    'LegacyKeyValueFormat',
    'Legacy key/value format with whitespace separator should not be used',
    (command: string) => `"${command} key=value" should be used instead of legacy "${command} key value" format`,
  ),
  InvalidBaseImagePlatform: rule(
    'InvalidBaseImagePlatform',
    'Base image platform does not match expected target platform',
    (image: string, expected: string, actual: string) =>
      `Base image ${image} was pulled with platform ${quote(actual)}, expected ${quote(expected)} for current build`,
    { pageless: true },
  ),
  RedundantTargetPlatform: rule(
    'RedundantTargetPlatform',
    'Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior',
    (written: string) => `Setting platform to predefined ${written} in FROM is redundant as this is the default behavior`,
  ),
  SecretsUsedInArgOrEnv: rule(
    'SecretsUsedInArgOrEnv',
    'Sensitive data should not be used in the ARG or ENV commands',
    (command: string, name: string) => `Do not use ARG or ENV instructions for sensitive data (${command} ${quote(name)})`,
  ),
  InvalidDefaultArgInFrom: rule(
    'InvalidDefaultArgInFrom',
    'Default value for global ARG results in an empty or invalid base image name',
    (base: string) => `Default value for ARG ${base} results in empty or invalid base image name`,
  ),
  FromPlatformFlagConstDisallowed: rule(
    'FromPlatformFlagConstDisallowed',
    'FROM --platform flag should not use a constant value',
    (platform: string) => `FROM --platform flag should not use constant value ${quote(platform)}`,
  ),
  CopyIgnoredFile: rule(
    'CopyIgnoredFile',
    'Attempting to Copy file that is excluded by .dockerignore',
    (command: string, file: string) => `Attempting to ${command} file ${quote(file)} that is excluded by .dockerignore`,
  ),
  InvalidDefinitionDescription: rule(
    'InvalidDefinitionDescription',
    'Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. If this is not intended to be a description comment, add an empty line or comment between the instruction and the comment.',
    (command: string, name: string) => `Comment for ${command} should follow the format: \`# ${name} <description>\``,
    { experimental: true },
  ),
  ExposeProtoCasing: rule(
    'ExposeProtoCasing',
    'Protocol in EXPOSE instruction should be lowercase',
    (port: string) => `Defined protocol '${port}' in EXPOSE instruction should be lowercase`,
  ),
  ExposeInvalidFormat: rule(
    'ExposeInvalidFormat',
    'IP address and host-port mapping should not be used in EXPOSE instruction. This will become an error in a future release',
    (port: string) => `EXPOSE instruction should not define an IP address or host-port mapping, found '${port}'`,
  ),
} as const;

/** Name of one of BuildKit's rules. */
export type LintRuleName = keyof typeof LINT_RULES;

const SECRET = /(?:^|_)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)/;
const HARMLESS = /(?:^|_)(?:public|file|version)(?:_|$)/;

/** Whether a variable's name says that its value is a secret (trigger of SecretsUsedInArgOrEnv): by one of its parts between underscores. */
export function looksSecret(name: string): boolean {
  const lower = name.toLowerCase();
  return SECRET.test(lower) && !HARMLESS.test(lower);
}
