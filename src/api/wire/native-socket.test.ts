import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { nativeSocket } from './native-socket.ts';

function sockets(): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:');
    } catch {
      return false; // the folder's own, closed meanwhile
    }
  }).length;
}

/** A stream that takes what is written to it, or nothing of it. */
function stream(takes: boolean): Duplex {
  return new Duplex({ read: () => {}, write: (_chunk, _encoding, done) => void (takes && done()) });
}

for (const [what, takes, words] of [
  ['that was silent', true, ''],
  ['that took everything', true, 'words'],
  ['that took nothing', false, 'x'.repeat(1 << 20)],
] as const) {
  void test(`when a stream ${what} is gone, both ends of its socket go`, async () => {
    const before = sockets();
    const behind = stream(takes);
    const socket = nativeSocket(behind);
    socket.resume();
    socket.write(words);
    await new Promise((resolve) => setTimeout(resolve, 20));
    behind.destroy();
    await once(socket, 'end');
    socket.destroy();
    for (let round = 0; sockets() > before; round += 1) {
      assert.ok(round < 200, 'a socket is left');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  });
}
