/** Writes `entry` (relative to the project) and the named workers into `folder`; returns the program's path. */
export declare function bundleProgram(folder: string, entry: string, workers: readonly string[]): Promise<string>;
