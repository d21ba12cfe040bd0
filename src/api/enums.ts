// Names of the numbers that BuildKit's messages use.

export const NET_MODE = { unset: 0, host: 1, none: 2 } as const;
export const SECURITY_MODE = { sandbox: 0, insecure: 1 } as const;
export const MOUNT_TYPE = { bind: 0, secret: 1, ssh: 2, cache: 3, tmpfs: 4 } as const;
export const CONTENT_CACHE = { default: 0, on: 1, off: 2 } as const;
export const SHARING = { shared: 0, private: 1, locked: 2 } as const;
export const HISTORY_EVENT = { started: 0, complete: 1, deleted: 2 } as const;
export const ATTESTATION_KIND = { inToto: 0, bundle: 1 } as const;
export const SUBJECT_KIND = { self: 0, raw: 1 } as const;
export const POLICY_ACTION = { allow: 0, deny: 1, convert: 2 } as const;
export const POLICY_MATCH = { wildcard: 0, exact: 1, regex: 2 } as const;
export const POLICY_CONDITION = { equal: 0, notEqual: 1, matches: 2 } as const;

/** The name that a number has in one of the tables, or undefined. */
export function nameOf<T extends Readonly<Record<string, number>>>(table: T, value: number): keyof T | undefined {
  return Object.keys(table).find((name) => table[name] === value);
}
