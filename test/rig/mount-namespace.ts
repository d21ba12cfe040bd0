// For tests that mount: a mount namespace of the test's own process, so that nothing is left on the machine.

import { mount, MountFlag, Namespace, unshare } from '../../src/sys/index.ts';

let entered = false;

/** Moves this process into a private mount namespace, once. */
export function enterMountNamespaceForTest(): void {
  if (entered) return;
  unshare(Namespace.mount);
  mount(undefined, '/', undefined, MountFlag.recursive | MountFlag.private);
  entered = true;
}
