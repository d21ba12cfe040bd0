// Answers to `--call=outline|targets|describe`, as documents and as text, in the form that buildx's own consumers read.

import { lineRanges, type SourceRange, type SourceText } from '../base/index.ts';
import type { Dockerfile } from '../dockerfile/index.ts';
import type { Outline, OutlineSecret } from './outline.ts';

/** Lines of a source, as BuildKit's protocol writes them in JSON. */
export interface LocationDocument {
  readonly ranges: readonly { readonly start: { readonly line: number }; readonly end: { readonly line: number } }[];
}

/** `result.json` of `frontend.outline`. Members without a value are left out. */
export interface OutlineDocument {
  readonly name?: string;
  readonly description?: string;
  readonly args?: readonly ArgDocument[];
  readonly secrets?: readonly { name: string; required?: true; location: LocationDocument }[];
  readonly ssh?: readonly { name: string; required?: true; location: LocationDocument }[];
  /** The Dockerfile, base64. */
  readonly sources: readonly string[];
}

/** An argument that a target can be given. */
interface ArgDocument {
  readonly name: string;
  readonly description?: string;
  readonly value?: string;
  readonly location: LocationDocument;
}

/** `result.json` of `frontend.targets`. */
export interface TargetsDocument {
  readonly targets: readonly {
    name?: string;
    default?: true;
    description?: string;
    base?: string;
    platform?: string;
    location: LocationDocument;
  }[];
  readonly sources: readonly string[];
}

/** One entry of `frontend.subrequests.describe`. */
export interface RequestDocument {
  readonly name: string;
  readonly version: string;
  readonly type: 'rpc';
  readonly description: string;
  readonly opts: readonly { readonly name: string; readonly description: string }[] | null;
  readonly inputs: null;
  readonly metadata: readonly { readonly name: string; readonly description: string }[];
  readonly refs: null;
}

/** The outline as a document. */
export function outlineDocument(outline: Outline, source: SourceText): OutlineDocument {
  const secrets = (list: readonly OutlineSecret[]): NonNullable<OutlineDocument['secrets']> =>
    list.map(({ name, required, range }) => ({ name, ...(required ? { required } : {}), location: locationDocument(range) }));
  return {
    ...(outline.name === undefined ? {} : { name: outline.name }),
    ...text('description', outline.description),
    ...(outline.args.length === 0
      ? {}
      : {
          args: outline.args.map(argDocument),
        }),
    ...(outline.secrets.length === 0 ? {} : { secrets: secrets(outline.secrets) }),
    ...(outline.ssh.length === 0 ? {} : { ssh: secrets(outline.ssh) }),
    sources: [base64(source)],
  };
}

function argDocument({ name, description, value, range }: Outline['args'][number]): ArgDocument {
  // Assigned, not spread: a file may have hundreds.
  const document = { name } as { -readonly [K in keyof ArgDocument]: ArgDocument[K] };
  if (description !== undefined && description !== '') document.description = description;
  if (value !== undefined && value !== '') document.value = value;
  document.location = locationDocument(range);
  return document;
}

/** The stages of a file as targets. Bases stand as written: nothing is evaluated. */
export function targetsOf(dockerfile: Dockerfile): TargetsDocument {
  const { stages, source } = dockerfile;
  return {
    targets: stages.map((stage, index) => ({
      ...text('name', stage.name),
      ...(index === stages.length - 1 ? { default: true } : {}),
      ...text('description', stage.description),
      ...text('base', stage.base.text),
      ...text('platform', stage.platform?.text),
      location: locationDocument(stage.from.range),
    })),
    sources: [base64(source)],
  };
}

/** The requests that can be made beside a build. */
export function describeRequests(): readonly RequestDocument[] {
  const request = (name: string, description: string, opts: RequestDocument['opts'], more: readonly string[] = []): RequestDocument => ({
    name,
    version: '1.0.0',
    type: 'rpc',
    description,
    opts,
    inputs: null,
    metadata: ['result.json', 'result.txt', ...more].map((key) => ({ name: key, description: '' })),
    refs: null,
  });
  return [
    request('frontend.outline', 'List all parameters current build target supports', [
      { name: 'target', description: 'Target build stage' },
    ]),
    request('frontend.targets', 'List all targets current build supports', []),
    request('frontend.subrequests.describe', 'List available subrequest types', null),
  ];
}

/** The outline as people read it. */
export function outlineText(outline: OutlineDocument): string {
  const parts: string[] = [];
  if (outline.name !== undefined || outline.description !== undefined) {
    const rows = [['TARGET:', outline.name ?? '(default)']];
    if (outline.description !== undefined) rows.push(['DESCRIPTION:', outline.description]);
    parts.push(table(rows, 1));
  }
  const secrets = (title: string, list: OutlineDocument['secrets']): void => {
    if (list !== undefined)
      parts.push(table([[title, 'REQUIRED'], ...list.map(({ name, required }) => [name, required ? 'true' : ''])], 3));
  };
  if (outline.args !== undefined) {
    const rows = outline.args.map(({ name, value, description }) => [name, value ?? '', description ?? '']);
    parts.push(table([['BUILD ARG', 'VALUE', 'DESCRIPTION'], ...rows], 3));
  }
  secrets('SECRET', outline.secrets);
  secrets('SSH', outline.ssh);
  return parts.map((part) => `${part}\n`).join('');
}

/** The targets as people read them. */
export function targetsText(document: TargetsDocument): string {
  const rows = document.targets.map((target) => {
    const name = target.name ?? '';
    const shown = target.default === true ? (name === '' ? '(default)' : `${name} (default)`) : name;
    return [shown, target.description ?? ''];
  });
  return table([['TARGET', 'DESCRIPTION'], ...rows], 1);
}

/** The requests as people read them. */
export function describeText(requests: readonly RequestDocument[]): string {
  const rows = requests.map(({ name, version, description }) => [name.replace(/^frontend\./, ''), version, description]);
  return table([['NAME', 'VERSION', 'DESCRIPTION'], ...rows], 1);
}

function locationDocument(range: SourceRange): LocationDocument {
  return { ranges: lineRanges(range).map(({ start, end }) => ({ start: { line: start.line }, end: { line: end.line } })) };
}

function text<K extends string>(name: K, value: string | undefined): { readonly [P in K]?: string } {
  return (value === undefined || value === '' ? {} : { [name]: value }) as { readonly [P in K]?: string };
}

function base64(source: SourceText): string {
  return Buffer.from(source.text, 'utf8').toString('base64');
}

/** Columns padded to the widest cell, the last one as it is. */
function table(rows: readonly (readonly string[])[], padding: number): string {
  const columns = (rows[0] ?? []).length;
  const widths = Array.from(
    { length: columns },
    (_, column) => rows.reduce((most, row) => Math.max(most, row[column]?.length ?? 0), 0) + padding,
  );
  let text = '';
  for (const row of rows) {
    row.forEach((cell, column) => (text += column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)));
    text += '\n';
  }
  return text;
}
