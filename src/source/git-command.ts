// Runs the `git` program: nothing of the user's or the system's configuration, no prompts, no secrets in its arguments.

import { spawn } from 'node:child_process';
import { errnoOf, SlipwayError } from '../base/index.ts';
import { shownUrl } from './http-file.ts';

/** Surroundings of git. */
export interface GitEnvironment {
  /** `PATH` to find git, ssh and its helpers. */
  readonly path: string;
  /** `HTTP_PROXY`, `NO_PROXY`, …: as given. */
  readonly proxies?: Readonly<Record<string, string>>;
  /** PEM file of certificates to trust besides the system's. */
  readonly certificateFile?: string;
  /** Agent socket for ssh. */
  readonly sshSocket?: string;
  /** File of host keys; unknown hosts are refused when `strict`, else remembered there. */
  readonly knownHosts: { readonly file: string; readonly strict: boolean };
  /** Value of an Authorization header for this remote. */
  readonly authorization?: { readonly remote: string; readonly value: string };
}

/** Runs git commands in one surrounding. */
export class GitCommand {
  readonly #environment: Readonly<Record<string, string>>;
  readonly #signal: AbortSignal;

  constructor(environment: GitEnvironment, signal: AbortSignal) {
    this.#environment = environmentOf(environment);
    this.#signal = signal;
  }

  /** Its standard output. Throws `GIT_FAILED` with git's own words, `GIT_MISSING` when there is no git. */
  async run(
    args: readonly string[],
    options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
  ): Promise<string> {
    const { status, output, errors } = await this.#spawn(args, options);
    if (status === 0) return output;
    throw new SlipwayError('GIT_FAILED', `git ${args.find((arg) => !arg.startsWith('-')) ?? ''}: ${lastLines(errors)}`, {
      facts: { status, errors: lastLines(errors) },
    });
  }

  /** Whether the command ends well. */
  async succeeds(args: readonly string[], options: { readonly cwd?: string } = {}): Promise<boolean> {
    return (await this.#spawn(args, options)).status === 0;
  }

  #spawn(
    args: readonly string[],
    options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> },
  ): Promise<{ status: number; output: string; errors: string }> {
    this.#signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const child = spawn('git', [...args], {
        cwd: options.cwd ?? '/',
        env: { ...this.#environment, ...options.env },
        stdio: ['ignore', 'pipe', 'pipe'],
        signal: this.#signal,
      });
      const output: Buffer[] = [];
      const errors: Buffer[] = [];
      let kept = 0;
      child.stdout.on('data', (chunk: Buffer) => {
        kept += chunk.length;
        if (kept <= MAX_OUTPUT) output.push(chunk);
      });
      child.stderr.on('data', (chunk: Buffer) => {
        errors.push(chunk);
        if (errors.length > 200) errors.shift();
      });
      child.once('error', (error) => {
        if (this.#signal.aborted) reject(this.#signal.reason as Error);
        else if (errnoOf(error) === 'ENOENT')
          reject(new SlipwayError('GIT_MISSING', 'no git program on PATH', { hint: 'install git (apt-get install git)' }));
        else reject(error);
      });
      child.once('close', (code) => {
        if (this.#signal.aborted) reject(this.#signal.reason as Error);
        else resolve({ status: code ?? 1, output: Buffer.concat(output).toString('utf8'), errors: Buffer.concat(errors).toString('utf8') });
      });
    });
  }
}

const MAX_OUTPUT = 64 << 20;

function environmentOf(given: GitEnvironment): Record<string, string> {
  const config: [string, string][] = [
    ['core.hooksPath', '/dev/null'],
    ['core.fsmonitor', 'false'],
    ['core.autocrlf', 'false'],
    ['credential.helper', ''],
    // The mirror is ours, whoever we are now.
    ['safe.directory', '*'],
    // Repositories must not take others from the file system as submodules.
    ['protocol.file.allow', 'user'],
    ['protocol.ext.allow', 'never'],
    ['protocol.fd.allow', 'never'],
    ['init.defaultBranch', 'master'],
    ['advice.detachedHead', 'false'],
    ['gc.auto', '0'],
  ];
  if (given.authorization !== undefined) {
    config.push([`http.${scopeOf(given.authorization.remote)}.extraheader`, `Authorization: ${given.authorization.value}`]);
  }
  const ssh = `ssh -F /dev/null -o BatchMode=yes -o UserKnownHostsFile=${quoted(given.knownHosts.file)} -o StrictHostKeyChecking=${given.knownHosts.strict ? 'yes' : 'accept-new'}`;
  return {
    PATH: given.path,
    HOME: '/dev/null',
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ASKPASS: '/bin/false',
    SSH_ASKPASS: '/bin/false',
    GIT_SSH_COMMAND: ssh,
    GIT_CONFIG_COUNT: String(config.length),
    ...Object.fromEntries(
      config.flatMap(([key, value], at) => [
        [`GIT_CONFIG_KEY_${at}`, key],
        [`GIT_CONFIG_VALUE_${at}`, value],
      ]),
    ),
    ...given.proxies,
    ...(given.certificateFile === undefined ? {} : { GIT_SSL_CAINFO: given.certificateFile }),
    ...(given.sshSocket === undefined ? {} : { SSH_AUTH_SOCK: given.sshSocket }),
  };
}

/** The header goes to this host only. */
function scopeOf(remote: string): string {
  const url = new URL(remote);
  return `${url.protocol}//${url.host}/`;
}

/** For the shell that git runs GIT_SSH_COMMAND with. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function lastLines(text: string): string {
  const lines = text
    .split('\n')
    .filter((line) => line.trim() !== '' && !/^(hint|remote: (Enumerating|Counting|Compressing|Total))/.test(line));
  return (
    lines
      .slice(-4)
      .join('; ')
      .replace(/(?<![a-z])[a-z]+:\/\/\S+/g, (url) => shownUrl(url)) || 'it failed without a word'
  );
}
