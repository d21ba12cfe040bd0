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
  readonly steps: { readonly buildConfig: object; readonly source: object | undefined } | undefined;
}

export const PROVENANCE_PREDICATES = {
  v1: 'https://slsa.dev/provenance/v1',
  'v0.2': 'https://slsa.dev/provenance/v0.2',
} as const;

/** The predicate in the version asked for. */
export function provenancePredicate(facts: ProvenanceFacts): object {
  const full = facts.mode === 'max';
  const args = Object.fromEntries(Object.entries(facts.args).filter(([key]) => full || !/^(build-arg|label):/.test(key)));
  const complete = full || Object.keys(args).length === Object.keys(facts.args).length;
  const completeMaterials = facts.locals.length === 0;
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
  const metadata = full ? { source: facts.steps?.source ?? { infos } } : {};
  const buildConfig = full ? facts.steps?.buildConfig : undefined;
  const hermetic = completeMaterials && !facts.networkAccess;
  return facts.version === 'v1'
    ? {
        buildDefinition: {
          buildType: 'https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md',
          externalParameters: { configSource: facts.configSource, request },
          internalParameters: { ...(buildConfig === undefined ? {} : { buildConfig }), builderPlatform: facts.builderPlatform },
          ...(facts.materials.length === 0 ? {} : { resolvedDependencies: facts.materials }),
        },
        runDetails: {
          builder: { id: facts.builderId },
          metadata: {
            invocationId: facts.invocationId,
            startedOn: facts.startedAt.toISOString(),
            finishedOn: facts.finishedAt.toISOString(),
            buildkit_metadata: metadata,
            ...(hermetic ? { buildkit_hermetic: true } : {}),
            buildkit_completeness: { request: complete, resolvedDependencies: completeMaterials },
            ...(facts.reproducible ? { buildkit_reproducible: true } : {}),
          },
        },
      }
    : {
        builder: { id: facts.builderId },
        buildType: 'https://mobyproject.org/buildkit@v1',
        ...(facts.materials.length === 0 ? {} : { materials: facts.materials }),
        invocation: {
          configSource: {
            ...(facts.configSource.uri === undefined ? {} : { uri: facts.configSource.uri }),
            ...(facts.configSource.digest === undefined ? {} : { digest: facts.configSource.digest }),
            ...(facts.configSource.path === undefined ? {} : { entryPoint: facts.configSource.path }),
          },
          parameters: request,
          environment: { platform: facts.builderPlatform },
        },
        ...(buildConfig === undefined ? {} : { buildConfig }),
        metadata: {
          buildInvocationID: facts.invocationId,
          buildStartedOn: facts.startedAt.toISOString(),
          buildFinishedOn: facts.finishedAt.toISOString(),
          completeness: { parameters: complete, environment: true, materials: completeMaterials },
          reproducible: facts.reproducible,
          'https://mobyproject.org/buildkit@v1#metadata': metadata,
          ...(hermetic ? { 'https://mobyproject.org/buildkit@v1#hermetic': true } : {}),
        },
      };
}
