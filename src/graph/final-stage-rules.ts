// Rules about what the final stage carries.

import { toBytePath } from '../base/index.ts';
import { PatternMatcher } from '../dockerfile/index.ts';
import { OWN_RULES } from './own-rules.ts';
import { chainOf, originOf, placeOfCommand, placeOfStage, type RuleContext, withFix } from './rule-context.ts';
import { installs, type ShellCommand, shellCommands, shellText } from './shell-commands.ts';
import type { StageCommand, StageState } from './stage-state.ts';
import { cleanPath } from './unix-path.ts';

/** Reports what should not be in the image. */
export function finalStageRules(context: RuleContext): void {
  const chain = chainOf(context.target).filter(({ contextName }) => contextName === undefined);
  finalStageBuilds(context, chain);
  runsAsRoot(context, chain);
  for (const state of chain) {
    for (const command of state.commands) {
      if (command.onbuild) continue;
      packageCaches(context, state, command);
      copiedFiles(context, command);
    }
  }
}

/** Images that are there to build with, and what their results run on. */
const COMPILERS: readonly (readonly [image: RegExp, runtime: string])[] = [
  [/^(?:docker\.io\/)?(?:library\/)?golang(?::|@|$)/, 'scratch, or a distroless image'],
  [/^(?:docker\.io\/)?(?:library\/)?rust(?::|@|$)/, 'debian:stable-slim, or scratch for a static program'],
  [/^(?:docker\.io\/)?(?:library\/)?(?:gcc|buildpack-deps|haskell|swift)(?::|@|$)/, 'debian:stable-slim'],
  [/^(?:docker\.io\/)?(?:library\/)?(?:maven|gradle)(?::|@|$)/, 'eclipse-temurin with a jre tag'],
  [/(?:^|\/)(?:openjdk|eclipse-temurin|amazoncorretto)(?::|@)?.*\bjdk\b/, 'the same image with a jre tag'],
  [/^mcr\.microsoft\.com\/dotnet\/(?:core\/)?sdk(?::|@|$)/, 'mcr.microsoft.com/dotnet/aspnet or runtime'],
];
const COMPILER_PACKAGE = /^(?:build-essential|build-base|gcc|g\+\+|clang|make|cmake|cargo|golang(?:-go)?|default-jdk|openjdk-\d+-jdk)$/;

function finalStageBuilds({ scope, linter, target }: RuleContext, chain: readonly StageState[]): void {
  if (scope.table.stages.at(-1) !== target) return; // somebody asked for that stage by name
  if (chain.some((state) => [...state.deps.keys()].some((dep) => dep.stage !== undefined))) return;
  const origin = originOf(target);
  const compiler = COMPILERS.find(([image]) => image.test(origin));
  const installed = compiler === undefined ? installedCompiler(chain) : undefined;
  if (compiler === undefined && installed === undefined) return;
  const what = compiler === undefined ? `the package ${installed ?? ''}` : `the compiler image ${origin}`;
  const runtime = compiler?.[1] ?? 'the base without it';
  linter.report(OWN_RULES.FinalStageBuilds, placeOfStage(target, target.stage?.base.range), [what], {
    hint: `name this stage (AS build) and end with a stage FROM ${runtime} that copies the result: COPY --from=build …`,
  });
}

function installedCompiler(chain: readonly StageState[]): string | undefined {
  for (const { commands } of chain) {
    for (const { instruction } of commands) {
      if (instruction.kind !== 'RUN') continue;
      const removed = /\b(?:apk del|apt-get (?:purge|remove|autoremove)|--virtual)\b/.test(shellText(instruction));
      const install = removed ? undefined : shellCommands(shellText(instruction)).find((command) => installs(command));
      const found = install?.words.find((word) => COMPILER_PACKAGE.test(word));
      if (found !== undefined && found !== install?.words[0]) return found;
    }
  }
  return undefined;
}

const ROOT = /^(?:|root|0)(?::.*)?$/;

/** Official images that start something, as root: for when they cannot be asked. */
const ROOT_IMAGES =
  /^(?:docker\.io\/)?(?:library\/)?(?:alpine|amazonlinux|archlinux|bash|busybox|buildpack-deps|caddy|clojure|composer|debian|docker|eclipse-temurin|elixir|erlang|fedora|gcc|golang|gradle|haskell|httpd|julia|maven|nginx|node|openjdk|oraclelinux|perl|php|pypy|python|r-base|rockylinux|ruby|rust|swift|tomcat|ubuntu)(?::|@|$)/;

function runsAsRoot({ linter, target }: RuleContext, chain: readonly StageState[]): void {
  const { config, platform } = target.draft;
  if (platform.os === 'windows') return; // no root there
  const last = chain.flatMap(({ commands }) => commands.filter(({ instruction }) => instruction.kind === 'USER').slice(-1))[0];
  const isKnown = ROOT_IMAGES.test(originOf(target));
  if (target.baseUnknown && last === undefined && !isKnown) return;
  const runs = (config.Cmd ?? []).length > 0 || (config.Entrypoint ?? []).length > 0 || (target.baseUnknown && isKnown);
  if (!runs || !ROOT.test(config.User ?? '')) return;
  const hint = 'end with USER and a number, such as USER 10001:10001, and give it the files it must write by COPY --chown';
  linter.report(OWN_RULES.RunsAsRoot, last === undefined || last.onbuild ? placeOfStage(target) : placeOfCommand(last), [], { hint });
}

/** A package manager whose downloads stay. */
interface CacheHabit {
  readonly tool: string;
  readonly what: string;
  applies(command: ShellCommand, all: readonly ShellCommand[]): boolean;
  /** Whether the whole text cleans up after itself. What follows an `rm` is looked at up to the next one, once. */
  readonly cleans: RegExp;
  /** Folders that a cache mount keeps out of the layer. */
  readonly folder: RegExp;
  /** Environment that turns the cache off. */
  readonly variable?: string;
  /** Behind what to put which text; without `after` at the end. */
  readonly cure: { readonly after?: RegExp; readonly text: string; readonly title: string };
}

const verb = ({ words }: ShellCommand, at = 1): string => words.slice(at).find((word) => !word.startsWith('-')) ?? '';

const HABITS: readonly CacheHabit[] = [
  {
    tool: 'apt-get',
    what: 'package lists',
    applies: (command) => /^apt(?:-get)?$/.test(command.words[0] ?? '') && verb(command) === 'update',
    cleans: /rm\s(?:(?!rm\s)[^;&|])*\/var\/lib\/(?:apt(?:\/lists|\/?\*?(?=\s|$))|\{[^{}]*\bapt\b)/,
    folder: /^\/var\/(?:lib|cache)\/apt\b/,
    cure: { text: ' && rm -rf /var/lib/apt/lists/*', title: 'remove the lists in the same step' },
  },
  {
    tool: 'apk',
    what: 'its index',
    applies: ({ words }, all) =>
      words[0] === 'apk' && words.includes('add') && !words.includes('--no-cache') && !all.some((other) => isApkUpdate(other)),
    cleans: /rm\s(?:(?!rm\s)[^;&|])*\/var\/cache\/apk/,
    folder: /^\/(?:var\/cache\/apk|etc\/apk\/cache)\b/,
    cure: { after: /\bapk(?:\s+-\S+){0,20}\s+add/, text: ' --no-cache', title: 'add --no-cache' },
  },
  {
    tool: 'apk',
    what: 'its index',
    applies: isApkUpdate,
    cleans: /rm\s(?:(?!rm\s)[^;&|])*\/var\/cache\/apk/,
    folder: /^\/(?:var\/cache\/apk|etc\/apk\/cache)\b/,
    cure: { text: ' && rm -rf /var/cache/apk/*', title: 'remove the index in the same step' },
  },
  {
    tool: 'dnf',
    what: 'package metadata',
    applies: (command) => /^(?:dnf|microdnf|yum)$/.test(command.words[0] ?? '') && verb(command) === 'install',
    cleans: /\b(?:dnf|microdnf|yum)\s+(?:-\S+\s+){0,20}clean\s+all|rm\s(?:(?!rm\s)[^;&|])*\/var\/cache\/(?:dnf|yum|libdnf5)/,
    folder: /^\/var\/cache\/(?:dnf|yum|libdnf5)\b/,
    cure: { text: ' && rm -rf /var/cache/dnf /var/cache/yum', title: 'remove the metadata in the same step' },
  },
  {
    tool: 'pip',
    what: 'downloaded packages',
    applies: (command) => isPipInstall(command) && !command.words.some((word) => /^--no-cache(?:-dir)?$/.test(word)),
    cleans: /rm\s(?:(?!rm\s)[^;&|])*\.cache|\bpip3?\s+cache\s+purge/,
    folder: /\.cache(?:\/pip)?\/?$/,
    variable: 'PIP_NO_CACHE_DIR',
    cure: { after: /\bpip[\d.]*\s+install/, text: ' --no-cache-dir', title: 'add --no-cache-dir' },
  },
  {
    tool: 'npm',
    what: 'downloaded packages',
    applies: (command) => command.words[0] === 'npm' && ['ci', 'i', 'install'].includes(verb(command)),
    cleans: /\bnpm\s+cache\s+clean|rm\s(?:(?!rm\s)[^;&|])*\.npm\b/,
    folder: /\.npm\/?$/,
    variable: 'npm_config_cache',
    cure: { text: ' && npm cache clean --force', title: 'clean the cache in the same step' },
  },
  {
    tool: 'yarn',
    what: 'downloaded packages',
    applies: ({ words }) => words[0] === 'yarn' && (words[1] === undefined || words[1] === 'install' || words[1].startsWith('--')),
    cleans: /\byarn\s+cache\s+clean|rm\s(?:(?!rm\s)[^;&|])*\.cache/,
    folder: /\.cache(?:\/yarn)?\/?$|\.yarn/,
    variable: 'YARN_CACHE_FOLDER',
    cure: { text: ' && yarn cache clean', title: 'clean the cache in the same step' },
  },
  {
    tool: 'conda',
    what: 'downloaded packages',
    applies: (command) =>
      /^(?:conda|mamba|micromamba)$/.test(command.words[0] ?? '') && ['install', 'create', 'update'].includes(verb(command)),
    cleans: /\b(?:conda|mamba|micromamba)\s+clean/,
    folder: /\/pkgs\/?$/,
    cure: { text: ' && conda clean -afy', title: 'clean the cache in the same step' },
  },
];

function isApkUpdate({ words }: ShellCommand): boolean {
  return words[0] === 'apk' && words.includes('update') && !words.includes('--no-cache');
}

function isPipInstall({ words }: ShellCommand): boolean {
  if (/^pip[\d.]*$/.test(words[0] ?? '')) return words[1] === 'install';
  return /^python[\d.]*$/.test(words[0] ?? '') && words[1] === '-m' && words[2] === 'pip' && words[3] === 'install';
}

function packageCaches({ linter, edits }: RuleContext, state: StageState, command: StageCommand): void {
  const { instruction } = command;
  if (instruction.kind !== 'RUN') return;
  const text = shellText(instruction);
  const commands = shellCommands(text);
  const mounted = instruction.mounts.flatMap(({ text: mount }) => /(?:^|,)(?:target|dst|destination)=([^,]*)/.exec(mount)?.[1] ?? []);
  for (const { tool, what, applies, cleans, folder, variable, cure } of HABITS) {
    if (!commands.some((one) => applies(one, commands)) || cleans.test(text) || mounted.some((target) => folder.test(target))) continue;
    if (variable !== undefined && state.env.has(variable)) continue;
    const fix =
      instruction.heredocs.length > 0
        ? undefined
        : cure.after !== undefined
          ? edits.insertAfter(command.range, cure.after, cure.text, cure.title)
          : goesOn(text, commands)
            ? edits.append(command.range, cure.text, cure.title)
            : undefined;
    const hint = `${cure.title}, or keep the folder in a cache: RUN --mount=type=cache,target=…`;
    linter.report(OWN_RULES.PackageCacheLeft, placeOfCommand(command), [tool, what], withFix(fix, hint));
  }
}

/** Whether ` && …` behind a text is run when all of it was: behind `;`, `&` or a comment it is not, nor behind what ends the shell. */
function goesOn(text: string, commands: readonly ShellCommand[]): boolean {
  const [before, last] = [commands.at(-2), commands.at(-1)];
  if (last === undefined || !/^[\s)]*$/.test(text.slice(last.end))) return false;
  return !/^(?:exit|exec|return)$/.test(last.words[0] ?? '') || before?.separator === '||';
}

const CREDENTIAL =
  /^(?:id_(?:rsa|dsa|ecdsa|ed25519)|.+\.(?:key|p12|pfx|jks|keystore|pem)|\.npmrc|\.netrc|\.pypirc|\.git-credentials|\.env(?:\.\w+)?|credentials(?:\.json)?|auth\.json|secrets?\.(?:json|toml|txt|ya?ml)|\.dockercfg|kubeconfig|\.ssh|\.aws|\.gnupg)$/;
const CREDENTIAL_PATH = /(?:^|\/)(?:\.docker\/config\.json|\.m2\/settings\.xml|\.aws\/.+|\.ssh\/.+|\.kube\/config)$/;
const HARMLESS = /pub|cert|(?:^|[^a-z])ca(?:[^a-z]|$)|chain|example|sample|template|dist|known_hosts/i;

function copiedFiles(context: RuleContext, command: StageCommand): void {
  const { linter } = context;
  const { instruction } = command;
  if (instruction.kind !== 'COPY' && instruction.kind !== 'ADD') return;
  for (const source of instruction.sources) {
    const path = cleanPath(source.text).replace(/^\//, '');
    const name = path.slice(path.lastIndexOf('/') + 1);
    if ((CREDENTIAL.test(name) || CREDENTIAL_PATH.test(path)) && !HARMLESS.test(name)) {
      linter.report(OWN_RULES.CredentialsCopied, placeOfCommand(command, source.range), [source.text], {
        hint: 'mount it for the step that needs it: RUN --mount=type=secret,id=…,target=…; what a layer holds can be read for ever',
      });
    }
    const fromContext = instruction.kind === 'ADD' || command.sources[0] === undefined;
    const whole = (path === '.' || path === '') && takesGitFolder(context);
    if (fromContext && (whole || name === '.git')) {
      linter.report(OWN_RULES.GitFolderCopied, placeOfCommand(command, source.range), [source.text], {
        hint: 'write .git into .dockerignore',
      });
    }
  }
}

/** Whether the context has `.git`, as far as anybody said. */
function takesGitFolder({ scope }: RuleContext): boolean {
  const { context, ignore, contextHas } = scope.options;
  if (context !== undefined && !('source' in context && context.source.kind === 'local')) return false;
  if (ignore === undefined || contextHas?.('.git') === false) return false;
  const matcher = PatternMatcher.compile(ignore);
  return matcher.ok && !matcher.value.matches(toBytePath('.git'));
}
