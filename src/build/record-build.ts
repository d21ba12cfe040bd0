// Every build of a store, failed ones too, is kept in its history.

import { hideLogin, hideLoginsIn, SlipwayError } from '../base/index.ts';
import { History, type HistoryEntry, type HistoryStep, isSecretName } from '../cache/index.ts';
import type { Report, ReportStep, Timeline } from '../insight/index.ts';
import { parseGitRef } from '../graph/index.ts';
import { shownUrl } from '../source/index.ts';
import type { Engine } from './engine.ts';
import type { BuildRequest } from './options.ts';
import { finishReport, type KeptReport } from './report.ts';
import type { BuildFailure, BuildResult, BuiltResult, FailureFacts } from './result.ts';

/** What is recorded. */
export interface BuildWork {
  /** The build. `failed` takes what is known of one that fails. */
  readonly run: (failed: (facts: FailureFacts) => void) => Promise<BuiltResult>;
  /** Told what became of one that failed. */
  readonly onFailure?: (failure: BuildFailure) => void;
}

/** Runs a build and keeps what came of it. Build arguments with secret-looking names and the logins of addresses are left out. */
export async function recordBuild(engine: Engine, request: BuildRequest, timeline: Timeline, work: BuildWork): Promise<BuildResult> {
  const started = engine.now();
  const startedAt = started.getTime();
  const about = {
    name: request.name ?? nameOf(request),
    startedAt,
    platforms: request.platforms ?? [],
    buildArgs: Object.fromEntries(Object.entries(request.buildArgs ?? {}).filter(([name]) => !isSecretName(name))),
    tags: request.tags ?? [],
    ...(request.target === undefined ? {} : { target: request.target }),
  };
  let known: FailureFacts | undefined;
  try {
    const { facts, ...result } = await work.run((failed) => (known = failed));
    const kept: KeptReport = {
      version: 1,
      filename: facts.filename,
      stages: facts.stages,
      flows: facts.flows,
      steps: timeline.steps(startedAt, (id) => facts.bytes.get(id)),
      tests: result.tests,
      ...(facts.checkMilliseconds === undefined ? {} : { checkMilliseconds: facts.checkMilliseconds }),
      ...(result.descriptor === undefined ? {} : { image: result.descriptor }),
    };
    const entry: HistoryEntry = {
      ...about,
      id: result.id,
      completedAt: engine.now().getTime(),
      status: 'completed',
      ...(result.digest === undefined ? {} : { digest: result.digest }),
      steps: result.steps.map(({ instruction, reason, ...step }) => ({
        ...step,
        name: instruction,
        instruction,
        ...(reason === undefined ? {} : { reason }),
      })),
      report: kept,
    };
    engine.cache.history.add(hideLoginsIn(entry));
    if (facts.images === undefined) return result;
    const report: Report = finishReport(entry, kept, facts.images, []);
    return { ...result, report };
  } catch (error) {
    const canceled = error instanceof Error && error.name === 'AbortError';
    const { filename = 'Dockerfile', stages = [], flows = [], bytes } = known?.facts ?? {};
    const steps = timeline.steps(startedAt, (id) => bytes?.get(id));
    const kept: KeptReport = { version: 1, filename, stages, flows, steps, tests: known?.tests ?? [] };
    const entry: HistoryEntry = {
      ...about,
      id: History.newId(started),
      completedAt: engine.now().getTime(),
      status: canceled ? 'canceled' : 'error',
      error: (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] ?? '',
      steps: steps.flatMap(historyStep),
      report: kept,
    };
    engine.cache.history.add(hideLoginsIn(entry));
    work.onFailure?.({
      id: entry.id,
      tests: kept.tests,
      metadata: failureMetadata(entry, error, known),
      ...(request.report === true ? { report: finishReport(entry, kept, [], []) } : {}),
    });
    throw error;
  }
}

function failureMetadata(
  { error: message }: HistoryEntry,
  error: unknown,
  { steps, tests }: Partial<FailureFacts> = {},
): BuildFailure['metadata'] {
  return {
    'slipway.error': { ...(error instanceof SlipwayError ? { code: error.code } : {}), message },
    ...(steps === undefined ? {} : { 'slipway.steps': steps }),
    ...(tests === undefined || tests.length === 0 ? {} : { 'slipway.tests': tests }),
  };
}

/** A step of a failed build, as the history lists them; what is no instruction is left out. */
function historyStep({ name, stage, line, instruction, platform, state, reason, milliseconds }: ReportStep): readonly HistoryStep[] {
  if (instruction === undefined) return [];
  return [
    {
      ...{ name, instruction, state, milliseconds },
      ...(stage === undefined ? {} : { stage }),
      ...(line === undefined ? {} : { line }),
      ...(platform === undefined ? {} : { platform }),
      ...(reason === undefined ? {} : { reason }),
    },
  ];
}

function nameOf({ context }: BuildRequest): string {
  if (context === undefined || context.kind === 'empty') return 'stdin';
  if (context.kind !== 'url') return context.path;
  // What a repository's address asks for says which one; an archive's may be signed.
  return parseGitRef(context.url) === undefined ? shownUrl(context.url) : hideLogin(context.url);
}
