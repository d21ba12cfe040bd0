// Who asked for what: the requests of one build as a tree, each with the results that it gave.

import { hideLogin } from '../../base/index.ts';
import type { GraphEdge } from '../engine.ts';
import type { Ref } from '../gateway/ref.ts';
import { shownAttributes } from '../shown-attributes.ts';
import type { Capture, CapturedImage } from './capture.ts';

type Attributes = Readonly<Record<string, string>>;

/** The part of a request that provenance tells. */
export interface AskedFor {
  readonly frontend: string;
  readonly attributes: Attributes;
  /** Requests behind the inputs. They are looked up when the question comes: the builds that they are of may be over before this one is. */
  readonly inputs: Readonly<Record<string, RequestProvenance | undefined>>;
}

export interface ConfigSource {
  readonly uri?: string;
  readonly digest?: Readonly<Record<string, string>>;
  readonly path?: string;
}

/** `request` of a provenance predicate, with where its configuration came from. */
export interface RequestProvenance {
  readonly configSource: ConfigSource;
  readonly request: RequestParameters;
}

export interface RequestParameters {
  readonly frontend?: string;
  readonly args?: Readonly<Record<string, string>>;
  readonly inputs?: Readonly<Record<string, RequestProvenance>>;
  readonly root?: RequestProvenance;
}

/** Requests behind results that clients hold, so that a build on one of them can tell where it came from. */
export class ProvenanceStore {
  readonly #records = new Map<string, Set<RequestProvenance>>();

  /** Remembers; the returned function forgets. */
  register(edge: GraphEdge, request: RequestProvenance): () => void {
    const key = edgeKey(edge);
    const records = this.#records.get(key) ?? new Set();
    records.add(request);
    this.#records.set(key, records);
    return () => {
      records.delete(request);
      if (records.size === 0) this.#records.delete(key);
    };
  }

  /** The request behind each output. */
  findAll(edges: Readonly<Record<string, GraphEdge | undefined>>): AskedFor['inputs'] {
    return Object.fromEntries(Object.entries(edges).map(([name, edge]) => [name, this.find(edge)]));
  }

  /** The request behind an output; undefined when nobody knows, or several differ. */
  find(edge: GraphEdge | undefined): RequestProvenance | undefined {
    const records = edge === undefined ? undefined : this.#records.get(edgeKey(edge));
    if (records === undefined) return undefined;
    const plain = [...records].map(withoutRoot);
    const first = plain[0];
    return first !== undefined && plain.every((one) => JSON.stringify(one) === JSON.stringify(first)) ? first : undefined;
  }
}

function withoutRoot({ configSource, request }: RequestProvenance): RequestProvenance {
  const { root: _, ...rest } = request;
  return { configSource, request: rest };
}

function edgeKey({ vertex, output }: GraphEdge): string {
  return `${vertex.digest} ${output}`;
}

/** One request and what came of it. The top one, of the client itself, asks for nothing when the client is the frontend. */
export class RequestNode {
  readonly asked: AskedFor | undefined;
  /** What the client asked for at first. */
  readonly root: AskedFor | undefined;
  readonly #images: CapturedImage[] = [];
  readonly #edges: GraphEdge[] = [];
  readonly #refs = new Set<Ref>();
  readonly #children: RequestNode[] = [];

  constructor(asked: AskedFor | undefined, root: AskedFor | undefined) {
    this.asked = asked;
    this.root = root;
  }

  child(asked: AskedFor): RequestNode {
    const root = this.root !== undefined && tells(this.root) ? this.root : this.asked;
    const node = new RequestNode(asked, root);
    this.#children.push(node);
    return node;
  }

  /** An image was asked for. */
  addImage(image: CapturedImage): void {
    this.#images.push(image);
  }

  /** A tree was read on the way. */
  addEdge(edge: GraphEdge | undefined): void {
    if (edge !== undefined) this.#edges.push(edge);
  }

  addRef(ref: Ref | undefined): void {
    if (ref !== undefined) this.#refs.add(ref);
  }

  /** The node that a result came from. */
  find(ref: Ref): RequestNode | undefined {
    for (const child of this.#children) {
      const found = child.find(ref);
      if (found !== undefined) return found;
    }
    return this.#refs.has(ref) ? this : undefined;
  }

  /** Every output that was made or read here and below, without those of some refs. */
  *edges(without: ReadonlySet<Ref>): Generator<GraphEdge> {
    yield* this.#edges;
    for (const ref of this.#refs) if (!without.has(ref)) yield ref.edge;
    for (const child of this.#children) yield* child.edges(without);
  }

  images(): CapturedImage[] {
    return [...this.#images, ...this.#children.flatMap((child) => child.images())];
  }

  /** The request as provenance tells it. `capture` knows what its sources were. */
  provenance(capture: Capture): RequestProvenance | undefined {
    if (this.asked === undefined) return undefined;
    const own = describe(this.asked, capture);
    const root = this.root === undefined || !tells(this.root) ? undefined : describe(this.root, capture);
    const differs = root !== undefined && hasContent(root) && JSON.stringify(root) !== JSON.stringify(own);
    return differs ? { ...own, request: { ...own.request, root } } : own;
  }
}

function tells({ frontend, attributes, inputs }: AskedFor): boolean {
  return frontend !== '' || Object.keys(attributes).length > 0 || Object.keys(inputs).length > 0;
}

function hasContent({ request }: RequestProvenance): boolean {
  return (request.frontend ?? '') !== '' || request.args !== undefined || request.inputs !== undefined;
}

function describe(asked: AskedFor, capture: Capture): RequestProvenance {
  const args = filterArgs(asked.attributes);
  const configSource = takeConfigSource(args, capture);
  const inputs = Object.fromEntries(
    Object.entries(asked.inputs).flatMap(([name, found]) => (found === undefined ? [] : [[name, found] as const])),
  );
  return {
    configSource,
    request: {
      ...(asked.frontend !== '' && { frontend: asked.frontend }),
      ...(Object.keys(args).length > 0 && { args }),
      ...(Object.keys(inputs).length > 0 && { inputs }),
    },
  };
}

/** What belongs to this machine and not to the build. */
const HOST_ARGS: ReadonlySet<string> = new Set(['cgroup-parent', 'image-resolve-mode', 'platform']);

function filterArgs(attributes: Attributes): Record<string, string> {
  const isOfBuild = (key: string): boolean => !HOST_ARGS.has(key) && !key.startsWith('attest:');
  return Object.fromEntries(Object.entries(shownAttributes(attributes)).filter(([key]) => isOfBuild(key)));
}

/** Takes the context and the Dockerfile's name out of `args`. */
function takeConfigSource(args: Record<string, string>, capture: Capture): ConfigSource {
  const contextKey =
    (args['contextkey'] ?? '') !== '' ? (args['contextkey'] as string) : (args['input:context'] ?? '') !== '' ? 'input:context' : 'context';
  const context = args[contextKey] ?? '';
  const path = args['filename'] ?? '';
  if (context !== '') delete args[contextKey];
  if (path !== '') delete args['filename'];
  return { ...(context !== '' && material(context, capture)), ...(path !== '' && { path }) };
}

function material(uri: string, capture: Capture): ConfigSource {
  const plain = hideLogin(uri);
  const [base = '', fragment = ''] = plain.split('#');
  const [path, query = ''] = base.split('?');
  const parameters = new URLSearchParams(query);
  const ref =
    parameters.get('ref') ??
    (parameters.get('tag') === null ? parameters.get('branch') : `refs/tags/${parameters.get('tag')}`) ??
    fragment.split(':')[0] ??
    '';
  const subdir = parameters.get('subdir') ?? fragment.split(':')[1] ?? '';
  for (const candidate of [`${path}${ref === '' ? '' : `#${ref}`}`, plain]) {
    const commit = capture.git.get(candidate);
    if (commit !== undefined) {
      const shown = `${path}${ref === '' && subdir === '' ? '' : `#${ref}${subdir === '' ? '' : `:${subdir}`}`}`;
      return { uri: shown, ...(commit !== '' && { digest: { [commit.length === 64 ? 'sha256' : 'sha1']: commit } }) };
    }
  }
  const digest = capture.http.get(plain);
  if (digest !== undefined && digest !== '') {
    const colon = digest.indexOf(':');
    return { uri: plain, digest: { [digest.slice(0, colon)]: digest.slice(colon + 1) } };
  }
  return { uri: plain };
}
