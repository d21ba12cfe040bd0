// Loads an image into a running Docker or Podman: an archive by POST /images/load (Docker Engine API).

import type { IncomingMessage, RequestOptions } from 'node:http';
import { errnoOf, type JobContext, SlipwayError } from '../base/index.ts';
import { openStreamSink, type Sink } from './sink.ts';

/** A running container engine. */
export interface Engine {
  /** `unix:///run/podman/podman.sock`. */
  readonly address: string;
  /** It can hold images of several platforms: Docker with containerd's image store. */
  readonly holdsIndexes: boolean;
}

/** What a load said: `Loaded image: app:latest`. */
export interface Loaded {
  readonly messages: readonly string[];
}

const LONGEST_ANSWER = 1024 * 1024;
/** Docker's own word for containerd's image store in `GET /info`. */
const CONTAINERD_STORE = 'io.containerd.snapshotter.v1';

/** The first engine that answers. Throws `ENGINE_UNREACHABLE`. */
export async function findEngine(addresses: readonly string[], job: JobContext): Promise<Engine> {
  const reasons: string[] = [];
  for (const address of addresses) {
    try {
      const answer = await send(address, { method: 'GET', path: '/info' }, job);
      const info = JSON.parse(await textOf(answer)) as { readonly DriverStatus?: unknown };
      return { address, holdsIndexes: JSON.stringify(info.DriverStatus ?? []).includes(CONTAINERD_STORE) };
    } catch (error) {
      job.signal.throwIfAborted();
      reasons.push(`${address}: ${reasonOf(error)}`);
    }
  }
  throw new SlipwayError(
    'ENGINE_UNREACHABLE',
    `no container engine to load the image into: ${reasons.length === 0 ? 'none is configured' : reasons.join('; ')}`,
    {
      hint: 'start Docker or Podman, set DOCKER_HOST, or write a file: -o type=docker,dest=FILE',
    },
  );
}

/** Sends an archive that `write` writes. Throws `ENGINE_LOAD` with the engine's words. */
export async function loadArchive(engine: Engine, job: JobContext, write: (sink: Sink) => Promise<void>): Promise<Loaded> {
  const { request } = await import('node:http');
  const outgoing = request({
    ...target(engine.address),
    method: 'POST',
    path: '/images/load?quiet=1',
    headers: { 'Content-Type': 'application/x-tar', 'Transfer-Encoding': 'chunked', Host: 'engine' },
  });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once('response', resolve);
    outgoing.once('error', reject);
  });
  answered.catch(() => {});
  try {
    using sink = openStreamSink(outgoing, job.signal);
    await write(sink);
    outgoing.end();
  } catch (error) {
    outgoing.destroy();
    job.signal.throwIfAborted();
    // An engine that refuses says why before it stops reading.
    const said = await answered.then(textOf).catch(() => undefined);
    throw said === undefined ? error : loadFault(engine, said);
  }
  const answer = await answered.catch((cause: unknown) => {
    throw new SlipwayError('ENGINE_LOAD', `${engine.address} gave up while the image was loaded: ${reasonOf(cause)}`, { cause });
  });
  const text = await textOf(answer);
  const lines = text.split('\n').flatMap(readLine);
  const failure = lines.find(({ error }) => error !== undefined)?.error;
  if (failure !== undefined || answer.statusCode !== 200) throw loadFault(engine, failure ?? text);
  return { messages: lines.flatMap(({ stream }) => (stream === undefined ? [] : [stream.trim()])) };
}

function target(address: string): RequestOptions {
  if (address.startsWith('unix://')) return { socketPath: address.slice('unix://'.length) };
  if (address.startsWith('/')) return { socketPath: address };
  if (/^(tcp|http):\/\//.test(address)) {
    const url = new URL(address.replace(/^tcp:/, 'http:'));
    return { host: url.hostname.replace(/^\[|\]$/g, ''), port: url.port === '' ? 2375 : Number(url.port) };
  }
  throw new SlipwayError('ENGINE_UNREACHABLE', `${address} is no address that images can be loaded through`, {
    hint: 'use unix:///path/to.sock or tcp://host:port',
  });
}

async function send(address: string, options: RequestOptions, job: JobContext): Promise<IncomingMessage> {
  const { request } = await import('node:http');
  return await new Promise((resolve, reject) => {
    const outgoing = request({ ...target(address), ...options, headers: { Host: 'engine' }, signal: job.signal, timeout: 10_000 }, resolve);
    outgoing.on('error', reject);
    outgoing.on('timeout', () => outgoing.destroy(new Error('it does not answer')));
    outgoing.end();
  });
}

async function textOf(answer: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of answer.setEncoding('utf8') as AsyncIterable<string>) {
    text += chunk;
    if (text.length > LONGEST_ANSWER) break;
  }
  return text;
}

function readLine(line: string): readonly { readonly stream?: string; readonly error?: string }[] {
  try {
    const value = JSON.parse(line) as { readonly stream?: unknown; readonly error?: unknown; readonly message?: unknown } | null;
    const error = value?.error ?? value?.message;
    return [
      {
        ...(typeof value?.stream === 'string' ? { stream: value.stream } : {}),
        ...(typeof error === 'string' ? { error } : {}),
      },
    ];
  } catch {
    return [];
  }
}

function loadFault(engine: Engine, said: string): SlipwayError {
  const words = readLine(said)[0]?.error ?? said;

  return new SlipwayError(
    'ENGINE_LOAD',
    `${engine.address} did not take the image: ${words
      .replace(/[\x00-\x1f\x7f]+/g, ' ')
      .trim()
      .slice(0, 500)}`,
  );
}

function reasonOf(error: unknown): string {
  const code = errnoOf(error);
  if (code === 'ENOENT') return 'there is no such socket';
  if (code === 'ECONNREFUSED') return 'nothing listens there';
  if (code === 'EACCES') return 'permission denied';
  return error instanceof Error ? error.message : String(error);
}
