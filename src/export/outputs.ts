// Runs planned outputs.

import { unreachable } from '../base/index.ts';
import { exportArchive } from './archive-output.ts';
import { exportImage } from './image-output.ts';
import { exportLocal } from './local-output.ts';
import type { OutputPlan } from './plan.ts';
import type { ExportContext, ExportSource, OutputResult } from './source.ts';
import { exportTar } from './tar-output.ts';

/** What people read while it runs: BuildKit's names of the steps. */
export function outputTitle(plan: OutputPlan): string {
  switch (plan.type) {
    case 'image':
      return 'exporting to image';
    case 'oci':
    case 'docker':
      return `exporting to ${plan.type} image format`;
    case 'tar':
      return 'exporting to client tarball';
    case 'local':
      return 'exporting to client directory';
    default:
      return unreachable(plan);
  }
}

/** Runs one output to its end. Outputs of one build may run at the same time. */
export async function exportOutput(plan: OutputPlan, source: ExportSource, context: ExportContext): Promise<OutputResult> {
  switch (plan.type) {
    case 'image':
      return await exportImage(plan, source, context);
    case 'oci':
    case 'docker':
      return await exportArchive(plan, source, context);
    case 'tar':
      return await exportTar(plan, source, context);
    case 'local':
      return await exportLocal(plan, source, context);
    default:
      return unreachable(plan);
  }
}
