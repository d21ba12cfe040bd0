// What images and named contexts of a request are: from the registry, the client's folders and layouts, git, http, or results of
// other builds.

import { SlipwayError } from '../../base/index.ts';
import type { Build, FrontendRequest } from '../control/build.ts';
import type { GraphResult, ImageConfig, ImageResolver, Platform, ResolvedContext } from '../engine.ts';
import { readFile } from '../gateway/files.ts';
import { withPlace } from '../failure.ts';
import { encodeSource } from '../llb/source-id.ts';
import { isRpcError, RpcError } from '../wire/rpc-error.ts';
import type { DockerfileOptions } from './attributes.ts';
import { localEdge, localSource } from './context.ts';

/** Replacements by policies that one context may go through. */
const MAX_REPLACEMENTS = 10;

export interface ContextResolver {
  readonly resolver: ImageResolver;
  /** Tells the build what of the client's folders the graph's steps read. */
  select(graph: GraphResult): void;
}

/** The resolver for one request; `build` has the client and the policies. */
export function contextResolver(build: Build, request: FrontendRequest, options: DockerfileOptions): ContextResolver {
  const { engine } = build;
  const { attributes, node } = request;
  const { policies } = request;
  /** Client folder behind each named context that is one. */
  const folders = new Map<string, string>();

  const resolveImage: ImageResolver['resolveImage'] = async (ref, platform, mode, about) => {
    const replaced = await build.admit(encodeSource({ kind: 'image', ref, platform, resolveMode: mode }), platform, policies);
    if (!replaced.identifier.startsWith('docker-image://')) {
      throw new RpcError('failedPrecondition', `a policy replaces ${ref} by ${replaced.identifier}, which is no image`);
    }
    const found = replaced.identifier.slice('docker-image://'.length);
    const image = await engine.resolveImage(found, platform, mode, about.name);
    node.addImage({ ref: found, platform, digest: image.digest, local: false });
    return image;
  };

  const resolveContext = async (
    name: string,
    platform: Platform,
    title: string,
    value: string,
    depth: number,
  ): Promise<ResolvedContext> => {
    if (depth > MAX_REPLACEMENTS) {
      throw new RpcError(
        'failedPrecondition',
        `context recursion limit exceeded; this may indicate a cycle in the provided source policies: ${value}`,
      );
    }
    const colon = value.indexOf(':');
    if (colon < 0) throw new RpcError('invalidArgument', `invalid context specifier ${value} for ${name}`);
    const scheme = value.startsWith('git@') ? 'git' : value.slice(0, colon);
    const rest = value.slice(colon + 1);
    const prefix = `[context ${name}]`;
    switch (scheme) {
      case 'docker-image': {
        const ref = rest.replace(/^\/\//, '');
        if (ref === 'scratch') return { tree: { output: undefined } };
        const { canonical } = engine.parseReference(ref);
        const mode = options.graph.resolveMode ?? 'default';
        const wanted = encodeSource({ kind: 'image', ref: canonical, platform, resolveMode: mode });
        const replaced = await build.admit(wanted, platform, policies);
        if (!replaced.identifier.startsWith('docker-image://')) {
          return resolveContext(name, platform, title, replaced.identifier.replace('://', ':'), depth + 1);
        }
        const found = replaced.identifier.slice('docker-image://'.length);
        const image = await engine.resolveImage(found, platform, mode, `${prefix} load metadata for ${ref}`);
        node.addImage({ ref: found, platform, digest: image.digest, local: false });
        const { created: _, ...config } = image.config;
        return {
          tree: { source: { kind: 'image', ref: pinned(image.ref, image.digest), platform, resolveMode: mode }, name: `${prefix} ${ref}` },
          config,
          image,
        };
      }
      case 'oci-layout': {
        const layout = rest.replace(/^\/\//, '');
        const at = layout.indexOf('@');
        if (at < 0) throw new RpcError('invalidArgument', `oci-layout reference ${JSON.stringify(layout)} has no digest`);
        const store = layout.slice(0, at).replace(/:[^/:]*$/, '');
        const source = {
          kind: 'oci-layout' as const,
          path: store,
          ref: `${engine.parseReference(name).canonical.replace(/:[^/:]*$/, '')}${layout.slice(at)}`,
          platform,
          session: build.request.session,
        };
        const image = await engine.resolveLayout(source, `${prefix} load metadata for ${name}${layout.slice(at)}`);
        node.addImage({ ref: source.ref, platform, digest: image.digest, local: true });
        return { tree: { source, name: `${prefix} OCI load from client` }, config: image.config, image };
      }
      case 'local': {
        const local = rest.replace(/^\/\//, '');
        const hint = `context:${name}`;
        const edge = await localEdge(
          build,
          local,
          `${prefix} load .dockerignore`,
          ['.dockerignore'],
          options,
          `${hint}-.dockerignore`,
          policies,
        );
        node.addEdge(edge);
        const tree = await engine.tree(edge);
        let ignore: readonly string[] = [];
        try {
          ignore = engine.readIgnore(readFile(tree, '.dockerignore').toString(), '.dockerignore');
        } catch (error) {
          if (!isRpcError(error, 'notFound')) throw error;
        }
        folders.set(name, local);
        const sharedKey = attributes[`sharedkey:localdir:${name}`] ?? '';
        return {
          tree: {
            source: localSource(build, local, ignore, undefined, options, `${hint}-${sharedKey}`),
            name: `${prefix} load from client`,
          },
        };
      }
      case 'input': {
        const definition = request.inputs[rest];
        if (definition === undefined) throw new RpcError('invalidArgument', `invalid input ${rest} for ${name}`);
        const edge = await build.decodeInput(definition, policies);
        const config = inputConfig(attributes[`input-metadata:${rest}`], name);
        return { tree: { output: edge }, ...(config !== undefined && { config }) };
      }
      case 'git':
      case 'http':
      case 'https': {
        const git = engine.gitSource(value);
        if (git !== undefined) return { tree: { source: git, name: `[internal] load git source ${value}` } };
        if (scheme === 'git') throw new RpcError('invalidArgument', `invalid git context ${value}`);
        return { tree: { source: { kind: 'http', url: value, filename: 'context' }, name: `${prefix} ${value}` } };
      }
      default:
        throw new SlipwayError('API_MESSAGE', `unsupported context source ${scheme} for ${name}`);
    }
  };

  return {
    resolver: {
      resolveImage,
      resolveContext: (name, platform, about) => {
        const value = attributes[`context:${name}`];
        if (value === undefined) throw new Error(`internal: named context ${name} was not given`);
        return resolveContext(name, platform, about.name, value, 0);
      },
      admitSource: (source, platform, { location }) =>
        build.admitSpec(source, platform, policies).catch((error: unknown) => Promise.reject(withPlace(error, location))),
      sourceTime: async (source, about) => {
        return (await engine.resolveSource(source, about.name)).time;
      },
    },
    select: (graph) => {
      for (const [context, local] of folders) {
        const paths = graph.platforms.filter((one) => one.namedContextPaths.has(context)).map((one) => one.namedContextPaths.get(context));
        build.follow(local, paths.includes(undefined) ? undefined : [...new Set(paths.flatMap((list) => list ?? []))].sort());
      }
    },
  };
}

function pinned(ref: string, digest: string | undefined): string {
  return digest === undefined || ref.includes('@') ? ref : `${ref}@${digest}`;
}

/** The image config that a client sends with a linked result. */
function inputConfig(text: string | undefined, name: string): ImageConfig | undefined {
  if (text === undefined) return undefined;
  try {
    const metadata = JSON.parse(text) as Record<string, string>;
    const config = metadata['containerimage.config'];
    return config === undefined ? undefined : (JSON.parse(Buffer.from(config, 'base64').toString()) as ImageConfig);
  } catch (error) {
    throw new RpcError('invalidArgument', `failed to parse input metadata for ${name}: ${(error as Error).message}`);
  }
}
