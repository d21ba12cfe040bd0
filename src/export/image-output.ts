// `type=image` and `registry`: names in this store, and pushes.

import { type Digest, mapLimit, SlipwayError } from '../base/index.ts';
import { type Descriptor, formatReference, isManifestType, parseReference, type Reference, referenceName } from '../oci/index.ts';
import type { PushManifest, PushProgress } from '../registry/index.ts';
import type { LayerBlob } from '../snapshot/index.ts';
import { type AssembledImage, assembleImage } from './assemble.ts';
import { blobStream, pushBlob } from './blob-bytes.ts';
import { type ImagePlan, isDigestName } from './plan.ts';
import { type ExportContext, type ExportSource, type OutputResult, withStatus } from './source.ts';

/** Assembles, stores under its names, and pushes. */
export async function exportImage(plan: ImagePlan, source: ExportSource, context: ExportContext): Promise<OutputResult> {
  const image = await assembleImage(source, plan.image, plan.names, context);
  const names = namesOf(plan, image.root);
  if (plan.store) await storeImage(image, names, plan, context);
  if (plan.push) await pushImage(image, names, plan, context);
  return resultOf(image, names, plan.warnings);
}

/** The outcome of an image that was assembled. */
export function resultOf(image: AssembledImage, names: readonly string[], warnings: readonly string[]): OutputResult {
  const [single] = image.manifests;
  const isSingle = image.manifests.length === 1 && single?.descriptor.digest === image.root.digest;
  const document = image.documents.find(({ descriptor }) => descriptor.digest === image.root.digest);
  const parts = image.documents.filter((one) => one !== document && isManifestType(one.descriptor.mediaType));
  return {
    descriptor: image.root,
    ...(document === undefined ? {} : { document: document.bytes }),
    ...(parts.length === 0 ? {} : { parts: parts.map(({ bytes }) => bytes) }),
    ...(isSingle && single !== undefined ? { configDigest: single.configDigest } : {}),
    manifests: image.manifests.map(({ platform, descriptor, configDigest }) => ({ platform, descriptor, configDigest })),
    names,
    warnings,
  };
}

/** The names given, and the dangling one where it is wanted. */
function namesOf(plan: ImagePlan, root: Descriptor): readonly string[] {
  if (plan.danglingPrefix === undefined || (plan.danglingEmptyOnly && plan.names.length > 0)) return plan.names;
  return [...plan.names, `${plan.danglingPrefix}@${root.digest}`];
}

async function storeImage(image: AssembledImage, names: readonly string[], plan: ImagePlan, context: ExportContext): Promise<void> {
  const { store, job } = context;
  // A stored image is whole: layers of a base that nobody needed so far are fetched now.
  await mapLimit(image.layers, 4, (layer) => fetchLayer(layer, context));
  for (const { descriptor, bytes } of image.documents) store.blobs.put(bytes, descriptor.mediaType);
  const canonical = plan.nameCanonical
    ? plan.names.filter((name) => !isDigestName(name)).map((name) => `${name}@${image.root.digest}`)
    : [];
  for (const name of new Set([...names, ...canonical])) {
    job.signal.throwIfAborted();
    await withStatus(context.status, `naming to ${name}`, () => store.images.set(name, image.root));
  }
}

async function fetchLayer(layer: LayerBlob, { store, job, status }: ExportContext): Promise<void> {
  if (layer.path !== undefined && store.blobs.has(layer.descriptor.digest, layer.descriptor.size)) return;
  if (layer.path === undefined) {
    const { digest, size } = layer.descriptor;
    await withStatus(status, digest, () => store.blobs.ensure(layer.descriptor, () => Promise.resolve(blobStream(layer, job)), job));
    status({ name: digest, current: size, total: size, unit: 'bytes', done: true });
  }
}

/** Pushes to each repository once; its further tags cost one request each. */
async function pushImage(image: AssembledImage, names: readonly string[], plan: ImagePlan, context: ExportContext): Promise<void> {
  const { job, status } = context;
  const registry = context.registry();
  const manifests = pushManifests(image);
  const root = manifests.at(-1);
  if (root === undefined) throw new Error('internal: an image without documents');
  const done = new Set<string>();
  const onProgress = (event: PushProgress): void =>
    status({
      name: `pushing ${event.digest}`,
      current: event.current,
      total: event.total,
      unit: 'bytes',
      done: event.outcome !== undefined,
    });
  for (const name of new Set(names)) {
    const reference = pushReference(name, plan);
    const repository = referenceName(reference);
    const whole = !done.has(repository);
    const blobs = whole ? [...image.layers.map((layer) => pushBlob(layer, job)), ...configBlobs(image)] : [];
    await withStatus(status, `pushing ${formatReference(reference)}`, () =>
      registry.push(
        {
          reference,
          blobs,
          manifests: whole ? manifests : [root],
          byDigest: plan.pushByDigest || reference.digest !== undefined,
          insecure: plan.insecure,
          onProgress,
        },
        job,
      ),
    );
    if (whole) for (const { descriptor } of image.documents) rememberHome(descriptor.digest, repository, context);
    done.add(repository);
  }
}

/** Whoever pushed an image has it from there. What is not in the store has to be fetched in any case. */
function rememberHome(digest: Digest, repository: string, { store, asker }: ExportContext): void {
  if (store.blobs.has(digest)) store.homes.add(digest, repository, asker);
}

function pushReference(name: string, plan: ImagePlan): Reference {
  const reference = parseReference(name);
  if (!plan.pushByDigest || reference.tag === undefined) return reference;
  throw new SlipwayError('OUTPUT_INVALID', `can't push tagged ref ${name} by digest`);
}

function isManifest(descriptor: Descriptor): boolean {
  return /\.(?:manifest|index|manifest\.list)\.v\d\+json$/.test(descriptor.mediaType);
}

function pushManifests(image: AssembledImage): readonly PushManifest[] {
  return image.documents
    .filter(({ descriptor }) => isManifest(descriptor))
    .map(({ descriptor, bytes }) => ({ mediaType: descriptor.mediaType, bytes, digest: descriptor.digest }));
}

function configBlobs(image: AssembledImage): readonly ReturnType<typeof pushBlob>[] {
  return image.documents
    .filter(({ descriptor }) => !isManifest(descriptor))
    .map(({ descriptor, bytes }) => ({
      descriptor,
      async *open(start: number, end: number) {
        yield bytes.subarray(start, end);
      },
    }));
}
