import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { AsyncDisposableStack } from '../base/index.ts';
import { listenForAgent } from './private-mounts.ts';

test('connections are passed on to the agent, from a folder of any length', async () => {
  const base = mkdtempSync(join(tmpdir(), 'slipway-agent-'));
  const folder = join(base, 'long'.repeat(40));
  mkdirSync(folder);
  const agent = createServer((socket) => socket.on('data', (bytes) => socket.end(`agent heard ${bytes.toString()}`)));
  await new Promise<void>((resolve) => agent.listen(join(base, 'agent'), resolve));
  {
    await using stack = new AsyncDisposableStack();
    const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
    await listenForAgent(join(folder, 'socket'), { type: 'ssh', dest: '/x', socket: join(base, 'agent'), uid, gid, mode: 0o600 }, stack);
    assert.equal(statSync(join(folder, 'socket')).mode & 0o777, 0o600);
    process.chdir(folder);
    const client = connect('socket');
    client.write('hello');
    assert.equal(await text(client), 'agent heard hello');
    process.chdir('/');
  }
  agent.close();
  rmSync(base, { recursive: true });
});
