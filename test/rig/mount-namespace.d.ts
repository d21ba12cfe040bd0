/** Moves this process into a private mount namespace, once. */
export declare function enterMountNamespaceForTest(): void;
