// One program on one base: what the check says, what happens, and whether the cure cures.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Finding } from '../../src/build/index.ts';
import type { Outcome } from '../rig/rig.ts';
import type { Base } from './bases.ts';
import type { Program } from './programs.ts';

/** Runs the product's command. */
export type Slipway = (args: readonly string[], cwd: string) => Promise<Outcome>;

/** What came out of one program on one base. */
export interface Cell {
  readonly program: string;
  readonly base: string;
  readonly works: boolean;
  /** Last words of the program, or of who tried to start it. */
  readonly said: string;
  /** Errors and warnings of the runtime checks. */
  readonly findings: readonly Finding[];
  /** Findings that are true of nothing: the program works, or works without their cure. */
  readonly mistaken: readonly Finding[];
  /** What `--fix` made of it; absent where nothing was wrong. */
  readonly fix?: { readonly added: readonly string[]; readonly works: boolean; readonly said: string };
}

/** The rules of `slipway check --runtime` that say whether an image works; the others are of what should not be in it. */
const RULES =
  /^(architecture|certificates-missing|command-missing|interpreter-missing|library-(missing|opened)|loader-missing|names-missing|not-(executable|permitted)|program-(broken|missing)|runtime-(incomplete|version)|script-(line-ends|missing|unreadable)|shell-missing|tmp-missing|user-unknown|version-missing|workdir|zone-missing)$/;

/** Builds, checks, runs; where it fails, fixes, builds and runs again, and then without each line of the fix. */
export async function tryCell(slipway: Slipway, { name, build, image }: Program, base: Base, folder: string): Promise<Cell> {
  const tag = `${name}-${base.name}`;
  const file = join(folder, `Dockerfile.${tag}`);
  const text = `${build}FROM ${base.from}\n${image}`;
  writeFileSync(file, text);
  await buildFile(slipway, file, tag, folder);
  const findings = await check(slipway, file, tag, folder);
  const first = await runImage(slipway, text, tag, folder);
  const cell = { program: name, base: base.name, works: first.works, said: first.said, findings };
  if (first.works) return { ...cell, mistaken: findings };
  const cured = readFileSync(file, 'utf8');
  const added = cured.split('\n').filter((line) => !text.split('\n').includes(line));
  if (cured === text) return { ...cell, mistaken: [], fix: { added, works: false, said: 'nothing to write' } };
  const again = await tryText(slipway, cured, file, `${tag}-fixed`, folder);
  const mistaken: Finding[] = [];
  // On another base the lines for this one prove nothing.
  if (again.works && added.length > 1 && !added.some((line) => line.startsWith('FROM '))) {
    for (const line of added) {
      const without = cured
        .split('\n')
        .filter((one) => one !== line)
        .join('\n');
      if ((await tryText(slipway, without, file, `${tag}-without`, folder)).works)
        mistaken.push(...findings.filter(({ cure, edits }) => edits?.some((edit) => edit.line === line) ?? cure === line));
    }
  }
  return { ...cell, mistaken, fix: { added, ...again } };
}

async function tryText(
  slipway: Slipway,
  text: string,
  file: string,
  tag: string,
  folder: string,
): Promise<{ works: boolean; said: string }> {
  writeFileSync(file, text);
  try {
    await buildFile(slipway, file, tag, folder);
  } catch (error) {
    return { works: false, said: error instanceof Error ? error.message : String(error) };
  }
  return await runImage(slipway, text, tag, folder);
}

async function buildFile(slipway: Slipway, file: string, tag: string, folder: string): Promise<void> {
  const { code, stderr } = await slipway(['build', '--progress=plain', '-t', tag, '-f', file, join(folder, 'context')], folder);
  if (code !== 0) throw new Error(`${tag} does not build:\n${stderr.slice(-2000)}`);
}

async function check(slipway: Slipway, file: string, tag: string, folder: string): Promise<readonly Finding[]> {
  const { code, stdout, stderr } = await slipway(['check', '--runtime', tag, '--format=json', '--fix', '-f', file], folder);
  if (code !== 0 && code !== 1) throw new Error(`${tag}: the check ended with ${code}:\n${stderr}`);
  return stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Finding)
    .filter(({ rule, severity }) => severity !== 'info' && RULES.test(rule));
}

/** Starts the image, and its health check too where it has one: both have to work. */
async function runImage(slipway: Slipway, text: string, tag: string, folder: string): Promise<{ works: boolean; said: string }> {
  const started = await slipway(['run', '--network=none', tag], folder);
  const said = (outcome: Outcome): string => `${outcome.stderr}\n${outcome.stdout}`.trim().split('\n').slice(-3).join(' / ').slice(-400);
  if (started.code !== 0 || !started.stdout.includes('ok')) return { works: false, said: said(started) };
  const health = /^HEALTHCHECK CMD (.*)$/m.exec(text)?.[1];
  if (health === undefined) return { works: true, said: 'ok' };
  const [program = '', ...args] = health.startsWith('[') ? (JSON.parse(health) as string[]) : ['/bin/sh', '-c', health];
  const tested = await slipway(['run', '--network=none', '--entrypoint', program, tag, ...args], folder);
  return tested.code === 0 ? { works: true, said: 'ok' } : { works: false, said: `health check: ${said(tested)}` };
}
