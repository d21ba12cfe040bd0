// `type=oci` and `docker`: an archive in a file or on standard output, a layout folder, or into a running engine.

import { SlipwayError } from '../base/index.ts';
import type { ArchivePlan } from './plan.ts';
import { archiveMembers, archiveSize, writeArchive } from './archive-members.ts';
import { type AssembledImage, assembleImage, needsIndex } from './assemble.ts';
import { findEngine, loadArchive } from './engine.ts';
import { resultOf } from './image-output.ts';
import { writeLayoutFolder } from './layout-folder.ts';
import { openFileSink, openStreamSink, type Sink } from './sink.ts';
import { type ExportContext, type ExportSource, type OutputResult, withStatus } from './source.ts';

/** Assembles and writes. */
export async function exportArchive(plan: ArchivePlan, source: ExportSource, context: ExportContext): Promise<OutputResult> {
  const { target, names } = plan;
  if (target.kind === 'engine') return await exportToEngine(plan, source, context);
  const image = await assembleImage(source, plan.image, names, context);
  if (target.kind === 'folder') {
    await withStatus(context.status, 'writing layout', () =>
      writeLayoutFolder(target.path, image, names, createdAt(plan, context), context.job),
    );
    return resultOf(image, names, plan.warnings);
  }
  using sink = openTarget(target, context);
  await sendArchive(plan, image, sink, context);
  await sink.finish();
  return resultOf(image, names, plan.warnings);
}

/** A sink for a file or for standard output. */
export function openTarget(
  target: { readonly kind: 'file' | 'folder'; readonly path: string } | { readonly kind: 'stdout' },
  context: ExportContext,
): Sink {
  if (target.kind !== 'stdout') return openFileSink(target.path, context.job.signal);
  if (context.stdout === undefined)
    throw new SlipwayError('OUTPUT_INVALID', 'there is no standard output to write to', { hint: 'add dest=FILE' });
  return openStreamSink(context.stdout, context.job.signal);
}

async function exportToEngine(plan: ArchivePlan, source: ExportSource, context: ExportContext): Promise<OutputResult> {
  const engine = await findEngine(context.engines ?? [], context.job);
  if (needsIndex(source, plan.image) && !engine.holdsIndexes) {
    throw new SlipwayError('OUTPUT_INVALID', 'docker exporter does not currently support exporting manifest lists', {
      hint: `${engine.address} holds images of one platform only: build for one --platform, or turn on its containerd image store`,
    });
  }
  const image = await assembleImage(source, plan.image, plan.names, context);
  const { messages } = await loadArchive(engine, context.job, (sink) => sendArchive(plan, image, sink, context));
  for (const message of messages) context.status({ name: message, current: 0, done: true });
  return resultOf(image, plan.names, plan.warnings);
}

async function sendArchive(plan: ArchivePlan, image: AssembledImage, sink: Sink, context: ExportContext): Promise<void> {
  // Only a plain manifest has a Docker form; engines that hold indexes read the layout.
  const type =
    plan.type === 'docker' && image.manifests.length === 1 && image.manifests[0]?.descriptor.digest === image.root.digest
      ? 'docker'
      : 'oci';
  const members = archiveMembers(image, plan.names, type, createdAt(plan, context));
  const total = archiveSize(members);
  const report = (current: number, done: boolean): void => context.status({ name: 'sending tarball', current, total, unit: 'bytes', done });
  report(0, false);
  await writeArchive(members, sink, context.job, (bytes) => report(bytes, false));
  report(total, true);
}

function createdAt(plan: ArchivePlan, context: ExportContext): Date {
  return plan.image.epoch === undefined ? context.job.now() : new Date(plan.image.epoch * 1000);
}
