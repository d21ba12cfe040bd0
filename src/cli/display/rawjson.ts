// `--progress=rawjson`: one SolveStatus document a line (BuildKit's `client/graph.go`), for programs.

import type { ProgressEvent, ProgressVertex } from '../../base/index.ts';
import { printable } from '../printable.ts';
import type { Display, DisplayOutput } from './display.ts';

/** Vertexes, statuses, logs (data in base64) and warnings as buildx prints them. */
export function rawjsonDisplay(output: DisplayOutput): Display {
  const vertices = new Map<string, Record<string, unknown>>();
  const statuses = new Map<string, string>();
  const put = (document: Record<string, unknown>): void => output.write(`${printable(JSON.stringify(document))}\n`);
  const iso = (time: number): string => new Date(time).toISOString();
  const change = (id: string, fields: Record<string, unknown>): void => {
    const vertex = { ...vertices.get(id), ...fields };
    vertices.set(id, vertex);
    put({ vertexes: [vertex] });
  };
  return {
    event: (event: ProgressEvent) => {
      switch (event.type) {
        case 'vertex':
          change(event.vertex.id, describe(event.vertex));
          break;
        case 'started':
          change(event.id, { started: iso(event.time) });
          break;
        case 'completed':
          change(event.id, {
            started: vertices.get(event.id)?.['started'] ?? iso(event.time),
            completed: iso(event.time),
            ...(event.cached ? { cached: true } : {}),
            ...(event.reason === undefined ? {} : { reason: event.reason }),
          });
          break;
        case 'failed':
          change(event.id, { completed: iso(event.time), error: event.error.message });
          break;
        case 'canceled':
          change(event.id, { completed: iso(event.time), error: 'context canceled' });
          break;
        case 'status': {
          const key = `${event.id} ${event.status}`;
          const started = statuses.get(key) ?? iso(event.time);
          statuses.set(key, started);
          const bytes = event.unit === 'files' ? { current: 0, total: undefined } : event; // whoever reads this form takes every number for bytes
          put({
            statuses: [
              {
                id: event.status,
                vertex: event.id,
                current: bytes.current,
                ...(bytes.total === undefined ? {} : { total: bytes.total }),
                timestamp: iso(event.time),
                started,
                ...(event.done ? { completed: iso(event.time) } : {}),
              },
            ],
          });
          break;
        }
        case 'log':
          put({
            logs: [
              { vertex: event.id, stream: event.stream, data: Buffer.from(event.data).toString('base64'), timestamp: iso(event.time) },
            ],
          });
          break;
        case 'warning':
          put({
            warnings: [
              {
                vertex: event.id ?? '',
                level: 1,
                short: Buffer.from(`${event.diagnostic.rule}: ${event.diagnostic.message}`).toString('base64'),
                detail: event.diagnostic.description === undefined ? [] : [Buffer.from(event.diagnostic.description).toString('base64')],
                url: event.diagnostic.url ?? '',
                sourceInfo:
                  event.source === undefined
                    ? undefined
                    : { filename: event.source.filename, data: Buffer.from(event.source.text).toString('base64') },
                range: [
                  {
                    start: { line: event.diagnostic.range.start.line, character: event.diagnostic.range.start.column },
                    end: { line: event.diagnostic.range.end.line, character: event.diagnostic.range.end.column },
                  },
                ],
              },
            ],
          });
          break;
      }
    },
    close: () => {},
  };
}

function describe(vertex: ProgressVertex): Record<string, unknown> {
  return { digest: vertex.id, name: vertex.name, ...(vertex.inputs.length === 0 ? {} : { inputs: vertex.inputs }) };
}
