// What is behind a remote source now: for clients that ask, and for SOURCE_DATE_EPOCH.

import { closeSync, openSync, rmSync, statSync } from 'node:fs';
import type { JobContext } from '../base/index.ts';
import type { HttpSource, SourceSpec } from '../graph/index.ts';
import { gitFacts, httpFacts, type OpDeps } from '../ops/index.ts';
import { readArchive } from '../source/index.ts';

/** Facts of a git or http source. */
export interface SourceFacts {
  /** Commit or tag object, or digest of the file; empty for a folder of the user. */
  readonly checksum: string;
  /** Full name of the git ref. */
  readonly ref?: string;
  /** Commit, when `checksum` is a tag. */
  readonly commitChecksum?: string;
  readonly commitObject?: Uint8Array;
  readonly tagObject?: Uint8Array;
  readonly filename?: string;
  readonly lastModified?: Date;
  /** Seconds since the epoch: of the commit, of the file, or the newest in an archive. */
  readonly time?: number;
}

/** Asks. Throws what fetching throws. */
export async function sourceFacts(source: SourceSpec['source'], deps: OpDeps, job: JobContext): Promise<SourceFacts> {
  switch (source.kind) {
    case 'git': {
      const { found, committedAt, commitObject, tagObject } = await gitFacts(source, deps, job);
      return {
        checksum: found.object,
        time: committedAt,
        commitObject,
        ...(tagObject === undefined ? {} : { tagObject }),
        ...(found.ref === undefined ? {} : { ref: found.ref }),
        ...(found.commit === found.object ? {} : { commitChecksum: found.commit }),
      };
    }
    case 'http':
      return await fileFacts(source, deps, job);
    default:
      return { checksum: '' };
  }
}

async function fileFacts(source: HttpSource, deps: OpDeps, job: JobContext): Promise<SourceFacts> {
  const { digest, lastModified, path } = await httpFacts(source, deps, job);
  const { filename } = source;
  const modified = Date.parse(lastModified ?? '');
  if (!Number.isNaN(modified)) return { checksum: digest, filename, lastModified: new Date(modified), time: Math.floor(modified / 1000) };
  const time = await newestMember(path, deps, job);
  return { checksum: digest, filename, ...(time === undefined ? {} : { time }) };
}

/** Newest time of a regular file in an archive; undefined when the file is none. */
async function newestMember(path: string, deps: OpDeps, job: JobContext): Promise<number | undefined> {
  const fd = openSync(path, 'r');
  const spool = deps.tempFolder();
  try {
    const file = { fd, offset: 0, size: statSync(path).size, [Symbol.dispose]: () => {} };
    const times = (await readArchive(file, spool, job))?.flatMap(({ member }) => (member.kind === 'file' ? [member.mtime] : [])) ?? [];
    return times.length === 0 ? undefined : Math.max(...times);
  } finally {
    closeSync(fd);
    rmSync(spool, { force: true });
  }
}
