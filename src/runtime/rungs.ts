// The ladder of isolation: which rungs this machine allows us, and for each that it does not, why and what helps.

import { spawnSync } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { suggest, SlipwayError } from '../base/index.ts';
import { processRights, type ProcessRights } from './capabilities.ts';
import { findProgram, installHint } from './programs.ts';

/** From the strongest to the weakest. */
const RUNGS = ['root-overlay', 'rootless-subid', 'rootless-single', 'container-chroot', 'container-restricted'] as const;

/** A place on the ladder. */
export type Rung = (typeof RUNGS)[number];

/** One line each, for people. */
export const RUNG_TITLES: Readonly<Record<Rung, string>> = {
  'root-overlay': 'root: private mount namespace, overlay, OCI runtime',
  'rootless-subid': 'ordinary user with subordinate ids: user namespace, overlay, OCI runtime',
  'rootless-single': 'ordinary user, one id: user namespace, overlay, OCI runtime; files keep their owners only in the image',
  'container-chroot': 'root in an unprivileged container: copied root filesystems, chroot',
  'container-restricted': 'the same without new privileges or with a read-only root filesystem',
};

/** Whether a rung can mount, and so has containers of an OCI runtime; the others have only chroot. */
export function hasMounts(rung: Rung): boolean {
  return rung !== 'container-chroot' && rung !== 'container-restricted';
}

/** Whether the command must be started anew to get onto a rung: an ordinary user becomes root of a user namespace only so. */
export function needsReexec(rung: Rung, host: Pick<HostView, 'uid'>): rung is 'rootless-subid' | 'rootless-single' {
  return host.uid !== 0 && (rung === 'rootless-subid' || rung === 'rootless-single');
}

/** What was found about a rung. */
export type RungReport =
  | { readonly rung: Rung; readonly state: 'available' }
  /** A program is missing: an error that says what to install, never a silent step down. */
  | { readonly rung: Rung; readonly state: 'missing-program'; readonly reason: string; readonly hint: string }
  /** The machine does not allow it. */
  | { readonly rung: Rung; readonly state: 'forbidden'; readonly reason: string; readonly hint?: string };

/** The machine as the ladder sees it; tests make their own. */
export interface HostView {
  readonly uid: number;
  /** Login name; undefined when the user has none. */
  readonly userName?: string;
  readonly rights: ProcessRights;
  /** Text of a file, or undefined when it is absent or unreadable. */
  readonly read: (path: string) => string | undefined;
  readonly find: (program: string) => string | undefined;
  readonly rootWritable: boolean;
  /** Asks the kernel for a user namespace: undefined when it gives one, else what it said. */
  readonly tryUserNamespace: (unshare: string) => string | undefined;
}

/** Looks at this machine. `searchPath` is the text of PATH. */
export function viewHost(searchPath: string): HostView {
  const uid = process.getuid?.() ?? 0;
  const read = (path: string): string | undefined => {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      return undefined;
    }
  };
  const userName = read('/etc/passwd')
    ?.split('\n')
    .map((line) => line.split(':'))
    .find((fields) => fields[2] === String(uid))?.[0];
  let rootWritable = true;
  try {
    accessSync('/', constants.W_OK);
  } catch {
    rootWritable = false;
  }
  return {
    uid,
    ...(userName === undefined ? {} : { userName }),
    rights: processRights(),
    read,
    find: (program) => findProgram(program, searchPath),
    rootWritable,
    tryUserNamespace,
  };
}

function tryUserNamespace(unshare: string): string | undefined {
  const { status, stderr } = spawnSync(unshare, ['--user', '--map-root-user', '/bin/true'], { encoding: 'utf8', env: {} });
  return status === 0 ? undefined : stderr.trim().split('\n')[0] || `unshare ended with ${status}`;
}

/** Every rung with what stands in its way: for `slipway info`. */
export function describeRungs(host: HostView): readonly RungReport[] {
  return RUNGS.map((rung) => describe(rung, host));
}

/** Throws `RUNG_UNKNOWN` for a name that no rung has: whoever misspelt it should not hear of that when the first step has to run. */
export function requireRung(forced: string | undefined): void {
  if (forced === undefined || (RUNGS as readonly string[]).includes(forced)) return;
  const near = suggest(forced, RUNGS);
  throw new SlipwayError('RUNG_UNKNOWN', `no such rung: ${forced}`, {
    hint: near === undefined ? `known ones: ${RUNGS.join(', ')}` : `did you mean ${near}?`,
  });
}

/**
 * The rung to use: the forced one, else the first that the machine allows. Throws `RUNG_UNKNOWN`, `RUNG_UNAVAILABLE` (with the reason
 * of every rung), or `RUNTIME_MISSING` / `PROGRAM_MISSING` when only a program is missing.
 */
export function chooseRung(host: HostView, forced?: string): Rung {
  requireRung(forced);
  const all = describeRungs(host);
  const reports = forced === undefined ? all : all.filter(({ rung }) => rung === forced);
  const chosen = reports.find((report) => report.state !== 'forbidden');
  if (chosen?.state === 'available') return chosen.rung;
  const next = all.find(({ state }) => state === 'available')?.rung;
  if (chosen !== undefined) {
    const runtime = chosen.reason.includes('OCI runtime');
    throw new SlipwayError(runtime ? 'RUNTIME_MISSING' : 'PROGRAM_MISSING', `${chosen.rung}: ${chosen.reason}`, {
      hint: next === undefined ? chosen.hint : `${chosen.hint}, or take the next rung: --rung ${next}`,
    });
  }
  const reasons = reports.map((report) => `${report.rung}: ${report.state === 'forbidden' ? report.reason : ''}`);
  throw new SlipwayError('RUNG_UNAVAILABLE', `processes cannot be run here: ${reasons.join('; ')}`, {
    hint: remedy(reports, next, host),
    facts: { rungs: reports },
  });
}

/** What helps where no rung can be had: the first remedy of those that were asked for, and what works at once. */
function remedy(reports: readonly RungReport[], next: Rung | undefined, host: HostView): string {
  const own = reports.flatMap((report) => (report.state === 'forbidden' && report.hint !== undefined ? [report.hint] : []))[0];
  const atOnce =
    next !== undefined ? `this machine offers --rung ${next}` : host.uid === 0 ? 'slipway info says more' : 'or run slipway as root';
  return own === undefined ? atOnce : `${own}; ${atOnce}`;
}

function describe(rung: Rung, host: HostView): RungReport {
  switch (rung) {
    case 'root-overlay':
      return rootOverlay(host);
    case 'rootless-subid':
      return rootlessSubid(host);
    case 'rootless-single':
      return insideNamespace(rung, host) ?? userNamespaces(rung, host) ?? runtimeProgram(rung, host);
    case 'container-chroot':
      return chrootRung(rung, host) ?? restricted(host) ?? { rung, state: 'available' };
    case 'container-restricted':
      return chrootRung(rung, host) ?? { rung, state: 'available' };
  }
}

function rootOverlay(host: HostView): RungReport {
  const rung = 'root-overlay';
  if (host.uid !== 0) return { rung, state: 'forbidden', reason: 'this is not root' };
  if (idMap(host) !== 'initial') return { rung, state: 'forbidden', reason: 'this root is root of a user namespace only' };
  if (!host.rights.effective.has('CAP_SYS_ADMIN')) {
    return {
      rung,
      state: 'forbidden',
      reason: 'this root lacks CAP_SYS_ADMIN, as in an unprivileged container, so it may not mount',
      hint: 'run the container with --cap-add SYS_ADMIN (and --security-opt apparmor=unconfined where AppArmor is on)',
    };
  }
  return runtimeProgram(rung, host);
}

/** Which ids our user namespace knows; `initial`: we are in none of our own. */
function idMap(host: HostView): 'initial' | 'several' | 'single' {
  const lines = (host.read('/proc/self/uid_map') ?? '').trim().split('\n');
  const [inside, outside, count] = (lines[0] ?? '').trim().split(/\s+/).map(Number);
  if (inside === 0 && outside === 0 && count === 0xffff_ffff) return 'initial';
  return lines.length === 1 && count === 1 ? 'single' : 'several';
}

/** Root of a user namespace: re-executed into it, or started in a rootless container that may mount. */
function insideNamespace(rung: Rung, host: HostView): RungReport | undefined {
  const ids = idMap(host);
  if (host.uid !== 0 || ids === 'initial') return undefined;
  if (!host.rights.effective.has('CAP_SYS_ADMIN'))
    return { rung, state: 'forbidden', reason: 'this root may not mount in its user namespace' };
  if ((rung === 'rootless-single') !== (ids === 'single')) {
    return { rung, state: 'forbidden', reason: `this user namespace maps ${ids === 'single' ? 'one id' : 'several ids'}` };
  }
  return runtimeProgram(rung, host);
}

function rootlessSubid(host: HostView): RungReport {
  const rung = 'rootless-subid';
  const inside = insideNamespace(rung, host);
  if (inside !== undefined) return inside;
  const closed = userNamespaces(rung, host);
  if (closed !== undefined) return closed;
  for (const file of ['/etc/subuid', '/etc/subgid']) {
    if (subordinateIds(host, file) !== undefined) continue;
    const user = host.userName ?? String(host.uid);
    return {
      rung,
      state: 'forbidden',
      reason: `${file} gives no subordinate ids to ${user}`,
      hint: `as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${user}`,
    };
  }
  for (const program of ['newuidmap', 'newgidmap']) {
    if (host.find(program) === undefined) {
      return { rung, state: 'missing-program', reason: `${program} is not on PATH`, hint: installHint(program) };
    }
  }
  if (host.rights.noNewPrivileges) {
    return { rung, state: 'forbidden', reason: 'no_new_privs is set, so newuidmap cannot gain the right to map ids' };
  }
  return runtimeProgram(rung, host);
}

/** The range of subordinate ids in a file that names the user. */
export function subordinateIds(host: HostView, file: string): { readonly start: number; readonly count: number } | undefined {
  for (const line of (host.read(file) ?? '').split('\n')) {
    const [name, start, count] = line.split(':');
    if ((name === host.userName || name === String(host.uid)) && Number(count) > 0) return { start: Number(start), count: Number(count) };
  }
  return undefined;
}

function userNamespaces(rung: Rung, host: HostView): RungReport | undefined {
  if (host.uid === 0) return { rung, state: 'forbidden', reason: 'this is root' };
  const sysctl = (name: string): string | undefined => host.read(`/proc/sys/${name.replaceAll('.', '/')}`)?.trim();
  const closed = (name: string, value: string, wanted: string): RungReport => ({
    rung,
    state: 'forbidden',
    reason: `user namespaces are closed to ordinary users (sysctl ${name}=${value})`,
    hint: `as root: sysctl -w ${name}=${wanted}`,
  });
  if (host.read('/proc/self/uid_map') === undefined) {
    return { rung, state: 'forbidden', reason: 'this kernel has no user namespaces' };
  }
  if (sysctl('user.max_user_namespaces') === '0') return closed('user.max_user_namespaces', '0', '15000');
  if (sysctl('kernel.unprivileged_userns_clone') === '0') return closed('kernel.unprivileged_userns_clone', '0', '1');
  if (sysctl('kernel.apparmor_restrict_unprivileged_userns') === '1') {
    const profile = host.read('/proc/self/attr/current')?.trim();
    if (profile === undefined || profile.startsWith('unconfined')) {
      return {
        rung,
        state: 'forbidden',
        reason: 'AppArmor takes the rights of user namespaces away (sysctl kernel.apparmor_restrict_unprivileged_userns=1)',
        hint: 'as root: give slipway an AppArmor profile with the rule "userns,", or sysctl -w kernel.apparmor_restrict_unprivileged_userns=0',
      };
    }
  }
  const unshare = host.find('unshare');
  if (unshare === undefined) return { rung, state: 'missing-program', reason: 'unshare is not on PATH', hint: installHint('unshare') };
  // Only the kernel knows what a container's filter lets through.
  const refused = host.rights.filtered ? host.tryUserNamespace(unshare) : undefined;
  if (refused === undefined) return undefined;
  return {
    rung,
    state: 'forbidden',
    reason: `a seccomp filter, as containers have, closes user namespaces to ordinary users (${refused})`,
    hint: 'let the container run as root, as it does without USER or runAsNonRoot, or give it --security-opt seccomp=unconfined',
  };
}

function chrootRung(rung: Rung, host: HostView): RungReport | undefined {
  if (host.uid !== 0) return { rung, state: 'forbidden', reason: 'chroot needs root' };
  for (const capability of ['CAP_SYS_CHROOT', 'CAP_CHOWN', 'CAP_SETUID', 'CAP_SETGID'] as const) {
    if (!host.rights.effective.has(capability)) {
      return { rung, state: 'forbidden', reason: `this root lacks ${capability}`, hint: 'run the container with its default capabilities' };
    }
  }
  return undefined;
}

function restricted(host: HostView): RungReport | undefined {
  const rung = 'container-chroot';
  if (host.rights.noNewPrivileges) return { rung, state: 'forbidden', reason: 'no_new_privs is set' };
  if (!host.rootWritable) return { rung, state: 'forbidden', reason: 'the root filesystem is read-only' };
  return undefined;
}

function runtimeProgram(rung: Rung, host: HostView): RungReport {
  if (host.find('crun') !== undefined || host.find('runc') !== undefined) return { rung, state: 'available' };
  return { rung, state: 'missing-program', reason: 'no OCI runtime on PATH: a RUN needs crun (or runc)', hint: installHint('crun') };
}
