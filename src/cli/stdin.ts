// `slipway build -`: standard input is a Dockerfile, or a tar (plain or compressed) that is the context.

import { closeSync, mkdtempSync, openSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ContextInput, DockerfileInput } from '../build/index.ts';
import type { World } from './world.ts';

const MAGICS: readonly (readonly [offset: number, bytes: readonly number[]])[] = [
  [0, [0x1f, 0x8b]], // gzip
  [0, [0x42, 0x5a, 0x68]], // bzip2
  [0, [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]], // xz
  [0, [0x28, 0xb5, 0x2f, 0xfd]], // zstd
  [257, [0x75, 0x73, 0x74, 0x61, 0x72]], // ustar
];

/** What came by standard input. An archive is kept in a file of its own until the process ends. */
export type StdinContext =
  | Extract<ContextInput, { kind: 'archive' }>
  | { readonly kind: 'dockerfile'; readonly dockerfile: Extract<DockerfileInput, { kind: 'text' }> };

/** Reads standard input to its end; an archive goes to a temporary file, not into memory. */
export async function readStdinContext(world: World): Promise<StdinContext> {
  const head: Buffer[] = [];
  let size = 0;
  let file: { path: string; fd: number } | undefined;
  for await (const chunk of world.stdin as AsyncIterable<Buffer>) {
    if (file !== undefined) {
      writeSync(file.fd, chunk);
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

/** A file of its own that begins with these bytes. */
function keep(start: Buffer): { path: string; fd: number } {
  const path = join(mkdtempSync(join(tmpdir(), 'slipway-stdin-')), 'context.tar');
  const fd = openSync(path, 'wx', 0o600);
  writeSync(fd, start);
  return { path, fd };
}

/** Whether the first bytes are those of a tar or of a compressed file. */
export function isArchive(start: Buffer): boolean {
  return MAGICS.some(([offset, bytes]) => bytes.every((byte, index) => start[offset + index] === byte));
}
