// What a check says.

/** One finding about an image. */
export interface Finding {
  /** Stable name: `library-missing`, `compiler-left`, … */
  readonly rule: string;
  /** `error`: something does not start or leaks. `warning`: likely. `info`: perhaps, or only a matter of size. */
  readonly severity: 'error' | 'warning' | 'info';
  /** Absolute path in the image, as people read it; absent for what is in the config. */
  readonly path?: string;
  readonly message: string;
  /** Where what is missing does exist. */
  readonly found?: readonly FoundAt[];
  /** The Dockerfile line that cures it (`COPY --from=build /lib/x /lib/x`), or a command in one. */
  readonly cure?: string;
  /** The same as changes of the Dockerfile, in their order: what `--fix` writes. */
  readonly edits?: readonly Edit[];
  /** Bytes that would be saved. */
  readonly bytes?: number;
  /** What made the path. */
  readonly origin?: string;
  /** 1-based line of the Dockerfile that made it. */
  readonly line?: number;
  /** The instruction that it is about, where that is one which makes no files. */
  readonly instruction?: 'USER' | 'WORKDIR' | 'ENTRYPOINT' | 'CMD' | 'HEALTHCHECK';
}

/** A change in the Dockerfile's stage that makes the image. */
export interface Edit {
  /** The line as it is to be; where `replaces` is a number: a flag for the instruction there. */
  readonly line: string;
  /** The instruction it stands in place of (the last one of that keyword), or the 1-based line of one. Absent: it is added. */
  readonly replaces?: 'FROM' | 'USER' | 'ENTRYPOINT' | 'CMD' | 'HEALTHCHECK' | number;
}

/** A place in a build stage, or the package that has it. */
export interface FoundAt {
  readonly stage?: string;
  readonly path: string;
  readonly package?: string;
}

const ORDER = { error: 0, warning: 1, info: 2 } as const;

/** Worst first, then by path and rule; equal ones once. */
export function sortFindings(findings: readonly Finding[]): readonly Finding[] {
  const once = new Map(findings.map((finding) => [`${finding.rule}\0${finding.path ?? ''}\0${finding.message}`, finding]));
  return [...once.values()].sort(
    (a, b) =>
      ORDER[a.severity] - ORDER[b.severity] ||
      compare(a.path ?? '', b.path ?? '') ||
      compare(a.rule, b.rule) ||
      compare(a.message, b.message),
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
