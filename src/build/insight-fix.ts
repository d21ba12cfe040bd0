// Cures written into a Dockerfile: lines added before the stage says what it starts, and lines that stand in place of others.

import { parseDockerfile } from '../dockerfile/index.ts';
import type { Edit, Finding } from '../insight/index.ts';

/** What a Dockerfile becomes. */
export interface CuredDockerfile {
  readonly text: string;
  /** Lines that are new, or as they are now. */
  readonly added: readonly string[];
}

type Stage = ReturnType<typeof parseDockerfile>['stages'][number];

const CLOSING = /^(ENTRYPOINT|CMD|USER|HEALTHCHECK|ONBUILD)$/;
const ADDED = /^(COPY (--chmod=\d+ )?--from=(?!STAGE)|RUN (mkdir -p \S+ && )?(apt-get|apk|dnf) )/;

/**
 * Makes the changes of findings (notes left out) in the stage that makes the image: the one named, else the last. What is there already
 * is not added again; of two lines for one place the first counts.
 */
export function addCures(text: string, findings: readonly Finding[], stageName?: string): CuredDockerfile {
  const { stages } = parseDockerfile(text, { filename: 'Dockerfile' });
  const number = /^stage-(\d+)$/.exec(stageName ?? '')?.[1];
  const stage =
    stages.find(({ name, index }) => (name === undefined ? index === Number(number) : name === stageName?.toLowerCase())) ?? stages.at(-1);
  if (stage === undefined) return { text, added: [] };
  const edits = findings.filter(({ severity }) => severity !== 'info').flatMap(editsOf);
  const lines = text.split('\n');
  const last = stage.instructions.at(-1)?.range.end.line ?? stage.from.range.end.line;
  // What another stage has is not in this image.
  const known = new Set(lines.slice(stage.from.range.start.line - 1, last).map((line) => line.trim()));
  const added: string[] = [];
  const eol = text.includes('\r\n') ? '\r' : '';
  const done = new Set<string | number>();
  for (const { line, replaces } of edits) {
    if (replaces === undefined || known.has(line) || done.has(replaces)) continue;
    const became = replace(lines, stage, line, replaces);
    if (became === undefined) continue;
    done.add(replaces);
    added.push(became);
  }
  const fresh = [...new Set(edits.flatMap(({ line, replaces }) => (replaces === undefined && !known.has(line) ? [line] : [])))];
  // Packages first: a package manager has to find the libraries it knows.
  fresh.sort((a, b) => Number(!isInstall(a)) - Number(!isInstall(b)));
  if (fresh.length > 0) {
    const closing = stage.instructions.find(({ kind }) => CLOSING.test(kind));
    lines.splice(closing === undefined ? last : closing.range.start.line - 1, 0, ...fresh.map((line) => `${line}${eol}`));
  }
  added.push(...fresh);
  return { text: lines.join('\n'), added };
}

function editsOf({ cure, edits }: Finding): readonly Edit[] {
  return edits ?? (cure !== undefined && ADDED.test(cure) ? [{ line: cure }] : []);
}

function isInstall(line: string): boolean {
  return /^RUN (mkdir -p \S+ && )?(apt-get|apk|dnf) /.test(line);
}

/** Changes one instruction in place, as many lines as it has; the line as it is now, or undefined when it is not there. */
function replace(lines: string[], stage: Stage, line: string, replaces: NonNullable<Edit['replaces']>): string | undefined {
  if (replaces === 'FROM') {
    const { start, end } = stage.base.range;
    const old = lines[start.line - 1];
    if (old === undefined || start.line !== end.line) return undefined;
    lines[start.line - 1] = old.slice(0, start.column) + line.replace(/^FROM /, '') + old.slice(end.column);
    return line;
  }
  if (typeof replaces === 'number') {
    const copy = stage.instructions.find(({ kind, range }) => /^(COPY|ADD)$/.test(kind) && range.start.line === replaces);
    if (copy === undefined) return undefined;
    // In the form `--name=value`; the flag that is there may stand on any line of the instruction.
    const name = /^--([a-z]+)=/.exec(line)?.[1];
    const flag = copy.flags.find((one) => one.name === name);
    const { end } = copy.keyword.range;
    const { range, words } = flag === undefined ? { range: { start: end, end }, words: ` ${line}` } : { range: flag.range, words: line };
    const at = range.start.line - 1;
    const old = lines[at] ?? '';
    lines[at] = old.slice(0, range.start.column) + words + old.slice(range.end.column);
    return lines[at]?.trim();
  }
  const place = stage.instructions.findLast(({ kind }) => kind === replaces)?.range;
  if (place === undefined) return undefined;
  const eol = lines[place.start.line - 1]?.endsWith('\r') === true ? '\r' : '';
  // The lines that go stay as empty ones would: the places of the other instructions must not move.
  lines[place.start.line - 1] = line + eol;
  for (let at = place.start.line; at < place.end.line; at += 1) lines[at] = `#${eol}`;
  return line;
}
