// SourceOp of one file by http or https. What the server says about it decides whether it comes again.

import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  canonicalJson,
  type Digest,
  digestHex,
  digestOf,
  errnoOf,
  isDigest,
  type JobContext,
  SlipwayError,
  toBytePath,
} from '../base/index.ts';
import type { GraphVertex, HttpSource } from '../graph/index.ts';
import { checkPathLength } from '../layer/index.ts';
import type { RootFS } from '../snapshot/index.ts';
import type { CacheMap, Op } from '../solver/index.ts';
import { fetchFile, type HttpRecord, parseHttpUrl, shownUrl } from '../source/index.ts';
import type { OpDeps } from './deps.ts';
import { stepIdentity } from './identity.ts';
import { writeLayer } from './write-layer.ts';

/** What is known of the file in this build. `path`: where its bytes are; undefined: they were not fetched. */
interface Fetched {
  readonly digest: string;
  readonly size: number | undefined;
  readonly lastModified: string | undefined;
  readonly path: string | undefined;
  /** A copy that belongs to who asked before. */
  readonly kept?: string;
}

/** Makes the op of an http source. With a checksum a known result needs no request. */
export function createHttpOp(vertex: GraphVertex, source: HttpSource, step: string, deps: OpDeps): Op<RootFS> {
  let asked: Promise<Fetched> | undefined;
  const ask = (job: JobContext): Promise<Fetched> => (asked ??= resolve(vertex, source, deps, job));
  return {
    resource: 'network',
    cacheMap: async (_inputs, job) => {
      const asked = await ask(job);
      deps.pinned?.(vertex.digest, asked.digest);
      return keyOf(source, step, asked);
    },
    exec: async (_inputs, job) => {
      let fetched = await ask(job);
      if (fetched.kept !== undefined) fetched = { ...fetched, path: linked(fetched.kept, deps) };
      if (fetched.path === undefined) {
        fetched = await download(vertex, source, undefined, deps, job);
        // Whoever keyed us did so by what the server said before.
        if (keyOf(source, step, fetched).key !== keyOf(source, step, await ask(job)).key && source.checksum === undefined) {
          throw new SlipwayError('HTTP_CHANGED', `${shownUrl(source.url)} changed while it was fetched`, { hint: 'build again' });
        }
      }
      const { key } = keyOf(source, step, await ask(job));
      try {
        return [await store(vertex, source, key, fetched, deps, job)];
      } finally {
        rmSync(fetched.path as string, { force: true });
        asked = Promise.resolve({ ...fetched, path: undefined });
      }
    },
  };
}

/** What an http address gives, now or when this build asked first: digest, time, and the file itself. A step of this build takes that one. */
export async function httpFacts(source: HttpSource, deps: OpDeps, job: JobContext): Promise<HttpRecord & { readonly path: string }> {
  const { record, path } = await deps.asked.file(source, async () => {
    const into = deps.tempFolder();
    const headers = { ...source.headers, ...(await authorization(source, deps)) };
    return { record: (await fetchFile(deps.network.http, { url: source.url, headers, into }, job)).record, path: into };
  });
  return { ...record, path };
}

/** One more name for a file, to be removed. */
function linked(path: string, deps: OpDeps): string {
  const link = deps.tempFolder();
  linkSync(path, link);
  return link;
}

function keyOf(source: HttpSource, step: string, { digest, lastModified }: Fetched): CacheMap {
  const { filename, mode, uid, gid } = source;
  const modified = source.checksum === undefined ? lastModified : undefined;
  const headers = Object.keys(source.headers ?? {}).sort();
  const key = digestOf(canonicalJson({ op: 'http', filename, mode, uid, gid, digest, modified, headers }));
  return {
    key,
    step,
    fields: [
      { name: `http ${shownUrl(source.url)}`, value: digest },
      { name: 'option filename', value: filename },
      { name: 'option attributes', value: canonicalJson({ mode, uid, gid, headers }) },
      ...(modified === undefined ? [] : [{ name: `modified ${shownUrl(source.url)}`, value: modified }]),
    ],
  };
}

async function resolve(vertex: GraphVertex, source: HttpSource, deps: OpDeps, job: JobContext): Promise<Fetched> {
  const { checksum } = source;
  if (checksum !== undefined) return { digest: checksum, size: undefined, lastModified: undefined, path: undefined };
  const asked = await deps.asked.fileOf(source);
  if (asked !== undefined) {
    const { record, path } = asked;
    writeRecord(source, record, deps);
    return { digest: record.digest, size: record.size, lastModified: record.lastModified, path: undefined, kept: path };
  }
  return await download(vertex, source, readRecord(source, deps), deps, job);
}

async function download(
  vertex: GraphVertex,
  source: HttpSource,
  known: HttpRecord | undefined,
  deps: OpDeps,
  job: JobContext,
): Promise<Fetched> {
  const into = deps.tempFolder();
  const { checksum } = source;
  const id = vertex.digest;
  const status = `downloading ${shownUrl(source.url)}`;
  const { record, bytes } = await fetchFile(
    deps.network.http,
    {
      url: source.url,
      headers: { ...source.headers, ...(await authorization(source, deps)) },
      into,
      ...(known === undefined ? {} : { known }),
      ...(checksum === undefined ? {} : { checksum }),
      onBytes: (current, total) => {
        const time = job.now().getTime();
        job.progress({
          type: 'status',
          id,
          status,
          current,
          ...(total === undefined ? {} : { total }),
          unit: 'bytes',
          done: current === total,
          time,
        });
      },
    },
    job,
  );
  if (bytes) writeRecord(source, record, deps);
  const digest = checksum ?? record.digest;
  return { digest, size: record.size, lastModified: record.lastModified, path: bytes ? into : undefined };
}

/** The one file as a layer. */
async function store(
  vertex: GraphVertex,
  source: HttpSource,
  key: Digest,
  fetched: Fetched,
  deps: OpDeps,
  job: JobContext,
): Promise<RootFS> {
  const modified = Date.parse(fetched.lastModified ?? '');
  const size = fetched.size ?? 0;
  checkPathLength(toBytePath(source.filename));
  const entry = {
    path: toBytePath(source.filename),
    kind: 'file' as const,
    mode: source.mode ?? 0o600,
    uid: source.uid ?? 0,
    gid: source.gid ?? 0,
    size,
    mtime: Number.isNaN(modified) ? 0 : Math.floor(modified / 1000),
    mtimeNs: 0,
    ...(isDigest(fetched.digest) && fetched.digest.startsWith('sha256:') ? { digest: fetched.digest } : {}),
  };
  const bytes = { kind: 'part', of: fetched.path as string, offset: 0, size } as const;
  const layer = await writeLayer([{ entry, ...(size > 0 ? { bytes } : {}) }], { vertex: vertex.digest }, deps, job);
  if (layer.contentDigest === undefined) throw new Error('internal: a written layer without content digest');
  return { identity: stepIdentity(key, layer.contentDigest), layers: [layer] };
}

/** From the secrets that BuildKit's users know; never in a key. */
async function authorization(source: HttpSource, deps: OpDeps): Promise<Record<string, string>> {
  const { hostname } = parseHttpUrl(source.url);
  const text = async (id: string): Promise<string | undefined> => {
    const value = await deps.secret(id);
    return value === undefined ? undefined : Buffer.from(value).toString('utf8').trim();
  };
  const header = await text(source.authHeaderSecret ?? `HTTP_AUTH_HEADER_${hostname}`);
  if (header !== undefined) return { Authorization: header };
  const token = source.authHeaderSecret === undefined ? await text(`HTTP_AUTH_TOKEN_${hostname}`) : undefined;
  return token === undefined ? {} : { Authorization: `Bearer ${token}` };
}

/** What the server said last time, by address and headers' names. */
function recordFile(source: HttpSource, deps: OpDeps): string {
  const name = digestOf(canonicalJson({ url: source.url, headers: Object.keys(source.headers ?? {}).sort() }));
  return join(deps.stateFolder('http'), `${digestHex(name)}.json`);
}

function readRecord(source: HttpSource, deps: OpDeps): HttpRecord | undefined {
  let text: string;
  try {
    text = readFileSync(recordFile(source, deps), 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { etag, lastModified, digest, size } = JSON.parse(text) as Partial<HttpRecord>;
    if (typeof digest !== 'string' || !isDigest(digest) || typeof size !== 'number') return undefined;
    return { digest, size, ...(typeof etag === 'string' ? { etag } : {}), ...(typeof lastModified === 'string' ? { lastModified } : {}) };
  } catch {
    return undefined; // half-written or foreign: the file is asked for anew
  }
}

function writeRecord(source: HttpSource, record: HttpRecord, deps: OpDeps): void {
  const file = recordFile(source, deps);
  mkdirSync(deps.stateFolder('http'), { recursive: true });
  const temporary = `${file}.${process.pid}`;
  writeFileSync(temporary, JSON.stringify(record), { mode: 0o600 });
  renameSync(temporary, file);
}
