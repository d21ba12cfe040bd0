// The graph's questions about images and named contexts, answered by the image sources and the folders of this build.

import { type JobContext, locate, SlipwayError } from '../base/index.ts';
import { type ImageResolver, gitSource, parseGitRef, type ResolveAbout, type ResolvedContext } from '../graph/index.ts';
import { formatReference, parseReference, type Platform, withDefaultTag } from '../oci/index.ts';
import type { OpDeps } from '../ops/index.ts';
import type { ImageSources } from './image-sources.ts';
import { contextFolder, readContextIgnore } from './inputs.ts';
import { linkedTarget } from './linked-targets.ts';
import { sourceFacts } from './source-facts.ts';

/** What another build of several makes, as a context. */
export type AskTarget = (name: string, platform: Platform) => Promise<ResolvedContext>;

/** Answers for one build. `contexts`: `--build-context` values by name; `deps`: what fetching a source needs. */
export function createResolver(
  images: ImageSources,
  contexts: Readonly<Record<string, string>>,
  deps: OpDeps,
  job: JobContext,
  askTarget?: AskTarget,
): ImageResolver {
  return {
    resolveImage: (ref, platform, mode, about) =>
      shown(about, job, async () => {
        try {
          return await images.resolve(ref, platform, mode, job);
        } catch (error) {
          throw locate(error, about.location);
        }
      }),
    resolveContext: async (name, platform, about) => {
      try {
        const value = contexts[name];
        const target = value === undefined ? undefined : linkedTarget(value);
        if (target !== undefined && askTarget !== undefined) return await askTarget(target, platform);
        return await resolveContext(name, value, platform, about, images, job);
      } catch (error) {
        throw locate(error, about.location);
      }
    },
    sourceTime: (source, about) => shown(about, job, async () => (await sourceFacts(source, deps, job)).time),
  };
}

async function resolveContext(
  name: string,
  value: string | undefined,
  platform: Platform,
  about: ResolveAbout,
  images: ImageSources,
  job: JobContext,
): Promise<ResolvedContext> {
  if (value === undefined) throw new Error(`internal: no named context ${name}`);
  const image = /^docker-image:\/\/(.*)$/s.exec(value)?.[1];
  if (image !== undefined) {
    if (image === 'scratch') return { tree: { output: undefined } };
    const ref = formatReference(withDefaultTag(parseReference(image)));
    const resolved = await shown({ ...about, name: `[context ${name}] load metadata for ${ref}` }, job, () =>
      images.resolve(ref, platform, 'default', job),
    );
    return {
      tree: { source: { kind: 'image', ref: resolved.ref, platform, resolveMode: 'default' }, name: `[context ${name}] ${ref}` },
      config: resolved.config,
      image: resolved,
    };
  }
  const layout = /^oci-layout:\/\/(.*)$/s.exec(value)?.[1];
  if (layout !== undefined) {
    const [path, ref] = splitLayout(layout);
    const wanted = { kind: 'oci-layout', path, ref, platform } as const;
    const found = await shown({ ...about, name: `[context ${name}] load metadata for ${value}` }, job, () => images.find(wanted, job));
    const source = ref === '' ? { ...wanted, ref: found.digest } : wanted;
    return { tree: { source, name: `[context ${name}] ${value}` }, config: found.config };
  }
  const git = parseGitRef(value);
  if (git !== undefined && (!git.looksLocal || value.startsWith('github.com/')))
    return { tree: { source: gitSource(git), name: `[context ${name}] load from git` } };
  if (/^https?:\/\//.test(value))
    return { tree: { source: { kind: 'http', url: value, filename: 'context' }, name: `[context ${name}] load from url` } };
  if (value.includes('://')) {
    throw new SlipwayError('CONTEXT_NOT_FOUND', `unsupported context source ${JSON.stringify(value)} for ${name}`, {
      hint: 'a folder, docker-image://, oci-layout://, a git or an http address',
    });
  }
  const source = { kind: 'local', name: contextFolder(name), exclude: readContextIgnore(value) } as const;
  return { tree: { source, name: `[context ${name}] load from client` } };
}

/** `path[:tag][@digest]`; a path may have colons only before its last slash. Without tag and digest: whichever image it is. */
export function splitLayout(text: string): [string, string] {
  const at = text.indexOf('@', text.lastIndexOf('/'));
  const path = at < 0 ? text : text.slice(0, at);
  const colon = path.indexOf(':', path.lastIndexOf('/'));
  const digest = at < 0 ? '' : text.slice(at + 1);
  return [colon < 0 ? path : path.slice(0, colon), digest === '' && colon >= 0 ? path.slice(colon + 1) : digest];
}

let asked = 0;

/** Shows a question as a vertex of its own, as BuildKit does for metadata. */
async function shown<T>(about: ResolveAbout, job: JobContext, work: () => Promise<T>): Promise<T> {
  asked += 1;
  const id = `sha256:${asked.toString(16).padStart(64, '0')}`;
  const time = (): number => job.now().getTime();
  job.progress({
    type: 'vertex',
    vertex: { id, name: about.name, inputs: [], ...(about.location === undefined ? {} : { location: about.location }) },
    time: time(),
  });
  job.progress({ type: 'started', id, time: time() });
  try {
    const answer = await work();
    job.progress({ type: 'completed', id, cached: false, time: time() });
    return answer;
  } catch (error) {
    job.progress({ type: 'failed', id, error: error as Error, time: time() });
    throw error;
  }
}
