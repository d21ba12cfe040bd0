// What the last words of a failed step say about the way out. Programs tell what they miss; what that means in a build of several stages,
// and what to write where, is here.

import type { ProcessSpec } from './process-spec.ts';

/** What of a step bears on its words. */
export type SpokenStep = Pick<ProcessSpec, 'user' | 'network' | 'mounts'>;

interface OutputHint {
  /** Matched against single lines. */
  readonly shown: RegExp;
  /** It is what programs say, too, when they reached nobody whom they could have asked: a line before it that says so tells more. */
  readonly whereReached?: true;
  /** Undefined: for this step the line means nothing. */
  readonly hint: string | ((found: readonly string[], step: SpokenStep, exitCode: number) => string | undefined);
}

const NO_LISTS =
  'the lists of packages of this step know none of that name: write apt-get update && apt-get install in one RUN (those of an earlier step were removed, or are old), or look for its name in this release';
const NO_NETWORK: Readonly<Record<ProcessSpec['network'], string>> = {
  none: 'the step has no network, as --network=none says: fetch in an earlier step',
  host: 'the step has the network of this machine, which does not reach that name or address: look at its connection and name servers',
  default:
    'the step does not reach that name or address: look at the connection of this machine and name servers; --network=host lends them to all steps',
};
const BUILD_TOOLS = 'a package is compiled here: install python3, make and g++ in the stage that builds, and copy node_modules from there';
const BASH = 'SHELL ["/bin/bash", "-c"] in front of it, if the base has bash';

const UNREACHED =
  /Temporary failure (?:resolving|in name resolution)|Could not resolve (?:host|')|unable to resolve host|failed to resolve address|Name or service not known|wget: bad address|getaddrinfo (?:ENOTFOUND|EAI_AGAIN)|Network is unreachable|^WARNING: .*(?:temporary error \(try again later\)|DNS: transient error)/;
const DISTRUSTED =
  /certificate verify failed|unable to get local issuer certificate|certificate signed by unknown authority|SSL certificate problem|PKIX path building failed|server certificate verification failed|self[- ]signed certificate|certificate of '\S+' (?:is not trusted|doesn't have a known issuer)/i;

const HINTS: readonly OutputHint[] = [
  // The shell.
  { shown: /Illegal option -o pipefail/, hint: `the shell of RUN is not bash: SHELL ["/bin/bash", "-o", "pipefail", "-c"] in front of it` },
  { shown: /\bsource: not found/, hint: `source is a word of bash, and the shell of RUN is not: write "." in its place, or ${BASH}` },
  {
    shown: /: Bad substitution|Syntax error: (?:"\(" unexpected|redirection unexpected)/i,
    hint: `this is written for bash, and the shell of RUN is not: ${BASH}`,
  },
  {
    shown: /\\r['’]?: No such file|\^M: bad interpreter|\$'\\r': command not found/,
    hint: 'lines of a script end as on Windows (CRLF): write it with LF (.gitattributes: *.sh text eol=lf)',
  },
  { shown: /\bsudo: (?:command )?not found/, hint: 'steps run as root unless USER says otherwise: leave sudo out' },
  // Packages.
  { shown: /^E: Unable to locate package /, whereReached: true, hint: NO_LISTS },
  { shown: /^E: Package '.*' has no installation candidate/, whereReached: true, hint: NO_LISTS },
  {
    shown: /^E: Failed to fetch .* 404 /,
    hint: 'the lists of packages are older than what the mirror has, mostly those of an earlier step that was cached: write apt-get update && apt-get install in one RUN',
  },
  {
    shown: /error creating symbolic link '\/usr\/share\/man\//,
    hint: 'slim bases have no folders for manual pages, and this package wants one: RUN mkdir -p /usr/share/man/man1 before it',
  },
  {
    shown: /NO_PUBKEY|the public key is not available|repository .* is not signed/,
    hint: 'the key of that repository is not in this stage: COPY it to /usr/share/keyrings and name it by signed-by= in the list of sources',
  },
  { shown: /^E: Release file for .* is not valid yet/, hint: 'the clock of this machine is behind: set it' },
  {
    shown: /^ERROR: unable to select packages/,
    whereReached: true,
    hint: 'this release of Alpine has no package of that name or version: look its name up, or take another tag of the base',
  },
  {
    shown: /are you root\?|Unable to lock database: Permission denied/,
    hint: (_, { user }) =>
      isRoot(user) ? undefined : `the step runs as ${user}: install packages above USER, or go back to USER root for it`,
  },
  {
    shown: /externally-managed-environment/,
    hint: 'this Python belongs to the distribution: RUN python3 -m venv /venv, use /venv/bin/pip, and copy /venv to the runtime stage',
  },
  {
    shown: /No matching distribution found for (\S+)/,
    whereReached: true,
    hint: ([, name = 'it']) =>
      `pip has no release of ${name} for this Python and platform: take another version, or another tag of the base`,
  },
  // Files that were not copied yet.
  {
    shown: /can only install (?:packages )?(?:when|with) .*package-lock\.json/,
    hint: 'npm ci needs the lock file: COPY package.json package-lock.json ./ above it',
  },
  {
    shown: /ENOENT.*package\.json|Could not read package\.json/,
    hint: 'package.json is not in the working directory: WORKDIR and COPY package*.json ./ above it',
  },
  {
    shown: /ERR_PNPM_(?:NO|OUTDATED)_LOCKFILE|Your lockfile needs to be updated/,
    hint: 'the lock file is missing in this stage, or older than package.json: COPY it beside package.json, as the package manager wrote it last',
  },
  {
    shown: /go: go\.mod file not found|go: cannot find main module|does not contain main module/,
    hint: 'go.mod is not in the working directory: WORKDIR and COPY go.mod go.sum ./ above it',
  },
  {
    shown: /no required module provides package (\S+?)[;:]/,
    hint: ([, name = '']) => `go.mod names no module that has ${name}: go get it, and COPY go.mod go.sum ./ anew`,
  },
  { shown: /missing go\.sum entry/, hint: 'go.sum does not name all modules, or was not copied: go mod tidy, and COPY go.mod go.sum ./' },
  {
    shown: /error obtaining VCS status/,
    hint: 'go asks git for a version, and the stage has no whole repository: go build -buildvcs=false, or leave .git out of COPY',
  },
  {
    shown: /fatal: not a git repository/,
    hint: 'there is no .git in this stage: hand the version in by ARG, or show the folder by RUN --mount=type=bind,source=.git,target=.git',
  },
  {
    shown: /could not find `Cargo\.toml`/,
    hint: 'Cargo.toml is not in the working directory: WORKDIR and COPY Cargo.toml Cargo.lock ./ above it',
  },
  {
    shown: /Could not open requirements file: .*No such file or directory: '([^']+)'/,
    hint: ([, name = '']) => `${name} is not in the working directory: WORKDIR and COPY ${name} ./ above it`,
  },
  {
    shown: /there is no POM in this directory/,
    hint: 'pom.xml is not in the working directory: WORKDIR and COPY pom.xml ./ above it',
  },
  // What compilers miss.
  {
    shown: /this version of Cargo is older than the `(\d+)` edition/,
    hint: ([, edition = '']) => `Cargo.toml says edition ${edition}, which this Rust does not know: take a newer tag of the base`,
  },
  {
    shown: /the `(\S+)` target may not be installed/,
    hint: ([, target = '']) => `the stage has no standard library for that target: RUN rustup target add ${target} above it`,
  },
  {
    shown: /linker `(\w+)` not found/,
    hint: ([, name = 'cc']) => `${name} is not in this stage: install gcc and libc6-dev where it is built`,
  },
  {
    shown: /C compiler "[^"]+" not found|exec: "(?:gcc|cc|clang)": executable file not found/,
    hint: 'cgo needs a C compiler: install gcc and libc6-dev where it is built, or ENV CGO_ENABLED=0',
  },
  { shown: /gyp ERR! (?:find Python|stack Error: not found: make)/, hint: BUILD_TOOLS },
  {
    shown: /fatal error: (\S+\.h(?:pp)?): No such file or directory/,
    hint: ([, name = '']) => `${name} comes with a development package (…-dev or …-devel): install it in the stage that builds`,
  },
  {
    shown: /cannot find -l(\S+?):?(?: |$)/,
    hint: ([, name = '']) => `the linker has no lib${name}: install its development package (…-dev or …-devel) in the stage that builds`,
  },
  {
    shown: /^(?:Package '?(\S+?)'?, required by|No package '(\S+)' found)/,
    hint: ([, one, two]) =>
      `pkg-config has no ${one ?? two ?? ''}: install its development package (…-dev or …-devel) in the stage that builds`,
  },
  // What programs from another stage miss.
  {
    shown: /version `(GLIBC_[\d.]+)' not found/,
    hint: ([, version = '']) =>
      `the program was linked with a newer C library (${version}) than this stage has: build and run on the same release of a distribution, or link statically`,
  },
  {
    shown: /error while loading shared libraries: (\S+?): cannot open|Error loading shared library (\S+?):/,
    hint: ([, one, two]) => `this stage lacks ${one ?? two ?? ''}: install the package that has it, or copy it from the stage that does`,
  },
  // The network, and who is asked for what.
  { shown: UNREACHED, hint: (_, { network }) => NO_NETWORK[network] },
  {
    shown: DISTRUSTED,
    hint: 'the stage does not know who signed that certificate: install ca-certificates; what a network of your own signs needs its certificate there, too',
  },
  { shown: /Permission denied \(publickey/, hint: 'lend the step your keys: RUN --mount=type=ssh, and build with --ssh default' },
  {
    shown: /Host key verification failed/,
    hint: 'ssh does not know that host: RUN ssh-keyscan HOST >> /etc/ssh/ssh_known_hosts above it, and compare the key with what the host publishes',
  },
  {
    shown: /could not read (?:Username|Password) for/,
    hint: 'the repository is private: hand a token in by RUN --mount=type=secret,id=token, and build with --secret id=token,src=FILE',
  },
  // What a step is not.
  {
    shown: /System has not been booted with systemd|Failed to connect to bus/,
    hint: 'no services run while an image is built: start it when the container starts (CMD)',
  },
  {
    shown: /Cannot connect to the Docker daemon/,
    hint: 'a step has no Docker engine: build that image by a build of its own, and COPY --from it',
  },
  {
    shown: /JavaScript heap out of memory/,
    hint: 'it reached the limit that Node sets itself: ENV NODE_OPTIONS=--max-old-space-size=4096 (megabytes) in this stage',
  },
  {
    shown: /(?:unknown|invalid) (?:user|group):? ['"‘]?([^\s:'"’]+)/,
    hint: ([, name = '']) => `${name} is no account of this stage: make it by an earlier RUN (useradd, adduser), or write its number`,
  },
  // Rights: last, since all kinds of programs say so for all kinds of reasons.
  {
    shown: /Read-only file system|EROFS/i,
    hint: (_, { mounts }) =>
      (mounts ?? []).some((mount) => mount.type === 'bind' && mount.readonly)
        ? 'what RUN --mount=type=bind shows is read-only: add rw to it (what is written there is thrown away), or write elsewhere'
        : undefined,
  },
  {
    shown: /permission denied|EACCES/i,
    hint: (_, { user }, exitCode) =>
      isRoot(user) || exitCode === NOT_EXECUTABLE
        ? undefined
        : `the step runs as ${user}, who may not do that: COPY --chown=${user} what it needs, and make its folders above USER`,
  },
];

/** What a shell ends with when it may not execute a command: that is about the command's mode. */
const NOT_EXECUTABLE = 126;
/** Longer lines are cut: what a program says about itself is short. */
const LINE = 500;

/** What the last telling line of a step's output says about the way out; undefined: nothing that is known. */
export function outputHint(output: string, exitCode: number, step: SpokenStep): string | undefined {
  const lines = output.split('\n').map((line) => line.slice(0, LINE).trimEnd());
  const reached = !lines.some((line) => UNREACHED.test(line) || DISTRUSTED.test(line));
  for (const words of lines.reverse()) {
    for (const { shown, whereReached, hint } of HINTS) {
      const found = shown.exec(words);
      if (found === null || (whereReached === true && !reached)) continue;
      const said = typeof hint === 'string' ? hint : hint(found, step, exitCode);
      if (said !== undefined) return said;
    }
  }
  return undefined;
}

function isRoot(user: string): boolean {
  return /^(?:root|0)?(?::|$)/.test(user);
}
