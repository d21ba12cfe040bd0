// Where steps run: the rung of this machine, entered when the first step has to execute.

import { AsyncDisposableStack } from '../base/index.ts';
import type { Sandbox } from '../ops/index.ts';
import { chooseRung, openCacheMounts, openEnclosure, openExecutor, viewHost } from '../runtime/index.ts';
import { openRootfsMounter } from '../snapshot/index.ts';
import type { Engine } from './engine.ts';

/** Enters the enclosure and opens the drivers that the rung has. Throws `RUNG_UNAVAILABLE`, `RUNTIME_MISSING`, `ENCLOSURE_REFUSED`. */
export async function openSandbox(engine: Engine): Promise<Sandbox & AsyncDisposable> {
  const { settings } = engine;
  const searchPath = settings.programEnv?.['PATH'] ?? '';
  await using stack = new AsyncDisposableStack();
  const rung = chooseRung(viewHost(searchPath), settings.rung);
  const enclosure = stack.use(await openEnclosure({ rung, workDir: engine.stateFolder('run'), searchPath }));
  const executor = stack.use(
    openExecutor({ enclosure, searchPath, ...(settings.noNewPrivileges === true ? { noNewPrivileges: true } : {}) }),
  );
  const mounter = stack.use(
    openRootfsMounter({
      mounts: enclosure.mounts,
      overlay: enclosure.userNamespace ? 'user' : 'trusted',
      tempFolder: (hint) => engine.store.temp.path(hint),
      workDir: engine.stateFolder('roots'),
    }),
  );
  const caches = openCacheMounts({ folder: engine.stateFolder('cache-mounts'), mounter, enclosure });
  const owned = stack.move();
  return { executor, mounter, caches, [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose]() };
}
