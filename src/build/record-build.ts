// Every build of a store, failed ones too, is kept in its history.

import { History, type HistoryEntry, type HistoryStep, isSecretName } from '../cache/index.ts';
import type { Report, ReportStep, Timeline } from '../insight/index.ts';
import type { Engine } from './engine.ts';
import type { BuildRequest } from './options.ts';
import { finishReport, type KeptReport } from './report.ts';
import type { BuildResult, BuiltResult } from './result.ts';

/** Runs a build and keeps what came of it. Build arguments with secret-looking names are left out. */
export async function recordBuild(
  engine: Engine,
  request: BuildRequest,
  timeline: Timeline,
  work: () => Promise<BuiltResult>,
): Promise<BuildResult> {
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
  try {
    const { facts, ...result } = await work();
    const kept: KeptReport = {
      version: 1,
      filename: facts.filename,
      stages: facts.stages,
      flows: facts.flows,
      steps: timeline.steps(startedAt, (id) => facts.bytes.get(id)),
      tests: result.tests,
      checkMilliseconds: facts.checkMilliseconds,
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
    engine.cache.history.add(entry);
    if (facts.images === undefined) return result;
    const report: Report = finishReport(entry, kept, facts.images, []);
    return { ...result, report };
  } catch (error) {
    const canceled = error instanceof Error && error.name === 'AbortError';
    const steps = timeline.steps(startedAt);
    engine.cache.history.add({
      ...about,
      id: History.newId(started),
      completedAt: engine.now().getTime(),
      status: canceled ? 'canceled' : 'error',
      error: (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] ?? '',
      steps: steps.flatMap(historyStep),
      report: { version: 1, filename: 'Dockerfile', stages: [], flows: [], steps, tests: [] } satisfies KeptReport,
    });
    throw error;
  }
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
  return context.kind === 'url' ? context.url : context.path;
}
