// The process as the command sees it, in one object: tests hand in their own.

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

/** Prints one line of the result. */
export function printLine(world: World, text: string): void {
  world.stdout.write(`${text}\n`);
}

/** Tells the user something beside the result. */
export function note(world: World, text: string): void {
  world.stderr.write(`${text}\n`);
}
