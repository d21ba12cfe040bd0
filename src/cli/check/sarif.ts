// Findings as SARIF 2.1.0, the form in which code hosts take them.

import { createHash } from 'node:crypto';
import { isAbsolute, relative, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ArtifactLocation, Fix, Log, Region, ReportingDescriptor } from 'sarif';
import type { Diagnostic, SourceRange } from '../../base/index.ts';
import { type Findings, LINT_RULES, type LintRule, OWN_RULES } from '../../build/index.ts';

/** What the log is about. */
export interface SarifSubject {
  readonly findings: Findings;
  readonly version: string;
  /** Folder that paths are told from: the root of the sources. */
  readonly folder: string;
}

const RULES: readonly LintRule<never>[] = [...Object.values(LINT_RULES), ...Object.values(OWN_RULES)];
const SCHEMA = 'https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json';

/** A log of one run. Every rule is in it, also those that found nothing: code hosts keep them apart from rules that are gone. */
export function sarifLog({ findings, version, folder }: SarifSubject): Log {
  const artifact = artifactLocation(findings, folder);
  const known = RULES.map(({ name }) => name);
  const codes = [...new Set(findings.diagnostics.map(({ rule }) => rule))].filter((rule) => !known.includes(rule)).sort();
  const names = [...known, ...codes];
  const fingerprint = fingerprints(findings.source.text);
  return {
    $schema: SCHEMA,
    version: '2.1.0',
    runs: [
      {
        tool: { driver: { name: 'slipway', semanticVersion: version, rules: [...RULES.map(describeRule), ...codes.map(describeCode)] } },
        columnKind: 'utf16CodeUnits',
        artifacts: [{ location: artifact, sourceLanguage: 'dockerfile' }],
        invocations: [
          {
            executionSuccessful: true,
            toolExecutionNotifications: findings.notes.map((text) => ({ level: 'note', message: { text } })),
          },
        ],
        results: findings.diagnostics.map((one) => ({
          ruleId: one.rule,
          ruleIndex: names.indexOf(one.rule),
          level: one.severity === 'info' ? 'note' : one.severity,
          message: { text: one.hint === undefined ? one.message : `${one.message}. To cure it: ${one.hint}` },
          locations: [{ physicalLocation: { artifactLocation: artifact, region: region(one.range) } }],
          ...(one.related === undefined
            ? {}
            : {
                relatedLocations: one.related.map(({ range, message }, id) => ({
                  id: id + 1,
                  message: { text: message },
                  physicalLocation: { artifactLocation: artifact, region: region(range) },
                })),
              }),
          partialFingerprints: { 'slipwayLine/v1': fingerprint(one) },
          ...(one.fix === undefined ? {} : { fixes: [describeFix(one.fix, artifact)] }),
        })),
      },
    ],
  };
}

function describeRule({ name, description, url, origin }: LintRule<never>): ReportingDescriptor {
  return {
    id: name,
    name,
    shortDescription: { text: description },
    fullDescription: { text: description },
    help: { text: `${description}. To turn it off, write "# check=skip=${name}" at the top of the file or above the instruction.` },
    ...(url === undefined ? {} : { helpUri: url }),
    defaultConfiguration: { level: 'warning' },
    properties: { tags: [origin === 'buildkit' ? 'buildkit' : 'multi-stage'] },
  };
}

/** Mistakes that keep a file from being built have a code and no rule. */
function describeCode(code: string): ReportingDescriptor {
  const text = 'This Dockerfile cannot be built';
  return {
    id: code,
    name: code,
    shortDescription: { text },
    fullDescription: { text },
    help: { text },
    helpUri: 'https://docs.docker.com/reference/dockerfile/',
    defaultConfiguration: { level: 'error' },
  };
}

type DiagnosticFix = NonNullable<Diagnostic['fix']>;

function describeFix({ title, edits }: DiagnosticFix, artifact: ArtifactLocation): Fix {
  return {
    description: { text: title },
    artifactChanges: [
      {
        artifactLocation: artifact,
        replacements: edits.map(({ range, text }) => ({ deletedRegion: region(range), insertedContent: { text } })),
      },
    ],
  };
}

/** Lines and columns from 1; the end is not in it. */
function region({ start, end }: SourceRange): Region {
  return { startLine: start.line, startColumn: start.column + 1, endLine: end.line, endColumn: end.column + 1 };
}

function artifactLocation({ path, source }: Findings, folder: string): ArtifactLocation {
  if (path === undefined) return { uri: encodeURI(source.filename) };
  const inside = relative(folder, path);
  if (inside.startsWith('..') || isAbsolute(inside)) return { uri: pathToFileURL(path).href };
  return { uri: inside.split(sep).map(encodeURIComponent).join('/'), uriBaseId: '%SRCROOT%' };
}

/** The same finding keeps its fingerprint when lines are added above it: rule, text of its line, and which of its kind it is. */
function fingerprints(text: string): (diagnostic: Diagnostic) => string {
  const lines = text.split('\n');
  const seen = new Map<string, number>();
  return ({ rule, range }) => {
    const key = `${rule} ${(lines[range.start.line - 1] ?? '').trim()}`;
    const nth = (seen.get(key) ?? 0) + 1;
    seen.set(key, nth);
    return `${createHash('sha256').update(key).digest('hex').slice(0, 16)}:${nth}`;
  };
}
