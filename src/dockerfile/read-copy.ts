// COPY and ADD: sources, inline files and a destination; what can be wrong with them without variables.

import type { AddInstruction, CopyInstruction, InlineFile, Word } from './ast.ts';
import { chompHeredoc, parseHeredocMarker } from './heredoc.ts';
import { NOTHING } from './parsed-line.ts';
import type { Draft, Reader } from './reader.ts';

/** Reads COPY. */
export function readCopy(reader: Reader): void {
  const paths = readPaths('COPY', reader);
  const line = reader.draft<CopyInstruction>();
  if (line === undefined || paths === undefined) return;
  setPaths(line, paths);
  line.from = reader.value('from');
  line.chown = reader.value('chown');
  line.chmod = reader.value('chmod');
  line.link = reader.bool('link') ?? false;
  line.parents = reader.bool('parents') ?? false;
  line.exclude = reader.valuesOf('exclude');
}

/** Reads ADD. */
export function readAdd(reader: Reader): void {
  const paths = readPaths('ADD', reader);
  const line = reader.draft<AddInstruction>();
  if (line === undefined || paths === undefined) return;
  setPaths(line, paths);
  line.chown = reader.value('chown');
  line.chmod = reader.value('chmod');
  line.checksum = reader.value('checksum');
  line.link = reader.bool('link') ?? false;
  line.keepGitDir = reader.bool('keep-git-dir');
  line.unpack = reader.bool('unpack');
  line.exclude = reader.valuesOf('exclude');
}

type Paths = Pick<CopyInstruction, 'sources' | 'inlineFiles' | 'destination'>;

function setPaths(line: Draft<CopyInstruction | AddInstruction>, { sources, inlineFiles, destination }: Paths): void {
  line.sources = sources;
  line.inlineFiles = inlineFiles;
  line.destination = destination;
}

function readPaths(kind: 'ADD' | 'COPY', reader: Reader): Paths | undefined {
  const { words } = reader;
  const destination = words[words.length - 1];
  if (destination === undefined || words.length < 2) {
    if (reader.instruction.problem !== undefined) return undefined;
    const message = `${kind} requires at least two arguments, but only one was provided. Destination could not be determined`;
    const range = destination?.range ?? reader.instruction.keyword.range;
    reader.report(message, range, `write ${kind} source… destination`);
    return undefined;
  }
  const marker = parseHeredocMarker(destination.text);
  if (marker.ok && marker.value !== undefined) {
    reader.report(`${kind} cannot accept a heredoc as a destination`, destination.range, 'the destination comes last, behind the heredoc');
    return undefined;
  }
  const files = words.slice(0, -1);
  const { json, line } = reader.instruction;
  if (!json && !line.text.includes('<<')) return { sources: files, inlineFiles: NOTHING, destination };
  const sources: Word[] = [];
  const inlineFiles: InlineFile[] = [];
  for (const word of files) {
    const inline = inlineFile(reader, word);
    if (inline === undefined) sources.push(word);
    else inlineFiles.push(inline);
  }
  return { sources, inlineFiles, destination };
}

function inlineFile(reader: Reader, word: Word): InlineFile | undefined {
  if (!word.text.includes('<<')) return undefined;
  const marker = parseHeredocMarker(word.text);
  if (!marker.ok || marker.value === undefined) return undefined;
  const { name, expand, chomp } = marker.value;
  // Two heredocs of one name: the later content counts for both, as in BuildKit.
  const content = reader.instruction.heredocs.findLast((heredoc) => heredoc.name === name)?.content ?? '';
  return { name, content: chomp ? chompHeredoc(content) : content, expand, range: word.range };
}
