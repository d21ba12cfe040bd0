import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { Duplex, PassThrough } from 'node:stream';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { nativeSocket } from './native-socket.ts';

/** A stream and what is at its far end. */
function streams(): { readonly stream: Duplex; readonly toIt: PassThrough; readonly fromIt: PassThrough } {
  const [toIt, fromIt] = [new PassThrough(), new PassThrough()];
  return { stream: Duplex.from({ readable: toIt, writable: fromIt }), toIt, fromIt };
}

test('bytes go both ways, and the end of each', async () => {
  const { stream, toIt, fromIt } = streams();
  const socket = nativeSocket(stream);
  const big = Buffer.alloc(3 << 20, 'x');
  socket.write(big);
  let length = 0;
  for await (const chunk of fromIt as AsyncIterable<Buffer>) if ((length += chunk.length) === big.length) break;
  assert.equal(length, big.length);
  toIt.end('last words');
  const [said] = (await once(socket, 'data')) as [Buffer];
  assert.equal(said.toString(), 'last words');
  await once(socket, 'close');
});

test('either end takes the other with it', async () => {
  const one = streams();
  const socket = nativeSocket(one.stream);
  one.stream.on('error', () => {});
  one.stream.destroy(new Error('broken'));
  socket.resume();
  await once(socket, 'close');
  const two = streams();
  two.stream.on('error', () => {});
  const other = nativeSocket(two.stream);
  other.destroy();
  await new Promise((resolve) => two.stream.once('close', resolve));
});

/** In a process of its own: what it shows is whether that one survives. */
const PROGRAM = `
import { connect, createServer } from 'node:http2';
import { Duplex } from 'node:stream';
import { nativeSocket } from ${JSON.stringify(fileURLToPath(new URL('native-socket.ts', import.meta.url)))};
// A peer that has ended, and to whom an end cannot be said.
const stuck = new Duplex({ read() {}, write: (chunk, encoding, done) => done(), final() {} });
const session = connect('http://localhost', { createConnection: () => nativeSocket(stuck) });
session.on('error', () => {});
session.request({ ':path': '/' }).on('error', () => {}).end('question');
setTimeout(() => stuck.push(null), 20);
setTimeout(() => { session.destroy(); console.log('alive'); }, 50);
setTimeout(() => process.exit(0), 200);
`;

test('a session that is destroyed while it says its end does not end the process', () => {
  const args = ['--import', 'tsx', '--input-type=module', '--eval', PROGRAM];
  assert.equal(execFileSync(process.execPath, args, { encoding: 'utf8' }), 'alive\n');
});

/** Sockets that this process has open. */
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
function silent(takes: boolean): Duplex {
  return new Duplex({ read: () => {}, write: (_chunk, _encoding, done) => void (takes && done()) });
}

for (const [what, takes, words] of [
  ['that was silent', true, ''],
  ['that took everything', true, 'words'],
  ['that took nothing', false, 'x'.repeat(1 << 20)],
] as const) {
  void test(`when a stream ${what} is gone, both ends of its socket go`, async () => {
    const before = sockets();
    const behind = silent(takes);
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
