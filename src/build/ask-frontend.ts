// Lets the frontend that a file asks for answer: gathers what it is asked, and gives its failures their place.

import { type JobContext, locate, type ProgressSink, SlipwayError } from '../base/index.ts';
import { formatWholePlatform, normalizePlatform, parsePlatform } from '../oci/index.ts';
import type { Engine } from './engine.ts';
import type { ForeignFrontend, FrontendAnswer, LoadProtocol } from './foreign-frontend.ts';
import { frontendAttributes } from './frontend-attributes.ts';
import { frontendSources } from './frontend-sources.ts';
import type { ImageSources } from './image-sources.ts';
import type { BuildInputs } from './inputs.ts';
import type { BuildRequest } from './options.ts';
import type { AskTarget } from './resolver.ts';
import type { BuildSession } from './session.ts';

/** A build as far as it is known when its frontend is asked. */
export interface FrontendWork {
  readonly engine: Engine;
  readonly session: BuildSession;
  readonly images: ImageSources;
  readonly request: BuildRequest;
  readonly inputs: BuildInputs;
  readonly folders: Map<string, string>;
  readonly job: JobContext;
  readonly listen: (sink: ProgressSink) => void;
  readonly load: LoadProtocol | undefined;
  readonly askTarget?: AskTarget | undefined;
}

/** Asks the frontend; `call`: for an answer beside a build (`frontend.outline`, …) instead. See `AskFrontend` for what it throws. */
export async function askFrontend(frontend: ForeignFrontend, work: FrontendWork, call?: string): Promise<FrontendAnswer> {
  const { engine, session, images, request, inputs, folders, job, listen, load } = work;
  if (load === undefined) throw new Error(`internal: nothing here speaks with the frontend ${frontend.ref}`);
  const scratch = engine.store.temp.folder('frontend');
  session.own(scratch);
  const platforms = (request.platforms ?? []).map((text) =>
    text === 'local' ? engine.platform : normalizePlatform(parsePlatform(text, engine.platform)),
  );
  const sources = await frontendSources({
    request,
    read: inputs,
    folders,
    images,
    platforms: platforms.length === 0 ? [engine.platform] : platforms,
    askTarget: work.askTarget,
    scratch: scratch.path,
    job,
  });
  const asked = { ...request, ...(platforms.length === 0 ? {} : { platforms: platforms.map(formatWholePlatform) }) };
  try {
    const protocol = await load();
    return await protocol.askFrontend({
      frontend,
      attributes: {
        ...frontendAttributes(asked),
        ...sources.attributes,
        ...(call === undefined ? {} : { requestid: call, 'frontend.caps': 'moby.buildkit.frontend.subrequests' }),
      },
      inputs: sources.inputs,
      engine,
      session,
      images,
      entitlements: request.entitlements ?? [],
      signal: job.signal,
      progress: job.progress,
      listen,
    });
  } catch (error) {
    const { range } = frontend;
    if (range === undefined && error instanceof SlipwayError && error.location === undefined)
      throw new SlipwayError(error.code, `BUILDKIT_SYNTAX=${frontend.cmdline}: ${error.message}`, {
        cause: error,
        facts: error.facts,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
      });
    throw locate(error, range === undefined ? undefined : { source: inputs.dockerfile, range });
  }
}

/** A job whose events others can hear too. */
export function heardJob(job: JobContext): { readonly job: JobContext; readonly listen: (sink: ProgressSink) => void } {
  const sinks: ProgressSink[] = [];
  return {
    job: {
      ...job,
      progress: (event) => {
        for (const sink of sinks) sink(event);
        job.progress(event);
      },
    },
    listen: (sink) => void sinks.push(sink),
  };
}
