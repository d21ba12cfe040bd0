// What a build hands to its outputs, and what it gets back.

import type { Writable } from 'node:stream';
import type { Digest, DiffID, JobContext } from '../base/index.ts';
import type { Tree } from '../layer/index.ts';
import type { Descriptor, ImageConfig, Platform } from '../oci/index.ts';
import type { RegistryClient } from '../registry/index.ts';
import type { Layer, LayerBlob, LayerStore } from '../snapshot/index.ts';
import type { Store } from '../store/index.ts';

/** The result of a build. */
export interface ExportSource {
  readonly platforms: readonly PlatformResult[];
  /** An index is made though there is one platform only. Several always have one. */
  readonly asIndex?: boolean;
}

/** The result for one platform. */
export interface PlatformResult {
  readonly platform: Platform;
  /** Lowest first. */
  readonly layers: readonly Layer[];
  /** How many of the layers are the base image's: those keep their compression and their times. */
  readonly baseLayers: number;
  /** The config as it is exported, for layers with these DiffIDs. `epoch`: an output's own, seconds. */
  config(diffIds: readonly DiffID[], epoch?: number): ImageConfig;
  /** The files, for tar and local outputs. */
  tree(): Promise<Tree>;
  readonly attestations?: readonly Attestation[];
}

/** A statement about the image, without its subject: that is known only when the image is. */
export interface Attestation {
  /** `https://slsa.dev/provenance/v1`, `https://spdx.dev/Document`, … */
  readonly predicateType: string;
  /** Name of its file in tar and local outputs: `provenance.json`. */
  readonly filename: string;
  /** Only for registries, unless an output asks for it. */
  readonly inlineOnly: boolean;
  /** What it is about; default: the image, or the files. */
  readonly subjects?: readonly { readonly name: string; readonly digest: Readonly<Record<string, string>> }[];
  /** Makes the predicate. `image` is there for image outputs. */
  predicate(image: AttestedImage | undefined): Promise<unknown>;
}

export interface AttestedImage {
  readonly manifest: Descriptor;
  readonly layers: readonly LayerBlob[];
}

/** The world that outputs work in. */
export interface ExportContext {
  readonly layers: LayerStore;
  readonly store: Store;
  /** Asked for only when something is pushed. */
  readonly registry: () => RegistryClient;
  /** Where outputs to standard output go. */
  readonly stdout?: Writable;
  /** Sockets of container engines to load into, best first: `unix:///var/run/docker.sock`. */
  readonly engines?: readonly string[];
  /** Whose build it is; see `ImageHomes`. */
  readonly asker?: string | undefined;
  readonly job: JobContext;
  readonly status: StatusSink;
}

/** Takes the progress of an output: what moves, how far. `total` undefined: unknown. Must not throw. */
export type StatusSink = (status: {
  readonly name: string;
  readonly current: number;
  readonly total?: number;
  readonly unit?: 'bytes' | 'files';
  readonly done: boolean;
}) => void;

/** What one output made. */
export interface OutputResult {
  /** Manifest or index; absent for tar and local. */
  readonly descriptor?: Descriptor;
  /** The bytes that `descriptor` names. */
  readonly document?: Uint8Array;
  /** The manifests that it names, when it is an index. */
  readonly parts?: readonly Uint8Array[];
  /** Of a single manifest. */
  readonly configDigest?: Digest;
  /** By platform, in the order of the source. */
  readonly manifests?: readonly { readonly platform: Platform; readonly descriptor: Descriptor; readonly configDigest: Digest }[];
  readonly names: readonly string[];
  /** What the user should know, though it worked. */
  readonly warnings: readonly string[];
}

/** Runs a piece of work as one status: at its start, and when it is done. */
export async function withStatus<T>(status: StatusSink, name: string, work: () => Promise<T>): Promise<T> {
  status({ name, current: 0, done: false });
  const result = await work();
  status({ name, current: 0, done: true });
  return result;
}
