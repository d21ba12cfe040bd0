// `slipway build -`: standard input is a Dockerfile, or a tar (plain or compressed) that is the context.

import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addAbortSignal } from 'node:stream';
import { errnoOf, SlipwayError } from '../../base/index.ts';
import { type ContextInput, type DockerfileInput, isArchive } from '../../build/index.ts';
import type { World } from '../world.ts';

/** What came by standard input. An archive is kept in a file of its own until the process ends. */
export type StdinContext =
  | Extract<ContextInput, { kind: 'archive' }>
  | { readonly kind: 'dockerfile'; readonly dockerfile: Extract<DockerfileInput, { kind: 'text' }> };

/** Reads standard input to its end; an archive goes to a temporary file, not into memory. */
export async function readStdinContext(world: World): Promise<StdinContext> {
  const head: Buffer[] = [];
  let size = 0;
  let file: { path: string; fd: number } | undefined;
  for await (const chunk of chunksOf(world)) {
    if (file !== undefined) {
      append(file.fd, chunk);
      continue;
    }
    head.push(chunk);
    size += chunk.length;
    if (size < 512) continue;
    const start = head.length === 1 ? chunk : Buffer.concat(head);
    if (isArchive(start)) {
      file = keep(start);
      head.length = 0;
    } else head.splice(0, head.length, start);
  }
  // A small context packs into less than a tar's block.
  if (file === undefined && isArchive(Buffer.concat(head))) file = keep(Buffer.concat(head));
  if (file !== undefined) {
    closeSync(file.fd);
    return { kind: 'archive', path: file.path };
  }
  return { kind: 'dockerfile', dockerfile: { kind: 'text', text: Buffer.concat(head).toString('utf8'), filename: 'Dockerfile' } };
}

/** What comes, until its end or the signal: whoever pressed Ctrl-C does not wait for a writer that goes on. */
async function* chunksOf({ stdin, signal }: World): AsyncGenerator<Buffer> {
  try {
    yield* addAbortSignal(signal, stdin) as AsyncIterable<Buffer>;
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}

/** A file of its own that begins with these bytes. */
function keep(start: Buffer): { path: string; fd: number } {
  const folder = ownFolder();
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'context.tar');
  const fd = openSync(path, 'wx', 0o600);
  append(fd, start);
  return { path, fd };
}

function ownFolder(): string {
  try {
    return mkdtempSync(join(tmpdir(), 'slipway-stdin-'));
  } catch (cause) {
    throw new SlipwayError(
      'CONTEXT_UNREADABLE',
      `the context from standard input cannot be kept in ${tmpdir()}: ${(cause as Error).message}`,
      {
        cause,
        hint: 'set TMPDIR to a folder that you may write',
      },
    );
  }
}

/** All of it: a disk that is nearly full takes a part before it refuses. */
function append(fd: number, bytes: Buffer): void {
  try {
    for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
  } catch (cause) {
    if (errnoOf(cause) !== 'ENOSPC') throw cause;
    throw new SlipwayError('CONTEXT_UNREADABLE', `no space left in ${tmpdir()} for the context from standard input`, {
      cause,
      hint: 'make room there, or set TMPDIR to a folder on a larger disk',
    });
  }
}

/** Reads standard input to its end, as text. */
export async function readStdinText(world: World): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of chunksOf(world)) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
