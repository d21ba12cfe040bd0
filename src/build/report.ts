// Reports: of the build that just ended, of an earlier one, of an image of this store, of an image in a file that anybody may have made.

import { existsSync } from 'node:fs';
import { isSlipwayError, type JobContext, quietJob, SlipwayError } from '../base/index.ts';
import type { HistoryEntry } from '../cache/index.ts';
import {
  compareReports,
  type Report,
  type ReportFlow,
  type ReportImage,
  type ReportStage,
  type ReportStep,
  type TestSuite,
} from '../insight/index.ts';
import type { Descriptor } from '../oci/index.ts';
import type { Engine } from './engine.ts';
import { findImage } from './images.ts';
import { imagesIn, type OutsideImage, openOutside } from './outside-image.ts';
import { outsideImage, storedImages } from './report-image.ts';

/** What is kept of a build for its report. */
export interface KeptReport {
  readonly version: 1;
  readonly filename: string;
  readonly stages: readonly ReportStage[];
  readonly flows: readonly ReportFlow[];
  readonly steps: readonly ReportStep[];
  readonly tests: readonly TestSuite[];
  readonly checkMilliseconds?: number;
  /** What was exported as an image. */
  readonly image?: Descriptor;
}

/** A report of a build, from what was kept of it and its images. */
export function finishReport(entry: HistoryEntry, kept: KeptReport, images: readonly ReportImage[], notes: readonly string[]): Report {
  const { id, startedAt, completedAt, status, error, target, platforms, tags, digest } = entry;
  return {
    version: 1,
    title: tags[0] ?? entry.name,
    generator: 'slipway',
    build: {
      ...{ id, startedAt, milliseconds: completedAt - startedAt, status, filename: kept.filename, platforms, tags },
      ...(error === undefined ? {} : { error }),
      ...(target === undefined ? {} : { target }),
      ...(digest === undefined ? {} : { digest }),
      ...(kept.checkMilliseconds === undefined ? {} : { checkMilliseconds: Math.round(kept.checkMilliseconds) }),
    },
    stages: kept.stages,
    steps: kept.steps,
    flows: kept.flows,
    images,
    tests: kept.tests,
    notes,
  };
}

/**
 * A report of what a word means: a file or folder with an image in it (`./app.tar`), an image of this store, or a build of the
 * history (an id, the start of one, `^N`; undefined: the newest). Throws `REPORT_UNKNOWN` when it is none of them.
 */
export async function reportOf(engine: Engine, word: string | undefined, job: JobContext = quietJob()): Promise<Report> {
  using _lease = engine.store.lease();
  if (word === undefined || word.startsWith('^')) return await reportOfBuild(engine, engine.cache.history.get(word), job);
  const [path = '', name] = splitPath(word);
  if (/^[./]/.test(word) && existsSync(path)) return await reportOfFile(engine, path, name, job);
  const build = findBuild(engine, word);
  if (build !== undefined) return await reportOfBuild(engine, build, job);
  try {
    return await reportOfImage(engine, word, job);
  } catch (error) {
    if (isSlipwayError(error, 'IMAGE_UNKNOWN') || isSlipwayError(error, 'REFERENCE_INVALID')) {
      if (existsSync(path)) return await reportOfFile(engine, path, name, job);
      throw new SlipwayError('REPORT_UNKNOWN', `${word} is no build, no image and no file here`, {
        cause: error,
        hint: '`slipway history` lists builds, `slipway images` images; an archive or a layout is named by its path: ./app.tar',
      });
    }
    throw error;
  }
}

/** The report of `now` with what changed since `before`; words as for `reportOf`. */
export async function compareReportsOf(engine: Engine, before: string, now: string, job: JobContext = quietJob()): Promise<Report> {
  const [old, current] = [await reportOf(engine, before, job), await reportOf(engine, now, job)];
  return { ...current, comparison: compareReports(old, current) };
}

/** `app.tar:1.2`: a path, and the name of an image in it. */
function splitPath(word: string): readonly [string, string | undefined] {
  if (existsSync(word)) return [word, undefined];
  const match = /^(.+?):([^/]+)$/.exec(word);
  return match === null || !existsSync(match[1] ?? '') ? [word, undefined] : [match[1] as string, match[2]];
}

/** A build whose id begins so; short words are names. */
function findBuild(engine: Engine, word: string): HistoryEntry | undefined {
  if (!/^[a-z0-9]{6,32}$/.test(word)) return undefined;
  try {
    return engine.cache.history.get(word);
  } catch (error) {
    if (isSlipwayError(error, 'HISTORY_UNKNOWN')) return undefined;
    throw error;
  }
}

async function reportOfBuild(engine: Engine, entry: HistoryEntry, job: JobContext): Promise<Report> {
  const kept = readKept(entry.report);
  const notes = kept === undefined ? ['this build left no timeline'] : [];
  const images = kept?.image === undefined ? [] : await imagesOfBuild(engine, kept.image, job);
  if (images.length === 0 && entry.status === 'completed')
    notes.push(
      entry.digest === undefined
        ? 'the build exported no image: its files are not known'
        : 'the image of this build is no longer in the store',
    );
  return finishReport(entry, kept ?? { version: 1, filename: 'Dockerfile', stages: [], flows: [], steps: [], tests: [] }, images, notes);
}

/** The images of an earlier build; none when they are no longer all here. */
async function imagesOfBuild(engine: Engine, descriptor: Descriptor, job: JobContext): Promise<readonly ReportImage[]> {
  if (!engine.store.blobs.has(descriptor.digest)) return [];
  try {
    return await storedImages(engine, descriptor, job);
  } catch (error) {
    job.signal.throwIfAborted();
    if (error instanceof SlipwayError) return [];
    throw error;
  }
}

/** An image of this store: with the newest build that made it, when one is known. */
async function reportOfImage(engine: Engine, word: string, job: JobContext): Promise<Report> {
  const { descriptor } = findImage(engine.store, word);
  const images = await storedImages(engine, descriptor, job);
  const entry = engine.cache.history.list().find(({ digest }) => digest === descriptor.digest);
  const kept = readKept(entry?.report);
  if (entry !== undefined && kept !== undefined) return { ...finishReport(entry, kept, images, []), title: word };
  return { ...emptyReport(word), images, notes: ['no build of this store made this image: what is known is what it says of itself'] };
}

async function reportOfFile(engine: Engine, path: string, name: string | undefined, job: JobContext): Promise<Report> {
  await using outside: OutsideImage = await openOutside(path, engine.store.temp.path('archive'), job);
  const found = imagesIn(outside, name);
  const images: ReportImage[] = [];
  for (const image of found) images.push(await outsideImage(engine, image, outside, job));
  return {
    ...emptyReport(name === undefined ? path : `${path}:${name}`),
    images,
    notes: ['the image was read from a file: stages, and what was copied between them, are not in it'],
  };
}

function emptyReport(title: string): Report {
  return { version: 1, title, generator: 'slipway', stages: [], steps: [], flows: [], images: [], tests: [], notes: [] };
}

/** What was kept of a build; undefined when it is none of ours. */
export function readKept(value: unknown): KeptReport | undefined {
  const kept = value as KeptReport | undefined;
  return kept?.version === 1 && Array.isArray(kept.steps) && Array.isArray(kept.stages) ? kept : undefined;
}
