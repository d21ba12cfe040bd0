// `--sbom`, `--provenance`, `--attest`: what is attached to each platform's image. Without these flags nothing is.

import { type Digest, hideLogin, hideLoginsIn, type JobContext, SlipwayError, type SourceText, suggest } from '../base/index.ts';
import { History } from '../cache/index.ts';
import { type Attestation, type AttestedImage, imagePurl } from '../export/index.ts';
import type { GraphEdge, GraphVertex, PlatformGraph } from '../graph/index.ts';
import {
  type Material,
  PROVENANCE_PREDICATES,
  type ProvenanceFacts,
  type ProvenanceUse,
  provenancePredicate,
  scanPackages,
  SPDX_PREDICATE,
  spdxDocument,
} from '../insight/index.ts';
import type { Tree } from '../layer/index.ts';
import { formatPlatform } from '../oci/index.ts';
import type { AttestRequest, BuildRequest } from './options.ts';
import type { Engine } from './engine.ts';
import type { LoadProtocol } from './foreign-frontend.ts';
import { requestAttributes } from './frontend-attributes.ts';
import type { ImageSources } from './image-sources.ts';
import type { BuildSession } from './session.ts';
import { stepLayers } from './step-layers.ts';
import { verticesBehind } from './vertices-behind.ts';

const PROVENANCE_ATTRIBUTES = ['builder-id', 'filename', 'inline-only', 'mode', 'reproducible', 'version'];
const BOOLEAN = /^(?:1|t|true|0|f|false)$/i;

/** What is asked for, the last request of each kind counting. Throws `ATTESTATION_INVALID`. */
export function attestationsAsked(request: BuildRequest): readonly AttestRequest[] {
  const last = new Map((request.attests ?? []).map((attest) => [attest.type, attest]));
  const asked = [...last.values()].filter(({ disabled }) => disabled !== true);
  for (const { type, attributes } of asked) if (type === 'provenance') checkProvenance(attributes);
  return asked;
}

/** A name that is misspelt would leave more in the document than was meant. */
function checkProvenance(attributes: Readonly<Record<string, string>>): void {
  const wrong = (message: string, hint?: string): SlipwayError =>
    new SlipwayError('ATTESTATION_INVALID', message, hint === undefined ? {} : { hint });
  const { version = 'v1', mode = 'max' } = attributes;
  if (version !== 'v1' && version !== 'v0.2') throw wrong(`invalid provenance version ${version}: v1 or v0.2`);
  if (!['min', 'max', 'full'].includes(mode)) throw wrong(`invalid provenance mode ${mode}: min or max`);
  for (const name of Object.keys(attributes)) {
    if (PROVENANCE_ATTRIBUTES.includes(name)) continue;
    const near = suggest(name, PROVENANCE_ATTRIBUTES);
    const hint = near === undefined ? `there are ${PROVENANCE_ATTRIBUTES.join(', ')}` : `did you mean ${near}?`;
    throw wrong(`unknown attribute of provenance ${JSON.stringify(name)}`, hint);
  }
  for (const name of ['inline-only', 'reproducible']) {
    const value = attributes[name] ?? 'false';
    if (!BOOLEAN.test(value)) throw wrong(`invalid ${name} of provenance ${JSON.stringify(value)}: true or false`);
  }
}

/** What the user asked for about attestations and does not get; undefined: nothing. */
export function ignoredGenerator(request: BuildRequest): string | undefined {
  const generator = attestationsAsked(request).find(({ type }) => type === 'sbom')?.attributes['generator'];
  return generator === undefined
    ? undefined
    : `the bill of materials is made by slipway itself: ${generator} is run only for clients of slipway serve`;
}

/** What the attestations of a build look at. */
export interface AttestWork {
  readonly engine: Engine;
  readonly session: BuildSession;
  readonly images: ImageSources;
  readonly request: BuildRequest;
  readonly dockerfile: SourceText;
  /** The context, when it is no folder of the user: what it was made from is a material, whatever the steps take of it. */
  readonly context?: GraphEdge;
  readonly startedAt: Date;
  readonly job: JobContext;
  /** Loads what knows the words of BuildKit. */
  readonly protocol?: LoadProtocol;
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
  const isRemote = readsRemoteDockerfile(request);
  const version = attributes['version'] === 'v0.2' ? 'v0.2' : 'v1';
  const mode = attributes['mode'] === 'min' ? 'min' : 'max';
  const isTrue = (value: string | undefined): boolean => /^(1|t|true)$/i.test(value ?? '');
  return {
    predicateType: PROVENANCE_PREDICATES[version],
    filename: attributes['filename'] ?? 'provenance.json',
    inlineOnly: isTrue(attributes['inline-only']),
    predicate: async (image) => {
      const vertices = verticesBehind(graph.root === undefined ? [] : [graph.root]);
      const sources = sourcesOf(work, vertices);
      const facts: ProvenanceFacts = {
        version,
        mode,
        builderId: attributes['builder-id'] ?? '',
        reproducible: isTrue(attributes['reproducible']),
        configSource: {
          ...contextMaterial(work),
          path: isRemote && request.dockerfile?.kind === 'path' ? request.dockerfile.path : dockerfile.filename,
        },
        args: argsOf(request),
        secrets: usesOf(vertices, 'secret'),
        ssh: usesOf(vertices, 'ssh'),
        locals: [
          ...new Set([
            ...sources.flatMap(({ op }) => (op.type === 'source' && op.source.kind === 'local' ? [op.source.name] : [])),
            ...(isRemote ? [] : ['dockerfile']),
          ]),
        ],
        materials: materialsOf(work, sources),
        networkAccess: vertices.some(({ op }) => op.type === 'exec' && op.network !== 'none'),
        builderPlatform: formatPlatform(engine.platform),
        invocationId: History.newId(startedAt),
        startedAt,
        finishedAt: job.now(),
        source: dockerfile,
        steps: mode === 'min' ? undefined : await stepsOf(work, graph.root, image),
      };
      return hideLoginsIn(provenancePredicate(facts));
    },
  };
}

async function stepsOf(work: AttestWork, root: GraphEdge | undefined, image: AttestedImage | undefined): Promise<ProvenanceFacts['steps']> {
  const { protocol, session } = work;
  if (root === undefined) return undefined;
  if (protocol === undefined) throw new Error('internal: nothing here knows the words of provenance');
  const { describeSteps } = await protocol();
  const { numbers, ...told } = describeSteps(root);
  if (image === undefined) return { ...told, layers: {} };
  const layers = session.resultOf(root).layers.map(({ id }) => id);
  return { ...told, layers: await stepLayers(work, numbers, layers, image) };
}

/** What was asked, without what belongs to this machine and not to the build. */
function argsOf(request: BuildRequest): Readonly<Record<string, string>> {
  const { platform: _, 'cgroup-parent': __, 'image-resolve-mode': ___, ...args } = requestAttributes({ ...request, proxyEnv: {} });
  return args;
}

/** Secrets or agents that steps mount. One is optional when every step does without it. */
function usesOf(vertices: readonly GraphVertex[], kind: 'secret' | 'ssh'): readonly ProvenanceUse[] {
  const uses = vertices.flatMap(({ op }) => {
    if (op.type !== 'exec') return [];
    const mounts = op.mounts.flatMap((mount) => mount[kind] ?? []);
    return kind === 'secret' ? [...mounts, ...(op.secretEnv ?? [])] : mounts;
  });
  return [...new Set(uses.map(({ id }) => id))].map((id) => ({
    id,
    optional: uses.every((use) => use.id !== id || use.optional),
  }));
}

/** Whether the Dockerfile is one of an address; else it came from this machine, by a folder or as a text. */
function readsRemoteDockerfile({ context, dockerfile }: BuildRequest): boolean {
  return context?.kind === 'url' && (dockerfile === undefined || (dockerfile.kind === 'path' && !dockerfile.path.startsWith('/')));
}

/** The vertices whose sources went into the build: those of the steps, and those of the context that the Dockerfile was read from. */
function sourcesOf({ context }: AttestWork, vertices: readonly GraphVertex[]): readonly GraphVertex[] {
  const behind = context === undefined ? [] : verticesBehind([context]);
  return [...new Map([...vertices, ...behind].map((vertex) => [vertex.digest, vertex])).values()];
}

/** The address of the context, with what it turned out to be. */
function contextMaterial(work: AttestWork): Partial<Material> {
  const { context, request } = work;
  if (request.context?.kind !== 'url') return {};
  const uri = hideLogin(request.context.url);
  const digest = context === undefined ? undefined : materialsOf(work, verticesBehind([context]))[0]?.digest;
  return { uri, ...(digest === undefined ? {} : { digest }) };
}

function materialsOf({ session, dockerfile, request }: AttestWork, vertices: readonly GraphVertex[]): readonly Material[] {
  const texts = [dockerfile.text, ...Object.values(request.buildArgs ?? {}), ...Object.values(request.namedContexts ?? {})];
  const isWritten = (digest: string): boolean => texts.some((text) => text.includes(digest));
  const found = vertices.flatMap((vertex) => materialOf(vertex, session.pinOf(vertex), isWritten));
  const each = new Map(found.map((material) => [JSON.stringify(material), material])).values();
  return [...each].sort((a, b) => (a.uri < b.uri ? -1 : 1));
}

/**
 * `pin`: what the source turned out to be in this build, the digest of an image or a file, the commit of a repository. `isWritten`: whether
 * the user named an image by that digest; else it is no part of the image's address.
 */
function materialOf({ op }: GraphVertex, pin: string | undefined, isWritten: (digest: string) => boolean): readonly Material[] {
  if (op.type !== 'source') return [];
  const { source } = op;
  switch (source.kind) {
    case 'image':
    case 'oci-layout': {
      const [, named = source.ref, pinned] = /^(.*:[^/]+)@((?:sha256|sha512):[0-9a-f]+)$/.exec(source.ref) ?? [];
      const digest = pinned ?? /@(.+)$/.exec(source.ref)?.[1] ?? pin;
      const shown = pinned !== undefined && !isWritten(pinned) ? named : source.ref;
      return [{ uri: imagePurl(shown, source.platform), ...digestOfPin(digest) }];
    }
    case 'git': {
      const uri = hideLogin(`${source.remote}${source.ref === undefined ? '' : `#${source.ref}`}`);
      const commit = pin ?? [source.checksum, source.ref].find((name) => /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/.test(name ?? ''));
      return [{ uri, ...(commit === undefined ? {} : { digest: { [commit.length === 64 ? 'sha256' : 'sha1']: commit } }) }];
    }
    case 'http':
      return [{ uri: hideLogin(source.url), ...digestOfPin(pin ?? source.checksum) }];
    case 'local':
      return [];
  }
}

function digestOfPin(pin: string | undefined): Pick<Material, 'digest'> {
  return pin === undefined ? {} : { digest: digestSet(pin as Digest) };
}

function digestSet(digest: Digest): Readonly<Record<string, string>> {
  const colon = digest.indexOf(':');
  return { [digest.slice(0, colon)]: digest.slice(colon + 1) };
}
