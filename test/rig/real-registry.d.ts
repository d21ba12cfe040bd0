/** A running registry; ends with its block. */
export interface RealRegistry extends AsyncDisposable {
    /** `127.0.0.1:PORT`. */
    readonly address: string;
    /** Where it keeps blobs: for tests that damage them. */
    readonly folder: string;
}
/** The only login of a registry that wants one. */
export declare const TEST_LOGIN: {
    username: string;
    password: string;
};
/** Starts one. `auth` makes it want `TEST_LOGIN`; `yaml` is more configuration. */
export declare function startRealRegistry(options?: {
    readonly auth?: boolean;
    readonly yaml?: string;
}): Promise<RealRegistry>;
