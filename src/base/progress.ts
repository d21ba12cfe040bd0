// Everything that happens in a build is one stream of these events. Displays and API clients are pure readers of it.

import type { Diagnostic, SourceLocation, SourceText } from './diagnostic.ts';

/** A node of the build as people see it. */
export interface ProgressVertex {
  /** Unique in the build; `sha256:<hex>` so that BuildKit clients accept it. */
  readonly id: string;
  /** `[build 2/5] RUN make`, `[internal] load build context`, `exporting to image`. */
  readonly name: string;
  readonly inputs: readonly string[];
  /** Stage the step belongs to, as the user named it, or `stage-N`. */
  readonly stage?: string;
  /** The instruction's text (`RUN make`). */
  readonly instruction?: string;
  readonly platform?: string;
  readonly location?: SourceLocation;
}

/** Why a step ran, or that it did not have to. */
export interface StepReason {
  /** `first` | `content` | `argument` | `command` | `base` | `pruned` | `no-cache` | … (docs/explain.md lists all). */
  readonly cause: string;
  /** A sentence the user can act on. */
  readonly text: string;
  /** The changed things: paths, argument names. */
  readonly details?: readonly string[];
}

/** Milliseconds since the epoch, from the job's clock. */
export type Timestamp = number;

export type ProgressEvent =
  /** A vertex is part of this build; sent before any other event of it. */
  | { readonly type: 'vertex'; readonly vertex: ProgressVertex; readonly time: Timestamp }
  /** Work on it began. */
  | { readonly type: 'started'; readonly id: string; readonly time: Timestamp }
  /** It is done. `cached`: nothing ran. `reason` says why it ran, when it did. */
  | { readonly type: 'completed'; readonly id: string; readonly time: Timestamp; readonly cached: boolean; readonly reason?: StepReason }
  /** It failed for its own reason. */
  | { readonly type: 'failed'; readonly id: string; readonly time: Timestamp; readonly error: Error }
  /** It was given up because something else failed or the build was cancelled. */
  | { readonly type: 'canceled'; readonly id: string; readonly time: Timestamp }
  /** A part of it moves on: a blob, a scan, a push. `current`/`total` in `unit`; `done` ends it. */
  | {
      readonly type: 'status';
      readonly id: string;
      /** What moves: `sha256:…`, `transferring context`, `exporting layers`. Unique in the vertex. */
      readonly status: string;
      readonly current: number;
      readonly total?: number;
      readonly unit?: 'bytes' | 'files';
      readonly done: boolean;
      readonly time: Timestamp;
    }
  /** Output of a process. `stream` 1 is stdout, 2 is stderr. */
  | { readonly type: 'log'; readonly id: string; readonly stream: 1 | 2; readonly data: Uint8Array; readonly time: Timestamp }
  /** A finding about what the user wrote, or about the world (`source` undefined then). */
  | {
      readonly type: 'warning';
      readonly id?: string;
      readonly diagnostic: Diagnostic;
      readonly source?: SourceText;
      readonly time: Timestamp;
    };

/** Takes events; must not throw and must not block. */
export type ProgressSink = (event: ProgressEvent) => void;
