// `type=local`: the root file system as a folder of the user's.

import { SlipwayError } from '../base/index.ts';
import { FolderWriter } from './folder-writer.ts';
import type { TreePlan } from './plan.ts';
import type { ExportContext, ExportSource, OutputResult } from './source.ts';
import { TimeSlices } from './time-slice.ts';
import { treeItems } from './tree-items.ts';

/** Writes the files. What is there already and equal is left alone; what is there besides stays, unless `mode=delete`. */
export async function exportLocal(plan: TreePlan, source: ExportSource, context: ExportContext): Promise<OutputResult> {
  if (plan.target.kind !== 'folder') throw new SlipwayError('OUTPUT_INVALID', 'dest cannot be stdout for local exporter');
  const trees = treeItems(plan, source, context.job.now());
  // A base whose layers are not what they say is found out when it is read: the folder is made, and emptied, only after that.
  let next = await trees.next();
  await using writer = new FolderWriter(plan.target.path, plan.mode === 'delete');
  const slices = new TimeSlices(context.job.signal);
  let files = 0;
  const report = (done: boolean): void => context.status({ name: 'copying files', current: files, unit: 'files', done });
  report(false);
  for (; next.done !== true; next = await trees.next()) {
    for (const item of next.value) {
      if (item.entry.kind === 'hardlink') await writer.settle();
      writer.write(item);
      if (!writer.hasRoom) await writer.room();
      files += 1;
      if (!slices.over) continue;
      report(false);
      await slices.pause();
    }
  }
  await writer.finish();
  report(true);
  return { names: [], warnings: plan.warnings };
}
