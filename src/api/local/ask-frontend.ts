// Frontends for builds that came without a client: the command's and the library's. They are asked as a client's build would ask them;
// what they make is solved in the session of the build that wants it.

import { randomUUID } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { isSlipwayError, locate, type ProgressEvent, SlipwayError } from '../../base/index.ts';
import type { Attestation, FrontendAnswer, FrontendQuestion } from '../../build/parts.ts';
import type { ClientServices } from '../backend.ts';
import { Build, type BuildHost } from '../control/build.ts';
import { ResultOwners } from '../control/result-owners.ts';
import type { StatusSink } from '../control/spool.ts';
import { failedVertexOf, noteVertex, sourceOf } from '../failure.ts';
import { Frontends } from '../frontend/runner.ts';
import type { FrontendOutcome } from '../gateway/ref.ts';
import { SolveRequestSchema } from '../gen/control_pb.ts';
import { encodeDefinition } from '../llb/encode.ts';
import { ProvenanceStore, RequestNode } from '../provenance/request-node.ts';
import { Sessions } from '../session/sessions.ts';
import { RpcError } from '../wire/rpc-error.ts';
import { sharedBackend } from './backend.ts';
import { LocalBuild } from './build.ts';
import { partsOf } from './result-parts.ts';
import { readAttestation } from './statements.ts';
import { toldWarning } from './told-warning.ts';

/** Asks the frontend of a question. See `AskFrontend` for what it throws. */
export async function askFrontend(question: FrontendQuestion): Promise<FrontendAnswer> {
  const { frontend, engine, session, images, attributes, inputs, progress } = question;
  const entitlements = question.entitlements.filter((name) => /^(?:network\.host$|security\.insecure$|device(?:=|$))/.test(name));
  const backend = sharedBackend(
    engine,
    {
      root: engine.root,
      settings: engine.settings,
      version: process.env['SLIPWAY_VERSION'] ?? '0.0.0',
      entitlements,
      labels: {},
      platforms: [],
      cdiFolders: [],
      provenanceEnv: {},
      uid: process.getuid?.() ?? 0,
    },
    { session, images },
  );
  const host: BuildHost = { backend, sessions: new Sessions(), provenance: new ProvenanceStore(), owners: new ResultOwners() };
  const request = create(SolveRequestSchema, { ref: randomUUID(), frontend: 'gateway.v0', frontendAttrs: { ...attributes }, entitlements });
  const sink: StatusSink = {
    add: progress,
    warn: (warning) => progress(toldWarning(warning, engine.now())),
  };
  const failures = new Map<string, Error>();
  question.listen((event: ProgressEvent) => {
    if (event.type !== 'failed') return;
    noteVertex(event.error, event.id);
    failures.set(event.id, event.error);
  });
  try {
    await using build = new Build(request, host, sink, question.signal, NOBODY);
    const node = new RequestNode(undefined, { frontend: 'gateway.v0', attributes, inputs: {} });
    const outcome = await new Frontends().solve(build, {
      frontend: 'gateway.v0',
      attributes: { ...attributes, source: frontend.ref, cmdline: frontend.cmdline },
      inputs: Object.fromEntries(Object.entries(inputs).map(([name, edge]) => [name, encodeDefinition(edge)])),
      cacheImports: [],
      policies: [],
      depth: 0,
      node,
    });
    return await answerOf(build, outcome);
  } catch (error) {
    question.signal.throwIfAborted();
    throw plainFailure(error, failures, frontend.ref);
  }
}

async function answerOf({ engine }: Build, outcome: FrontendOutcome): Promise<FrontendAnswer> {
  if (!(engine instanceof LocalBuild)) throw new Error('internal: another engine than this machine’s');
  const refs = new Map([...outcome.refs].map(([key, ref]) => [key, ref?.edge]));
  const { single, metadata, graph } = outcome;
  const parts = partsOf(engine, { refs, single, metadata, ...(graph !== undefined && { graph }) });
  const read = await Promise.all(
    parts.map(async ({ id, platform }): Promise<readonly Attestation[]> => {
      const made = outcome.attestations.get(id === '' ? engine.formatPlatform(platform) : id) ?? [];
      const inlineOnly = ({ metadata: facts }: (typeof made)[number]): boolean =>
        Buffer.from(facts.get('inline-only') ?? '').toString() === 'true';
      const all = await Promise.all(made.map(async (one) => readAttestation(one, await engine.tree(one.edge), inlineOnly(one))));
      return all.flat();
    }),
  );
  return {
    parts: parts.map(({ id: _, ...part }, index) => ({ ...part, attestations: read[index] ?? [] })),
    single,
    metadata,
  };
}

/** Nobody else is asked: folders, secrets and agents come by way of the session, credentials are this machine's. */
const NOBODY: ClientServices = {
  peer: () => Promise.resolve(''),
  folder: () => Promise.reject(unasked('folders')),
  secret: () => Promise.reject(unasked('secrets')),
  agent: () => Promise.reject(unasked('agents')),
  credentials: () => Promise.resolve(undefined),
  token: () => Promise.resolve(undefined),
  content: () => ({
    size: () => Promise.resolve(undefined),
    read: () => {
      throw unasked('blobs');
    },
    write: () => Promise.reject(unasked('blobs')),
  }),
  upload: () => {
    throw unasked('uploads');
  },
  sendFile: () => Promise.reject(unasked('files')),
  sendFolder: () => Promise.reject(unasked('folders')),
};

function unasked(what: string): RpcError {
  return new RpcError('failedPrecondition', `this build has no client that could be asked for ${what}`);
}

/** A failure in this program's own form. What a step failed of comes back from the frontend as text: the step's own failure tells more. */
function plainFailure(error: unknown, failures: ReadonlyMap<string, Error>, frontend: string): unknown {
  if (isSlipwayError(error)) return error;
  if (!(error instanceof RpcError)) return error;
  const location = sourceOf(error);
  const step = failures.get(failedVertexOf(error) ?? '');
  if (step !== undefined) return locate(step, location);
  return new SlipwayError('FRONTEND_REFUSED', error.message, {
    cause: error,
    facts: { frontend, status: error.code },
    ...(location === undefined ? {} : { location }),
  });
}
