// What a frontend outside this process (in the client, or shipped as an image) can ask during one build, and the result it returns.

import { create } from '@bufbuild/protobuf';
import type { AttestationRef } from '../backend.ts';
import { capRecords, FRONTEND_CAPS, LLB_CAPS } from '../caps.ts';
import type { Build, FrontendRequest } from '../control/build.ts';
import { workerRecord } from '../control/worker.ts';
import { ATTESTATION_KIND, SUBJECT_KIND } from '../enums.ts';
import type { Frontends } from '../frontend/runner.ts';
import type { GraphEdge, Tree } from '../engine.ts';
import { StatSchema } from '../gen/fsutil_pb.ts';
import { type Attestation, type LLBBridge, type Result, ResultSchema } from '../gen/gateway_pb.ts';
import type { Definition } from '../gen/llb_pb.ts';
import { decodePlatform, encodeSource } from '../llb/source-id.ts';
import { sourceMeta } from '../source-meta.ts';
import type { RequestNode } from '../provenance/request-node.ts';
import type { Stat } from '../session/packet.ts';
import { RpcError, statusToError } from '../wire/rpc-error.ts';
import type { Handlers } from '../wire/service.ts';
import { Containers } from './containers.ts';
import { withFailedStep } from './failed-step.ts';
import { readDir, readFile, statFile } from './files.ts';
import { type FrontendOutcome, Ref } from './ref.ts';

/** What `LLBBridge` answers for one frontend. Disposing ends its containers. */
export class Bridge implements AsyncDisposable {
  readonly #build: Build;
  readonly #frontends: Frontends;
  readonly #inputs: Readonly<Record<string, Definition>>;
  readonly #depth: number;
  readonly #node: RequestNode;
  readonly #refs = new Map<string, Ref>();
  /** Outcomes of our own frontend by what they returned: an outer frontend may return them as they are. */
  readonly #outcomes = new Map<Ref, FrontendOutcome>();
  readonly #containers: Containers;
  readonly returned: Promise<FrontendOutcome>;
  #resolve: (outcome: FrontendOutcome) => void = () => {};
  #reject: (error: unknown) => void = () => {};
  #done = false;

  constructor(build: Build, frontends: Frontends, inputs: Readonly<Record<string, Definition>>, depth: number, node: RequestNode) {
    this.#build = build;
    this.#frontends = frontends;
    this.#inputs = inputs;
    this.#depth = depth;
    this.#node = node;
    this.#containers = new Containers(build, (id) => this.ref(id));
    this.returned = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.returned.catch(() => {});
  }

  /** Whether the frontend gave its answer, or was given up. */
  get isDone(): boolean {
    return this.#done;
  }

  /** The frontend ended without an answer. */
  fail(error: unknown): void {
    this.#done = true;
    this.#reject(error);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.fail(new RpcError('canceled', 'the build is over'));
    await this.#containers[Symbol.asyncDispose]();
  }

  /** The output behind an id. */
  ref(id: string): Ref {
    const ref = this.#refs.get(id);
    if (ref === undefined) throw new RpcError('notFound', `no such ref: ${id}`);
    return ref;
  }

  readonly handlers: Handlers<typeof LLBBridge> = {
    ping: async () => ({
      frontendApiCaps: capRecords(FRONTEND_CAPS),
      llbCaps: capRecords(LLB_CAPS),
      workers: [workerRecord(this.#build.host.backend)],
    }),
    inputs: async () => ({ definitions: { ...this.#inputs } }),
    solve: async (request) => {
      const outcome = await this.#frontends.solve(this.#build, {
        frontend: request.frontend,
        attributes: request.frontendOpt,
        inputs: request.frontendInputs,
        ...(request.definition !== undefined && { definition: request.definition }),
        cacheImports: request.cacheImports.map(({ type, attrs }) => ({ type, attributes: attrs })),
        policies: request.sourcePolicies,
        depth: this.#depth + 1,
        node: this.#node,
      } satisfies FrontendRequest);
      for (const ref of outcome.refs.values()) {
        if (ref === undefined) continue;
        this.#refs.set(ref.id, ref);
        if (outcome.graph !== undefined) this.#outcomes.set(ref, outcome);
      }
      if (request.evaluate) await this.#evaluate([...outcome.refs.values()].flatMap((ref) => ref?.edge ?? []));
      if (!outcome.single && !request.allowResultReturn) throw new RpcError('failedPrecondition', 'solve did not return default result');
      const result = this.#resultMessage(outcome, request.allowResultArrayRef);
      return request.allowResultReturn ? { result } : { ref: outcome.refs.get('')?.id ?? '', result };
    },
    return: async (request) => {
      if (this.#done) throw new RpcError('failedPrecondition', 'gateway result is already set');
      this.#done = true;
      if (request.error !== undefined && request.error.code !== 0) this.#reject(statusToError(request.error));
      else if (request.result === undefined) throw new RpcError('invalidArgument', 'gateway return must be either result or err');
      else this.#resolve(this.#outcomeOf(request.result));
      return {};
    },
    readFile: async (request) => {
      const range =
        request.range === undefined ? undefined : { offset: Number(request.range.offset), length: Number(request.range.length) };
      return { data: readFile(await this.#tree(request.ref), request.filePath, range) };
    },
    readDir: async (request) => ({
      entries: readDir(await this.#tree(request.ref), request.dirPath, request.includePattern).map(statMessage),
    }),
    statFile: async (request) => ({ stat: statMessage(statFile(await this.#tree(request.ref), request.path)) }),
    evaluate: async (request) => {
      await this.#evaluate([this.ref(request.ref).edge]);
      return {};
    },
    resolveImageConfig: async (request) => {
      const platform = request.platform === undefined ? this.#platform() : decodePlatform(request.platform);
      const { engine } = this.#build;
      if (request.resolverType === RESOLVER.layout) {
        const image = await engine.resolveLayout(
          {
            kind: 'oci-layout',
            path: request.storeId,
            ref: request.ref,
            platform,
            session: request.sessionId,
          },
          request.logName,
        );
        this.#node.addImage({ ref: request.ref, platform, digest: image.digest, local: true });
        return { ref: request.ref, digest: image.digest ?? '', config: image.rawConfig };
      }
      const mode = request.resolveMode === 'pull' || request.resolveMode === 'local' ? request.resolveMode : 'default';
      const wanted = encodeSource({ kind: 'image', ref: request.ref, platform, resolveMode: mode });
      const source = await this.#build.admit(wanted, platform, request.sourcePolicies);
      const ref = source.identifier.replace(/^docker-image:\/\//, '');
      const image = await engine.resolveImage(ref, platform, mode, request.logName);
      this.#node.addImage({ ref, platform, digest: image.digest, local: false });
      return { ref: image.ref, digest: image.digest ?? '', config: image.rawConfig };
    },
    resolveSourceMeta: async (request) => {
      if (request.source === undefined) throw new RpcError('invalidArgument', 'source is required');
      const platform = request.platform === undefined ? this.#platform() : decodePlatform(request.platform);
      const source = await this.#build.admit(request.source, platform, request.sourcePolicies);
      const { answer, image } = await sourceMeta(this.#build.engine, source, platform, request);
      if (image !== undefined) this.#node.addImage(image);
      return answer;
    },
    warn: async (request) => {
      const { digest, level, short, detail, url, info, ranges } = request;
      this.#build.spool.warn({ vertex: digest, level, short, detail, url, ranges, ...(info !== undefined && { info }) });
      return {};
    },
    newContainer: (request) => this.#containers.open(request),
    releaseContainer: (request) => this.#containers.release(request.containerId),
    execProcess: (requests, call) => this.#containers.exec(requests, call),
    readFileContainer: async (request) => {
      const range =
        request.range === undefined ? undefined : { offset: Number(request.range.offset), length: Number(request.range.length) };
      return { data: readFile(await this.#containers.tree(request.ref, request.mountIndex), request.filePath, range) };
    },
    readDirContainer: async (request) => ({
      entries: readDir(await this.#containers.tree(request.ref, request.mountIndex), request.dirPath, request.includePattern).map(
        statMessage,
      ),
    }),
    statFileContainer: async (request) => ({
      stat: statMessage(statFile(await this.#containers.tree(request.ref, request.mountIndex), request.path)),
    }),
  };

  async #evaluate(edges: readonly GraphEdge[]): Promise<void> {
    try {
      await this.#build.engine.solve(edges);
    } catch (error) {
      const share = (output: GraphEdge): string => {
        const ref = new Ref(output);
        this.#refs.set(ref.id, ref);
        return ref.id;
      };
      throw withFailedStep(error, edges, share, (step, mount) => this.#build.engine.failedState(step, mount));
    }
  }

  #platform(): ReturnType<typeof decodePlatform> {
    return this.#build.host.backend.worker.platforms[0] as ReturnType<typeof decodePlatform>;
  }

  #tree(ref: string): Promise<Tree> {
    if (ref === '') throw new RpcError('invalidArgument', 'empty ref');
    return this.#build.engine.tree(this.ref(ref).edge);
  }

  #resultMessage(outcome: FrontendOutcome, arrays: boolean): Result {
    const refOf = (ref: Ref | undefined): { id: string; def?: Definition } =>
      ref === undefined ? { id: '' } : { id: ref.id, def: ref.definition };
    const result = create(ResultSchema, { metadata: Object.fromEntries(outcome.metadata) });
    if (outcome.single) {
      const ref = outcome.refs.get('');
      result.result = arrays
        ? { case: 'ref', value: create(ResultSchema, { result: { case: 'ref', value: refOf(ref) } }).result.value as never }
        : { case: 'plainRef', value: ref?.id ?? '' };
    } else {
      const entries = [...outcome.refs];
      const filled = create(ResultSchema, {
        result: arrays
          ? { case: 'refs', value: { refs: Object.fromEntries(entries.map(([key, ref]) => [key, refOf(ref)])) } }
          : { case: 'plainRefs', value: { refs: Object.fromEntries(entries.map(([key, ref]) => [key, ref?.id ?? ''])) } },
      });
      result.result = filled.result;
    }
    for (const [key, attestations] of outcome.attestations) {
      const message = create(ResultSchema, {
        attestations: { [key]: { attestation: attestations.map((one) => this.#attestationInit(one)) } },
      });
      result.attestations[key] = message.attestations[key] as Result['attestations'][string];
    }
    return result;
  }

  #attestationInit(one: AttestationRef): object {
    const ref = one.edge === undefined ? undefined : new Ref(one.edge);
    if (ref !== undefined) this.#refs.set(ref.id, ref);
    return {
      kind: one.kind === 'bundle' ? ATTESTATION_KIND.bundle : ATTESTATION_KIND.inToto,
      path: one.path,
      inTotoPredicateType: one.predicateType,
      metadata: Object.fromEntries(one.metadata),
      inTotoSubjects: one.subjects.map((subject) => ({
        kind: subject.kind === 'self' ? SUBJECT_KIND.self : SUBJECT_KIND.raw,
        name: subject.name,
        digest: [...subject.digests],
      })),
      ...(ref !== undefined && { ref: { id: ref.id, def: ref.definition } }),
    };
  }

  #outcomeOf(result: Result): FrontendOutcome {
    const refs = new Map<string, Ref | undefined>();
    const find = (id: string | undefined): Ref | undefined => (id === undefined || id === '' ? undefined : this.ref(id));
    let single = true;
    switch (result.result.case) {
      case 'plainRef':
        refs.set('', find(result.result.value));
        break;
      case 'ref':
        refs.set('', find(result.result.value.id));
        break;
      case 'plainRefs':
        single = false;
        for (const [key, id] of Object.entries(result.result.value.refs)) refs.set(key, find(id));
        break;
      case 'refs':
        single = false;
        for (const [key, ref] of Object.entries(result.result.value.refs)) refs.set(key, find(ref.id));
        break;
      default:
        refs.set('', undefined);
    }
    const attestations = new Map(
      Object.entries(result.attestations).map(([key, list]) => [key, list.attestation.map((one) => this.#attestation(one))]),
    );
    const inner = [...refs.values()].flatMap((ref) => (ref === undefined ? [] : (this.#outcomes.get(ref) ?? [])))[0];
    return {
      refs,
      single,
      metadata: new Map(Object.entries(result.metadata)),
      attestations,
      ...(inner?.graph !== undefined && { graph: inner.graph }),
      ...(inner?.dockerfile !== undefined && { dockerfile: inner.dockerfile }),
      ...(inner?.dockerfileEdge !== undefined && { dockerfileEdge: inner.dockerfileEdge }),
    };
  }

  #attestation(message: Attestation): AttestationRef {
    return {
      kind: message.kind === ATTESTATION_KIND.bundle ? 'bundle' : 'in-toto',
      predicateType: message.inTotoPredicateType,
      path: message.path,
      edge: message.ref === undefined || message.ref.id === '' ? undefined : this.ref(message.ref.id).edge,
      metadata: new Map(Object.entries(message.metadata)),
      subjects: message.inTotoSubjects.map(({ kind, name, digest }) => ({
        kind: kind === SUBJECT_KIND.self ? 'self' : 'raw',
        name,
        digests: digest,
      })),
    };
  }
}

const RESOLVER = { registry: 0, layout: 1 } as const;

/** A Stat as the gateway's messages carry it. */
function statMessage(stat: Stat): ReturnType<typeof create<typeof StatSchema>> {
  return create(StatSchema, {
    path: Buffer.from(stat.path, 'latin1').toString(),
    mode: stat.mode >>> 0,
    uid: stat.uid,
    gid: stat.gid,
    size: BigInt(stat.size),
    modTime: stat.modTime,
    linkname: Buffer.from(stat.linkname, 'latin1').toString(),
    devmajor: BigInt(stat.devmajor),
    devminor: BigInt(stat.devminor),
    xattrs: Object.fromEntries(stat.xattrs.map(({ name, value }) => [name, value])),
  });
}
