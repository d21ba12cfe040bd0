// Rules of our own: names, descriptions, messages. Off where BuildKit's answers are expected.

import { type LintRule, quote } from '../dockerfile/index.ts';

function rule<Facts extends readonly string[]>(
  name: string,
  url: string,
  description: string,
  message: (...facts: Facts) => string,
): LintRule<Facts> {
  return { name, description, url, experimental: false, origin: 'slipway', message };
}

// What Docker's own handbook says on the matter.
const STAGES = 'https://docs.docker.com/build/building/multi-stage/';
const PRACTICES = 'https://docs.docker.com/build/building/best-practices/';
const CONTEXT = 'https://docs.docker.com/build/concepts/context/';
const SECRETS = 'https://docs.docker.com/build/building/secrets/';
const CACHE = 'https://docs.docker.com/build/cache/optimize/';
const LANGUAGE = 'https://docs.docker.com/reference/dockerfile/';

/** All of them, by name. Each has a page in docs/rules. */
export const OWN_RULES = {
  UnusedStage: rule(
    'UnusedStage',
    STAGES,
    'A stage that no other stage and no target uses is never built',
    (stage: string) => `Stage ${quote(stage)} is used by nothing: no FROM, COPY --from or --mount names it`,
  ),
  FinalStageBuilds: rule(
    'FinalStageBuilds',
    STAGES,
    'The final stage should hold what runs, not what builds it',
    (what: string) => `The final stage ships ${what} and copies from no other stage`,
  ),
  WholeRootCopied: rule(
    'WholeRootCopied',
    STAGES,
    'Copying the whole root of a build stage carries everything that stage needed',
    (stage: string) => `COPY takes the whole root of stage ${quote(stage)}`,
  ),
  PackageCacheLeft: rule(
    'PackageCacheLeft',
    PRACTICES,
    'What a package manager downloads should not stay in the layers of the final stage',
    (tool: string, what: string) => `${tool} leaves ${what} in a layer of the final stage`,
  ),
  GitFolderCopied: rule(
    'GitFolderCopied',
    CONTEXT,
    'The history of the sources should not reach the final stage',
    (source: string) => `Copying ${quote(source)} takes .git along into the final stage`,
  ),
  CredentialsCopied: rule(
    'CredentialsCopied',
    SECRETS,
    'Keys and files with credentials should not reach the final stage',
    (file: string) => `${quote(file)} looks like a credential and is copied into the final stage`,
  ),
  MisspelledStageName: rule(
    'MisspelledStageName',
    STAGES,
    'A name that is no stage is pulled as an image',
    (name: string, stage: string) => `${quote(name)} is no stage, so an image of that name is pulled (did you mean the stage ${stage}?)`,
  ),
  LateStageName: rule(
    'LateStageName',
    STAGES,
    'FROM sees only the stages above it',
    (name: string) => `Stage ${quote(name)} begins further down, so an image of that name is pulled here`,
  ),
  DependenciesAfterSources: rule(
    'DependenciesAfterSources',
    CACHE,
    'Dependencies that are fetched after all sources are copied are fetched again for every change',
    (command: string, copy: string) => `${quote(command)} runs again after every change, because ${quote(copy)} comes before it`,
  ),
  RunsAsRoot: rule(
    'RunsAsRoot',
    PRACTICES,
    'A process should not run with more rights than it needs',
    () => 'The final stage runs as root',
  ),
  MutableBaseTag: rule(
    'MutableBaseTag',
    PRACTICES,
    'A tag that moves makes builds differ from day to day',
    (image: string, tag: string) => `Base ${image} has the tag ${quote(tag)}, which means another image from time to time`,
  ),
  StageWaits: rule(
    'StageWaits',
    STAGES,
    'A step that needs nothing of another stage should stand in front of what waits for that stage',
    (command: string, stage: string) => `${quote(command)} waits for the stage ${quote(stage)}, of which it needs nothing`,
  ),
  BrokenArray: rule(
    'BrokenArray',
    LANGUAGE,
    'What is no JSON array is taken as plain text',
    (kind: string, meaning: string) => `This is no JSON array, so ${kind} takes it for ${meaning}`,
  ),
  MisplacedFlag: rule(
    'MisplacedFlag',
    LANGUAGE,
    'Flags stand in front of what an instruction works on',
    (flag: string, kind: string, meaning: string) => `${flag} does not follow ${kind}, so it is taken for ${meaning}`,
  ),
  TrailingComment: rule(
    'TrailingComment',
    LANGUAGE,
    'A comment has a line of its own',
    (comment: string, meaning: string) => `${quote(comment)} is no comment here but ${meaning}`,
  ),
  CommentHidesCommand: rule(
    'CommentHidesCommand',
    LANGUAGE,
    'Joined lines are one line to the shell, which ends at a comment',
    (comment: string, hidden: string) => `${quote(hidden)} never runs: to the shell it is part of the comment ${quote(comment)}`,
  ),
  LostShellState: rule(
    'LostShellState',
    LANGUAGE,
    'What a step changes in its shell ends with the step',
    (command: string) => `${quote(command)} changes nothing: each RUN starts a shell of its own`,
  ),
  NoShellInExecForm: rule(
    'NoShellInExecForm',
    LANGUAGE,
    'The JSON form starts a program without a shell',
    (problem: string) => `The JSON form has no shell: ${problem}`,
  ),
} as const;

/** Name of one of our own rules. */
export type OwnRuleName = keyof typeof OWN_RULES;
