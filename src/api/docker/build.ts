// `POST /build`: the classic way, a tar of the context in, lines of JSON out.

import { createWriteStream, mkdirSync, rmSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { ProgressEvent } from '../../base/index.ts';
import type { BuildRequest } from '../../build/index.ts';
import { exitCodeOf, toRpcError } from '../failure.ts';
import type { DockerCall } from './call.ts';
import { sendJson } from './call.ts';
import { readBuildQuery } from './query.ts';

/** Builds what the body holds, or what `remote` names. */
export async function buildImage(call: DockerCall): Promise<void> {
  const { host, query, response } = call;
  const folder = join(host.sync.mirrors.scratch, `build-${randomUUID()}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  try {
    const request = readBuildQuery(query, await receiveContext(call, folder));
    response.writeHead(200, { 'content-type': 'application/json' });
    const lines = new ClassicLines((line) => response.write(`${JSON.stringify(line)}\r\n`));
    try {
      const result = await host.backend.buildImage(request, (event) => lines.event(event), call.signal);
      const id = result.configDigest ?? result.digest ?? '';
      if (query.get('q') === '1') lines.stream(`${id}\n`);
      else {
        lines.aux({ ID: id });
        lines.stream(`Successfully built ${id.replace(/^sha256:/, '').slice(0, 12)}\n`);
        for (const tag of request.tags ?? []) lines.stream(`Successfully tagged ${/:[^/]+$/.test(tag) ? tag : `${tag}:latest`}\n`);
      }
    } catch (error) {
      const { message } = toRpcError(error);
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

/** Progress as the classic builder told it. */
class ClassicLines {
  readonly #write: (line: object) => void;
  readonly #steps = new Map<string, { readonly text: string; number: number }>();
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
        this.stream(Buffer.from(event.data).toString());
        return;
      case 'warning':
        this.stream(`[Warning] ${event.diagnostic.message}\n`);
        return;
      default:
    }
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
