/** How a command ended. */
export interface Outcome {
    readonly code: number | null;
    readonly signal: NodeJS.Signals | null;
    readonly stdout: string;
    readonly stderr: string;
}
/** Files of a context: path → text, or `{text, mode}`. */
export type Files = Readonly<Record<string, string | {
    readonly text: string;
    readonly mode: number;
}>>;
/** `await using rig = Rig.create()`. Everything it made is gone at the end. */
export declare class Rig implements AsyncDisposable {
    #private;
    readonly folder: string;
    readonly store: string;
    private constructor();
    static create(): Rig;
    /** Registry that serves the bases: `127.0.0.1:PORT`. */
    get registry(): string;
    /** The registry's log so far. */
    registryLog(): string;
    /** A path in the scratch folder. */
    path(...parts: readonly string[]): string;
    /** Writes a context folder and returns its path. */
    context(files: Files, name?: string): string;
    /** Runs the product on this rig's store. */
    slipway(args: readonly string[], options?: {
        readonly env?: Readonly<Record<string, string>>;
        readonly input?: string | Buffer;
        readonly cwd?: string;
    }): Promise<Outcome>;
    /** Starts the product; the test may signal it. */
    start(args: readonly string[], options?: {
        readonly env?: Readonly<Record<string, string>>;
        readonly input?: string | Buffer;
        readonly cwd?: string;
    }): {
        readonly pid: number;
        readonly kill: (signal: NodeJS.Signals) => void;
        readonly ended: Promise<Outcome>;
    };
    [Symbol.asyncDispose](): Promise<void>;
}
/** Runs any program to its end. */
export declare function command(program: string, args: readonly string[], options?: {
    readonly env?: NodeJS.ProcessEnv;
    readonly cwd?: string;
    readonly input?: string | Buffer;
}): Promise<Outcome>;
