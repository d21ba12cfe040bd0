// A small builder for tests that need a process of their own: enters a rung as the command does, makes a root filesystem of one layer and runs a
// script in it. The request is JSON in the first argument; what happens is printed.

import { mkdirSync } from 'node:fs';
import { quietJob } from '../../src/base/index.ts';
import {
  chooseRung,
  needsReexec,
  openExecutor,
  planReexec,
  type ProcessSpec,
  reexec,
  type Rung,
  viewHost,
} from '../../src/runtime/index.ts';
import { openRootfsMounter } from '../../src/snapshot/index.ts';

/** What the program is asked. */
export interface SandboxRequest {
  readonly rung?: string;
  readonly layer: string;
  readonly workDir: string;
  readonly script: string;
  readonly spec?: Partial<ProcessSpec>;
  readonly network?: 'own' | 'host';
  readonly runtime?: 'crun' | 'runc';
  /** Show the changed paths. */
  readonly commit?: boolean;
}

const request = JSON.parse(process.argv[2] ?? '') as SandboxRequest;
const searchPath = process.env['PATH'] ?? '';
const host = viewHost(searchPath);
try {
  const rung = chooseRung(host, request.rung);
  if (needsReexec(rung, host)) {
    const plan = planReexec(rung, [process.execPath, ...process.execArgv, ...process.argv.slice(1)], host);
    process.exitCode = await reexec(plan, process.env, host);
  } else await run(rung);
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException;
  console.log(`error ${code}: ${message}`);
  process.exitCode = 1;
}

async function run(rung: Rung): Promise<void> {
  mkdirSync(request.workDir, { recursive: true });
  await using executor = await openExecutor({
    rung,
    workDir: request.workDir,
    searchPath,
    network: request.network ?? 'host',
    ...(request.runtime !== undefined && { runtime: request.runtime }),
  });
  let count = 0;
  const mounts = executor.facts.runtime !== 'chroot';
  const root = rung === 'root-overlay';
  const mounter = openRootfsMounter({
    mounts,
    overlay: root ? 'trusted' : 'user',
    workDir: request.workDir,
    tempFolder: (hint) => `${request.workDir}/${hint}-${process.pid}-${(count += 1)}`,
  });
  await using owned = mounter;
  const spec = {
    id: 'x',
    args: ['/bin/sh', '-c', request.script],
    env: [],
    cwd: '/',
    user: '',
    network: 'default',
    security: 'sandbox',
  } as const;
  await using mounted = await owned.mount(
    { lowers: [request.layer], mountPoints: executor.mountPoints({ ...spec, ...request.spec }) },
    quietJob(),
  );
  console.log(`rung ${rung}, ${owned.driver}, ${executor.facts.runtime}`);
  const job = quietJob();
  const result = await executor.run(
    { ...spec, ...request.spec, root: mounted.root },
    { ...job, progress: (event) => void (event.type === 'log' && process.stdout.write(event.data)) },
  );
  for (const notice of result.notices) console.log(`notice: ${notice}`);
  if (request.commit === true) {
    const { diffFolder } = await import('../../src/layer/index.ts');
    const entries = diffFolder(await mounted.commit(), { overlay: root ? 'trusted' : 'user' }) ?? [];
    console.log(`changed: ${entries.map(({ kind, path, uid }) => `${kind} ${path} ${uid}`).join(', ')}`);
  }
}
