// `--sbom`, `--provenance`, `--attest`: what is attached to each platform's image. Without these flags nothing is.

import { type Digest, hideLogin, hideLoginsIn, type JobContext, SlipwayError, type SourceText } from '../base/index.ts';
import { History } from '../cache/index.ts';
import { type Attestation, imagePurl } from '../export/index.ts';
import type { GraphEdge, GraphVertex, PlatformGraph } from '../graph/index.ts';
import {
  type Material,
  PROVENANCE_PREDICATES,
  type ProvenanceFacts,
  provenancePredicate,
  scanPackages,
  SPDX_PREDICATE,
  spdxDocument,
} from '../insight/index.ts';
import type { Tree } from '../layer/index.ts';
import { formatPlatform } from '../oci/index.ts';
import type { AttestRequest, BuildRequest } from './options.ts';
import type { Engine } from './engine.ts';
import type { BuildSession } from './session.ts';
import { verticesBehind } from './vertices-behind.ts';

/** What is asked for, the last request of each kind counting. Throws `ATTESTATION_INVALID`. */
export function attestationsAsked(request: BuildRequest): readonly AttestRequest[] {
  const last = new Map((request.attests ?? []).map((attest) => [attest.type, attest]));
  const asked = [...last.values()].filter(({ disabled }) => disabled !== true);
  for (const { type, attributes } of asked) {
    const { version = 'v1', mode = 'max' } = attributes;
    if (type !== 'provenance') continue;
    if (version !== 'v1' && version !== 'v0.2')
      throw new SlipwayError('ATTESTATION_INVALID', `invalid provenance version ${version}: v1 or v0.2`);
    if (!['min', 'max', 'full'].includes(mode))
      throw new SlipwayError('ATTESTATION_INVALID', `invalid provenance mode ${mode}: min or max`);
  }
  return asked;
}

/** What the attestations of a build look at. */
export interface AttestWork {
  readonly engine: Engine;
  readonly session: BuildSession;
  readonly request: BuildRequest;
  readonly dockerfile: SourceText;
  readonly startedAt: Date;
  readonly job: JobContext;
}

/** The attestations of one platform. Trees are scanned once, whatever the number of outputs. */
export function attestationsOf(work: AttestWork, graph: PlatformGraph, tree: () => Promise<Tree>): readonly Attestation[] {
  return attestationsAsked(work.request).flatMap(({ type, attributes }) =>
    type === 'provenance' ? [provenanceOf(work, graph, attributes)] : bills(work, graph, tree),
  );
}

function bills({ session, job }: AttestWork, graph: PlatformGraph, tree: () => Promise<Tree>): readonly Attestation[] {
  const one = (name: string, filename: string, open: () => Promise<Tree>): Attestation => {
    let document: Promise<object> | undefined;
    return {
      predicateType: SPDX_PREDICATE,
      filename,
      inlineOnly: false,
      predicate: () => (document ??= open().then((files) => spdxDocument(name, scanPackages(files), createdAt(graph, job)))),
    };
  };
  const { context, stages } = graph.sbom;
  const edge = (output: GraphEdge | undefined): (() => Promise<Tree>) | undefined =>
    output === undefined ? undefined : () => session.tree(output);
  return [
    one('sbom', 'sbom.spdx.json', tree),
    ...stages.flatMap(({ name, output }) => {
      const open = edge(output);
      return open === undefined ? [] : [one(`sbom-${name}`, `sbom-${name}.spdx.json`, open)];
    }),
    ...(context === undefined ? [] : [one('sbom-build-context', 'sbom-build-context.spdx.json', () => session.tree(context))]),
  ];
}

function createdAt({ epoch }: PlatformGraph, job: JobContext): Date {
  return epoch === undefined ? job.now() : new Date(epoch * 1000);
}

function provenanceOf(work: AttestWork, graph: PlatformGraph, attributes: Readonly<Record<string, string>>): Attestation {
  const { engine, request, dockerfile, startedAt, job } = work;
  const version = attributes['version'] === 'v0.2' ? 'v0.2' : 'v1';
  const isTrue = (value: string | undefined): boolean => /^(1|t|true)$/i.test(value ?? '');
  return {
    predicateType: PROVENANCE_PREDICATES[version],
    filename: attributes['filename'] ?? 'provenance.json',
    inlineOnly: isTrue(attributes['inline-only']),
    predicate: () => {
      const vertices = verticesBehind(graph.root === undefined ? [] : [graph.root]);
      const url = request.context?.kind === 'url' ? hideLogin(request.context.url) : undefined;
      const facts: ProvenanceFacts = {
        version,
        mode: attributes['mode'] === 'min' ? 'min' : 'max',
        builderId: attributes['builder-id'] ?? '',
        reproducible: isTrue(attributes['reproducible']),
        configSource: { ...(url === undefined ? {} : { uri: url }), path: dockerfile.filename },
        args: {
          ...(request.target === undefined ? {} : { target: request.target }),
          ...prefixed('build-arg:', request.buildArgs),
          ...prefixed('label:', request.labels),
        },
        secrets: usedIds(vertices, 'secret'),
        ssh: usedIds(vertices, 'ssh'),
        locals: [...new Set(vertices.flatMap(({ op }) => (op.type === 'source' && op.source.kind === 'local' ? [op.source.name] : [])))],
        materials: vertices.flatMap(materialOf).sort((a, b) => (a.uri < b.uri ? -1 : 1)),
        networkAccess: vertices.some(({ op }) => op.type === 'exec' && op.network !== 'none'),
        builderPlatform: formatPlatform(engine.platform),
        invocationId: History.newId(startedAt),
        startedAt,
        finishedAt: job.now(),
        source: dockerfile,
        steps: stepsOf(vertices),
      };
      return Promise.resolve(hideLoginsIn(provenancePredicate(facts)));
    },
  };
}

function prefixed(prefix: string, values: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [`${prefix}${key}`, value]));
}

function usedIds(vertices: readonly GraphVertex[], kind: 'secret' | 'ssh'): readonly string[] {
  const ids = vertices.flatMap(({ op }) => {
    if (op.type !== 'exec') return [];
    const mounts = op.mounts.flatMap((mount) => mount[kind]?.id ?? []);
    return kind === 'secret' ? [...mounts, ...(op.secretEnv ?? []).map(({ id }) => id)] : mounts;
  });
  return [...new Set(ids)];
}

function materialOf({ op }: GraphVertex): readonly Material[] {
  if (op.type !== 'source') return [];
  const { source } = op;
  switch (source.kind) {
    case 'image':
    case 'oci-layout': {
      const digest = /@((?:sha256|sha512):[0-9a-f]+)$/.exec(source.ref)?.[1];
      const uri = imagePurl(source.ref, source.platform);
      return [{ uri, ...(digest === undefined ? {} : { digest: digestSet(digest as Digest) }) }];
    }
    case 'git': {
      const { ref, checksum } = source;
      const commit =
        checksum !== undefined && /^[0-9a-f]{40,64}$/.test(checksum)
          ? checksum
          : ref !== undefined && /^[0-9a-f]{40}$/.test(ref)
            ? ref
            : undefined;
      const uri = hideLogin(`${source.remote}${ref === undefined ? '' : `#${ref}`}`);
      return [{ uri, ...(commit === undefined ? {} : { digest: { [commit.length === 64 ? 'sha256' : 'sha1']: commit } }) }];
    }
    case 'http':
      return [{ uri: hideLogin(source.url), ...(source.checksum === undefined ? {} : { digest: digestSet(source.checksum as Digest) }) }];
    case 'local':
      return [];
  }
}

function digestSet(digest: Digest): Readonly<Record<string, string>> {
  const colon = digest.indexOf(':');
  return { [digest.slice(0, colon)]: digest.slice(colon + 1) };
}

function stepsOf(vertices: readonly GraphVertex[]): readonly object[] {
  const ids = new Map(vertices.map((vertex, index) => [vertex, `step${index}`]));
  return vertices.map((vertex) => {
    const op = withoutPasswords(vertex.op);
    return {
      id: ids.get(vertex),
      op,
      platform: formatPlatform(vertex.platform),
      ...(vertex.inputs.length === 0 ? {} : { inputs: vertex.inputs.map((input) => `${ids.get(input.vertex) ?? ''}:${input.output}`) }),
    };
  });
}

/** Proxy settings may have passwords in them; they are in no key either. So may addresses. */
function withoutPasswords(op: GraphVertex['op']): GraphVertex['op'] {
  if (op.type === 'exec') {
    const { proxyEnv: _, ...rest } = op;
    return rest;
  }
  if (op.type !== 'source') return op;
  const { source } = op;
  if (source.kind === 'git') return { ...op, source: { ...source, remote: hideLogin(source.remote) } };
  return source.kind === 'http' ? { ...op, source: { ...source, url: hideLogin(source.url) } } : op;
}
