// Choosing a display.

import type { World } from '../world.ts';
import { usage } from '../flags.ts';
import type { Display, DisplayOutput } from './display.ts';

export type { Display, DisplayOutput } from './display.ts';

/** The display that `--progress` names. `auto` is `tty` on a terminal and `plain` elsewhere. Throws `USAGE` for an unknown one. */
export async function openDisplay(mode: string, world: World, options: { readonly explain?: boolean }): Promise<Display> {
  const output: DisplayOutput = {
    write: (text) => void world.stderr.write(text),
    // A terminal that was never told its size says 0.
    size: () => ({ columns: world.stderr.columns || 100, rows: world.stderr.rows || 40 }),
    color: world.stderr.isTTY === true && !world.env['NO_COLOR'] && world.env['TERM'] !== 'dumb',
  };
  switch (mode) {
    case '':
    case 'auto':
      // A terminal that cannot move its cursor shows each step again and again.
      return openDisplay(world.stderr.isTTY === true && world.env['TERM'] !== 'dumb' ? 'tty' : 'plain', world, options);
    case 'tty': {
      if (world.stderr.isTTY !== true)
        throw usage('build', 'failed to get console: --progress=tty needs a terminal on standard error', 'use --progress=plain');
      const { ttyDisplay } = await import('./tty.ts');
      const lines = Number(world.env['BUILDKIT_TTY_LOG_LINES'] ?? '');
      return ttyDisplay(output, () => world.now().getTime(), { ...options, ...(lines > 0 ? { logLines: lines } : {}) });
    }
    case 'plain': {
      const { plainDisplay } = await import('./plain.ts');
      return plainDisplay(output, () => world.now().getTime(), options);
    }
    case 'rawjson': {
      const { rawjsonDisplay } = await import('./rawjson.ts');
      return rawjsonDisplay(output);
    }
    case 'quiet':
    case 'none':
      return { event: () => {}, close: () => {} };
    default:
      throw usage('build', `invalid progress mode ${JSON.stringify(mode)}`, 'there are auto, tty, plain, rawjson, quiet and none');
  }
}
