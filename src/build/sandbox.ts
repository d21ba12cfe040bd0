// Where steps run: the rung of this machine, entered when the first step has to execute.

import { AsyncDisposableStack } from '../base/index.ts';
import type { Sandbox } from '../ops/index.ts';
import { chooseRung, hasMounts, openExecutor, viewHost } from '../runtime/index.ts';
import { openRootfsMounter } from '../snapshot/index.ts';
import type { Engine } from './engine.ts';

/** The places of an engine's steps. */
export interface OpenSandbox extends Sandbox, AsyncDisposable {
  /** Instead of disposing it, when this process ends now: only what would stay on the disk is taken away. Mounts and processes go with us. */
  leave(): Promise<void>;
}

/** Enters the enclosure and opens the drivers that the rung has. Throws `RUNG_UNAVAILABLE`, `RUNTIME_MISSING`, `ENCLOSURE_REFUSED`. */
export async function openSandbox(engine: Engine): Promise<OpenSandbox> {
  const { settings } = engine;
  const searchPath = settings.programEnv?.['PATH'] ?? '';
  await using stack = new AsyncDisposableStack();
  const rung = chooseRung(viewHost(searchPath), settings.rung);
  const executor = stack.use(
    await openExecutor({
      rung,
      workDir: engine.stateFolder('run'),
      searchPath,
      ...(settings.noNewPrivileges === true ? { noNewPrivileges: true } : {}),
    }),
  );
  const mounter = stack.use(
    openRootfsMounter({
      mounts: hasMounts(rung),
      tempFolder: (hint) => engine.store.temp.path(hint),
      workDir: engine.stateFolder('roots'),
    }),
  );
  const owned = stack.move();
  return {
    executor,
    mounter,
    leave: async () => await mounter[Symbol.asyncDispose](),
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}
