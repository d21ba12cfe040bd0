// SLSA provenance predicates (slsa.dev, v1 and v0.2) with BuildKit's parameters.

/** A source that went into a build. */
export interface Material {
  readonly uri: string;
  readonly digest?: Readonly<Record<string, string>>;
}

/** A secret or an agent that steps mount. */
export interface ProvenanceUse {
  readonly id: string;
  readonly optional: boolean;
}

/** What is told of a build. `min` leaves out what the user passed in. */
export interface ProvenanceFacts {
  readonly version: 'v1' | 'v0.2';
  readonly mode: 'min' | 'max';
  readonly builderId: string;
  readonly reproducible: boolean;
  readonly configSource: { readonly uri?: string; readonly path?: string; readonly digest?: Readonly<Record<string, string>> };
  /** Frontend attributes: `target`, `build-arg:X`, `label:X`. */
  readonly args: Readonly<Record<string, string>>;
  readonly secrets: readonly ProvenanceUse[];
  readonly ssh: readonly ProvenanceUse[];
  /** Folders of the user that were read; `dockerfile`: that of the Dockerfile. */
  readonly locals: readonly string[];
  readonly materials: readonly Material[];
  readonly networkAccess: boolean;
  readonly builderPlatform: string;
  readonly invocationId: string;
  readonly startedAt: Date;
  readonly finishedAt: Date;
  /** The Dockerfile, for `max`. */
  readonly source: { readonly filename: string; readonly text: string };
  /** The steps, for `max`; undefined: nothing was made. */
  readonly steps: { readonly buildConfig: object; readonly source: object | undefined; readonly layers: StepLayers } | undefined;
}

/** Descriptors of the layers that each output of a step made or has from its base, `stepN:M`. BuildKit lists them in lists of one. */
export type StepLayers = Readonly<Record<string, readonly (readonly object[])[]>>;

/** What both versions of a predicate tell, each at its own place. */
export interface Predicate {
  readonly builderId: string;
  readonly configSource: { readonly uri?: string; readonly path?: string; readonly digest?: Readonly<Record<string, string>> };
  readonly request: object;
  /** Of the builder: beside `builderPlatform`. */
  readonly environment: Readonly<Record<string, unknown>>;
  readonly dockerfileVersion?: string | undefined;
  readonly builderPlatform: string;
  readonly buildConfig: object | undefined;
  readonly materials: readonly Material[];
  readonly invocationId: string;
  readonly startedAt: Date;
  readonly finishedAt: Date;
  readonly source: object | undefined;
  readonly layers: StepLayers;
  readonly vcs: Readonly<Record<string, string>>;
  readonly networkAccess: boolean;
  readonly reproducible: boolean;
  /** Nothing that was asked is left out. */
  readonly completeRequest: boolean;
  readonly completeMaterials: boolean;
}

export const PROVENANCE_PREDICATES = {
  v1: 'https://slsa.dev/provenance/v1',
  'v0.2': 'https://slsa.dev/provenance/v0.2',
} as const;

/** The predicate of a plain build, in the version asked for. */
export function provenancePredicate(facts: ProvenanceFacts): object {
  const full = facts.mode === 'max';
  const args = Object.fromEntries(Object.entries(facts.args).filter(([key]) => full || !/^(build-arg|label):/.test(key)));
  const ids = (list: readonly ProvenanceUse[]): object[] =>
    [...list].sort((a, b) => (a.id < b.id ? -1 : 1)).map(({ id, optional }) => ({ id, ...(optional ? { optional } : {}) }));
  const request = {
    frontend: 'dockerfile.v0',
    ...(Object.keys(args).length === 0 ? {} : { args }),
    ...(full && facts.secrets.length > 0 ? { secrets: ids(facts.secrets) } : {}),
    ...(full && facts.ssh.length > 0 ? { ssh: ids(facts.ssh) } : {}),
    ...(facts.locals.length === 0 ? {} : { locals: [...facts.locals].sort().map((name) => ({ name })) }),
  };
  const infos = [{ filename: facts.source.filename, language: 'Dockerfile', data: Buffer.from(facts.source.text).toString('base64') }];
  return writePredicate(facts.version, {
    ...facts,
    request,
    environment: {},
    buildConfig: full ? facts.steps?.buildConfig : undefined,
    source: full ? (facts.steps?.source ?? { infos }) : undefined,
    layers: full ? (facts.steps?.layers ?? {}) : {},
    vcs: {},
    completeRequest: full || Object.keys(args).length === Object.keys(facts.args).length,
    completeMaterials: facts.locals.length === 0,
  });
}

/** A predicate in the words of its version (slsa.dev/spec/v1.0/provenance, slsa.dev/provenance/v0.2), with what BuildKit adds to them. */
export function writePredicate(version: 'v1' | 'v0.2', predicate: Predicate): object {
  const { vcs, source, layers } = predicate;
  const metadata = {
    ...(Object.keys(vcs).length > 0 && { vcs }),
    ...(source !== undefined && { source }),
    ...(Object.keys(layers).length > 0 && { layers }),
  };
  const hermetic = predicate.completeMaterials && !predicate.networkAccess;
  return version === 'v1' ? slsa1(predicate, metadata, hermetic) : slsa02(predicate, metadata, hermetic);
}

function slsa1(predicate: Predicate, metadata: object, hermetic: boolean): object {
  const { buildConfig, dockerfileVersion, materials } = predicate;
  return {
    buildDefinition: {
      buildType: 'https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md',
      externalParameters: { configSource: predicate.configSource, request: predicate.request },
      internalParameters: {
        ...predicate.environment,
        ...(buildConfig !== undefined && { buildConfig }),
        builderPlatform: predicate.builderPlatform,
        ...(dockerfileVersion !== undefined && { dockerfileVersion }),
      },
      ...(materials.length > 0 && { resolvedDependencies: materials }),
    },
    runDetails: {
      builder: { id: predicate.builderId },
      metadata: {
        invocationId: predicate.invocationId,
        startedOn: predicate.startedAt.toISOString(),
        finishedOn: predicate.finishedAt.toISOString(),
        buildkit_metadata: metadata,
        ...(hermetic && { buildkit_hermetic: true }),
        buildkit_completeness: { request: predicate.completeRequest, resolvedDependencies: predicate.completeMaterials },
        ...(predicate.reproducible && { buildkit_reproducible: true }),
      },
    },
  };
}

function slsa02(predicate: Predicate, metadata: object, hermetic: boolean): object {
  const { buildConfig, dockerfileVersion, materials } = predicate;
  const { path, ...where } = predicate.configSource;
  return {
    builder: { id: predicate.builderId },
    buildType: 'https://mobyproject.org/buildkit@v1',
    ...(materials.length > 0 && { materials }),
    invocation: {
      configSource: { ...where, ...(path !== undefined && { entryPoint: path }) },
      parameters: predicate.request,
      environment: {
        ...predicate.environment,
        platform: predicate.builderPlatform,
        ...(dockerfileVersion !== undefined && { dockerfileVersion }),
      },
    },
    ...(buildConfig !== undefined && { buildConfig }),
    metadata: {
      buildInvocationID: predicate.invocationId,
      buildStartedOn: predicate.startedAt.toISOString(),
      buildFinishedOn: predicate.finishedAt.toISOString(),
      completeness: { parameters: predicate.completeRequest, environment: true, materials: predicate.completeMaterials },
      reproducible: predicate.reproducible,
      'https://mobyproject.org/buildkit@v1#metadata': metadata,
      ...(hermetic && { 'https://mobyproject.org/buildkit@v1#hermetic': true }),
    },
  };
}
