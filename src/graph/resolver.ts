// What a graph needs to know of the world, declared here and handed in.

import type { Digest, SourceLocation } from '../base/index.ts';
import type { ImageConfig, Platform } from '../oci/index.ts';
import type { ImageSource, SourceSpec } from './op-spec.ts';
import type { TreeInput } from './options.ts';

/** Why something is asked for: for progress names and error messages. */
export interface ResolveAbout {
  /** `[internal] load metadata for docker.io/library/busybox:latest`. */
  readonly name: string;
  /** Stage that asks, when it is one of the file. */
  readonly stage?: string;
  readonly location?: SourceLocation;
}

/** An image as its registry (or this store) knows it now. */
export interface ResolvedImage {
  /** Canonical reference; another one than asked for when a policy says so. */
  readonly ref: string;
  /** Digest of the manifest or index behind the reference; undefined when the store has the image without one. */
  readonly digest?: Digest;
  /** Config of the platform's image. */
  readonly config: ImageConfig;
  /** It could not be asked for, and `config` is made up: nothing is reported that depends on it. */
  readonly unknown?: true;
}

/** What a named context is. */
export interface ResolvedContext {
  readonly tree: TreeInput;
  /** Of an image context; undefined: only files. */
  readonly config?: ImageConfig;
  /** `.dockerignore` patterns in the source already applied. */
  readonly image?: ResolvedImage;
}

/** Answers questions about images and contexts. Called for what the target needs only, in parallel; equal questions once. */
export interface ImageResolver {
  /** Rejects when there is no such image, or none for the platform. */
  resolveImage(
    ref: string,
    platform: Platform,
    mode: ImageSource['resolveMode'],
    about: ResolveAbout,
    signal?: AbortSignal,
  ): Promise<ResolvedImage>;
  /** One of `GraphOptions.namedContexts`, by that name. */
  resolveContext(name: string, platform: Platform, about: ResolveAbout, signal?: AbortSignal): Promise<ResolvedContext>;
  /**
   * Time of a source for `SOURCE_DATE_EPOCH=context|stage|named context`: a commit's, a file's `Last-Modified`, the newest in an
   * archive. Undefined when it has none. Left out: none has.
   */
  sourceTime?(source: SourceSpec['source'], about: ResolveAbout, signal?: AbortSignal): Promise<number | undefined>;
  /**
   * What is taken in the place of a source that the finished graph has: itself, or another. Rejects for one that must not be used. Left
   * out: each is taken as it is.
   */
  admitSource?(source: SourceSpec['source'], platform: Platform, about: ResolveAbout, signal?: AbortSignal): Promise<SourceSpec['source']>;
}
