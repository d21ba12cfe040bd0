// Networks of steps: one of its own for each stage, joined to the outside by slirp4netns or pasta; where neither works, the host's.

import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, closeSync, constants, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { AsyncDisposableStack, errnoOf, SlipwayError, toBytePath } from '../base/index.ts';
import { joinNamespace, mount, MountFlag, Namespace, unmount, unshare } from '../sys/index.ts';
import type { NetworkNamespace } from './container-config.ts';
import { type Enclosure, hasEnded } from './enclosure.ts';
import { findProgram } from './programs.ts';

/** Long enough for a loaded machine (28 ms is usual); some versions of pasta never get ready. */
const READY_MS = 5000;

/** The `default` networks of one builder. */
export interface StageNetworks extends AsyncDisposable {
  /** Why `default` is the host's network; undefined: stages have their own (as far as is known yet). */
  readonly hostReason: string | undefined;
  /** Starts a stage's network ahead. */
  prepare(key: string): void;
  /** The stage's network, or the host's where there can be none of its own. */
  get(key: string): Promise<NetworkNamespace>;
}

/** Something that joins a network namespace to the outside. */
interface Connector {
  readonly name: 'slirp4netns' | 'pasta';
  readonly path: string;
  /** Address at which it forwards DNS to the host's resolver. */
  readonly dns: string;
}

/** What keeps any program from being started. */
const LIMITS: readonly string[] = ['EMFILE', 'ENFILE', 'EAGAIN', 'ENOMEM'];

/** Made in this process, by whichever executor: they share a run folder. */
let namespaces = 0;

/** Looks for a connector; nothing is started yet. `use: 'host'` forces the host's network. */
export function openNetworks(enclosure: Enclosure, searchPath: string, use: 'own' | 'host' = 'own'): StageNetworks {
  const found = use === 'host' ? 'the host network was asked for' : findConnector(enclosure.mounts, searchPath);
  let hostReason = typeof found === 'string' ? found : undefined;
  const stages = new Map<string, Promise<NetworkNamespace>>();
  const stack = new AsyncDisposableStack();
  const get = (key: string): Promise<NetworkNamespace> => {
    if (hostReason !== undefined || typeof found === 'string') return Promise.resolve({ kind: 'host' });
    const known = stages.get(key);
    if (known !== undefined) return known;
    // Whose connector was killed leads nowhere: the next step gets another.
    const onCut = (): void => void (stages.get(key) === made && stages.delete(key));
    const connected = connectNamespace(enclosure, found, (namespaces += 1), stack, searchPath, onCut);
    const made = connected.catch((error: unknown): NetworkNamespace => {
      if (!(error instanceof SlipwayError)) throw error;
      hostReason = error.message;
      return { kind: 'host' };
    });
    stages.set(key, made);
    return made;
  };
  return {
    get hostReason() {
      return hostReason;
    },
    // A failure is kept in the promise, for the step that needs the network.
    prepare: (key) => void get(key).catch(() => {}),
    get,
    [Symbol.asyncDispose]: async () => {
      await Promise.allSettled(stages.values());
      await stack[Symbol.asyncDispose]();
    },
  };
}

/** What `--network=default` will be on a rung with or without mounts, as far as can be told before it is tried. */
export function describeNetwork(mounts: boolean, searchPath: string): { readonly network: 'own' | 'host'; readonly reason: string } {
  const found = findConnector(mounts, searchPath);
  if (typeof found === 'string') return { network: 'host', reason: found };
  return { network: 'own', reason: found.path };
}

function findConnector(mounts: boolean, searchPath: string): Connector | string {
  if (!mounts) return 'this rung has no namespaces';
  const slirp = findProgram('slirp4netns', searchPath);
  const pasta = findProgram('pasta', searchPath);
  if (slirp === undefined && pasta === undefined) return 'neither slirp4netns nor pasta is installed';
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK);
  } catch {
    return '/dev/net/tun cannot be opened';
  }
  if (slirp !== undefined) return { name: 'slirp4netns', path: slirp, dns: '10.0.2.3' };
  return { name: 'pasta', path: pasta as string, dns: '169.254.1.1' };
}

async function connectNamespace(
  enclosure: Enclosure,
  connector: Connector,
  number: number,
  stack: AsyncDisposableStack,
  searchPath: string,
  onCut: () => void,
): Promise<NetworkNamespace> {
  const folder = join(enclosure.runDir, 'netns');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, String(number));
  closeSync(openSync(path, 'w'));
  if (enclosure.userNamespace) await bindHelpersNamespace(enclosure, path, searchPath);
  else bindNewNamespace(path);
  stack.defer(() => unmount(toBytePath(path), true));
  const child = await startConnector(enclosure, connector, path);
  // pasta has gone into the background by now.
  if (connector.name === 'slirp4netns') {
    if (hasEnded(child)) onCut();
    else child.once('exit', onCut);
  }
  stack.defer(async () => {
    if (hasEnded(child)) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.ref(); // this one is waited for
    child.kill('SIGKILL');
    await ended;
  });
  return { kind: 'path', path, dns: connector.dns };
}

/** This thread steps into a new network namespace, keeps it by a bind mount and steps back: no process needed. */
function bindNewNamespace(path: string): void {
  const own = openSync('/proc/thread-self/ns/net', 'r');
  try {
    unshare(Namespace.net);
    try {
      mount('/proc/thread-self/ns/net', toBytePath(path), undefined, MountFlag.bind);
    } finally {
      joinNamespace(own, Namespace.net);
    }
  } finally {
    closeSync(own);
  }
}

/** In a user namespace the way back would be forbidden, so a short-lived process makes the namespace. */
async function bindHelpersNamespace(enclosure: Enclosure, path: string, searchPath: string): Promise<void> {
  const unshareProgram = findProgram('unshare', searchPath) ?? 'unshare';
  // Not in the PID namespace: its number must mean the same in our /proc.
  const helper = spawn(unshareProgram, ['--net', '--', '/bin/sh', '-c', 'echo; read -r _'], { stdio: ['pipe', 'pipe', 'ignore'], env: {} });
  const ended = new Promise<void>((resolve) => helper.once('exit', () => resolve()));
  try {
    const ready = new Promise<boolean>((resolve) => {
      helper.once('error', () => resolve(false));
      helper.stdout.once('data', () => resolve(true));
    });
    if (!(await Promise.race([ready, ended.then(() => false)]))) {
      throw new SlipwayError('NETWORK_REFUSED', 'a network namespace is refused');
    }
    mount(toBytePath(`/proc/${helper.pid}/ns/net`), toBytePath(path), undefined, MountFlag.bind);
  } finally {
    helper.stdin.destroy();
    await ended;
  }
}

async function startConnector(enclosure: Enclosure, connector: Connector, path: string): Promise<ChildProcess> {
  const slirp = ['--configure', '--mtu=65520', '--disable-host-loopback', '--netns-type=path', '--ready-fd=3', path, 'tap0'];
  // As another user, which it would become by itself, it could not enter our namespaces.
  const pasta = ['--config-net', '--no-map-gw', '--dns-forward', connector.dns, '--quiet', '--runas', '0:0'];
  const closed = ['-t', 'none', '-u', 'none', '-T', 'none', '-U', 'none', '--netns', path];
  const isSlirp = connector.name === 'slirp4netns';
  const child = enclosure.spawn(connector.path, isSlirp ? slirp : [...pasta, ...closed], {
    stdio: ['ignore', 'ignore', 'pipe', isSlirp ? 'pipe' : 'ignore'],
    env: {},
  });
  let words = '';
  child.stderr?.on('data', (chunk: Buffer) => (words = (words + chunk.toString()).slice(-2000)));
  const failed = (why: string): SlipwayError => new SlipwayError('NETWORK_REFUSED', `${connector.name} ${why}${lastLine(words)}`);
  await new Promise<void>((resolve, reject) => {
    let settled = false;
    const settle = (work: () => void): void => {
      clearTimeout(late);
      if (!settled) work();
      settled = true;
    };
    const giveUp = (): void =>
      settle(() => {
        child.kill('SIGKILL');
        reject(failed(`was not ready within ${READY_MS / 1000} seconds`));
      });
    // It may have said so long ago, and we were too busy to hear it: what has arrived is read before that.
    const late = setTimeout(() => setImmediate(giveUp), READY_MS);
    // Too few files or too little memory: not for want of a network, which the host's would stand in for.
    child.once('error', (error) =>
      settle(() => reject(LIMITS.includes(errnoOf(error) ?? '') ? error : failed(`cannot be started: ${error.message}`))),
    );
    // pasta goes into the background when it is ready; it ends with the PID namespace.
    child.once('exit', (code) => settle(() => (!isSlirp && code === 0 ? resolve() : reject(failed(`ended with ${code}`)))));
    // There are no streams at all when no pipe could be made.
    (child.stdio as typeof child.stdio | undefined)?.[3]?.once('data', () => settle(resolve));
  });
  // Neither keeps the builder's event loop alive.
  child.unref();
  for (const stream of child.stdio) (stream as { unref?: () => void } | null)?.unref?.();
  return child;
}

function lastLine(words: string): string {
  const line = words.trim().split('\n').at(-1);
  return line === undefined || line === '' ? '' : `: ${line}`;
}
