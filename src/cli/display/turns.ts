// Steps that run side by side write one log: a step goes on while it has something to say, the others wait for their turn, but not long.

/** Whoever writes lines: a step. */
export interface Speaker {
  readonly number: number;
  readonly name: string;
}

/** Lines that wait. */
interface Waiting {
  /** When the first of them came, in milliseconds. */
  readonly since: number;
  readonly lines: string[];
  /** Nothing more comes. */
  ended: boolean;
}

/** How long lines wait while another step has the word, in milliseconds. */
export const PATIENCE = 1000;

/** Who writes now, and what the others have to say. The caller has the clock: it calls `pass` when it is `due`. */
export class Turns {
  readonly #write: (text: string) => void;
  readonly #waiting = new Map<Speaker, Waiting>();
  readonly #announced = new Set<Speaker>();
  #speaker: Speaker | undefined;
  /** The speaker has ended: whoever comes next takes the word. */
  #free = true;
  #lines = 0;

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  /** When somebody has waited long enough; undefined: nobody waits. */
  get due(): number | undefined {
    const [first] = this.#waiting.values();
    return first === undefined ? undefined : first.since + PATIENCE;
  }

  /** Writes `lines`, below the name of who says them; or lets them wait. */
  say(speaker: Speaker, lines: readonly string[], now: number): void {
    if (this.#free || speaker === this.#speaker) return this.#speak(speaker, lines);
    const waiting = this.#waiting.get(speaker);
    if (waiting === undefined) this.#waiting.set(speaker, { since: now, lines: [...lines], ended: false });
    else waiting.lines.push(...lines);
  }

  /** The speaker has said all (a base may say more later: what of it is fetched). */
  end(speaker: Speaker): void {
    const waiting = this.#waiting.get(speaker);
    if (waiting !== undefined) waiting.ended = true;
    if (speaker !== this.#speaker) return;
    this.#free = true;
    while (this.#free && this.#waiting.size > 0) this.#next();
  }

  /** Gives the word to those who have waited long enough. */
  pass(now: number): void {
    while (this.due !== undefined && this.due <= now) this.#next();
  }

  /** Writes everything that waits. */
  close(): void {
    while (this.#waiting.size > 0) this.#next();
  }

  /** Whether the last lines of the log, `count` of them or more, are this speaker's. */
  hasLast(speaker: Speaker, count: number): boolean {
    return speaker === this.#speaker && this.#lines >= count;
  }

  #next(): void {
    for (const [speaker, { lines, ended }] of this.#waiting) {
      this.#waiting.delete(speaker);
      this.#speak(speaker, lines);
      this.#free = ended;
      return;
    }
  }

  #speak(speaker: Speaker, lines: readonly string[]): void {
    if (speaker !== this.#speaker) {
      const gap = this.#speaker === undefined ? '' : '\n';
      this.#write(`${gap}#${speaker.number} ${this.#announced.has(speaker) ? '... ' : ''}${speaker.name}\n`);
      this.#announced.add(speaker);
      this.#speaker = speaker;
      this.#free = false;
      this.#lines = 0;
    }
    for (const line of lines) this.#write(`#${speaker.number} ${line}\n`);
    this.#lines += lines.length;
  }
}
