// What a display is: a pure reader of progress events.

import type { ProgressEvent } from '../../base/index.ts';

/** Shows a build. `event` must not throw; `close` ends it and leaves the terminal as it was. */
export interface Display {
  event(event: ProgressEvent): void;
  /** `failure` is what the build ended with, if it failed. */
  close(failure?: unknown): void;
}

/** Where a display writes: standard error, or a test's list. */
export interface DisplayOutput {
  readonly write: (text: string) => void;
  /** Columns and rows of a terminal, asked for at every redraw. */
  readonly size?: () => { readonly columns: number; readonly rows: number };
  readonly color: boolean;
}
