// Where a frontend finds the contexts of a build and the file that it is to read: folders by name, addresses, and outputs of vertices
// (`moby.buildkit.frontend.inputs`) for what is neither.

import { lstatSync, mkdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { JobContext } from '../base/index.ts';
import { type GraphEdge, VertexPool } from '../graph/index.ts';
import { formatWholePlatform, type Platform } from '../oci/index.ts';
import type { ImageSources } from './image-sources.ts';
import { type BuildInputs, contextFolder, isRemoteContext } from './inputs.ts';
import type { BuildRequest } from './options.ts';
import { linkedTarget } from './linked-targets.ts';
import { type AskTarget, splitLayout } from './resolver.ts';

export interface FrontendSources {
  readonly attributes: Readonly<Record<string, string>>;
  readonly inputs: Readonly<Record<string, GraphEdge>>;
}

/** What the sources are made of. */
export interface SourceWork {
  readonly request: BuildRequest;
  readonly read: BuildInputs;
  /** Folders by name; those of the file and of an empty context are added. */
  readonly folders: Map<string, string>;
  readonly images: ImageSources;
  readonly platforms: readonly Platform[];
  /** Answers contexts that are another target's result. */
  readonly askTarget: AskTarget | undefined;
  /** An empty folder that lasts as long as the build. */
  readonly scratch: string;
  readonly job: JobContext;
}

/** Names them all. Throws what finding an image of an OCI layout throws. */
export async function frontendSources(work: SourceWork): Promise<FrontendSources> {
  const parts = [fileSources(work), await contextSources(work)];
  return {
    attributes: Object.assign({}, ...parts.map(({ attributes }) => attributes)) as FrontendSources['attributes'],
    inputs: Object.assign({}, ...parts.map(({ inputs }) => inputs)) as FrontendSources['inputs'],
  };
}

/** The build context and the file. */
function fileSources({ request, read, folders, scratch }: SourceWork): FrontendSources {
  const { context = { kind: 'empty' }, dockerfile } = request;
  const named = dockerfile?.kind === 'path' && !dockerfile.path.startsWith('/') ? { filename: dockerfile.path } : {};
  const inFile = dockerfile === undefined || 'filename' in named;
  switch (context.kind) {
    case 'folder':
      return { attributes: { filename: localFile(read, folders, scratch) }, inputs: {} };
    case 'url':
      if (inFile) return { attributes: { context: context.url, ...named }, inputs: {} };
      return { attributes: { context: context.url, dockerfilekey: 'dockerfile', filename: localFile(read, folders, scratch) }, inputs: {} };
    case 'archive': {
      const edge = read.context !== undefined && 'output' in read.context ? read.context.output : undefined;
      if (edge === undefined) throw new Error('internal: an archive that is no output');
      if (inFile) return { attributes: named, inputs: { context: edge, dockerfile: edge } };
      return { attributes: { filename: localFile(read, folders, scratch) }, inputs: { context: edge } };
    }
    case 'empty': {
      const empty = join(scratch, 'empty');
      mkdirSync(empty);
      folders.set('context', empty);
      return { attributes: { filename: localFile(read, folders, scratch) }, inputs: {} };
    }
  }
}

/** The folder that the file is in; a text, or what is no plain file, gets one. Returns the file's name there. */
function localFile({ path, dockerfile }: BuildInputs, folders: Map<string, string>, scratch: string): string {
  if (path !== undefined && lstatSync(path, { throwIfNoEntry: false })?.isFile() === true) {
    folders.set('dockerfile', dirname(path));
    return basename(path);
  }
  const folder = join(scratch, 'dockerfile');
  const name = basename(dockerfile.filename);
  mkdirSync(folder);
  writeFileSync(join(folder, name), dockerfile.text);
  folders.set('dockerfile', folder);
  return name;
}

/** Named contexts. Images of OCI layouts and results of other targets become inputs, with their config beside them. */
async function contextSources({ request, images, platforms, askTarget, job }: SourceWork): Promise<FrontendSources> {
  const attributes: Record<string, string> = {};
  const inputs: Record<string, GraphEdge> = {};
  const give = (name: string, edge: GraphEdge, config: Uint8Array): void => {
    attributes[`context:${name}`] = `input:${name}`;
    attributes[`input-metadata:${name}`] = JSON.stringify({ 'containerimage.config': Buffer.from(config).toString('base64') });
    inputs[name] = edge;
  };
  for (const [name, value] of Object.entries(request.namedContexts ?? {})) {
    const layout = /^oci-layout:\/\/(.*)$/s.exec(value)?.[1];
    const target = linkedTarget(value);
    if (target !== undefined && askTarget !== undefined) {
      for (const platform of platforms) {
        const { tree, config } = await askTarget(target, platform);
        if ('output' in tree && tree.output !== undefined)
          give(forPlatform(name, platform, platforms), tree.output, Buffer.from(JSON.stringify(config)));
      }
      continue;
    }
    if (layout === undefined) {
      attributes[`context:${name}`] = value.includes('://') || isRemoteContext(value) ? value : `local:${contextFolder(name)}`;
      continue;
    }
    const [path, ref] = splitLayout(layout);
    for (const platform of platforms) {
      const wanted = { kind: 'oci-layout', path, ref, platform } as const;
      const found = await images.find(wanted, job);
      const source = { ...wanted, ref: found.digest };
      // By its digest it is asked for when it comes back; of a folder that no client has nothing is known then but what was found here.
      const { rawConfig } = await images.find(source, job);
      const edge = new VertexPool().edge({ type: 'source', source }, [], platform, { name: `[context ${name}] ${value}` });
      give(forPlatform(name, platform, platforms), edge, rawConfig);
    }
  }
  return { attributes, inputs };
}

/** The name of a context for one of several platforms. */
function forPlatform(name: string, platform: Platform, all: readonly Platform[]): string {
  return all.length === 1 ? name : `${name}::${formatWholePlatform(platform)}`;
}
