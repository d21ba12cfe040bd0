// `slipway check`: what is wrong or doubtful in a Dockerfile, without building it; `--fix` cures what can be cured. `--runtime`: in an image.

import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { checkDockerfile } from '../../build/index.ts';
import { BUILD_FLAGS } from '../build-flags.ts';
import { readBuildCall } from '../request/build-call.ts';
import { FORMATS, reportFindings } from '../check/report.ts';
import { writeBack } from '../check/write-back.ts';
import { type Flag, type ParsedFlags, parseFlags, usage } from '../flags.ts';
import { readConfiguration } from '../settings.ts';
import { note, printLine, type World } from '../world.ts';

/** Flags of a build that change what is found; the others are taken too, so that a build's line can be checked as it is. */
const MEANT = ['build-arg', 'build-context', 'config', 'debug', 'file', 'gate', 'help', 'platform', 'pull', 'root', 'target'];

const CHECK_FLAGS: readonly Flag[] = [
  { name: 'fix', kind: 'bool', about: 'Apply the fixes to the Dockerfile and show what changed' },
  {
    name: 'runtime',
    kind: 'string',
    value: 'IMAGE',
    about: 'Check a built image instead: what it lacks to start, and what it should not have',
  },
  { name: 'format', kind: 'string', value: 'FORM', about: 'text, json or sarif (for code hosts)' },
  ...BUILD_FLAGS.map((flag) => (MEANT.includes(flag.name) ? flag : { ...flag, hidden: true })),
];

const ABOUT = `Checks a Dockerfile without building it: BuildKit's rules, and rules about what several stages make of each other.
PATH is the context, or the Dockerfile itself; default: this folder. Exits with 1 when something is found.`;

/** Checks the Dockerfile of a context. Returns 1 when anything is (still) found. */
export async function run(args: readonly string[], world: World): Promise<number> {
  const flags = parseFlags('check', CHECK_FLAGS, args);
  if (flags.has('runtime') && !flags.bool('help')) {
    const { checkRuntimeOf } = await import('../check/runtime.ts');
    return await checkRuntimeOf(args, world);
  }
  if (flags.bool('help')) {
    const { helpText } = await import('../help.ts');
    printLine(
      world,
      helpText('slipway check [flags] [PATH]\n       slipway check --runtime IMAGE [--format json] [--fix]', ABOUT, CHECK_FLAGS),
    );
    return 0;
  }
  const format = FORMATS.find((form) => form === (flags.text('format') ?? 'text'));
  if (format === undefined)
    throw usage('check', `unknown --format ${JSON.stringify(flags.text('format'))}`, `there are ${FORMATS.join(', ')}`);
  const { root, settings } = await readConfiguration(flags, world);
  const { request } = await readBuildCall(withContext(flags, world), world);
  const fix = flags.bool('fix');
  const findings = await checkDockerfile({ ...request, root, settings, signal: world.signal }, { fix });
  const { path, fixed, original, source } = findings;
  if (fix && path === undefined) throw usage('check', 'only a Dockerfile in a folder can be fixed', 'save it to a file and name that');
  if (fixed.length > 0 && path !== undefined) writeBack(path, original, source.text);
  for (const text of findings.notes) note(world, `note: ${text}`);
  const color = world.stdout.isTTY === true && !world.env['NO_COLOR'];
  const version = process.env['SLIPWAY_VERSION'] ?? '0.0.0';
  printLine(world, reportFindings(findings, { format, color, version, folder: world.cwd }));
  return findings.diagnostics.length > 0 ? 1 : 0;
}

/** `check` is this folder, `check FOLDER` a context, `check FILE` a Dockerfile with its folder as context. */
function withContext(flags: ParsedFlags, world: World): ParsedFlags {
  const [word, ...more] = flags.words;
  if (word === undefined) return flags.with(['.']);
  const isFile =
    more.length === 0 && !flags.has('file') && statSync(resolve(world.cwd, word), { throwIfNoEntry: false })?.isFile() === true;
  return isFile ? flags.with([dirname(word)], { file: word }) : flags;
}
