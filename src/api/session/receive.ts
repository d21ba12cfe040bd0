// Receives a client's folder into a mirror folder: lists what the client has, asks for what changed since the last time,
// writes that, removes what is gone. The listing of the last time is kept as the raw Stat messages, in order, so that telling changes is a merge of
// two sorted lists that compares bytes.

import {
  chmodSync,
  chownSync,
  closeSync,
  fchmodSync,
  linkSync,
  lchownSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { type BytePath, errnoOf, fromBytePath, fsPath, toBytePath } from '../../base/index.ts';
import type { RpcStream } from '../wire/channel.ts';
import { RpcError } from '../wire/rpc-error.ts';
import type { MachineCalls } from './machine-calls.ts';
import { decodePacket, decodeStat, encodePacket, kindOfMode, PACKET, permissions, type Stat } from './packet.ts';
import { compareEntryPaths, removeTree } from '../../build/parts.ts';
import { StatOrder } from './stat-order.ts';

/** A listing: Stat messages, each behind its length (uint32, little endian), in order. */
export type Listing = Buffer;

/** Files that may be open at once: senders interleave a handful. */
const MAX_OPEN = 64;
/** Entries and bytes of one listing: far beyond real contexts, small enough to survive. */
const MAX_LISTING = 1 << 30;
/** Milliseconds until a refused sender has been told why, or does not listen. */
const TOLD_WITHIN_MS = 1000;

export interface ReceiveOptions {
  /** Folder that is made equal to the client's; exists. */
  readonly folder: string;
  /** What the folder holds now; empty for an empty folder. */
  readonly previous: Listing;
  readonly machine: MachineCalls;
  /** Give files their owners (root only). */
  readonly owners: boolean;
  /** Bytes that came so far. */
  readonly onBytes: (total: number) => void;
}

/** Speaks the receiver's part on `call`. Resolves with the new listing once the folder equals it. */
export async function receiveFolder(call: RpcStream, options: ReceiveOptions): Promise<Listing> {
  const receiver = new Receiver(call, options);
  try {
    return await receiver.run();
  } catch (caught) {
    const error = readable(caught);
    if (error instanceof RpcError && error.code === 'invalidArgument') {
      const told = call.send(encodePacket({ type: PACKET.error, id: 0, data: Buffer.from(error.message) })).catch(() => {});
      // A sender that reads nothing is not waited for.
      await Promise.race([told, setTimeout(TOLD_WITHIN_MS, undefined, { ref: false })]);
    }
    call.cancel();
    throw error;
  } finally {
    receiver.closeFiles();
  }
}

/** Our own folder stands before the client's paths, so that one may become too long here only. */
function readable(error: unknown): unknown {
  if (errnoOf(error) !== 'ENAMETOOLONG') return error;
  return new RpcError('invalidArgument', 'a path of the folder is too long for this machine', [], { cause: error });
}

interface Wanted {
  readonly stat: Stat;
  fd?: number;
}

class Receiver {
  readonly #call: RpcStream;
  readonly #options: ReceiveOptions;
  readonly #order = new StatOrder();
  readonly #old: ListingReader;
  readonly #listing: Buffer[] = [];
  #listingBytes = 0;
  /** Requested files by id, until their last byte. */
  readonly #wanted = new Map<number, Wanted>();
  #open = 0;
  /** Files written anew in this run: hard links to them must be made anew too. */
  readonly #fresh = new Set<BytePath>();
  /** Directories whose mode and time are set at the end. */
  readonly #dirs = new Map<BytePath, Stat | undefined>();
  /** Links wait until what they link to has its bytes: a link made now would point at the old file. */
  readonly #links: Stat[] = [];
  readonly #requests: number[] = [];
  #sending: Promise<void> = Promise.resolve();
  #sendingActive = false;
  #sendFailure: unknown;

  constructor(call: RpcStream, options: ReceiveOptions) {
    this.#call = call;
    this.#options = options;
    this.#old = new ListingReader(options.previous);
  }

  async run(): Promise<Listing> {
    let count = 0;
    let bytes = 0;
    let listed = false;
    let finished = false;
    for await (const message of this.#call.messages) {
      if (this.#sendFailure !== undefined) throw this.#sendFailure as Error;
      bytes += message.length;
      this.#options.onBytes(bytes);
      const packet = decodePacket(message);
      switch (packet.type) {
        case PACKET.stat:
          if (listed) throw new RpcError('invalidArgument', 'the listing goes on after its end');
          if (packet.stat === undefined) {
            listed = true;
            this.#removeOldBefore(undefined);
          } else this.#entry(packet.stat, count++);
          break;
        case PACKET.data:
          this.#data(packet.id, packet.data);
          break;
        case PACKET.error:
          throw new RpcError('unknown', `error from sender: ${(packet.data ?? Buffer.alloc(0)).toString()}`);
        case PACKET.fin:
          if (!finished) throw new RpcError('invalidArgument', 'the sender finished before everything was sent');
          break;
        default:
          throw new RpcError('invalidArgument', `unexpected packet type ${packet.type}`);
      }
      if (listed && !finished && this.#wanted.size === 0) {
        finished = true;
        this.#finish();
        await this.#sending;
        await this.#call.send(encodePacket({ type: PACKET.fin, id: 0 }));
        this.#call.closeSend();
      }
    }
    if (!finished) throw new RpcError('unavailable', 'the sender stopped before everything was sent');
    return Buffer.concat(this.#listing);
  }

  closeFiles(): void {
    for (const { fd } of this.#wanted.values()) if (fd !== undefined) closeSync(fd);
    this.#wanted.clear();
  }

  #entry(raw: Buffer, id: number): void {
    const stat = decodeStat(raw);
    this.#order.check(stat);
    this.#removeOldBefore(stat.path);
    const old = this.#old.current();
    let same = false;
    let oldStat: Stat | undefined;
    if (old !== undefined && old.path === stat.path) {
      same = old.raw.equals(raw) && !isDoubtful(stat) && !(isHardLink(stat) && this.#fresh.has(stat.linkname));
      if (!same) oldStat = decodeStat(old.raw);
      this.#old.advance();
    }
    this.#keep(raw);
    if (same) {
      if (kindOfMode(stat.mode) === 'dir') this.#dirs.set(stat.path, undefined);
      return;
    }
    this.#make(stat, oldStat, id);
  }

  #keep(raw: Buffer): void {
    const length = Buffer.allocUnsafe(4);
    length.writeUInt32LE(raw.length);
    this.#listing.push(Buffer.concat([length, raw]));
    this.#listingBytes += raw.length + 4;
    if (this.#listingBytes > MAX_LISTING) throw new RpcError('resourceExhausted', 'the folder has too many files');
  }

  #make(stat: Stat, old: Stat | undefined, id: number): void {
    const path = this.#path(stat.path);
    const kind = kindOfMode(stat.mode);
    this.#touchParent(stat.path);
    if (old !== undefined && !(kind === 'dir' && kindOfMode(old.mode) === 'dir')) {
      removeTree(path);
      if (kindOfMode(old.mode) === 'dir') this.#old.skipBelow(stat.path);
    }
    switch (kind) {
      case 'dir':
        if (old === undefined || kindOfMode(old.mode) !== 'dir') mkdirSync(fsPath(path), { mode: 0o700 });
        this.#dirs.set(stat.path, stat);
        return;
      case 'symlink':
        symlinkSync(fsPath(stat.linkname), fsPath(path));
        this.#attributes(path, stat);
        return;
      case 'file':
        this.#fresh.add(stat.path);
        if (stat.linkname !== '') {
          this.#links.push(stat);
          return;
        }
        this.#wanted.set(id, { stat });
        if (stat.size === 0) this.#complete(id);
        else this.#request(id);
        return;
      default:
        this.#options.machine.makeNode(path, kind, permissions(stat.mode), stat.devmajor, stat.devminor);
        this.#attributes(path, stat);
    }
  }

  #data(id: number, data: Buffer | undefined): void {
    const wanted = this.#wanted.get(id);
    if (wanted === undefined) throw new RpcError('invalidArgument', `data of file ${id}, which was not asked for`);
    if (data === undefined || data.length === 0) {
      this.#complete(id);
      return;
    }
    wanted.fd ??= this.#create(wanted.stat);
    for (let at = 0; at < data.length;) at += writeSync(wanted.fd, data, at);
  }

  #create(stat: Stat): number {
    if (this.#open >= MAX_OPEN) throw new RpcError('resourceExhausted', `more than ${MAX_OPEN} files sent at once`);
    this.#open += 1;
    return openSync(fsPath(this.#path(stat.path)), 'wx', 0o600);
  }

  #complete(id: number): void {
    const wanted = this.#wanted.get(id) as Wanted;
    const fd = wanted.fd ?? this.#create(wanted.stat);
    this.#wanted.delete(id);
    this.#open -= 1;
    fchmodSync(fd, 0o600);
    closeSync(fd);
    this.#attributes(this.#path(wanted.stat.path), wanted.stat);
  }

  /** Requests go out beside the reading: waiting for room here while the sender waits for us would stop both. */
  #request(id: number): void {
    this.#requests.push(id);
    if (this.#sendingActive) return;
    this.#sendingActive = true;
    this.#sending = (async () => {
      try {
        for (let at = 0; at < this.#requests.length; at += 1) {
          await this.#call.send(encodePacket({ type: PACKET.request, id: this.#requests[at] as number }));
        }
      } catch (error) {
        this.#sendFailure = error;
      } finally {
        this.#requests.length = 0;
        this.#sendingActive = false;
      }
    })();
  }

  /** Removes what the old listing has before `path`: the new one does not have it. */
  #removeOldBefore(path: BytePath | undefined): void {
    for (let old = this.#old.current(); old !== undefined; old = this.#old.current()) {
      if (path !== undefined && compareEntryPaths(old.path, path) >= 0) return;
      this.#touchParent(old.path);
      removeTree(this.#path(old.path));
      this.#old.advance();
      this.#old.skipBelow(old.path);
    }
  }

  /** A directory we change inside gets its own mode and time again at the end. */
  #touchParent(path: BytePath): void {
    const slash = path.lastIndexOf('/');
    if (slash < 0) return;
    const parent = path.slice(0, slash);
    if (!this.#dirs.has(parent) || this.#dirs.get(parent) !== undefined) return;
    this.#dirs.set(parent, this.#kept.get(parent));
    if (!this.#options.owners) chmodSync(fsPath(this.#path(parent)), 0o700);
  }

  readonly #kept = { get: (path: BytePath): Stat => findStat(this.#listing, path) };

  #finish(): void {
    for (const stat of this.#links) {
      const path = this.#path(stat.path);
      rmSync(fsPath(path), { force: true });
      linkSync(fsPath(this.#path(stat.linkname)), fsPath(path));
    }
    for (const [path, stat] of [...this.#dirs].reverse()) if (stat !== undefined) this.#attributes(this.#path(path), stat);
  }

  #attributes(path: BytePath, stat: Stat): void {
    const symlink = kindOfMode(stat.mode) === 'symlink';
    if (this.#options.owners && (stat.uid !== 0 || stat.gid !== 0)) {
      try {
        (symlink ? lchownSync : chownSync)(fsPath(path), stat.uid, stat.gid);
      } catch (error) {
        if (errnoOf(error) !== 'EINVAL') throw error; // the server of an ordinary user has not all ids
      }
    }
    for (const { name, value } of stat.xattrs) {
      try {
        this.#options.machine.setXattr(path, name, value);
      } catch (error) {
        if (!['ENOTSUP', 'EOPNOTSUPP', 'EPERM', 'EINVAL'].includes(errnoOf(error) ?? '')) throw error; // as far as this file system goes
      }
    }
    if (!symlink) chmodSync(fsPath(path), permissions(stat.mode));
    this.#options.machine.setMtime(path, stat.modTime);
  }

  #path(path: BytePath): BytePath {
    return `${toBytePath(this.#options.folder)}/${path}`;
  }
}

function isHardLink(stat: Stat): boolean {
  return stat.linkname !== '' && kindOfMode(stat.mode) === 'file';
}

/**
 * Whole seconds: somebody set the time (an archive, `touch`, a reproducible build), so equal size and time do not mean equal bytes. Such a
 * file is asked for each time.
 */
function isDoubtful(stat: Stat): boolean {
  return stat.modTime % 1_000_000_000n === 0n && stat.size > 0 && stat.linkname === '' && kindOfMode(stat.mode) === 'file';
}

function findStat(listing: readonly Buffer[], path: BytePath): Stat {
  let low = 0;
  let high = listing.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const stat = decodeStat((listing[middle] as Buffer).subarray(4));
    const order = compareEntryPaths(stat.path, path);
    if (order === 0) return stat;
    if (order < 0) low = middle + 1;
    else high = middle - 1;
  }
  throw new Error(`internal: ${fromBytePath(path)} was listed but is not in the listing`);
}

/** Reads a listing from the front. */
class ListingReader {
  readonly #listing: Listing;
  #at = 0;
  #current: { readonly raw: Buffer; readonly path: BytePath } | undefined;

  constructor(listing: Listing) {
    this.#listing = listing;
    this.advance();
  }

  current(): { readonly raw: Buffer; readonly path: BytePath } | undefined {
    return this.#current;
  }

  advance(): void {
    if (this.#at >= this.#listing.length) {
      this.#current = undefined;
      return;
    }
    const length = this.#listing.readUInt32LE(this.#at);
    const raw = this.#listing.subarray(this.#at + 4, this.#at + 4 + length);
    this.#at += 4 + length;
    this.#current = { raw, path: decodeStat(raw).path };
  }

  /** Leaves out what is below a directory that was just removed. */
  skipBelow(dir: BytePath): void {
    while (this.#current?.path.startsWith(`${dir}/`)) this.advance();
  }
}
