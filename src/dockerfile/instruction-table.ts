// What each instruction accepts: how its arguments fall into words, and its flags.

import type { InstructionKind } from './ast.ts';

/** How the text after keyword and flags is taken apart. */
export type ArgumentForm =
  /** Words between spaces. */
  | 'words'
  /** A JSON array of strings, else words between spaces. */
  | 'json-or-words'
  /** A JSON array of strings, else the whole text as one word. */
  | 'json-or-text'
  /** The whole text as one word. */
  | 'text'
  /** `name=value …` or `name value`. */
  | 'pairs'
  /** `name` or `name=value`, quotes hold together. */
  | 'declarations'
  /** A word, then as `json-or-text`. */
  | 'healthcheck'
  /** Another instruction. */
  | 'instruction';

/** `bool`: `--x` or `--x=true|false`. `value`: `--x=…`, once. `values`: `--x=…`, any number. */
export type FlagType = 'bool' | 'value' | 'values';

export interface InstructionSpec {
  readonly form: ArgumentForm;
  /** Undefined: flags are taken off and not looked at (as BuildKit does for ARG and STOPSIGNAL). */
  readonly flags: ReadonlyMap<string, FlagType> | undefined;
  /** Markers `<<EOF` bring lines along. */
  readonly heredocs?: true;
}

const flagTypes = (types: Readonly<Record<string, FlagType>>): ReadonlyMap<string, FlagType> => new Map(Object.entries(types));

const NO_FLAGS = flagTypes({});

export const INSTRUCTIONS: Readonly<Record<InstructionKind, InstructionSpec>> = {
  ADD: {
    form: 'json-or-words',
    flags: flagTypes({
      checksum: 'value',
      chmod: 'value',
      chown: 'value',
      exclude: 'values',
      'keep-git-dir': 'bool',
      link: 'bool',
      unpack: 'bool',
    }),
    heredocs: true,
  },
  ARG: { form: 'declarations', flags: undefined },
  CMD: { form: 'json-or-text', flags: NO_FLAGS },
  COPY: {
    form: 'json-or-words',
    flags: flagTypes({ chmod: 'value', chown: 'value', exclude: 'values', from: 'value', link: 'bool', parents: 'bool' }),
    heredocs: true,
  },
  ENTRYPOINT: { form: 'json-or-text', flags: NO_FLAGS },
  ENV: { form: 'pairs', flags: NO_FLAGS },
  EXPOSE: { form: 'words', flags: NO_FLAGS },
  FROM: { form: 'words', flags: flagTypes({ platform: 'value' }) },
  HEALTHCHECK: {
    form: 'healthcheck',
    flags: flagTypes({ interval: 'value', retries: 'value', 'start-interval': 'value', 'start-period': 'value', timeout: 'value' }),
  },
  LABEL: { form: 'pairs', flags: NO_FLAGS },
  MAINTAINER: { form: 'text', flags: NO_FLAGS },
  ONBUILD: { form: 'instruction', flags: NO_FLAGS },
  RUN: {
    form: 'json-or-text',
    flags: flagTypes({ device: 'values', mount: 'values', network: 'value', security: 'value' }),
    heredocs: true,
  },
  SHELL: { form: 'json-or-text', flags: NO_FLAGS },
  STOPSIGNAL: { form: 'text', flags: undefined },
  USER: { form: 'text', flags: NO_FLAGS },
  VOLUME: { form: 'json-or-words', flags: NO_FLAGS },
  WORKDIR: { form: 'text', flags: NO_FLAGS },
};

/** Every keyword, upper case. */
export const INSTRUCTION_NAMES = Object.keys(INSTRUCTIONS) as readonly InstructionKind[];

/** The flags that an instruction knows, without dashes. */
export function instructionFlags(kind: InstructionKind): readonly string[] {
  return [...(INSTRUCTIONS[kind].flags ?? NO_FLAGS).keys()];
}

/** What a keyword names, and how it is written. */
export interface Keyword {
  /** Undefined for one that names nothing. */
  readonly kind: InstructionKind | undefined;
  readonly spec: InstructionSpec | undefined;
  readonly casing: 'upper' | 'lower' | 'mixed';
}

/** As they are mostly written, and in lower case. */
const KEYWORDS: ReadonlyMap<string, Keyword> = new Map(
  Object.entries(INSTRUCTIONS).flatMap(([name, spec]): [string, Keyword][] => [
    [name, { kind: name as InstructionKind, spec, casing: 'upper' }],
    [name.toLowerCase(), { kind: name as InstructionKind, spec, casing: 'lower' }],
  ]),
);

/** A keyword all in capitals or all in small letters; undefined for any other text. */
export function usualKeyword(text: string): Keyword | undefined {
  return KEYWORDS.get(text);
}

/** Reads a keyword, in any casing. */
export function readKeyword(text: string): Keyword {
  const known = KEYWORDS.get(text);
  if (known !== undefined) return known;
  const lower = text.toLowerCase();
  const casing = text === text.toUpperCase() ? 'upper' : text === lower ? 'lower' : 'mixed';
  const named = KEYWORDS.get(lower);
  return { kind: named?.kind, spec: named?.spec, casing };
}
