// `POST /build`: the classic way, a tar of the context in, lines of JSON out.

import { createWriteStream, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { StringDecoder } from 'node:string_decoder';
import type { ProgressEvent } from '../../base/index.ts';
import type { BuildRequest } from '../../build/index.ts';
import type { Logins } from '../backend.ts';
import { exitCodeOf, toRpcError } from '../failure.ts';
import { RpcError } from '../wire/rpc-error.ts';
import type { DockerCall } from './call.ts';
import { sendJson } from './call.ts';
import { readBuildQuery } from './query.ts';

/** Pieces of output, up to 64 KiB each, that a quiet build keeps for its failure. */
const LINES_KEPT = 500;

/** Builds what the body holds, or what `remote` names. */
export async function buildImage(call: DockerCall): Promise<void> {
  const { host, query, response } = call;
  const folder = host.backend.temporary('build');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  try {
    const request = readBuildQuery(query, await receiveContext(call, folder));
    response.writeHead(200, { 'content-type': 'application/json' });
    const isQuiet = query.get('q') === '1';
    /** What a quiet build would have said: told when it fails. */
    const unsaid: object[] = [];
    const write = (line: object): void => void response.write(`${JSON.stringify(line)}\r\n`);
    const lines = new ClassicLines(write);
    const keep = (line: object): void => {
      if (unsaid.push(line) > 2 * LINES_KEPT) unsaid.splice(0, LINES_KEPT);
    };
    const progress = isQuiet ? new ClassicLines(keep) : lines;
    try {
      const result = await host.backend.buildImage(
        request,
        { peer: call.peer, logins: readLogins(call) },
        (event) => progress.event(event),
        call.signal,
      );
      const id = result.configDigest ?? result.digest ?? '';
      if (isQuiet) lines.stream(`${id}\n`);
      else {
        lines.aux({ ID: id });
        lines.stream(`Successfully built ${id.replace(/^sha256:/, '').slice(0, 12)}\n`);
        for (const tag of request.tags ?? []) lines.stream(`Successfully tagged ${/:[^/]+$/.test(tag) ? tag : `${tag}:latest`}\n`);
      }
    } catch (error) {
      const { message } = toRpcError(error);
      for (const line of unsaid) write(line);
      lines.send({ errorDetail: { code: exitCodeOf(error) ?? 1, message }, error: message });
    }
    response.end();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function receiveContext(call: DockerCall, folder: string): Promise<NonNullable<BuildRequest['context']>> {
  const remote = call.query.get('remote') ?? '';
  if (remote !== '' && remote !== 'client-session') return { kind: 'url', url: remote };
  const path = join(folder, 'context');
  await pipeline(call.request, createWriteStream(path), { signal: call.signal });
  return { kind: 'archive', path };
}

/** The client's logins: it does not know which registries the build will ask. */
function readLogins({ request }: DockerCall): Logins {
  const header = request.headers['x-registry-config'];
  if (typeof header !== 'string' || header === '') return {};
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(header, 'base64url').toString());
  } catch (cause) {
    throw new RpcError('invalidArgument', 'X-Registry-Config cannot be read', [], { cause });
  }
  if (typeof value !== 'object' || value === null) throw new RpcError('invalidArgument', 'X-Registry-Config is no table');
  const isLogin = (entry: readonly [string, unknown]): entry is readonly [string, Logins[string]] =>
    typeof entry[1] === 'object' && entry[1] !== null && Object.values(entry[1]).every((one) => typeof one === 'string');
  return Object.fromEntries(Object.entries(value).filter(isLogin));
}

/** Progress as the classic builder told it. */
class ClassicLines {
  readonly #write: (line: object) => void;
  readonly #steps = new Map<string, { readonly text: string; number: number }>();
  /** By step and stream: a character may come in two pieces. */
  readonly #decoders = new Map<string, StringDecoder>();
  #shown = 0;

  constructor(write: (line: object) => void) {
    this.#write = write;
  }

  send(line: object): void {
    this.#write(line);
  }

  stream(text: string): void {
    this.#write({ stream: text });
  }

  aux(value: object): void {
    this.#write({ aux: value });
  }

  event(event: ProgressEvent): void {
    switch (event.type) {
      case 'vertex':
        if (event.vertex.instruction !== undefined && !this.#steps.has(event.vertex.id))
          this.#steps.set(event.vertex.id, { text: event.vertex.instruction, number: 0 });
        return;
      case 'started':
        this.#show(event.id);
        return;
      case 'completed':
        this.#show(event.id);
        if (this.#steps.has(event.id))
          this.stream(`${event.cached ? ' ---> Using cache\n' : ''} ---> ${event.id.replace(/^sha256:/, '').slice(0, 12)}\n`);
        return;
      case 'log':
        this.#log(`${event.id} ${event.stream}`, event.data);
        return;
      case 'warning':
        this.stream(`[Warning] ${event.diagnostic.message}\n`);
        return;
      default:
    }
  }

  #log(source: string, data: Uint8Array): void {
    let decoder = this.#decoders.get(source);
    if (decoder === undefined) this.#decoders.set(source, (decoder = new StringDecoder('utf8')));
    const text = decoder.write(Buffer.from(data));
    if (text !== '') this.stream(text);
  }

  #show(id: string): void {
    const step = this.#steps.get(id);
    if (step === undefined || step.number > 0) return;
    step.number = ++this.#shown;
    this.stream(`Step ${step.number}/${this.#steps.size} : ${step.text}\n`);
  }
}

/** `POST /build/prune`. */
export async function pruneBuilds(call: DockerCall): Promise<void> {
  const { backend } = call.host;
  let bytes = 0;
  const ids: string[] = [];
  await backend.prune(
    { filter: [], all: call.query.get('all') === '1', keepMs: 0, reservedBytes: 0, maxBytes: 0, minFreeBytes: 0 },
    (one) => {
      bytes += one.bytes;
      ids.push(one.id);
    },
    { signal: call.signal, progress: () => {}, now: backend.now },
  );
  sendJson(call, 200, { CachesDeleted: ids, SpaceReclaimed: bytes });
}
