// Answers beside a build: `--call=check|outline|targets|describe`, in the form that buildx's consumers read.

import { BuildErrors, type Diagnostic, isSlipwayError, lineRanges, SlipwayError, type SourceText, toBytePath } from '../base/index.ts';
import { type Dockerfile, parseDockerfile, renderFrame } from '../dockerfile/index.ts';
import {
  brokenDockerfile,
  buildGraph,
  describeRequests,
  describeText,
  type GraphOptions,
  type ImageResolver,
  outlineDocument,
  outlineText,
  targetsOf,
  targetsText,
} from '../graph/index.ts';
import { readTreeFile } from '../ops/index.ts';
import { clientMessage } from './client-message.ts';
import { askFrontend, type FrontendWork, heardJob } from './ask-frontend.ts';
import { openEngine } from './engine.ts';
import { placeDocument } from './failure-place.ts';
import { type FrontendAnswer, foreignFrontend, type LoadProtocol } from './foreign-frontend.ts';
import { graphOptions } from './graph-options.ts';
import { ImageSources } from './image-sources.ts';
import { readInputs } from './inputs.ts';
import type { BuildOptions } from './options.ts';
import { type AskTarget, createResolver } from './resolver.ts';
import { openSession } from './session.ts';

/** What can be asked. */
export type CallMethod = 'check' | 'outline' | 'targets' | 'subrequests.describe';

/** An answer as document and as text; `status` is the exit code that `docker buildx build` would end with. */
export interface CallAnswer {
  readonly document: unknown;
  readonly text: string;
  readonly status: number;
}

/** How an answer is wanted. */
export interface CallRequest {
  readonly method: string;
  readonly format: 'json' | 'text' | 'default';
}

/**
 * Answers a call about a Dockerfile, or lets the frontend that it asks for answer. What `outline` finds on the way is told as progress.
 * Throws `CALL_UNKNOWN`, and what reading the inputs throws.
 * `protocol`: what speaks with those that are images.
 */
export async function callDockerfile(options: BuildOptions, call: CallRequest, protocol?: LoadProtocol): Promise<CallAnswer> {
  const { root = '/var/lib/slipway', settings = {}, signal = new AbortController().signal, onProgress = () => {}, ...request } = options;
  await using engine = openEngine({ root, settings });
  const { job, listen } = heardJob({ signal, progress: onProgress, now: engine.now });
  const images = new ImageSources(engine.store, engine.registry, engine.trust(), () => {});
  const folders = new Map<string, string>();
  await using session = openSession(engine, job, { images, request, folders });
  const inputs = await readInputs(request, engine.platform, folders, async (edge, path) =>
    readTreeFile(await session.tree(edge), toBytePath(path)),
  );
  const frontend = foreignFrontend(inputs.dockerfile, request.buildArgs);
  if (frontend !== undefined) {
    const work: FrontendWork = { engine, session, images, request, inputs, folders, job, listen, load: protocol, askTarget: emptyTarget };
    return foreignAnswer(await askFrontend(frontend, work, `frontend.${call.method === 'check' ? 'lint' : call.method}`), call);
  }
  const report = (diagnostic: Diagnostic): void =>
    onProgress({ type: 'warning', diagnostic, source: inputs.dockerfile, time: engine.now().getTime() });
  const answer = await answerCall(
    call.method,
    inputs.dockerfile,
    { ...graphOptions(request, inputs, engine.platform), report },
    createResolver(images, request.namedContexts ?? {}, session.deps, job, emptyTarget),
    signal,
  );
  return call.format === 'json' ? { ...answer, text: JSON.stringify(answer.document, null, 2) } : answer;
}

/** What a question is about builds nothing: another target's result is not known. */
const emptyTarget: AskTarget = () => Promise.resolve({ tree: { output: undefined } });

/** A frontend gives its answer as document, as text, and says whether it found something. */
function foreignAnswer({ metadata }: FrontendAnswer, { format }: CallRequest): CallAnswer {
  const text = (name: string): string => Buffer.from(metadata.get(name) ?? '').toString();
  const document = parseAnswer(text('result.json'));
  return {
    document,
    text: format === 'json' ? JSON.stringify(document, null, 2) : text('result.txt'),
    status: Number(text('result.statuscode')) || 0,
  };
}

function parseAnswer(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw new SlipwayError('FRONTEND_FAILED', 'the frontend answered with what is no JSON', { cause });
  }
}

/**
 * The answer itself, for clients that bring their own resolver. It is for the platform that builds, whatever `options` ask for:
 * `--platform` is for builds, as in BuildKit.
 */
export async function answerCall(
  method: string,
  source: SourceText,
  { platforms: _, ...options }: GraphOptions,
  resolver: ImageResolver,
  signal: AbortSignal,
): Promise<CallAnswer> {
  if (method === 'subrequests.describe') {
    const requests = describeRequests();
    return { document: requests, text: describeText(requests), status: 0 };
  }
  const dockerfile = parseDockerfile(source.text, { filename: source.filename });
  switch (method) {
    case 'check':
      return await check(dockerfile, options, resolver, signal);
    case 'outline': {
      const graph = await buildGraph(dockerfile, options, resolver, signal);
      const [platform] = graph.platforms;
      if (platform === undefined) throw new Error('internal: a graph without platforms');
      const document = outlineDocument(platform.outline, dockerfile.source);
      return { document, text: outlineText(document), status: 0 };
    }
    case 'targets': {
      if (!isArgsAlone(dockerfile)) refuseBroken(dockerfile);
      const document = targetsOf(dockerfile);
      return { document, text: targetsText(document), status: 0 };
    }
    default:
      throw new SlipwayError('CALL_UNKNOWN', `unknown call ${JSON.stringify(method)}`, {
        hint: 'there are check, outline, targets and describe',
      });
  }
}

/** Nothing but global ARGs: no targets, and no mistake where nothing is built. */
function isArgsAlone({ metaArgs, nodes }: Dockerfile): boolean {
  return metaArgs.length > 0 && nodes.every((node) => node.kind !== 'instruction' || node.instruction.kind === 'ARG');
}

/** A file whose text cannot be read is no answer but a failure. */
function refuseBroken(dockerfile: Dockerfile): void {
  const broken = brokenDockerfile(dockerfile);
  if (broken !== undefined) throw broken;
}

async function check(dockerfile: Dockerfile, options: GraphOptions, resolver: ImageResolver, signal: AbortSignal): Promise<CallAnswer> {
  const found: Diagnostic[] = [];
  let failure: SlipwayError | undefined;
  try {
    const whole: GraphOptions = options.target === undefined ? { ...options, allStages: true } : options;
    await buildGraph(dockerfile, { ...whole, report: (diagnostic) => found.push(diagnostic) }, resolver, signal);
  } catch (error) {
    // A wrong `# check=` is in the text, a wrong build argument is in the question.
    const isOption = isSlipwayError(error) && error.code === 'CHECK_OPTION_INVALID' && error.location === undefined;
    failure = isOption ? undefined : partOfAnswer(error);
    if (failure === undefined) throw error;
  }
  const warnings = found.sort((a, b) => a.range.start.line - b.range.start.line || (a.rule < b.rule ? -1 : a.rule > b.rule ? 1 : 0));
  const { source } = dockerfile;
  const document = {
    warnings: warnings.map((warning) => ({
      ruleName: warning.rule,
      ...(warning.description === undefined ? {} : { description: warning.description }),
      ...(warning.url === undefined ? {} : { url: warning.url }),
      detail: warning.message,
      location: { sourceIndex: 0, ranges: lineRanges(warning.range) },
    })),
    sources: [{ filename: source.filename, data: Buffer.from(source.text).toString('base64'), language: 'Dockerfile' }],
    ...(failure === undefined
      ? {}
      : {
          buildError: { message: clientMessage(failure), location: placeDocument(failure, dockerfile) },
        }),
  };
  return { document, text: checkText(warnings, failure, source), status: warnings.length > 0 || failure !== undefined ? 1 : 0 };
}

/** Failures that are part of the answer: what has a place in the text (a base that is not there, too), and what `# check=` led to. */
function partOfAnswer(error: unknown): SlipwayError | undefined {
  if (error instanceof BuildErrors) return partOfAnswer(error.errors[0]);
  const answers = isSlipwayError(error) && (error.location !== undefined || CHECKED.includes(error.code));
  return answers ? error : undefined;
}

const CHECKED: readonly string[] = ['DOCKERFILE_INVALID', 'LINT_VIOLATION', 'CHECK_OPTION_INVALID', 'TARGET_UNKNOWN', 'IGNORE_INVALID'];

function checkText(warnings: readonly Diagnostic[], failure: SlipwayError | undefined, source: SourceText): string {
  const parts = warnings.map((warning) => renderFrame(warning, source, { color: false }));
  if (failure?.location !== undefined) {
    const { range } = failure.location;
    parts.push(
      renderFrame(
        {
          rule: failure.code,
          severity: 'error',
          message: failure.message,
          range,
          ...(failure.hint === undefined ? {} : { hint: failure.hint }),
        },
        source,
        { color: false },
      ),
    );
  } else if (failure !== undefined) parts.push(`error: ${failure.message}`);
  if (parts.length === 0) return 'Check complete, no warnings found.';
  const count =
    warnings.length === 0 ? '' : `\n\nCheck complete, ${warnings.length} warning${warnings.length === 1 ? ' has' : 's have'} been found!`;
  return `${parts.join('\n\n')}${count}`;
}
