// What the builder and the supervisor of a chroot step say to each other.

import type { BytePath } from '../base/index.ts';
import type { SignalName } from './process-spec.ts';

/** What starts a step. */
export interface ChrootStart {
  readonly type: 'start';
  readonly root: string;
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  readonly limits: readonly { readonly resource: number; readonly soft: number; readonly hard: number }[];
  readonly noNewPrivileges: boolean;
  /** Numbers of capabilities that nothing in the step may have. */
  readonly dropped: readonly number[];
  /** Files in the root with secrets: wiped when the builder is gone and cannot do it. */
  readonly doomed: readonly BytePath[];
  /** Descriptors of the builder for stdin (undefined: nothing), stdout and stderr; undefined: the terminal is inherited. */
  readonly output?: { readonly stdin?: number; readonly stdout: number; readonly stderr: number };
}

export type ChrootRequest =
  | ChrootStart
  | { readonly type: 'signal'; readonly name: SignalName }
  /** The builder has wiped the files with secrets itself; their names may mean something else from now on. */
  | { readonly type: 'wiped' };

export type ChrootAnswer =
  /** The builder may close its ends of the pipes. */
  | { readonly type: 'started' }
  /** Everything of the step is gone. */
  | { readonly type: 'ended'; readonly code: number }
  | { readonly type: 'failed'; readonly message: string };
