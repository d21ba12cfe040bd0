// `slipway build`.

import type { ProgressEvent } from '../../base/index.ts';
import {
  build,
  type BuildFailure,
  type BuildOptions,
  type BuildResult,
  type CallAnswer,
  callDockerfile,
  type CallRequest,
} from '../../build/index.ts';
import { BUILD_FLAGS } from '../build-flags.ts';
import { readBuildCall } from '../request/build-call.ts';
import { expectLongDockerfile } from '../long-dockerfile.ts';
import { openDisplay } from '../display/index.ts';
import { type ParsedFlags, parseFlags, usage } from '../flags.ts';
import { inPlaceOf, refuseUnreadPolicy } from '../other-builders.ts';
import { protocol } from '../protocol.ts';
import { readConfiguration, startRootless } from '../settings.ts';
import { checkAside, writeAside } from '../result-file.ts';
import { note, printLine, type World } from '../world.ts';

const ABOUT = `Builds an image from a Dockerfile.

  slipway build -t app .                               into this store: slipway run app starts it
  slipway build -t app --load .                        into Docker or Podman
  slipway build -t registry.example/app:1 --push .     to a registry
  slipway build --target assets -o out .               the files of a stage, into a folder
  slipway build -t app --gate test --explain .         after the stage test succeeded; says why each step ran`;

/** Which display. Throws `USAGE` for two at once. */
function progressMode(flags: ParsedFlags, { env }: World): string {
  const named = flags.text('progress');
  if (!flags.bool('quiet')) return named ?? env['BUILDKIT_PROGRESS'] ?? 'auto';
  if (named !== undefined && !['', 'auto', 'none', 'quiet'].includes(named))
    throw usage('build', `--progress=${named} and --quiet cannot be used together`, 'leave one of them out');
  return 'quiet';
}

/** Builds, or answers a `--call`. */
export async function run(args: readonly string[], world: World): Promise<number> {
  const flags = parseFlags('build', BUILD_FLAGS, args, { inPlaceOf });
  if (flags.bool('help')) {
    const { helpText } = await import('../help.ts');
    printLine(world, helpText('slipway build [flags] PATH | URL | -', ABOUT, BUILD_FLAGS));
    return 0;
  }
  const ended = await startRootless(flags, world);
  if (ended !== undefined) return ended;
  const { root, settings } = await readConfiguration(flags, world);
  const { request, call } = await readBuildCall(flags, world);
  const files = { iidfile: flags.text('iidfile') || undefined, metadata: flags.text('metadata-file') || undefined }; // a variable that is not set
  checkAside('--iidfile', files.iidfile, world);
  checkAside('--metadata-file', files.metadata, world);
  if (flags.has('report')) (await import('../report.ts')).checkReportFile('build', '--report', flags.text('report') ?? '', world);
  expectLongDockerfile(request, call === undefined);
  if (call !== undefined) {
    const answer = await answered({ ...request, root, settings, signal: world.signal }, call, world);
    printLine(world, answer.text.replace(/\n$/, ''));
    return call.ignoreStatus ? 0 : answer.status;
  }
  refuseUnreadPolicy(world.env);
  const mode = progressMode(flags, world);
  const quiet = mode === 'quiet';
  const display = await openDisplay(mode, world, { explain: flags.bool('explain') });
  const reportFile = flags.text('report');
  const told: string[] = [];
  let failure: BuildFailure | undefined;
  let result: BuildResult;
  try {
    result = await build(
      {
        ...request,
        ...(flags.has('report') ? { report: true } : {}),
        root,
        settings,
        signal: world.signal,
        onProgress: (event) => {
          display.event(event);
          if (event.type === 'warning') told.push(event.diagnostic.message);
        },
        onFailure: (left) => (failure = left),
      },
      { process: 'own', exits: true, protocol },
    );
  } catch (error) {
    display.close(error);
    if (failure !== undefined) await tellFailure(failure, reportFile, files.metadata, world);
    throw error;
  }
  display.close();
  if (reportFile !== undefined && result.report !== undefined) {
    const { summaryLines, writeReport } = await import('../report.ts');
    writeReport(result.report, reportFile, world);
    if (!quiet) for (const line of summaryLines(result.report, told)) note(world, line);
  } else if (!quiet && result.tests.length > 0) {
    const { testLines } = await import('../report.ts');
    for (const line of testLines(result.tests)) note(world, line);
  }
  writeResult(result, files, world);
  const id = result.imageId;
  if (quiet && id !== undefined) printLine(world, id);
  if (request.outputs?.length === 0 && request.tags?.length === 0) {
    // Quiet or not: a script that reads an id must be told why there is none.
    const nothing = quiet || files.iidfile !== undefined ? 'nothing was exported, so there is no image id' : 'nothing was exported';
    note(world, `note: ${nothing}: name the image by -t NAME, or say where it goes by -o, --push or --load`);
  }
  return 0;
}

/** The answer; findings are shown only when there is none, for they may be why. */
async function answered(options: BuildOptions, call: CallRequest, world: World): Promise<CallAnswer> {
  const events: ProgressEvent[] = [];
  try {
    return await callDockerfile({ ...options, onProgress: (event) => void events.push(event) }, call, protocol);
  } catch (error) {
    const { diagnosticLine } = await import('../display/warnings.ts');
    for (const event of events) if (event.type === 'warning') note(world, `warning: ${diagnosticLine(event.diagnostic, event.source)}`);
    throw error;
  }
}

/** What a failed build leaves: failed tests by name, the files that were asked for. The error itself is printed by whoever catches it. */
async function tellFailure(
  { tests, report, metadata }: BuildFailure,
  reportFile: string | undefined,
  metadataFile: string | undefined,
  world: World,
): Promise<void> {
  const { testLines, writeReport } = await import('../report.ts');
  for (const line of testLines(tests)) note(world, line);
  try {
    if (reportFile !== undefined && report !== undefined) writeReport(report, reportFile, world);
    if (metadataFile !== undefined) writeMetadata(metadata, metadataFile, world);
  } catch (error) {
    note(world, `note: ${(error as Error).message}`); // what the build failed of matters more
  }
}

function writeMetadata(metadata: BuildResult['metadata'], file: string, world: World): void {
  writeAside('--metadata-file', file, `${JSON.stringify(metadata, null, 2)}\n`, world);
}

/** What is written beside the outputs, and where. */
interface AsideFiles {
  readonly iidfile: string | undefined;
  readonly metadata: string | undefined;
}

function writeResult(result: BuildResult, { iidfile, metadata }: AsideFiles, world: World): void {
  // Empty when there is no image: whoever reads the file next must not find an older one's id.
  if (iidfile !== undefined) writeAside('--iidfile', iidfile, result.imageId ?? '', world);
  if (metadata !== undefined) writeMetadata(result.metadata, metadata, world);
}
