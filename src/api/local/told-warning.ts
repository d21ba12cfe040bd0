// A frontend's finding, in the protocol's form, as an event of the build.

import type { ProgressEvent, SourceRange } from '../../base/index.ts';
import type { StatusSink } from '../control/spool.ts';

type Warning = Parameters<StatusSink['warn']>[0];

/** `Rule: message (line 3)` is what frontends for Dockerfiles say in short. */
const SHORT = /^(?:([A-Za-z][A-Za-z0-9]*): )?([^]*?)(?: \(line \d+\))?$/;

/** The rule is the first word of the short text, where that has the form `RULE: message`. */
export function toldWarning({ short, detail = [], url = '', info, ranges = [] }: Warning, now: Date): ProgressEvent {
  const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? '').toString();
  const [, rule = 'Frontend', message = ''] = SHORT.exec(text(short)) ?? [];
  const description = detail.map(text).join('\n');
  const source = info?.data === undefined ? undefined : { filename: info.filename ?? 'Dockerfile', text: text(info.data) };
  return {
    type: 'warning',
    diagnostic: {
      rule,
      severity: 'warning',
      message,
      range: rangeOf(ranges[0]),
      ...(description === '' ? {} : { description }),
      ...(url === '' ? {} : { url }),
    },
    ...(source === undefined || ranges.length === 0 ? {} : { source }),
    time: now.getTime(),
  };
}

function rangeOf(range: NonNullable<Warning['ranges']>[number] | undefined): SourceRange {
  const at = (place: { readonly line?: number; readonly character?: number } | undefined): SourceRange['start'] => ({
    line: place?.line ?? 0,
    column: place?.character ?? 0,
  });
  return { start: at(range?.start), end: at(range?.end) };
}
