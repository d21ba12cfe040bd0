// Sends a folder to a client (`--output type=local`): lists it, then sends the bytes that the client asks for.

import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync, type BigIntStats } from 'node:fs';
import { type BytePath, fsPath } from '../../base/index.ts';
import type { RpcStream } from '../wire/channel.ts';
import { RpcError } from '../wire/rpc-error.ts';
import type { MachineCalls } from './machine-calls.ts';
import { decodePacket, encodePacket, encodeStat, GO_MODE, goPermissions, PACKET, type Stat } from './packet.ts';

const CHUNK = 32 << 10;

/** Speaks the sender's part on `call` for everything in `folder` (BytePath). Resolves once the client has it all. */
export async function sendFolder(call: RpcStream, folder: BytePath, machine: MachineCalls): Promise<void> {
  /** Paths of files by id: the position in the listing. */
  const files = new Map<number, BytePath>();
  const listing = list(call, folder, machine, files);
  // The client asks while we still list: reading must not wait for the listing.
  const queue: number[] = [];
  let wake: () => void = () => {};
  let over = false;
  const sending = (async () => {
    await listing;
    for (;;) {
      const id = queue.shift();
      if (id !== undefined) await sendFile(call, id, files.get(id));
      else if (over) return;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  })();
  sending.catch(() => call.cancel());
  let finished = false;
  try {
    for await (const message of call.messages) {
      const packet = decodePacket(message);
      if (packet.type === PACKET.request) {
        queue.push(packet.id);
        wake();
      } else if (packet.type === PACKET.fin) {
        finished = true;
        over = true;
        wake();
        await sending;
        await call.send(encodePacket({ type: PACKET.fin, id: 0 }));
        call.closeSend();
      } else if (packet.type === PACKET.error) {
        throw new RpcError('unknown', `error from receiver: ${(packet.data ?? Buffer.alloc(0)).toString()}`);
      } else throw new RpcError('invalidArgument', `unexpected packet type ${packet.type}`);
    }
  } finally {
    over = true;
    wake();
  }
  if (!finished) throw new RpcError('unavailable', 'the receiver stopped before it had everything');
}

async function list(call: RpcStream, folder: BytePath, machine: MachineCalls, files: Map<number, BytePath>): Promise<void> {
  const links = new Map<string, BytePath>();
  let id = 0;
  const walk = async (dir: BytePath, prefix: BytePath): Promise<void> => {
    const names = readdirSync(fsPath(dir), { encoding: 'latin1' }).sort((a, b) => (a < b ? -1 : 1));
    for (const name of names) {
      const path = `${dir}/${name}`;
      const facts = lstatSync(fsPath(path), { bigint: true });
      const stat = statOf(`${prefix}${name}`, path, facts, machine, links);
      if (facts.isFile() && stat.linkname === '') files.set(id, path);
      id += 1;
      await call.send(encodePacket({ type: PACKET.stat, id: 0, stat: encodeStat(stat) }));
      if (facts.isDirectory()) await walk(path, `${prefix}${name}/`);
    }
  };
  await walk(folder, '');
  await call.send(encodePacket({ type: PACKET.stat, id: 0 }));
}

function statOf(path: BytePath, full: BytePath, facts: BigIntStats, machine: MachineCalls, links: Map<string, BytePath>): Stat {
  let linkname = '';
  if (facts.isSymbolicLink()) linkname = readlinkSync(fsPath(full), { encoding: 'latin1' }).toString();
  else if (facts.isFile() && facts.nlink > 1n) {
    const key = `${facts.dev}:${facts.ino}`;
    const earlier = links.get(key);
    if (earlier === undefined) links.set(key, path);
    else linkname = earlier;
  }
  const device = facts.isCharacterDevice() || facts.isBlockDevice();
  const rdev = facts.rdev;
  return {
    path,
    mode: goMode(facts),
    uid: Number(facts.uid),
    gid: Number(facts.gid),
    size: facts.isFile() && linkname === '' ? Number(facts.size) : 0,
    modTime: facts.mtimeNs,
    linkname,
    devmajor: device ? Number(((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n)) : 0,
    devminor: device ? Number((rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n)) : 0,
    xattrs: facts.isFile() || facts.isDirectory() ? machine.listXattrs(full) : [],
  };
}

function goMode(facts: BigIntStats): number {
  const type = facts.isDirectory()
    ? GO_MODE.dir
    : facts.isSymbolicLink()
      ? GO_MODE.symlink
      : facts.isCharacterDevice()
        ? GO_MODE.device + GO_MODE.charDevice
        : facts.isBlockDevice()
          ? GO_MODE.device
          : facts.isFIFO()
            ? GO_MODE.pipe
            : facts.isSocket()
              ? GO_MODE.socket
              : 0;
  return type + goPermissions(Number(facts.mode) & 0o7777);
}

async function sendFile(call: RpcStream, id: number, path: BytePath | undefined): Promise<void> {
  if (path === undefined) throw new RpcError('invalidArgument', `file ${id} was asked for but not listed`);
  const fd = openSync(fsPath(path), 'r');
  try {
    for (;;) {
      const chunk = Buffer.allocUnsafe(CHUNK);
      const length = readSync(fd, chunk, 0, CHUNK, null);
      if (length === 0) break;
      await call.send(encodePacket({ type: PACKET.data, id, data: chunk.subarray(0, length) }));
    }
    await call.send(encodePacket({ type: PACKET.data, id }));
  } finally {
    closeSync(fd);
  }
}
