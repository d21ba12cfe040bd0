// `slipway check`: all that is wrong or doubtful in a Dockerfile, by BuildKit's rules and ours, with the fixes that can be made.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { BuildErrors, type Diagnostic, type JobContext, SlipwayError, type SourceText, toBytePath } from '../base/index.ts';
import { applyFixes, parseDockerfile, PatternMatcher } from '../dockerfile/index.ts';
import { buildGraph, type GraphOptions, type ImageResolver, type ResolvedImage } from '../graph/index.ts';
import { readTreeFile } from '../ops/index.ts';
import { openEngine } from './engine.ts';
import { foreignFrontend } from './foreign-frontend.ts';
import { graphOptions } from './graph-options.ts';
import { ImageSources } from './image-sources.ts';
import { readInputs } from './inputs.ts';
import type { BuildOptions } from './options.ts';
import { createResolver } from './resolver.ts';
import { openSession } from './session.ts';

/** What was found in one Dockerfile. */
export interface Findings {
  /** The text that the ranges point into: with `fix`, the cured one. */
  readonly source: SourceText;
  /** Where it was read; undefined when it is no file of this machine. */
  readonly path: string | undefined;
  /** In the order of the file; mistakes that keep it from being built have severity `error`. */
  readonly diagnostics: readonly Diagnostic[];
  /** What could not be looked at, and why. */
  readonly notes: readonly string[];
  /** With `fix`: what was cured, placed in the text as it was in its round. */
  readonly fixed: readonly Diagnostic[];
  /** The text as it was read. */
  readonly original: string;
}

/** A fix may uncover another finding; none that is right goes on for ever. */
const MAX_ROUNDS = 20;

/**
 * Checks a Dockerfile without building it. Images that cannot be asked for are no failure: the rules that need them are left out, and
 * `notes` says so. With `fix` the fixes are applied to the text, never to the file. Throws what reading the inputs throws.
 */
export async function checkDockerfile(options: BuildOptions, how: { readonly fix?: boolean } = {}): Promise<Findings> {
  const { root = '/var/lib/slipway', settings = {}, signal = new AbortController().signal, onProgress = () => {}, ...request } = options;
  await using engine = openEngine({ root, settings });
  const job: JobContext = { signal, progress: onProgress, now: engine.now };
  const images = new ImageSources(engine.store, engine.registry, engine.trust(), () => {});
  const folders = new Map<string, string>();
  await using session = openSession(engine, job, { images, request, folders });
  const inputs = await readInputs(request, engine.platform, folders, async (edge, path) =>
    readTreeFile(await session.tree(edge), toBytePath(path)),
  );
  const unknown = new Map<string, string>();
  const resolver = lenientResolver(createResolver(images, request.namedContexts ?? {}, session.deps, job), unknown, signal);
  const folder = request.context?.kind === 'folder' ? request.context.path : undefined;
  const graph: GraphOptions = {
    ...graphOptions(request, inputs, engine.platform),
    ...(request.target === undefined ? { allStages: true } : {}),
    ...(folder === undefined ? {} : { contextHas: contextSearch(folder, inputs.ignore) }),
  };
  const look = async (text: SourceText): Promise<readonly Diagnostic[]> => {
    unknown.clear();
    return await findings(text, graph, resolver, signal);
  };
  let source = inputs.dockerfile;
  let diagnostics = await look(source);
  const fixed: Diagnostic[] = [];
  for (let round = 0; how.fix === true && round < MAX_ROUNDS; round += 1) {
    const { text, cured } = applyFixes(source.text, diagnostics);
    if (text === source.text) break;
    const next = { ...source, text };
    const after = await look(next);
    // A fix is there to cure: one that makes a file that cannot be built is not taken.
    if (count(after, 'error') > count(diagnostics, 'error')) break;
    fixed.push(...cured);
    source = next;
    diagnostics = after;
  }
  const frontend = foreignFrontend(inputs.dockerfile, request.buildArgs);
  const notes = [...unknown].map(
    ([ref, reason]) => `${ref} could not be looked at, so nothing is said of what depends on its settings: ${reason}`,
  );
  if (frontend !== undefined)
    notes.unshift(
      `the file is for the frontend ${frontend.ref} and was read as a Dockerfile here; slipway build --call=check asks that frontend`,
    );
  return { source, path: inputs.path, diagnostics, notes, fixed, original: inputs.dockerfile.text };
}

function count(diagnostics: readonly Diagnostic[], severity: Diagnostic['severity']): number {
  return diagnostics.filter((one) => one.severity === severity).length;
}

/** Everything that parsing and evaluating say, mistakes included. */
async function findings(
  source: SourceText,
  options: GraphOptions,
  resolver: ImageResolver,
  signal: AbortSignal,
): Promise<readonly Diagnostic[]> {
  const dockerfile = parseDockerfile(source.text, { filename: source.filename });
  const found: Diagnostic[] = [];
  const isWindows = source.text.includes('\r\n') && !/[^\r]\n/.test(source.text);
  try {
    await buildGraph(dockerfile, { ...options, ownRules: true, report: (diagnostic) => found.push(diagnostic) }, resolver, signal);
  } catch (error) {
    found.push(...mistakesOf(error));
  }
  const sorted = found.sort((a, b) => order(a, b) || (a.rule < b.rule ? -1 : a.rule > b.rule ? 1 : 0));
  return isWindows ? sorted.map(withReturns) : sorted;
}

/** In a file whose lines all end with CR LF those of a fix do too. */
function withReturns(diagnostic: Diagnostic): Diagnostic {
  const { fix } = diagnostic;
  if (fix?.edits.some(({ text }) => text.includes('\n')) !== true) return diagnostic;
  const edits = fix.edits.map((edit) => ({ ...edit, text: edit.text.replaceAll(/\r?\n/g, '\r\n') }));
  return { ...diagnostic, fix: { ...fix, edits } };
}

function order({ range: { start: a } }: Diagnostic, { range: { start: b } }: Diagnostic): number {
  return a.line - b.line || a.column - b.column;
}

/** What the user wrote wrong, as findings; anything else comes through. `error=true` adds nothing: findings fail a check anyway. */
function mistakesOf(error: unknown): readonly Diagnostic[] {
  if (error instanceof BuildErrors) return error.errors.flatMap(mistakesOf);
  if (!(error instanceof SlipwayError)) throw error;
  if (error.code === 'LINT_VIOLATION') return [];
  const { diagnostics } = error.facts as { readonly diagnostics?: readonly Diagnostic[] };
  if (diagnostics !== undefined) return diagnostics;
  if (error.location === undefined && error.code !== 'CHECK_OPTION_INVALID') throw error;
  const range = error.location?.range ?? { start: { line: 1, column: 0 }, end: { line: 1, column: 0 } };
  return [
    { rule: error.code, severity: 'error', message: error.message, range, ...(error.hint === undefined ? {} : { hint: error.hint }) },
  ];
}

/** Answers with an empty config where an image cannot be had, and remembers that. Equal questions are asked once. */
function lenientResolver(resolver: ImageResolver, unknown: Map<string, string>, signal: AbortSignal): ImageResolver {
  const known = new Map<string, Promise<ResolvedImage>>();
  return {
    ...resolver,
    resolveImage: (ref, platform, mode, about) => {
      const key = JSON.stringify([ref, platform]);
      const answer = known.get(key) ?? resolver.resolveImage(ref, platform, mode, about, signal);
      known.set(key, answer);
      return answer.catch((error: unknown) => {
        if (!(error instanceof SlipwayError) || signal.aborted) throw error;
        unknown.set(ref, error.message);
        const { os, architecture } = platform;
        return { ref, config: { os, architecture, rootfs: { type: 'layers', diff_ids: [] } }, unknown: true };
      });
    },
  };
}

/** Whether a path is in the context as a build would see it. */
function contextSearch(folder: string, ignore: readonly string[]): (path: string) => boolean {
  const matcher = PatternMatcher.compile(ignore);
  return (path) => existsSync(join(folder, path)) && !(matcher.ok && matcher.value.matches(toBytePath(path)));
}
