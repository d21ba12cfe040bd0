// Clients that break the protocol, or try to leave their folder, are refused with a typed error; the server goes on for the others.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { type handleBidiStreamingCall, Server } from '@grpc/grpc-js';
import { Control } from '../../src/api/gen/control_pb.ts';
import { LLBBridge } from '../../src/api/gen/gateway_pb.ts';
import { OpSchema } from '../../src/api/gen/llb_pb.ts';
import { decodePacket, encodePacket, encodeStat, GO_MODE, PACKET, type Stat } from '../../src/api/session/packet.ts';
import { RpcChannel } from '../../src/api/wire/channel.ts';
import { CODES, RpcError } from '../../src/api/wire/rpc-error.ts';
import { type Certificate, selfSigned, signedBy } from '../rig/certificates.ts';
import { Rig } from '../rig/rig.ts';
import { Served } from '../rig/served.ts';
import { openSession } from '../rig/session.ts';

type Op = MessageInitShape<typeof OpSchema>;

let rig: Rig;
let served: Served;
const never = new AbortController().signal;
/** A call that takes so long hangs, whatever else the machine does. */
const PATIENCE_MS = 120_000;

before(async () => {
  rig = Rig.create();
  served = await Served.start(rig);
});
after(async () => {
  await served[Symbol.asyncDispose]();
  await rig[Symbol.asyncDispose]();
});

const open = (): RpcChannel => new RpcChannel(connect(served.socket));

/** The server still answers. */
async function goesOn(): Promise<void> {
  const channel = open();
  assert.equal((await channel.unary(Control.method.listWorkers, {}, AbortSignal.timeout(PATIENCE_MS))).record.length, 1);
  channel.close();
}

/** Status of a call whose body is `body`, as it is. */
function rawCall(path: string, body: Buffer, headers: Record<string, string> = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2('http://localhost', { createConnection: () => connect(served.socket) });
    session.on('error', reject);
    const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers', ...headers });
    const note = (got: Record<string, unknown>): void => {
      if (got['grpc-status'] === undefined) return;
      resolve(Number(got['grpc-status']));
      session.destroy();
    };
    stream.on('response', note).on('trailers', note).on('error', reject).resume();
    stream.end(body);
  });
}

/** A gRPC frame that says it has `length` bytes. */
function frame(message: Uint8Array, length = message.length, flag = 0): Buffer {
  const header = Buffer.alloc(5);
  header[0] = flag;
  header.writeUInt32BE(length, 1);
  return Buffer.concat([header, message]);
}

test('messages that are none, too large, packed, or for nobody are refused', async () => {
  const control = `/${Control.typeName}`;
  const bridge = `/${LLBBridge.typeName}`;
  const garbage = Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x7f, 1]);
  const cases: readonly (readonly [string, string, Buffer, number, Record<string, string>?])[] = [
    ['no protobuf', `${control}/Solve`, frame(garbage), CODES.invalidArgument],
    ['no protobuf for a stream', `${control}/Status`, frame(garbage), CODES.invalidArgument],
    ['a gigabyte', `${control}/Solve`, frame(Buffer.alloc(10), 1 << 30), CODES.resourceExhausted],
    ['no such method', `${control}/Nothing`, frame(Buffer.alloc(0)), CODES.unimplemented],
    ['no such service', '/x.Y/Z', frame(Buffer.alloc(0)), CODES.unimplemented],
    ['no ref', `${control}/Solve`, frame(Buffer.alloc(0)), CODES.invalidArgument],
    ['no build', `${bridge}/Ping`, frame(Buffer.alloc(0)), CODES.invalidArgument],
    ['no session id', `${control}/Session`, Buffer.alloc(0), CODES.invalidArgument],
  ];
  for (const [what, path, body, status, headers] of cases) assert.equal(await rawCall(path, body, headers), status, what);
  assert.notEqual(await rawCall(`${control}/Solve`, frame(Buffer.alloc(3), 3, 1)), CODES.ok, 'packed without agreement');
  await goesOn();
});

test('the progress of a quick build outside the history is there for a client that asks late', async () => {
  const channel = open();
  const ref = 'quick-build';
  const failure = channel.unary(Control.method.solve, { ref, internal: true, frontend: 'dockerfile.v0' }, AbortSignal.timeout(PATIENCE_MS));
  await assert.rejects(failure, RpcError);
  const status = channel.stream(`/${Control.typeName}/Status`, AbortSignal.timeout(PATIENCE_MS));
  await status.send(Buffer.concat([Buffer.from([0x0a, ref.length]), Buffer.from(ref)]));
  status.closeSend();
  for await (const _ of status.messages);
  channel.close();
});

test('what is no protocol at all closes its connection only', async () => {
  const words = [
    'GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET // HTTP/1.1\r\nHost: x\r\n\r\n',
    'POST /build?buildargs=[ HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n',
    'POST /build?t=x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nno tar',
    'GET /session HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nthis is no frame of HTTP/2 at all, whatever it may be',
    '\0\u0001\u0002 nothing known',
  ];
  for (const text of words) await exchange(text);
  // Left hanging in the middle of the preface.
  const half = connect(served.socket);
  half.write('PRI * HT');
  await goesOn();
  half.destroy();
});

/** Sends the text and waits until the server has answered or closed. */
function exchange(text: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(served.socket, () => socket.write(text));
    const end = (): void => {
      socket.destroy();
      resolve();
    };
    socket.once('data', end).once('close', end).on('error', end);
  });
}

const plain: Stat = { path: '', mode: 0o644, uid: 0, gid: 0, size: 1, modTime: 1n, linkname: '', devmajor: 0, devminor: 0, xattrs: [] };

/** Builds with a client whose folder is what `speak` says. Rejects with what the server answered. */
async function buildFrom(speak: (send: (packet: Buffer) => void) => void): Promise<void> {
  const channel = open();
  const id = `hostile-${Math.random().toString(36).slice(2)}`;
  using _session = openSession(channel, id, ['/moby.filesync.v1.FileSync/DiffCopy'], fileServer(speak));
  await channel.unary(
    Control.method.solve,
    { ref: id, session: id, frontend: 'dockerfile.v0', frontendAttrs: {}, exporters: [], entitlements: [] },
    AbortSignal.timeout(PATIENCE_MS),
  );
}

function fileServer(speak: (send: (packet: Buffer) => void) => void): Server {
  const bytes = (message: Buffer): Buffer => message;
  const stream = { requestStream: true, responseStream: true };
  const codec = { requestSerialize: bytes, requestDeserialize: bytes, responseSerialize: bytes, responseDeserialize: bytes };
  const diffCopy: handleBidiStreamingCall<Buffer, Buffer> = (call) => {
    call.on('error', () => {});
    call.on('data', (message: Buffer) => {
      // Whatever is asked for is given.
      const { type, id } = decodePacket(message);
      if (type !== PACKET.request) return;
      call.write(encodePacket({ type: PACKET.data, id, data: Buffer.from('x') }));
      call.write(encodePacket({ type: PACKET.data, id, data: Buffer.alloc(0) }));
    });
    speak((packet) => void call.write(packet));
  };
  const server = new Server();
  server.addService({ diffCopy: { path: '/moby.filesync.v1.FileSync/DiffCopy', ...stream, ...codec } }, { diffCopy });
  return server;
}

test('folders that try to leave their place are refused, and nothing is written outside', async () => {
  const outside = rig.path('outside');
  const listing =
    (...stats: readonly Partial<Stat>[]) =>
    (send: (packet: Buffer) => void): void => {
      for (const stat of stats) send(encodePacket({ type: PACKET.stat, id: 0, stat: encodeStat({ ...plain, ...stat }) }));
      send(encodePacket({ type: PACKET.stat, id: 0 }));
    };
  const link = { mode: GO_MODE.symlink + 0o777 };
  const cases: readonly (readonly [string, (send: (packet: Buffer) => void) => void])[] = [
    ['..', listing({ path: `../../../../../../../..${outside}` })],
    ['absolute', listing({ path: outside })],
    ['below a link', listing({ path: 'a', ...link, linkname: rig.folder }, { path: 'a/outside' })],
    ['a link twice', listing({ path: 'a', ...link, linkname: outside }, { path: 'a' })],
    ['hard link to elsewhere', listing({ path: 'a', linkname: '/etc/passwd' })],
    ['order', listing({ path: 'b' }, { path: 'a' })],
    ['data nobody asked for', (send) => send(encodePacket({ type: PACKET.data, id: 9, data: Buffer.from('x') }))],
    ['no packet', (send) => send(Buffer.from([0x12, 0xff, 0xff, 0xff, 0x7f]))],
    ['a name that no file system takes', listing({ path: 'p'.repeat(300) })],
    ['a name of a mebibyte', listing({ path: 'p'.repeat(1 << 20) })],
    ['a link to a mebibyte', listing({ path: 'a', ...link, linkname: 'p'.repeat(1 << 20) })],
    [
      'folders below folders without end',
      listing(
        ...Array.from({ length: 250 }, (_, depth) => ({ path: 'd' + '/dddddddddddddddddddd'.repeat(depth), mode: GO_MODE.dir + 0o755 })),
      ),
    ],
    ['an attribute of a mebibyte', listing({ path: 'a', xattrs: [{ name: 'user.x', value: Buffer.alloc(1 << 20) }] })],
    ['an error of a mebibyte', (send) => send(encodePacket({ type: PACKET.error, id: 0, data: Buffer.alloc(1 << 20, 'e') }))],
  ];
  for (const [what, speak] of cases) {
    await assert.rejects(buildFrom(speak), (error: unknown) => {
      assert.ok(error instanceof RpcError, `${what}: ${String(error)}`);
      assert.ok(error.code === 'invalidArgument' || error.code === 'unknown', `${what}: ${error.code} ${error.message}`);
      return true;
    });
    assert.equal(existsSync(outside), false, what);
  }
  await goesOn();
});

test('definitions that name paths of the machine stay inside, and no layout of the machine is read', async () => {
  const outside = rig.path('victim');
  mkdirSync(outside);
  writeFileSync(`${outside}/file`, 'safe');
  const layout = rig.path('machine-layout');
  const context = rig.context({ Dockerfile: 'FROM scratch\nCOPY Dockerfile /\n' }, 'for-layout');
  const made = await rig.slipway(['build', '-o', `type=oci,tar=false,dest=${layout}`, context]);
  assert.equal(made.code, 0, made.stderr);
  const digest = (JSON.parse(readFileSync(`${layout}/index.json`, 'utf8')) as { manifests: { digest: string }[] }).manifests[0]?.digest;
  const up = '../'.repeat(20) + outside.slice(1);
  const file = (name: string, value: object): Op =>
    ({
      op: { case: 'file', value: { actions: [{ input: -1n, secondaryInput: -1n, output: 0n, action: { case: name, value } }] } },
    }) as Op;
  const source = (attrs: Record<string, string>): Op => ({
    op: { case: 'source', value: { identifier: `oci-layout://x@${digest}`, attrs } },
  });
  const cases: readonly (readonly [what: string, op: Op, refused: boolean])[] = [
    ['rm', file('rm', { path: `${up}/file`, allowNotFound: true }), false],
    ['mkfile', file('mkfile', { path: `${up}/file`, mode: 0o644, data: Buffer.from('evil'), timestamp: -1n }), true],
    ['mkdir', file('mkdir', { path: `${up}/file/d`, mode: 0o755, makeParents: true, timestamp: -1n }), false],
    ['symlink', file('symlink', { oldpath: 'x', newpath: `${up}/file`, timestamp: -1n }), true],
    [
      'a cgroup',
      { op: { case: 'exec', value: { meta: { args: ['/x'], cgroupParent: up }, mounts: [{ input: -1n, dest: '/', output: 0n }] } } },
      true,
    ],
    ['a layout of the machine', source({ 'oci.store': layout }), true],
    ['a layout of the machine, with a session of nobody', source({ 'oci.store': layout, 'oci.session': 'x' }), true],
  ];
  for (const [what, op, refused] of cases) {
    const bytes = toBinary(OpSchema, create(OpSchema, op));
    const end = { inputs: [{ digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, index: 0n }] };
    const metadata = { [end.inputs[0]?.digest ?? '']: { linuxResources: { memory: 64n << 20n } } };
    const definition = { def: [bytes, toBinary(OpSchema, create(OpSchema, end))], metadata };
    const channel = open();
    const solved = channel.unary(Control.method.solve, { ref: `path-${what}`, definition }, AbortSignal.timeout(PATIENCE_MS)).then(
      () => false,
      (error: unknown) => {
        assert.ok(error instanceof RpcError, String(error));
        assert.doesNotMatch(error.message, /internal/);
        return true;
      },
    );
    assert.equal(await solved, refused, what);
    channel.close();
    assert.equal(readFileSync(`${outside}/file`, 'utf8'), 'safe', what);
    assert.deepEqual(readdirSync(outside), ['file'], what);
  }
  await goesOn();
});

test('a client that reads nothing holds no memory, and its output waits on disk', async () => {
  const context = rig.context({ Dockerfile: 'FROM busybox\nRUN yes 0123456789 | head -c 40000000\n' }, 'loud');
  const ref = 'loud-build';
  const channel = open();
  const deaf = channel.stream(`/${Control.typeName}/Status`, never);
  await deaf.send(Buffer.concat([Buffer.from([0x0a, ref.length]), Buffer.from(ref)]));
  deaf.closeSend();
  const built = await served.buildx(['build', '--progress=plain', context]);
  assert.equal(built.code, 0, built.stderr);
  assert.match(built.stderr, /output clipped/);
  assert.ok(built.stderr.length < 8 << 20, `${built.stderr.length} bytes of output`);
  channel.close();
});

test('nothing of refused clients stays: no folder, no descriptor, no process', async () => {
  await goesOn();
  const mirrors = rig.path('served/api/sessions/mirrors');
  // What stays are copies that came whole.
  for (const name of readdirSync(mirrors)) {
    assert.match(name, /^[a-f0-9]{32}-\d+$/);
    assert.deepEqual(readdirSync(join(mirrors, name)), ['listing', 'tree']);
  }
  assert.equal(lstatSync(served.socket).isSocket(), true);
  assert.ok(served.descriptors().length < 200, `${served.descriptors().length} descriptors`);
});

test('over tcp only clients with a certificate of the authority are answered', async () => {
  const folder = rig.context({}, 'tls');
  const [ca, other] = [selfSigned(folder, 'ca'), selfSigned(folder, 'other')];
  const server = signedBy(ca, folder, 'server', ['localhost']);
  const client = signedBy(ca, folder, 'client', ['localhost']);
  const stranger = signedBy(other, folder, 'stranger', ['localhost']);
  await using tls = Rig.create();
  await using over = await Served.start(tls, {
    args: ['--addr', 'tcp://127.0.0.1:0', '--tlscert', server.cert, '--tlskey', server.key, '--tlscacert', ca.cert],
  });
  const port = Number(/serving on tcp:\/\/127\.0\.0\.1:(\d+)/.exec(over.log())?.[1]);
  const dial = (as?: Certificate): Socket =>
    connectTls({
      host: '127.0.0.1',
      port,
      servername: 'localhost',
      ca: readFileSync(ca.cert),
      ALPNProtocols: ['h2'],
      ...(as !== undefined && { cert: readFileSync(as.cert), key: readFileSync(as.key) }),
    }).on('error', () => {});
  const ask = async (socket: Socket): Promise<number> => {
    const channel = new RpcChannel(socket);
    try {
      return (await channel.unary(Control.method.listWorkers, {}, AbortSignal.timeout(PATIENCE_MS))).record.length;
    } finally {
      channel.close();
    }
  };
  assert.equal(await ask(dial(client)), 1);
  await assert.rejects(ask(dial()), RpcError);
  await assert.rejects(ask(dial(stranger)), RpcError);
  await assert.rejects(ask(connect(port, '127.0.0.1').on('error', () => {})), RpcError);
});
