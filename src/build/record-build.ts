// Every build of a store, failed ones too, is kept in its history.

import { History, isSecretName } from '../cache/index.ts';
import type { Engine } from './engine.ts';
import type { BuildRequest } from './options.ts';
import type { BuildResult } from './result.ts';

/** A new id in the history. */
export function newBuildId(at: Date): string {
  return History.newId(at);
}

/** Runs a build and keeps what came of it. Build arguments with secret-looking names are left out. */
export async function recordBuild(engine: Engine, request: BuildRequest, work: () => Promise<BuildResult>): Promise<BuildResult> {
  const started = engine.now();
  const about = {
    name: request.name ?? nameOf(request),
    startedAt: started.getTime(),
    platforms: request.platforms ?? [],
    buildArgs: Object.fromEntries(Object.entries(request.buildArgs ?? {}).filter(([name]) => !isSecretName(name))),
    tags: request.tags ?? [],
    ...(request.target === undefined ? {} : { target: request.target }),
  };
  try {
    const result = await work();
    engine.cache.history.add({
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
    });
    return result;
  } catch (error) {
    const canceled = error instanceof Error && error.name === 'AbortError';
    engine.cache.history.add({
      ...about,
      id: newBuildId(started),
      completedAt: engine.now().getTime(),
      status: canceled ? 'canceled' : 'error',
      error: (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] ?? '',
      steps: [],
    });
    throw error;
  }
}

function nameOf({ context }: BuildRequest): string {
  if (context === undefined || context.kind === 'empty') return 'stdin';
  return context.kind === 'url' ? context.url : context.path;
}
