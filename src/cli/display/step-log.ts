// What a step printed: bytes come as the process wrote them, displays show lines. The last lines of a step that failed stand once more at
// the end of the build, where other steps' lines came between.

import { StringDecoder } from 'node:string_decoder';

/** A line without its end. `seconds`: when it came, since its step began. */
export interface LogLine {
  readonly seconds: number;
  readonly text: string;
}

/** How many of its last lines a step's log keeps. */
const KEPT = 20;

/** The output of one step. */
export class StepLog {
  /** The last lines, as `take` and `end` returned them: 20 at most. */
  readonly last: LogLine[] = [];
  /** Made by the first bytes: most steps print nothing. */
  #decoder: StringDecoder | undefined;
  readonly #breaks: RegExp;
  #partial = '';

  /** `breaks`: what ends a line. */
  constructor(breaks: RegExp) {
    this.#breaks = breaks;
  }

  /** The lines that end in these bytes. */
  take(data: Uint8Array, seconds: number): readonly LogLine[] {
    this.#decoder ??= new StringDecoder('utf8');
    const texts = (this.#partial + this.#decoder.write(Buffer.from(data.buffer, data.byteOffset, data.byteLength))).split(this.#breaks);
    this.#partial = texts.pop() ?? '';
    return this.#keep(texts.map((text) => ({ seconds, text })));
  }

  /** The last line, if the step ended without ending it. */
  end(seconds: number): readonly LogLine[] {
    const text = this.#partial + (this.#decoder?.end() ?? '');
    this.#partial = '';
    return text === '' ? [] : this.#keep([{ seconds, text }]);
  }

  #keep(lines: readonly LogLine[]): readonly LogLine[] {
    this.last.push(...lines.slice(-KEPT));
    this.last.splice(0, Math.max(0, this.last.length - KEPT));
    return lines;
  }
}

/** `0.123 text`, as buildx writes it. */
export function timedLine({ seconds, text }: LogLine): string {
  return `${seconds.toFixed(3)} ${text}`;
}

/** The block at the end of a build, as buildx writes it; empty without steps. Names and lines are printable already. */
export function failedSteps(steps: readonly { readonly name: string; readonly lines: readonly string[] }[]): string {
  const parts = steps.map(({ name, lines }) => `------\n > ${name}:\n${lines.join('\n')}\n`);
  return parts.length === 0 ? '' : `${parts.join('')}------\n`;
}
