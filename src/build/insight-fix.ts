// Cures written into a Dockerfile: COPY lines of findings, before the last stage says what it starts.

import { parseDockerfile } from '../dockerfile/index.ts';
import type { Finding } from '../insight/index.ts';

/** What a Dockerfile becomes. */
export interface CuredDockerfile {
  readonly text: string;
  readonly added: readonly string[];
}

const CLOSING = /^(ENTRYPOINT|CMD|USER|HEALTHCHECK|ONBUILD)$/;

/** Adds the `COPY --from=` and `RUN` lines of findings to the stage (default: the last one). Lines that are there already are not added. */
export function addCures(text: string, findings: readonly Finding[], stageName?: string): CuredDockerfile {
  const { stages } = parseDockerfile(text, { filename: 'Dockerfile' });
  const stage = stages.find(({ name }) => name !== undefined && name === stageName?.toLowerCase()) ?? stages.at(-1);
  if (stage === undefined) return { text, added: [] };
  const lines = text.split('\n');
  const known = new Set(lines.map((line) => line.trim()));
  const wanted = findings
    .filter(({ severity }) => severity !== 'info')
    .flatMap(({ cure }) => (cure !== undefined && /^(COPY --from=(?!STAGE)|RUN (apt-get|apk|dnf) )/.test(cure) ? [cure] : []));
  const added = [...new Set(wanted)].filter((line) => !known.has(line));
  if (added.length === 0) return { text, added };
  const closing = stage.instructions.find(({ kind }) => CLOSING.test(kind));
  const last = stage.instructions.at(-1)?.range.end.line ?? stage.from.range.end.line;
  const at = closing === undefined ? last : closing.range.start.line - 1;
  const eol = text.includes('\r\n') ? '\r' : '';
  lines.splice(at, 0, ...added.map((line) => `${line}${eol}`));
  return { text: lines.join('\n'), added };
}
