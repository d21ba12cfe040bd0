// The trace of a build, as its history keeps it: one span, from the request to its end.

import { createHash } from 'node:crypto';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import type { BuildHistoryRecord } from '../gen/control_pb.ts';

/** Spans in the form of OpenTelemetry's JSON, one document each. */
export function traceDocument(record: BuildHistoryRecord): Buffer {
  const id = createHash('sha256').update(record.ref).digest('hex');
  const time = (value: BuildHistoryRecord['createdAt']): string => (value === undefined ? new Date(0) : timestampDate(value)).toISOString();
  const span = {
    Name: 'moby.buildkit.v1.Control/Solve',
    SpanContext: { TraceID: id.slice(0, 32), SpanID: id.slice(32, 48), TraceFlags: '01', TraceState: '', Remote: false },
    Parent: { TraceID: '0'.repeat(32), SpanID: '0'.repeat(16), TraceFlags: '00', TraceState: '', Remote: false },
    SpanKind: 2,
    StartTime: time(record.createdAt),
    EndTime: time(record.completedAt),
    Attributes: [{ Key: 'ref', Value: { Type: 'STRING', Value: record.ref } }],
    Events: null,
    Links: null,
    Status: { Code: record.error === undefined ? 'Unset' : 'Error', Description: record.error?.message ?? '' },
    ChildSpanCount: 0,
    Resource: [{ Key: 'service.name', Value: { Type: 'STRING', Value: 'slipway' } }],
  };
  return Buffer.from(`${JSON.stringify(span, null, 2)}\n`);
}
