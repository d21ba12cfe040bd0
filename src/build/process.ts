// The library's `build()` and its relatives. Steps need mount and PID namespaces; a program that imports Slipway must not be moved into
// them, so its build runs in a process of its own. The command owns its process and builds in it.

import { fileURLToPath } from 'node:url';
import { BuildErrors, builtFile, firstFailure, type ProgressEvent, type ProgressSink, SlipwayError } from '../base/index.ts';
import { buildHere } from './build.ts';
import type { LoadProtocol } from './foreign-frontend.ts';
import type { BuildOptions } from './options.ts';
import type { Collected, Damage, DiskUsage } from '../store/index.ts';
import type { BuildFailure, BuildResult } from './result.ts';
import type { RunOptions, RunResult } from './run-image.ts';
import { forkInside } from './rootless.ts';
import { buildTogetherHere, type TogetherOptions, type TogetherResult } from './together.ts';
import type { CheckStoreOptions, PruneOptions, UsageOptions } from './upkeep.ts';

/** Whose process the build may change. `own`: this one, which does nothing else. `helper` (default): one that is started for it. */
export interface BuildHow {
  readonly process?: 'own' | 'helper';
  /** The caller exits as soon as it has said what came of the build: what the kernel takes away then is left to it. */
  readonly exits?: boolean;
  /** Loads what speaks with frontends that are images (`# syntax=`) and tells provenance, for a build in this process; the helper has its own. */
  readonly protocol?: LoadProtocol;
}

/**
 * Builds. Rejects with a `SlipwayError` (`DOCKERFILE_INVALID` has all diagnostics in `facts.diagnostics`), with `BuildErrors` for
 * several independent failures, or with the signal's reason.
 */
export async function build(options: BuildOptions, how: BuildHow = {}): Promise<BuildResult> {
  if (how.process === 'own') return await buildHere(options, how.protocol, how.exits);
  const { signal, onProgress, onFailure, ...rest } = options;
  const hears = { signal, onProgress, ...(onFailure === undefined ? {} : { onFailure: (failure: BuildFailure) => onFailure(failure) }) };
  return await inHelper('build', rest, hears);
}

/**
 * Builds several at once, which may stand on each other: see `TogetherOptions`. Rejects as `build` does; `facts.build` of an error names
 * the build that failed.
 */
export async function buildTogether(options: TogetherOptions, how: BuildHow = {}): Promise<TogetherResult> {
  if (how.process === 'own') return await buildTogetherHere(options, how.protocol, how.exits);
  const { signal, onProgress, onFailure, ...rest } = options;
  return await inHelper('together', rest, { signal, onProgress, onFailure });
}

/** Lists what a store holds. Throws `FILTER_INVALID`, and what opening a store throws (`STORE_…`). */
export async function diskUsage({ signal, ...rest }: UsageOptions): Promise<readonly DiskUsage[]> {
  return await inHelper('usage', rest, { signal });
}

/** Takes away what no name and no running build needs. What is gone when the signal is aborted stays gone. Throws as `diskUsage` does. */
export async function pruneStore({ signal, ...rest }: PruneOptions): Promise<Collected> {
  return await inHelper('prune', rest, { signal });
}

/** Reads everything in a store and says what is broken. Throws what opening a store throws. */
export async function checkStore({ signal, ...rest }: CheckStoreOptions): Promise<readonly Damage[]> {
  return await inHelper('check', rest, { signal });
}

/**
 * Starts an image of a store for a look: what it writes is thrown away. With `onProgress` what it prints becomes `log` events; else it has
 * the streams of this process, a terminal too. Throws `IMAGE_UNKNOWN`, `NO_COMMAND`, and `EXEC_START` when the program cannot be started.
 */
export async function startImage({ signal, onProgress, ...rest }: RunOptions): Promise<RunResult> {
  return await inHelper('run', { ...rest, captured: onProgress !== undefined }, { signal, onProgress });
}

/** What a helper does, by name: what it is told, and what comes of it. */
export interface HelperWork {
  readonly build: { readonly options: BuildOptions; readonly result: BuildResult };
  readonly together: { readonly options: TogetherOptions; readonly result: TogetherResult };
  readonly usage: { readonly options: UsageOptions; readonly result: readonly DiskUsage[] };
  readonly prune: { readonly options: PruneOptions; readonly result: Collected };
  readonly check: { readonly options: CheckStoreOptions; readonly result: readonly Damage[] };
  readonly run: { readonly options: RunOptions & { readonly captured: boolean }; readonly result: RunResult };
}

export type WorkKind = keyof HelperWork;

/** Functions and signals stay with the caller. */
type Told<K extends WorkKind> = Omit<HelperWork[K]['options'], keyof Hearers>;

/** What the helper is told. */
export type HelperRequest = { readonly [K in WorkKind]: { readonly kind: K; readonly options: Told<K> } }[WorkKind];

/** What a caller hears of a build in a helper, and ends it by. */
interface Hearers {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ProgressSink | undefined;
  readonly onFailure?: ((failure: BuildFailure, name: string) => void) | undefined;
}

/** What the helper says. */
export type HelperMessage =
  | { readonly type: 'event'; readonly event: ProgressEvent }
  | { readonly type: 'result'; readonly result: HelperWork[WorkKind]['result'] }
  | { readonly type: 'failure'; readonly failure: BuildFailure; readonly name: string }
  | { readonly type: 'error'; readonly error: PlainError };

/** An error as it crosses processes. */
export interface PlainError {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly hint?: string;
  readonly facts?: Readonly<Record<string, unknown>>;
  readonly location?: SlipwayError['location'];
  readonly errors?: readonly PlainError[];
}

async function inHelper<K extends WorkKind>(
  kind: K,
  options: Told<K>,
  { signal, onProgress, onFailure }: Hearers,
): Promise<HelperWork[K]['result']> {
  signal?.throwIfAborted();
  const here = import.meta.url;
  const entry = here.endsWith('.ts') ? new URL('../helper.worker.ts', here) : builtFile(here, 'helper', '.worker.js');
  const { programEnv = {}, rung } = (options as Told<WorkKind>).settings ?? {};
  const input = kind === 'run' && onProgress === undefined ? 'inherit' : 'ignore';
  const child = await forkInside(
    fileURLToPath(entry),
    { command: [process.execPath, ...process.execArgv], env: programEnv, rung },
    { serialization: 'advanced', stdio: [input, 'inherit', 'inherit', 'ipc'] },
  );
  const onAbort = (): void => void child.kill('SIGTERM');
  signal?.addEventListener('abort', onAbort, { once: true });
  // While the process was started nobody listened.
  if (signal?.aborted === true) onAbort();
  try {
    return await new Promise<HelperWork[K]['result']>((resolve, reject) => {
      /** What the caller's functions throw ends the build, not the caller. */
      const tell = (hear: () => void): void => {
        try {
          hear();
        } catch (error) {
          reject(error);
          child.kill('SIGTERM');
        }
      };
      /** What a process says that is told to end, or that is gone before it was told what to build, is not the reason. */
      const fail = (error: Error): void => reject((signal?.aborted === true ? signal.reason : error) as Error);
      child.on('error', fail);
      child.once('exit', (code, killed) => fail(new Error(`internal: the build process ended with ${code ?? killed}`)));
      child.on('message', (message: HelperMessage) => {
        if (message.type === 'event') tell(() => onProgress?.(message.event));
        else if (message.type === 'failure') tell(() => onFailure?.(message.failure, message.name));
        else if (message.type === 'result') resolve(message.result);
        else fail(reviveError(message.error));
      });
      child.send({ kind, options });
    });
  } finally {
    signal?.removeEventListener('abort', onAbort);
    if (child.connected) child.disconnect();
  }
}

/** An error that can be sent. */
export function plainError(failure: unknown): PlainError {
  const error = firstFailure(failure);
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) };
  if (error instanceof BuildErrors)
    return { name: error.name, message: error.message, code: error.code, errors: error.errors.map(plainError) };
  if (!(error instanceof SlipwayError)) return { name: error.name, message: error.message };
  const { name, message, code, hint, facts, location } = error;
  return { name, message, code, facts, ...(hint === undefined ? {} : { hint }), ...(location === undefined ? {} : { location }) };
}

function reviveError({ name, message, code, hint, facts, location, errors }: PlainError): Error {
  if (errors !== undefined) return new BuildErrors(errors.map(reviveError));
  if (code === undefined) return Object.assign(new Error(message), { name });
  return new SlipwayError(code, message, {
    ...(hint === undefined ? {} : { hint }),
    ...(facts === undefined ? {} : { facts }),
    ...(location === undefined ? {} : { location }),
  });
}
