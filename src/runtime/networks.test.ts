import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mock, test } from 'node:test';
import { enterMountNamespaceForTest } from '../../test/rig/mount-namespace.ts';
import type { Enclosure } from './enclosure.ts';
import { openNetworks } from './networks.ts';

test('a network whose program was ready in time is taken, also by a builder that was too busy to hear of it', async () => {
  enterMountNamespaceForTest();
  const folder = mkdtempSync(join(tmpdir(), 'slipway-networks-'));
  const ready = join(folder, 'ready');
  const script = `#!/bin/sh\nprintf 1 >&3\n: >'${ready}'\nexec sleep 1000\n`;
  writeFileSync(join(folder, 'slirp4netns'), script, { mode: 0o755 });
  const enclosure = {
    runDir: folder,
    mounts: true,
    userNamespace: false,
    spawn: (...[program, args, options]: Parameters<Enclosure['spawn']>) => spawn(program, args, options),
  } as unknown as Enclosure;
  const networks = openNetworks(enclosure, folder);
  await new Promise((resolve) => setTimeout(resolve, 1)); // what follows is done where timers are
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const made = networks.get('stage');
    // Nothing is heard while this goes on.
    const still = new Int32Array(new SharedArrayBuffer(4));
    while (!existsSync(ready)) Atomics.wait(still, 0, 0, 5);
    mock.timers.tick(60_000);
    assert.equal((await made).kind, 'path', networks.hostReason);
  } finally {
    mock.timers.reset();
    await networks[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  }
});
