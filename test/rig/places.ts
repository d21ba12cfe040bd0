// Places where Slipway is started by tests, one for each rung of the ladder: root, an ordinary user with and without subordinate ids, and
// containers as Docker makes them, with its default capabilities and seccomp filter really applied by an OCI runtime.

import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { containerOfDocker } from './docker-container.ts';
import { areInhabited, furtherCgroups, ownCgroups } from './own-cgroups.ts';
import { until } from './processes.ts';
import { type Outcome, startCommand } from './rig.ts';

const ROOT = join(import.meta.dirname, '../..');

/** Names of the places: those of the rungs that Slipway finds itself on there. */
export const PLACES = ['root-overlay', 'rootless-subid', 'rootless-single', 'container-chroot', 'container-restricted'] as const;
export type PlaceName = (typeof PLACES)[number];

/** How a program is started in a place. */
export interface PlaceOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly input?: string | Buffer;
}

/** A program that was started in a place. */
export interface Started {
  readonly pid: number;
  readonly kill: (signal: NodeJS.Signals) => void;
  readonly ended: Promise<Outcome>;
}

/** One place. Everything it made is gone when it is disposed. */
export interface Place extends AsyncDisposable {
  readonly name: PlaceName;
  /** Belongs to the place's user; seen at this path inside and outside. */
  readonly folder: string;
  /** Starts a program there. */
  start(program: string, args: readonly string[], options?: PlaceOptions): Started;
  /** Starts the product's command there, with a store of the place's own. */
  startSlipway(args: readonly string[], options?: PlaceOptions): Started;
  /** Cgroups that steps left below the place's own. */
  leftCgroups(): readonly string[];
  /** Runs the product's command to its end. */
  slipway(args: readonly string[], options?: PlaceOptions): Promise<Outcome>;
}

/** A copy of the built product that every user can read; returns its command. Dispose of it by removing the folder. */
export function copyProduct(folder: string): string {
  for (const part of ['bin', 'dist', 'package.json', 'node_modules/koffi', 'node_modules/@koromix']) {
    if (existsSync(join(ROOT, part))) cpSync(join(ROOT, part), join(folder, part), { recursive: true, dereference: true });
  }
  execFileSync('chmod', ['-R', 'a+rX', folder]);
  return join(folder, 'bin/slipway.js');
}

let users = 0;

export interface PlaceSettings {
  /** `false` leaves the ordinary user without cgroups of its own. */
  readonly delegate?: boolean;
  /** Processes that all of the place may have, as `docker run --pids-limit` sets it. */
  readonly pids?: number;
}

/** Opens a place. `product` is the command made by `copyProduct`; `below` an existing folder that all can enter. */
export function openPlace(name: PlaceName, product: string, below: string, settings: PlaceSettings = {}): Place {
  const folder = mkdtempSync(join(below, `${name}-`));
  chmodSync(folder, 0o755);
  mkdirSync(join(folder, 'home'));
  const undo: (() => void)[] = [() => rmSync(folder, { recursive: true, force: true })];
  const config = process.env['SLIPWAY_TEST_CONFIG'];
  if (config !== undefined) cpSync(config, join(folder, 'config.toml'));
  const { wrap, cgroups } = enter(name, folder, undo, settings);
  const start: Place['start'] = (program, args, { env = {}, cwd = folder, input } = {}) => {
    const variables = { PATH: process.env['PATH'] ?? '', HOME: join(folder, 'home'), SLIPWAY_ROOT: join(folder, 'store'), ...env };
    const all = config === undefined ? variables : { SLIPWAY_CONFIG: join(folder, 'config.toml'), ...variables };
    const [wrapper, wrapperArgs] = wrap([program, ...args], all, cwd);
    return startCommand(wrapper, wrapperArgs, { env: all, cwd, ...(input === undefined ? {} : { input }) });
  };
  const startSlipway: Place['startSlipway'] = (args, more) => start(process.execPath, [product, ...args], more);
  return {
    name,
    folder,
    start,
    startSlipway,
    leftCgroups: () => furtherCgroups(cgroups),
    slipway: (args, more) => startSlipway(args, more).ended,
    [Symbol.asyncDispose]: async () => {
      await until(() => !areInhabited(cgroups));
      for (const step of undo.reverse()) step();
    },
  };
}

type Wrap = (command: readonly string[], env: Readonly<Record<string, string>>, cwd: string) => readonly [string, readonly string[]];

function enter(
  name: PlaceName,
  folder: string,
  undo: (() => void)[],
  { delegate = true, pids }: PlaceSettings,
): { readonly wrap: Wrap; readonly cgroups: readonly string[] } {
  switch (name) {
    case 'root-overlay': {
      const cgroups = ownCgroups(0, undo);
      return { wrap: (command) => joined(cgroups, command), cgroups };
    }
    case 'rootless-subid':
    case 'rootless-single': {
      const uid = makeUser(name === 'rootless-subid', folder, undo);
      for (const path of [folder, join(folder, 'home')]) chownSync(path, uid, uid);
      const cgroups = delegate ? ownCgroups(uid, undo) : [];
      const as = ['setpriv', '--reuid', String(uid), '--regid', String(uid), '--clear-groups', '--'];
      return { wrap: (command) => joined(cgroups, [...as, ...command]), cgroups };
    }
    case 'container-chroot':
    case 'container-restricted': {
      const cgroups = pids === undefined ? [] : ownCgroups(0, undo, pids);
      const restricted = name === 'container-restricted';
      return { wrap: (command, env, cwd) => joined(cgroups, containerOfDocker({ folder, command, env, cwd, restricted })), cgroups };
    }
  }
}

function makeUser(subordinateIds: boolean, folder: string, undo: (() => void)[]): number {
  const user = `slip${process.pid}x${(users += 1)}`;
  const args = ['--no-create-home', '--home-dir', join(folder, 'home'), ...(subordinateIds ? [] : ['--system'])];
  execFileSync('useradd', [...args, user]);
  undo.push(() => execFileSync('userdel', ['--force', user], { stdio: 'ignore' }));
  return Number(execFileSync('id', ['-u', user], { encoding: 'utf8' }));
}

/** A command that joins cgroups before it becomes `command`. */
function joined(files: readonly string[], command: readonly string[]): readonly [string, readonly string[]] {
  const script = 'n=$1; shift; while [ "$n" -gt 0 ]; do echo 0 >"$1" || exit 125; shift; n=$((n-1)); done; exec "$@"';
  return ['/bin/sh', ['-c', script, 'sh', String(files.length), ...files, ...command]];
}
