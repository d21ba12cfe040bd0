// The process as the command sees it, in one object: tests hand in their own.

import { homeFolder } from '../base/index.ts';
import type { Surroundings } from '../request/index.ts';
import { printableText } from './printable.ts';

/** Everything the command takes from its surroundings. */
export interface World {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly uid: number;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  /** Aborted by SIGINT or SIGTERM. */
  readonly signal: AbortSignal;
  readonly now: () => Date;
}

/** Prints a line (or more) of the result. Nothing in it but colours reaches the terminal as more than text. */
export function printLine(world: World, text: string): void {
  world.stdout.write(`${printableText(text)}\n`);
}

/** Tells the user something beside the result; as harmless as `printLine`. */
export function note(world: World, text: string): void {
  world.stderr.write(`${printableText(text)}\n`);
}

/** What values of flags and files mean in this world. */
export function surroundings(world: World): Surroundings {
  const { env, cwd, uid } = world;
  return { env, cwd, home: homeFolder(uid, env), note: (text) => note(world, `note: ${text}`) };
}
