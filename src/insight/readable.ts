// Whether the image's user may read a file that an interpreter is told to run.

import type { BytePath } from '../base/index.ts';
import type { Entry } from '../layer/index.ts';
import { copyWithMode, cureOf } from './cures.ts';
import { type RuntimeContext, shown } from './runtime-context.ts';
import { closedDirectory, mayUse } from './user.ts';

/** Tells when the user may not. */
export function checkReadable(context: RuntimeContext, path: BytePath, entry: Entry): void {
  const { user, config, tree } = context;
  if (user.problem !== undefined || user.uid === 0) return;
  const closed = closedDirectory(tree, user, entry.path);
  if (closed === undefined && mayUse(user, entry, 4)) return;
  context.add({
    rule: 'not-permitted',
    severity: 'error',
    path: shown(path),
    message: `user ${config.User ?? ''} may not ${closed === undefined ? 'read it, as its interpreter has to' : `enter ${shown(closed.path)}`}`,
    ...cureOf([copyWithMode(context, closed?.path ?? entry.path, '755')]),
  });
}
