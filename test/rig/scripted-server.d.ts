/** One exchange. */
export interface Scripted {
    /** `GET /v2/a/manifests/1`, with the query. */
    readonly expect: string;
    /** Headers the request must have; undefined: must not have. */
    readonly with?: Readonly<Record<string, string | undefined>>;
    readonly status?: number;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string | Uint8Array;
    /** Cuts the connection after this many bytes of the body. */
    readonly cutAfter?: number;
    /** Cuts the connection once this many bytes of the request's body came. */
    readonly cutRequestAfter?: number;
}
export interface ScriptedServer extends AsyncDisposable {
    /** `127.0.0.1:PORT`. */
    readonly address: string;
    /** What was not as the script says, and what of the script did not happen. Empty: all as written. */
    faults(): readonly string[];
    /** Bodies of the requests, in order. */
    readonly bodies: readonly Buffer[];
    /** Adds to the script: for replies that need the address. */
    add(...more: readonly Scripted[]): void;
}
export declare function startScriptedServer(script?: readonly Scripted[]): Promise<ScriptedServer>;
