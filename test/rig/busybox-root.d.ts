/** Where the static busybox is; undefined when it is not installed (package busybox-static). */
export declare function busybox(): string | undefined;
/** Fills `folder` with a root filesystem. */
export declare function makeBusyboxRoot(folder: string): string;
