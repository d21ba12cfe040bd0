// Command-line flags as Docker's users write them: `-t x`, `-tx`, `--tag x`, `--tag=x`, `--no-cache`, `--no-cache=false`, `--`.

import { SlipwayError, suggest } from '../base/index.ts';

/** One flag of a command. `bool` takes no value (or `=true/false`), `string` the last one wins, `list` may be repeated. */
export interface Flag {
  readonly name: string;
  readonly short?: string;
  readonly kind: 'bool' | 'string' | 'list';
  /** Placeholder of the value in help. */
  readonly value?: string;
  readonly about: string;
  /** Other spellings that mean the same. */
  readonly aliases?: readonly string[];
  /** Accepted for compatibility and not shown in help. */
  readonly hidden?: boolean;
  /** `string` flags that may stand without value mean this then (`--sbom`). */
  readonly implied?: string;
  /** Words that are the value of such a flag where they stand behind it (`--sbom false .`); any other is the command's. */
  readonly values?: RegExp;
}

/** What the user gave. */
export class ParsedFlags {
  readonly #values: ReadonlyMap<string, readonly string[]>;
  readonly words: readonly string[];
  readonly #spellings: ReadonlyMap<string, string>;

  /** `spellings`: flags that were given by another of their names. */
  constructor(
    values: ReadonlyMap<string, readonly string[]>,
    words: readonly string[],
    spellings: ReadonlyMap<string, string> = new Map(),
  ) {
    this.#values = values;
    this.words = words;
    this.#spellings = spellings;
  }

  /** A flag as the user wrote it, for messages about its value. */
  spelled(name: string): string {
    return this.#spellings.get(name) ?? `--${name}`;
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** Last value of a string flag. */
  text(name: string): string | undefined {
    return this.#values.get(name)?.at(-1);
  }

  /** All values, in order. */
  list(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  bool(name: string): boolean {
    return this.text(name) === 'true';
  }

  /** Which of these flags was written last: flags that are other words for one thing. */
  lastOf(...names: readonly string[]): string | undefined {
    return [...this.#values.keys()].findLast((name) => names.includes(name));
  }

  /** The same flags with other words, and more values behind those given. */
  with(words: readonly string[], more: Readonly<Record<string, string>> = {}): ParsedFlags {
    const added = Object.entries(more).map(([name, value]) => [name, [...this.list(name), value]] as const);
    return new ParsedFlags(new Map([...this.#values, ...added]), words, this.#spellings);
  }

  /** Bool flag that may be absent. */
  maybe(name: string): boolean | undefined {
    return this.has(name) ? this.bool(name) : undefined;
  }
}

/** Reads arguments by a command's flags. Throws `USAGE` naming the flag, with the nearest known one. */
export function parseFlags(
  command: string,
  flags: readonly Flag[],
  args: readonly string[],
  options: {
    readonly stopAtWord?: boolean;
    /** What to write in place of a flag that there is not, where that is known. */
    readonly inPlaceOf?: (flag: string) => string | undefined;
  } = {},
): ParsedFlags {
  const byName = new Map<string, Flag>(
    flags.flatMap((flag) => [flag.name, ...(flag.aliases ?? [])].map((name) => [`--${name}`, flag] as const)),
  );
  const byShort = new Map(flags.filter((flag) => flag.short !== undefined).map((flag) => [flag.short as string, flag]));
  const values = new Map<string, string[]>();
  const words: string[] = [];
  const spellings = new Map<string, string>();
  const take = (flag: Flag, value: string): void => {
    if (flag.kind === 'bool' && !/^(true|false|1|0|t|f)$/i.test(value)) {
      throw usage(command, `invalid value ${JSON.stringify(value)} for --${flag.name}: it is true or false`);
    }
    const text = flag.kind === 'bool' ? String(/^(true|1|t)$/i.test(value)) : value;
    const before = values.get(flag.name) ?? [];
    values.delete(flag.name); // the map has flags in the order of their last mention
    values.set(flag.name, [...before, text]);
  };
  for (let index = 0; index < args.length; index += 1) {
    const arg = args[index] as string;
    const next = (shown: string): string => {
      index += 1;
      const value = args[index];
      if (value === undefined) throw usage(command, `flag needs a value: ${shown}`);
      return value;
    };
    if (arg === '--') {
      words.push(...args.slice(index + 1));
      break;
    }
    if (arg.startsWith('--')) {
      const equals = arg.indexOf('=');
      const name = equals < 0 ? arg : arg.slice(0, equals);
      const flag = byName.get(name);
      if (flag === undefined) {
        const other = options.inPlaceOf?.(name);
        if (other !== undefined) throw usage(command, `unknown flag: ${name}`, other);
        const near = suggest(name, byName.keys());
        throw usage(command, `unknown flag: ${name}${near === undefined ? '' : ` (did you mean ${near}?)`}`);
      }
      spellings.set(flag.name, name);
      if (equals >= 0) take(flag, arg.slice(equals + 1));
      else if (flag.kind === 'bool') take(flag, 'true');
      else if (flag.implied !== undefined) take(flag, flag.values?.test(args[index + 1] ?? '') === true ? next(name) : flag.implied);
      else take(flag, next(name));
    } else if (arg.startsWith('-') && arg.length > 1) {
      let rest = arg.slice(1);
      while (rest !== '') {
        const short = rest[0] as string;
        const flag = byShort.get(short);
        if (flag === undefined) throw usage(command, `unknown shorthand flag: -${short} in ${arg}`);
        rest = rest.slice(1);
        if (flag.kind === 'bool' && !rest.startsWith('=')) take(flag, 'true');
        else {
          const value = rest.startsWith('=') ? rest.slice(1) : rest;
          take(flag, value !== '' || rest.startsWith('=') ? value : next(`-${short}`));
          break;
        }
      }
    } else {
      words.push(arg);
      if (options.stopAtWord === true) {
        words.push(...args.slice(index + 1));
        break;
      }
    }
  }
  return new ParsedFlags(values, words, spellings);
}

/** Refuses words behind a command that takes at most `most` of them: `what` says what it takes. Throws `USAGE`. */
export function refuseMoreWords(command: string, flags: ParsedFlags, most = 0, what = 'takes no arguments'): void {
  if (flags.words.length > most) throw usage(command, `"slipway ${command}" ${what}, got: ${flags.words.join(' ')}`);
}

/** Whether `--format json` is asked for, where there is text and JSON alone. Throws `USAGE` for another form. */
export function wantsJson(command: string, flags: ParsedFlags): boolean {
  const form = flags.text('format');
  if (form !== undefined && form !== 'json') throw usage(command, `unknown format: ${form}`, 'there is json; without --format, text');
  return form === 'json';
}

/** A wrong call: exit code 1, with where help is. */
export function usage(command: string, message: string, hint?: string): SlipwayError {
  return new SlipwayError('USAGE', message, { hint: hint ?? `see 'slipway ${command} --help'` });
}

/** The error for `=VALUE`. */
export function emptyKey(flag: string, entry: string): SlipwayError {
  return usage('build', `invalid key-value pair ${JSON.stringify(entry)}: empty key`, `write --${flag} NAME=VALUE`);
}
