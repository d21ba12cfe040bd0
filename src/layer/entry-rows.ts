// Entries as rows of numbers and bytes: of what is looked at once among very many no objects are made.

/** What becomes of rows that are copied; what is not here stays as it is. */
export interface RowChange {
  readonly uid: number;
  readonly gid: number;
  readonly mode: ((mode: number, isDirectory: boolean) => number) | undefined;
  readonly time: { readonly mtime: number; readonly mtimeNs: number } | undefined;
}

/** What is in one directory, by slot, names sorted. The methods but the first are for plain slots. */
export interface EntryRows {
  readonly count: number;
  /** Where names and digests stand. */
  readonly bytes: Buffer;
  /** Whether it is a file or directory without attributes, a file with a known digest. */
  isPlain(slot: number): boolean;
  isDirectory(slot: number): boolean;
  /** Type and permission bits. */
  mode(slot: number): number;
  /** Bytes of a file. */
  size(slot: number): number;
  /** Whole seconds since the epoch, and nanoseconds. */
  modified(slot: number): number;
  modifiedNs(slot: number): number;
  /** Position of the name in `bytes`: [start, end). */
  nameStart(slot: number): number;
  nameEnd(slot: number): number;
  /** Position in `bytes` of the sha256 of a file that is not empty. */
  digest(slot: number): number;
}
