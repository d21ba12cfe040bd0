// `type=tar`: the root file system as one tar.

import { encodeTarHeader, hasTarForm, padding, TAR_END } from '../layer/index.ts';
import { openTarget } from './archive-output.ts';
import type { TreePlan } from './plan.ts';
import type { Sink } from './sink.ts';
import type { ExportContext, ExportSource, OutputResult } from './source.ts';
import { type TreeItem, treeItems } from './tree-items.ts';

const ZEROS = Buffer.alloc(512);

/** Writes the tar. Sockets have no tar form and are left out. */
export async function exportTar(plan: TreePlan, source: ExportSource, context: ExportContext): Promise<OutputResult> {
  using sink = openTarget(plan.target, context);
  const report = (done: boolean): void => context.status({ name: 'sending tarball', current: sink.written, unit: 'bytes', done });
  report(false);
  const directories = new Set<string>();
  for await (const items of treeItems(plan, source, context.job.now())) {
    for (const item of items) {
      if (!hasTarForm(item.entry)) continue;
      if (item.entry.kind === 'dir') {
        // Platforms that share a folder name its directories once.
        if (directories.has(item.entry.path)) continue;
        directories.add(item.entry.path);
      }
      await writeItem(item, sink);
    }
    report(false);
  }
  await sink.write(TAR_END);
  await sink.finish();
  report(true);
  return { names: [], warnings: plan.warnings };
}

async function writeItem(item: TreeItem, sink: Sink): Promise<void> {
  const { entry, bytes } = item;
  await sink.write(encodeTarHeader(entry));
  if (entry.kind !== 'file') return;
  if (bytes !== undefined) await sink.write(bytes);
  else if (item.open !== undefined) {
    using file = item.open();
    await sink.copy(file.fd, file.offset, entry.size);
  }
  if (padding(entry.size) > 0) await sink.write(ZEROS.subarray(0, padding(entry.size)));
}
