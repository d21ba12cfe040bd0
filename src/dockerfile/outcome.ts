// The answer of a small reader of user text: a value, or what is wrong with the text.

/** What is wrong with a piece of user text, said without knowing where the piece stands in the file. */
export interface Problem {
  readonly message: string;
  /** How to cure it, one line. */
  readonly hint?: string;
  /** The part of the piece that is wrong, in UTF-16 units of it; undefined: all of it. */
  readonly span?: { readonly start: number; readonly end: number };
}

/** Either a value or a problem. Never thrown: user text being wrong is an ordinary answer. */
export type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: Problem };

/** A good outcome. */
export function good<T>(value: T): Outcome<T> {
  return { ok: true, value };
}

/** A bad outcome. */
export function bad(message: string, hint?: string, span?: Problem['span']): Outcome<never> {
  return { ok: false, problem: { message, ...(hint === undefined ? {} : { hint }), ...(span === undefined ? {} : { span }) } };
}
