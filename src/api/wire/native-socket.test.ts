import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
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
