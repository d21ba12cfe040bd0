// What a value means that does not say everything: a variable by its name, a path from somewhere. Nothing here looks for it itself.

import { join, resolve } from 'node:path';

/** What the command takes from its process, and a program says. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where relative paths start. */
  readonly cwd: string;
  /** What `~/` stands for; undefined: the user has no home. */
  readonly home: string | undefined;
  /** Told in words what is passed over. */
  readonly note: (text: string) => void;
}

/** A variable that a user names: every object has a `constructor`, the environment mostly has not. */
export function variableOf({ env }: Surroundings, name: string): string | undefined {
  return Object.hasOwn(env, name) ? env[name] : undefined;
}

/** The path of a secret or a key, which may start at the user's home. */
export function homePath(path: string, { cwd, home = '/' }: Surroundings): string {
  return path.startsWith('~/') ? join(home, path.slice(2)) : resolve(cwd, path);
}
