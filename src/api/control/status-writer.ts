// Progress events as the status messages of BuildKit's clients.

import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { type Diagnostic, lineRanges, type ProgressEvent, type SourceText } from '../../base/index.ts';
import {
  type StatusResponse,
  StatusResponseSchema,
  type VertexLogSchema,
  type VertexSchema,
  type VertexStatusSchema,
  type VertexWarningSchema,
} from '../gen/control_pb.ts';

type VertexInit = MessageInitShape<typeof VertexSchema>;
type StatusInit = MessageInitShape<typeof VertexStatusSchema>;
type LogInit = MessageInitShape<typeof VertexLogSchema>;
type WarningInit = MessageInitShape<typeof VertexWarningSchema>;

/** Bytes of logs in one message: clients take 4 MiB. */
const MAX_LOGS = 1 << 20;

export interface StepCounts {
  readonly total: number;
  readonly completed: number;
  readonly cached: number;
  readonly warnings: number;
}

interface VertexState {
  digest: string;
  inputs: string[];
  name: string;
  cached: boolean;
  startedAt?: number;
  completedAt?: number;
  error: string;
}

/** Gathers events and gives them out as messages, each vertex and status once per message however often it moved. */
export class StatusWriter {
  readonly #vertices = new Map<string, VertexState>();
  readonly #touched = new Set<VertexState>();
  readonly #statuses = new Map<string, StatusInit>();
  readonly #statusStarts = new Map<string, number>();
  #logs: LogInit[] = [];
  #warnings: WarningInit[] = [];
  #warningCount = 0;

  get counts(): StepCounts {
    const all = [...this.#vertices.values()];
    return {
      total: all.length,
      completed: all.filter((vertex) => vertex.completedAt !== undefined).length,
      cached: all.filter((vertex) => vertex.cached).length,
      warnings: this.#warningCount,
    };
  }

  /** Bytes of log that wait; the owner flushes early when there are many. */
  get pendingLogBytes(): number {
    return this.#logs.reduce((sum, log) => sum + (log.msg?.length ?? 0), 0);
  }

  /** Takes an event in. */
  add(event: ProgressEvent): void {
    switch (event.type) {
      case 'vertex': {
        const { id, name, inputs } = event.vertex;
        const known = this.#vertices.get(id);
        if (known !== undefined) return;
        const state: VertexState = { digest: id, inputs: [...inputs], name, cached: false, error: '' };
        this.#vertices.set(id, state);
        this.#touched.add(state);
        return;
      }
      case 'started':
        this.#change(event.id, (vertex) => {
          vertex.startedAt = event.time;
          delete vertex.completedAt;
        });
        return;
      case 'completed':
        this.#change(event.id, (vertex) => {
          vertex.startedAt ??= event.time;
          vertex.completedAt = event.time;
          vertex.cached = event.cached;
        });
        return;
      case 'failed':
        this.#change(event.id, (vertex) => {
          vertex.startedAt ??= event.time;
          vertex.completedAt = event.time;
          vertex.error = event.error.message;
        });
        return;
      case 'canceled':
        this.#change(event.id, (vertex) => {
          if (vertex.startedAt === undefined) return; // never began: clients show nothing
          vertex.completedAt = event.time;
          vertex.error = 'context canceled';
        });
        return;
      case 'status':
        this.#status(event);
        return;
      case 'log':
        this.#logs.push({
          vertex: event.id,
          stream: BigInt(event.stream),
          msg: event.data,
          timestamp: timestampFromMs(event.time),
        });
        return;
      case 'warning':
        this.#warningCount += 1;
        this.#warnings.push(lintWarning(event.id ?? '', event.diagnostic, event.source));
    }
  }

  /** A warning of a frontend in the client. */
  warn(warning: WarningInit): void {
    this.#warningCount += 1;
    this.#warnings.push(warning);
  }

  /** What happened since the last call. What a step printed comes before the message that the step is over. */
  take(): StatusResponse[] {
    const messages: StatusResponse[] = [];
    const printed = new Set(this.#logs.map(({ vertex }) => vertex));
    const over = [...this.#touched].filter(({ digest, completedAt }) => completedAt !== undefined && printed.has(digest));
    if (this.#touched.size > 0 || this.#statuses.size > 0 || this.#warnings.length > 0) {
      messages.push(
        create(StatusResponseSchema, {
          vertexes: [...this.#touched].map((vertex) => vertexMessage(over.includes(vertex) ? unfinished(vertex) : vertex)),
          statuses: [...this.#statuses.values()],
          warnings: this.#warnings,
        }),
      );
    }
    for (let from = 0; from < this.#logs.length;) {
      let bytes = 0;
      let to = from;
      while (to < this.#logs.length && (to === from || bytes + (this.#logs[to]?.msg?.length ?? 0) <= MAX_LOGS)) {
        bytes += this.#logs[to++]?.msg?.length ?? 0;
      }
      messages.push(create(StatusResponseSchema, { logs: this.#logs.slice(from, to) }));
      from = to;
    }
    if (over.length > 0) messages.push(create(StatusResponseSchema, { vertexes: over.map(vertexMessage) }));
    this.#touched.clear();
    this.#statuses.clear();
    this.#logs = [];
    this.#warnings = [];
    return messages;
  }

  #change(id: string, change: (vertex: VertexState) => void): void {
    const vertex = this.#vertices.get(id);
    if (vertex === undefined) return;
    change(vertex);
    this.#touched.add(vertex);
  }

  #status(event: Extract<ProgressEvent, { type: 'status' }>): void {
    const key = `${event.id}\0${event.status}`;
    const startedAt = this.#statusStarts.get(key) ?? event.time;
    this.#statusStarts.set(key, startedAt);
    const bytes = event.unit === 'files' ? { current: 0, total: 0 } : event; // clients show every number as bytes
    this.#statuses.set(key, {
      id: event.status,
      vertex: event.id,
      // Clients know transfers of folders by this name.
      name: event.status.startsWith('transferring ') ? 'transferring' : '',
      current: BigInt(Math.round(bytes.current)),
      total: BigInt(Math.round(bytes.total ?? 0)),
      timestamp: timestampFromMs(event.time),
      started: timestampFromMs(startedAt),
      ...(event.done && { completed: timestampFromMs(event.time) }),
    });
  }
}

function unfinished({ completedAt: _, ...vertex }: VertexState): VertexState {
  return { ...vertex, cached: false, error: '' };
}

function vertexMessage(vertex: VertexState): VertexInit {
  return {
    digest: vertex.digest,
    inputs: vertex.inputs,
    name: vertex.name,
    cached: vertex.cached,
    error: vertex.error,
    ...(vertex.startedAt !== undefined && { started: timestampFromMs(vertex.startedAt) }),
    ...(vertex.completedAt !== undefined && { completed: timestampFromMs(vertex.completedAt) }),
  };
}

/** A finding as clients know lint warnings: `Rule: message (line N)`. */
function lintWarning(vertex: string, diagnostic: Diagnostic, source: SourceText | undefined): WarningInit {
  const { start } = diagnostic.range;
  const place = source === undefined ? '' : ` (line ${start.line})`;
  return {
    vertex,
    level: 1n,
    short: Buffer.from(`${diagnostic.rule}: ${diagnostic.message}${place}`),
    detail: diagnostic.description === undefined ? [] : [Buffer.from(diagnostic.description)],
    url: diagnostic.url ?? '',
    ...(source !== undefined && {
      info: { filename: source.filename, data: Buffer.from(source.text), language: 'Dockerfile' },
      ranges: lineRanges(diagnostic.range),
    }),
  };
}
