// Where one feature is tried: a folder in a place, with a context, and builds whose failures are told apart.

import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, cpSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Place } from './places.ts';

/** The product said no: its code, message and hint. */
export class Refused extends Error {
  readonly code: string;
  readonly reason: string;
  readonly hint: string | undefined;
  readonly log: string;

  constructor(code: string, reason: string, hint: string | undefined, log: string) {
    super(`${code}: ${reason}\n${log}`);
    this.code = code;
    this.reason = reason;
    this.hint = hint;
    this.log = log;
  }
}

/** Builds in one folder of a place. */
export class FeatureSite {
  readonly folder: string;
  readonly name: string;
  readonly #place: Place;
  /** Lines that builds began with `note:`. */
  readonly notes = new Set<string>();

  /** `name` is good for folders; `context` is copied. */
  constructor(place: Place, name: string, context: string) {
    this.#place = place;
    this.name = name;
    this.folder = join(place.folder, name);
    mkdirSync(this.folder);
    chmodSync(this.folder, 0o777);
    cpSync(context, join(this.folder, 'context'), { recursive: true });
    const { uid, gid } = statSync(place.folder);
    for (const path of ['', ...readdirSync(join(this.folder, 'context'))]) chownSync(join(this.folder, 'context', path), uid, gid);
  }

  get registry(): string {
    return process.env['SLIPWAY_TEST_REGISTRY'] ?? '';
  }

  /** Builds; throws `Refused` when the build fails. */
  async build(
    dockerfile: string,
    args: readonly string[] = [],
    env: Readonly<Record<string, string>> = {},
  ): Promise<{ readonly log: string }> {
    const outcome = await this.#place.slipway(['build', '--progress=plain', '-f', '-', ...args, 'context'], {
      cwd: this.folder,
      input: dockerfile,
      env,
    });
    const log = outcome.stdout + outcome.stderr;
    for (const [, note] of log.matchAll(/^#\d+ [\d.]+ note: (.*)$/gm)) if (note !== undefined) this.notes.add(note);
    if (outcome.code === 0) return { log };
    const [, code = 'NONE', reason = log] = /^error: ([A-Z_]+): (.*)$/m.exec(log) ?? /^ERROR:() (.*)$/m.exec(log) ?? [];
    throw new Refused(code, reason, /^\s*= hint: (.*)$/m.exec(log)?.[1], log);
  }

  /** A build that must fail. */
  async failure(dockerfile: string, args: readonly string[]): Promise<Refused> {
    try {
      await this.build(dockerfile, args);
    } catch (error) {
      if (error instanceof Refused) return error;
      throw error;
    }
    throw new Error('the build succeeded');
  }

  /** What tar lists of the built image, a line each: mode, owner, size, time, path. */
  async files(dockerfile: string, _context: readonly string[] = [], tarArgs: readonly string[] = ['-v']): Promise<string> {
    await this.build(dockerfile, ['-o', 'type=tar,dest=image.tar']);
    const list = execFileSync('tar', ['--numeric-owner', '-t', ...tarArgs, '-f', join(this.folder, 'image.tar')], { encoding: 'utf8' });
    return `${list}\n`;
  }
}

/** Makes the context that all features use. `tool` is the compiled step-tool. */
export function makeFeatureContext(folder: string, tool: string): string {
  mkdirSync(join(folder, 'd'), { recursive: true });
  writeFileSync(join(folder, 'a'), 'context\n');
  cpSync(tool, join(folder, 'tool'));
  writeFileSync(join(folder, 'x'), 'x\n');
  execFileSync('mknod', [join(folder, 'd/null'), 'c', '1', '3']);
  execFileSync('tar', ['-C', folder, '-cf', join(folder, 'devices.tar'), 'd']);
  execFileSync('tar', ['-C', folder, '-czf', join(folder, 'archive.tar.gz'), 'x']);
  execFileSync('rm', ['-r', join(folder, 'd'), join(folder, 'x')]);
  return folder;
}

/** Text of a file of the project. */
export function projectFile(path: string): string {
  return readFileSync(join(import.meta.dirname, '../..', path), 'utf8');
}
