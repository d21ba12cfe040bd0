// What a program can ask of the images and the past builds of a store, without knowing the engine.

import { type Digest, quietJob } from '../base/index.ts';
import { compareBuilds, type HistoryDifference, type HistoryEntry } from '../cache/index.ts';
import type { Finding, Report } from '../insight/index.ts';
import type { VerifiedImage } from '../trust/index.ts';
import { type Engine, type EngineOptions, openEngine } from './engine.ts';
import { familiarName, type ImageRow, listImages, removeImage, tagImage } from './images.ts';
import { checkImage, type ImageReport, inspectImage, type PathReport, whyPath } from './insight-image.ts';
import type { OutputRequest } from './options.ts';
import { publishImage } from './publish.ts';
import { compareReportsOf, reportOf } from './report.ts';
import { type KeyText, signReference, verifyReference } from './signing.ts';

/** Aborting it rejects with its reason. */
export interface Abortable {
  readonly signal?: AbortSignal;
}

const never = (): AbortSignal => new AbortController().signal;

/** Opens the images of a store. Throws what opening a store throws (`STORE_…`). */
export function openImageStore(options: Pick<EngineOptions, 'root' | 'settings'>): ImageStore {
  return new ImageStore(openEngine(options));
}

/**
 * The images and past builds of a store. Images go by a name, or by the start of their digest or id; builds by their id or its start, or
 * by `^N`, the Nth before the newest. A word that means none throws `IMAGE_UNKNOWN` or `HISTORY_UNKNOWN`, with what is near. Dispose it
 * when it is no longer asked.
 */
export class ImageStore implements AsyncDisposable {
  readonly #engine: Engine;

  /** For `openImageStore()`. */
  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** All images, newest first. */
  list(): readonly ImageRow[] {
    return listImages(this.#engine.store);
  }

  /** What an image is made of: its config, layers, and with `files` every path with the instruction that made it. */
  inspect(image: string, { files = false, signal }: Abortable & { readonly files?: boolean } = {}): Promise<ImageReport> {
    return inspectImage(this.#engine, image, { files, job: quietJob(signal) });
  }

  /** What an image lacks (libraries, interpreters, certificates), and what should not be in it (secrets, build tools). */
  check(image: string, { signal }: Abortable = {}): Promise<readonly Finding[]> {
    return checkImage(this.#engine, image, quietJob(signal));
  }

  /** Where a path of an image, or of a stage of its build, came from. Throws `STAGE_UNKNOWN`, and `PATH_UNKNOWN` when no layer ever had it. */
  why(path: string, image: string, { stage, signal }: Abortable & { readonly stage?: string } = {}): Promise<PathReport> {
    return whyPath(this.#engine, path, image, { ...(stage === undefined ? {} : { stage }), job: quietJob(signal) });
  }

  /** Gives an image one more name. Throws `REFERENCE_INVALID`. */
  tag(image: string, name: string): Promise<void> {
    return tagImage(this.#engine.store, image, name);
  }

  /** Takes a name away, and tells it; what only that image needed goes at the next collection. */
  remove(image: string): string {
    return familiarName(removeImage(this.#engine.store, image).name);
  }

  /**
   * Sends an image to a registry, an archive or a folder: `{ type: 'registry', attributes: { push: 'true' } }`. `names`: instead of its
   * own. Resolves with the digest of what was made, when that is an image. Throws `OUTPUT_INVALID`, `REGISTRY_…`, and what writing throws.
   */
  publish(
    image: string,
    output: OutputRequest,
    { names = [], signal = never() }: Abortable & { readonly names?: readonly string[] } = {},
  ): Promise<string | undefined> {
    return publishImage(this.#engine, image, output, { names, signal, stdoutIsTerminal: process.stdout.isTTY === true });
  }

  /**
   * Signs what a name means in its registry now, with a key as `cosign generate-key-pair` makes them; resolves with the digest. Throws
   * `TRUST_KEY` and `REGISTRY_…`.
   */
  sign(reference: string, key: KeyText, { password, signal = never() }: Abortable & { readonly password?: string } = {}): Promise<Digest> {
    return signReference(this.#engine, reference, key, () => password, signal);
  }

  /** Checks that what a name means in its registry now is signed by one of the keys. Throws `TRUST_UNSIGNED`, `TRUST_SIGNATURE`, `TRUST_KEY`. */
  verify(reference: string, keys: readonly KeyText[], { signal = never() }: Abortable = {}): Promise<VerifiedImage> {
    return verifyReference(this.#engine, reference, keys, signal);
  }

  /** Past builds, newest first; failed ones too. */
  history(): readonly HistoryEntry[] {
    return this.#engine.cache.history.list();
  }

  /** What differs between two builds: what was asked, which steps ran, took longer or are new, and why a step was not in the cache. */
  compare(before: string, now: string): readonly HistoryDifference[] {
    const { history } = this.#engine.cache;
    return compareBuilds(history.get(before), history.get(now));
  }

  /**
   * The report of a build (the newest, when nothing is named), of an image, or of an archive or a layout by its path; `since`: with what
   * changed since that one. `reportPage()` makes a page of it. Throws `REPORT_UNKNOWN`.
   */
  report(of?: string, { since, signal }: Abortable & { readonly since?: string } = {}): Promise<Report> {
    const job = quietJob(signal);
    return since === undefined ? reportOf(this.#engine, of, job) : compareReportsOf(this.#engine, since, of ?? '^0', job);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#engine[Symbol.asyncDispose]();
  }
}
