/** Numbers below a bound; the same seed gives the same numbers. */
export interface Dice {
    below(bound: number): number;
    pick<T>(items: readonly T[]): T;
}
/** Mulberry32. */
export declare function dice(seed: number): Dice;
/** Every Dockerfile of the checkout's own. */
export declare function corpus(): readonly string[];
/** A text made from one of `texts` by a few changes. */
export declare function mutate(texts: readonly string[], rng: Dice): string;
/** Parses, lints and expands one text; throws when something that must hold does not. */
export declare function checkDockerfile(text: string, rng: Dice): void;
/** Every small reader, whatever the word was meant to be. */
export declare function readAsAnything(word: string, lookup: (name: string) => string | undefined, rng: Dice): void;
/** Compiles a made-up list and asks it about made-up paths; compares each plain pattern with a regular expression. */
export declare function checkPatterns(rng: Dice): void;
