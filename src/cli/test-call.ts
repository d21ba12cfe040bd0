// The command as tests call it: in a world without files or terminal.

import { run } from './run.ts';
import type { World } from './world.ts';

/** Exit code and all that was printed. */
export async function callCommand(
  args: readonly string[],
  env: World['env'] = {},
): Promise<{ readonly code: number; readonly text: string }> {
  const printed: string[] = [];
  const sink = { write: (text: string) => printed.push(text), isTTY: false } as unknown as NodeJS.WriteStream;
  const world: World = {
    env,
    cwd: '/',
    uid: 0,
    stdin: process.stdin,
    stdout: sink,
    stderr: sink,
    signal: new AbortController().signal,
    now: () => new Date(0),
  };
  return { code: await run(args, world), text: printed.join('') };
}
