// `slipway bake`: builds the targets of a Bake file or a Compose project, all at once.

import { printList, printPlan } from '../../bake/index.ts';
import {
  type BuildFailure,
  type BuildRequest,
  buildTogether,
  readRemoteFiles,
  renderFrame,
  type TogetherOptions,
  type TogetherResult,
} from '../../build/index.ts';
import { type BakeRequests, type Elsewhere, openBake, readBakeFiles, repositoryLogin, requestsOf } from '../../request/bake.ts';
import { keyValues, splitOnce } from '../../request/index.ts';
import { readAllow } from '../bake/allow.ts';
import { BAKE_FLAGS } from '../bake/flags.ts';
import { namedFiles, splitWords } from '../bake/words.ts';
import { openDisplay } from '../display/index.ts';
import { type ParsedFlags, parseFlags, usage } from '../flags.ts';
import { expectLongDockerfile } from '../long-dockerfile.ts';
import { refuseUnreadPolicy } from '../other-builders.ts';
import { protocol } from '../protocol.ts';
import { readLimits, readProxyEnv } from '../request/build-call.ts';
import { checkAside, writeAside } from '../result-file.ts';
import { readConfiguration, startRootless } from '../settings.ts';
import { note, printLine, surroundings, type World } from '../world.ts';

const ABOUT = `Builds the targets of a Bake file or a Compose project, all at once. Without targets: those of the group default.
Reads compose.yaml, docker-bake.json, docker-bake.hcl and docker-bake.override.* of this folder, or of the repository that URL names,
unless -f names others.

  slipway bake                              what the file calls default
  slipway bake app 'test-*' --push          these, sent to their registries
  slipway bake --set '*.platform=linux/arm64' --var TAG=v1.2 app
  slipway bake --print app                  what would be built, as JSON
  slipway bake --list targets               what there is`;

/** Builds, prints the plan, or answers a `--call`. */
export async function run(args: readonly string[], world: World): Promise<number> {
  const flags = parseFlags('bake', BAKE_FLAGS, args);
  if (flags.bool('help')) {
    const { helpText } = await import('../help.ts');
    printLine(world, helpText('slipway bake [flags] [URL] [TARGET...]', ABOUT, BAKE_FLAGS));
    return 0;
  }
  const list = listOf(flags);
  const builds = list === undefined && !flags.bool('print');
  // Before standard input is read: the process that takes over reads it.
  const ended = builds ? await startRootless(flags, world) : undefined;
  if (ended !== undefined) return ended;
  const around = surroundings(world);
  const { url, commandContext, names } = splitWords(flags.words);
  const there = url === undefined ? undefined : await elsewhere(url, flags, world);
  const files = await readBakeFiles(await namedFiles(flags, world), there, around);
  const variables = Object.fromEntries(flags.list('var').map(readVariable));
  const file = openBake(files, { variables, commandContext, now: world.now }, around);
  for (const { diagnostic, source } of file.warnings) note(world, renderFrame(diagnostic, source, { color: isColored(world) }));
  if (list !== undefined) {
    printLine(world, printList(file, list.what, list.format).trimEnd());
    return 0;
  }
  const plan = file.plan(names, overridesOf(flags));
  if (!builds) {
    printLine(world, printPlan(plan).trimEnd());
    return 0;
  }
  const { root, settings } = await readConfiguration(flags, world);
  const metadataFile = flags.text('metadata-file') || undefined;
  checkAside('--metadata-file', metadataFile, world);
  const asked = withFlags(requestsOf(plan, readAllow(flags.list('allow'), world.env), around), flags, world);
  const options = { root, settings, signal: world.signal };
  if (Object.keys(asked.builds).length > 0) await buildAll({ ...options, builds: asked.builds }, metadataFile, flags, world);
  if (Object.keys(asked.calls).length === 0) return 0;
  const { answerCalls } = await import('../bake/answers.ts');
  return await answerCalls(asked.calls, plan, options, world);
}

/** What the call says of all its targets. */
function withFlags({ builds, calls }: BakeRequests, flags: ParsedFlags, world: World): BakeRequests {
  const limits = readLimits(flags);
  const whole = (request: BuildRequest, thenBuilds: boolean): BuildRequest => {
    expectLongDockerfile(request, thenBuilds);
    const proxyEnv = readProxyEnv(request.buildArgs ?? {}, world);
    return { ...request, limits, proxyEnv, stdoutIsTerminal: world.stdout.isTTY === true };
  };
  return {
    builds: Object.fromEntries(Object.entries(builds).map(([name, request]) => [name, whole(request, true)])),
    calls: Object.fromEntries(Object.entries(calls).map(([name, one]) => [name, { ...one, request: whole(one.request, false) }])),
  };
}

/** Reads files of a repository, and shows what fetching it does. */
async function elsewhere(url: string, flags: ParsedFlags, world: World): Promise<Elsewhere> {
  const { root, settings } = await readConfiguration(flags, world);
  const read: Elsewhere['read'] = async (names) => {
    const display = await openDisplay(progressMode(flags, world), world, {});
    try {
      return await readRemoteFiles(url, names, {
        ...repositoryLogin(surroundings(world)),
        ...{ root, settings, signal: world.signal },
        onProgress: (event) => display.event(event),
      });
    } finally {
      display.close();
    }
  };
  return { url, read };
}

function progressMode(flags: ParsedFlags, { env }: World): string {
  return flags.text('progress') ?? env['BUILDKIT_PROGRESS'] ?? 'auto';
}

function readVariable(entry: string): [string, string] {
  const [name, value] = splitOnce(entry);
  if (name === '' || value === undefined) throw usage('bake', `invalid value ${JSON.stringify(entry)} for --var`, 'write --var NAME=VALUE');
  return [name, value];
}

/** What `--list` asks for. Throws `USAGE`. */
function listOf(flags: ParsedFlags): { readonly what: 'targets' | 'variables'; readonly format: 'table' | 'json' } | undefined {
  const written = flags.text('list') ?? (flags.bool('list-targets') ? 'targets' : flags.bool('list-variables') ? 'variables' : undefined);
  if (written === undefined) return undefined;
  if (flags.bool('print')) throw usage('bake', '--print and --list exclude each other', 'leave one of them out');
  const { type: what, format = 'table' } = keyValues('--list', written, (word) => ['type', word]);
  if (what !== 'targets' && what !== 'variables') throw usage('bake', `unknown --list ${written}`, 'there are targets and variables');
  if (format !== 'table' && format !== 'json') throw usage('bake', `unknown format in --list: ${format}`, 'there are table and json');
  return { what, format };
}

/** Flags as what `--set` says of every target. */
function overridesOf(flags: ParsedFlags): readonly string[] {
  const all = (key: string, value: string | undefined): readonly string[] => (value === undefined ? [] : [`*.${key}=${value}`]);
  const attest = (type: string): readonly string[] => {
    const value = flags.text(type);
    if (value === undefined || value === '') return [];
    const off = /^(false|f|0)$/i.test(value);
    return all('attest', off || /^(true|t|1)$/i.test(value) ? `type=${type},disabled=${off}` : `type=${type},${value}`);
  };
  const method = methodOf(flags);
  return [
    ...flags.list('set'),
    ...all('push', flags.bool('push') ? 'true' : undefined),
    ...all('load', flags.bool('load') ? 'true' : undefined),
    ...all('call', method),
    ...all('no-cache', flags.text('no-cache')),
    ...all('pull', flags.text('pull')),
    ...attest('sbom'),
    ...attest('provenance'),
  ];
}

/** The method of `--call` and `--check`, as it was written; undefined: build. */
function methodOf(flags: ParsedFlags): string | undefined {
  const written = flags.bool('check') ? 'check' : flags.text('call');
  return written === undefined || written === '' || written === 'build' ? undefined : written;
}

async function buildAll(options: TogetherOptions, metadataFile: string | undefined, flags: ParsedFlags, world: World): Promise<void> {
  refuseUnreadPolicy(world.env);
  const display = await openDisplay(progressMode(flags, world), world, { explain: flags.bool('explain') });
  const failures = new Map<string, BuildFailure>();
  let results: TogetherResult;
  try {
    results = await buildTogether(
      { ...options, onProgress: (event) => display.event(event), onFailure: (failure, name) => failures.set(name, failure) },
      { process: 'own', exits: true, protocol },
    );
  } catch (error) {
    display.close(error);
    await tellTests([...failures.values()], world);
    writeMetadata(failures, metadataFile, world);
    throw error;
  }
  display.close();
  await tellTests(Object.values(results), world);
  writeMetadata(Object.entries(results), metadataFile, world);
  const unkept = Object.entries(options.builds).flatMap(([name, { tags = [], outputs = [] }]) =>
    tags.length === 0 && outputs.length === 0 ? [name] : [],
  );
  if (unkept.length > 0) note(world, `note: nothing was exported of ${unkept.join(', ')}: give it tags or output, or use --push or --load`);
}

async function tellTests(builds: readonly Pick<BuildFailure, 'tests'>[], world: World): Promise<void> {
  const tests = builds.flatMap((build) => build.tests);
  if (tests.length === 0) return;
  const { testLines } = await import('../report.ts');
  for (const line of testLines(tests)) note(world, line);
}

/** Facts by the names of the targets. */
function writeMetadata(
  builds: Iterable<readonly [string, { readonly metadata: BuildFailure['metadata'] }]>,
  file: string | undefined,
  world: World,
): void {
  if (file === undefined) return;
  const facts = Object.fromEntries([...builds].map(([name, { metadata }]) => [name, metadata]));
  writeAside('--metadata-file', file, `${JSON.stringify(facts, null, 2)}\n`, world);
}

function isColored({ stderr, env }: World): boolean {
  return stderr.isTTY === true && !env['NO_COLOR'];
}
