// Golden files: what the parser makes of each testdata folder. UPDATE_GOLDEN=1 rewrites them.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import type { Diagnostic, SourceRange } from '../base/index.ts';
import type { Dockerfile, Instruction, InvalidInstruction } from './ast.ts';
import { renderFrame } from './frame.ts';
import { lintDockerfile } from './lint.ts';
import { Linter, lintConfigOf } from './linter.ts';
import { parseDockerfile, printDockerfile } from './parse.ts';

const DATA = join(import.meta.dirname, 'testdata');

for (const name of readdirSync(DATA, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))) {
  test(name, () => {
    const text = readFileSync(join(DATA, name, 'Dockerfile'), 'utf8');
    const file = parseDockerfile(text);
    assert.equal(printDockerfile(file), text);
    golden(join(DATA, name, 'ast.txt'), printTree(file));
    const findings = [...file.diagnostics, ...lintFindings(file)];
    golden(join(DATA, name, 'diagnostics.txt'), findings.map((finding) => `${renderFrame(finding, file.source)}\n`).join('\n'));
  });
}

function golden(path: string, actual: string): void {
  if (process.env['UPDATE_GOLDEN'] !== undefined) writeFileSync(path, actual);
  assert.equal(actual, readFileSync(path, 'utf8'));
}

function lintFindings(file: Dockerfile): readonly Diagnostic[] {
  const config = lintConfigOf(file.source.text);
  const findings: Diagnostic[] = [];
  if (config.ok) lintDockerfile(file, new Linter(config.value, (finding) => findings.push(finding)));
  return findings;
}

/** What every line has, known instruction or not: shown by itself, or not at all. */
const COMMON = [
  ...Object.keys(parseDockerfile('NOPE').nodes.flatMap((node) => (node.kind === 'instruction' ? [node.instruction] : []))[0] ?? {}),
  'inner',
  'problem',
];

function printTree(file: Dockerfile): string {
  const lines = [`escape ${file.escape}${file.malformed ? ', malformed' : ''}`];
  for (const { name, value } of file.directives) lines.push(`directive ${name} ${show(value)}`);
  for (const node of file.nodes) {
    if (node.kind === 'comment') lines.push(`comment ${show(node.comment)}`);
    else if (node.kind === 'instruction') lines.push(...printInstruction(node.instruction));
    else if (node.kind !== 'directive') lines.push(`${node.kind} ${JSON.stringify(node.text)}`);
  }
  for (const { index, name, base, platform, description, instructions, range } of file.stages) {
    lines.push(
      `stage ${index} ${name ?? '-'} @${at(range)} base=${show(base)} platform=${show(platform)} description=${show(description)}`,
    );
    lines.push(`  ${instructions.map((instruction) => instruction.kind).join(' ')}`.trimEnd());
  }
  lines.push(`global ${file.metaArgs.flatMap((instruction) => instruction.args.map((arg) => arg.name.text)).join(' ')}`);
  return `${lines.join('\n')}\n`;
}

function printInstruction(instruction: Instruction | InvalidInstruction): string[] {
  const { kind, keyword, range, original, flags, words, json, comments } = instruction;
  const lines = [`${kind} @${at(range)} ${show(keyword)}${json ? ' json' : ''} ${JSON.stringify(original)}`];
  if (comments.length > 0) lines.push(`  comments ${comments.map((comment) => JSON.stringify(comment.text)).join(' ')}`);
  if (flags.length > 0) lines.push(`  flags ${flags.map((flag) => `${flag.name}=${show(flag.value)}@${at(flag.range)}`).join(' ')}`);
  if (kind === 'invalid') lines.push(`  words ${show(words)}`);
  for (const [field, value] of Object.entries(instruction)) {
    if (COMMON.includes(field) || value === undefined || value === false || (Array.isArray(value) && value.length === 0)) continue;
    lines.push(`  ${field} ${show(value)}`);
  }
  if (instruction.heredocs.length > 0) lines.push(`  heredocs ${show(instruction.heredocs)}`);
  return lines;
}

function at({ start, end }: SourceRange): string {
  return `${start.line}:${start.column}-${end.line === start.line ? '' : `${end.line}:`}${end.column}`;
}

function show(value: unknown): string {
  if (value === undefined) return '-';
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(show).join(' ')}]`;
  if ('text' in value && 'range' in value) return `${JSON.stringify(value.text)}@${at(value.range as SourceRange)}`;
  if ('start' in value && 'end' in value) return at(value as SourceRange);
  return `{${Object.entries(value)
    .map(([field, part]) => `${field}=${show(part)}`)
    .join(' ')}}`;
}
