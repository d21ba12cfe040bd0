// Provenance predicates (slsa.dev, v1 and v0.2), with BuildKit's parameters.

import { hideLogin, type SourceText } from '../../base/index.ts';
import { type Material, PROVENANCE_PREDICATES, type StepLayers, writePredicate } from '../../build/parts.ts';
import type { GraphEdge, Platform } from '../engine.ts';
import type { Capture } from './capture.ts';
import type { RequestParameters, RequestProvenance } from './request-node.ts';
import { buildSteps, sourceOf } from './steps.ts';

/** Everything a predicate tells. */
export interface PredicateFacts {
  readonly capture: Capture;
  readonly request: RequestProvenance | undefined;
  readonly edge: GraphEdge | undefined;
  /** What a Dockerfile was read from. */
  readonly definitionOf: (source: SourceText) => GraphEdge | undefined;
  readonly options: Readonly<Record<string, string>>;
  readonly customEnv: Readonly<Record<string, unknown>>;
  readonly dockerfileVersion: string;
  readonly builderPlatform: string;
  readonly compatibilityVersion: number;
  readonly invocationId: string;
  readonly startedAt: Date;
  readonly finishedAt: Date;
  /** Descriptors of the layers of each output in the graph, `stepN:M`; asked for in `mode=max`. */
  readonly layers: (numbers: ReadonlyMap<GraphEdge['vertex'], number>) => Promise<StepLayers>;
  readonly purl: (ref: string, platform: Platform | undefined, local: boolean) => string;
}

/** `version=v1`, which is the default, or `v0.2`. */
function versionOf(options: Readonly<Record<string, string>>): keyof typeof PROVENANCE_PREDICATES {
  return options['version'] === 'v0.2' ? 'v0.2' : 'v1';
}

/** The type of the predicate that the options ask for. */
export function predicateType(options: Readonly<Record<string, string>>): string {
  return PROVENANCE_PREDICATES[versionOf(options)];
}

/** The predicate in the version that the options ask for. */
export async function makePredicate(facts: PredicateFacts): Promise<object> {
  const full = (facts.options['mode'] ?? 'max') !== 'min';
  const { capture } = facts;
  const materials = materialsOf(facts);
  const asked = facts.request?.request ?? {};
  const vcs: Record<string, string> = {};
  const args = takeVcs(asked.args ?? {}, vcs);
  let parameters: Record<string, unknown> = {
    ...asked,
    args,
    ...uses('secrets', [...capture.secrets.values()]),
    ...uses('ssh', [...capture.ssh.values()]),
  };
  let complete = (asked.frontend ?? '') !== '';
  if (!full) {
    const scrubbed = scrub(parameters);
    if (scrubbed.incomplete) complete = false;
    parameters = scrubbed.parameters;
  }
  if (capture.locals.size > 0) parameters['locals'] = [...capture.locals].sort().map((name) => ({ name }));
  if (Object.keys((parameters['args'] as object | undefined) ?? {}).length === 0) delete parameters['args'];
  parameters['compatibilityVersion'] = facts.compatibilityVersion;
  const steps = full && facts.edge !== undefined ? buildSteps(facts.edge) : undefined;
  return writePredicate(versionOf(facts.options), {
    builderId: facts.options['builder-id'] ?? '',
    configSource: facts.request?.configSource ?? {},
    request: parameters,
    environment: facts.customEnv,
    dockerfileVersion: asked.frontend === 'dockerfile.v0' ? facts.dockerfileVersion : undefined,
    builderPlatform: facts.builderPlatform,
    buildConfig: steps === undefined ? undefined : { llbDefinition: steps.steps, digestMapping: steps.digestMapping },
    materials,
    invocationId: facts.invocationId,
    startedAt: facts.startedAt,
    finishedAt: facts.finishedAt,
    source: steps === undefined ? undefined : sourceOf(steps.numbers, facts.definitionOf),
    layers: steps === undefined ? {} : await facts.layers(steps.numbers),
    vcs,
    networkAccess: capture.networkAccess,
    reproducible: isTrue(facts.options['reproducible']),
    completeRequest: complete,
    completeMaterials: capture.locals.size === 0,
  });
}

function isTrue(value: string | undefined): boolean {
  return /^(1|t|true)$/i.test(value ?? '');
}

function materialsOf({ capture, purl }: PredicateFacts): readonly Material[] {
  const byName = <T>(entries: Iterable<[string, T]>): [string, T][] => [...entries].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return [
    ...[...capture.images]
      .sort((a, b) => (a.ref < b.ref ? -1 : a.ref > b.ref ? 1 : 0))
      .map(({ ref, platform, digest, local }) => ({
        uri: purl(ref, platform, local),
        ...(digest !== undefined && { digest: digestSet(digest) }),
      })),
    ...byName(capture.git).map(([uri, commit]) => ({ uri, digest: { [commit.length === 64 ? 'sha256' : 'sha1']: commit } })),
    ...byName(capture.http).map(([uri, digest]) => ({ uri, ...(digest !== '' && { digest: digestSet(digest) }) })),
  ];
}

function digestSet(digest: string): Record<string, string> {
  const colon = digest.indexOf(':');
  return { [digest.slice(0, colon)]: digest.slice(colon + 1) };
}

function takeVcs(args: Readonly<Record<string, string>>, vcs: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(args).filter(([key, value]) => {
      if (!key.startsWith('vcs:')) return true;
      if (value !== '') vcs[key.slice(4)] = key === 'vcs:source' ? hideLogin(value) : value;
      return false;
    }),
  );
}

function uses(name: string, list: readonly { readonly id: string; readonly optional: boolean }[]): object {
  if (list.length === 0) return {};
  const sorted = [...list].sort((a, b) => (a.id < b.id ? -1 : 1));
  return { [name]: sorted.map(({ id, optional }) => ({ id, ...(optional && { optional }) })) };
}

/** `mode=min` keeps what frontends need and leaves out what users pass in. */
function scrub(parameters: Readonly<Record<string, unknown>>): { parameters: Record<string, unknown>; incomplete: boolean } {
  const { secrets: _, ssh: __, args, inputs, root, ...rest } = parameters as RequestParameters & Record<string, unknown>;
  let incomplete = false;
  const kept = Object.fromEntries(
    Object.entries(args ?? {}).filter(([key]) => {
      const user = key.startsWith('build-arg:') || key.startsWith('label:');
      incomplete ||= user;
      return !user;
    }),
  );
  const inner = (one: RequestProvenance): RequestProvenance => {
    const scrubbed = scrub(one.request as Record<string, unknown>);
    incomplete ||= scrubbed.incomplete;
    return { ...one, request: scrubbed.parameters };
  };
  return {
    parameters: {
      ...rest,
      ...(Object.keys(kept).length > 0 && { args: kept }),
      ...(inputs !== undefined && { inputs: Object.fromEntries(Object.entries(inputs).map(([name, one]) => [name, inner(one)])) }),
      ...(root !== undefined && { root: inner(root) }),
    },
    incomplete,
  };
}
