// What a report says, as data: what `--report build.json` holds and the page draws. Documented for readers in docs/report.md; a change
// that a reader could miss raises `version`.

import type { StepReason } from '../../base/index.ts';
import type { Finding } from '../finding.ts';

/** One build, or one image, in full. */
export interface Report {
  readonly version: 1;
  /** What it is of, for people: a build's name, an image's. */
  readonly title: string;
  /** What made the report: `slipway`, with its version where a command wrote it. */
  readonly generator: string;
  /** Absent: the image was made elsewhere, or its build is no longer known. */
  readonly build?: ReportBuild;
  readonly stages: readonly ReportStage[];
  /** Every step, inputs before their users. */
  readonly steps: readonly ReportStep[];
  /** What went into each stage, and from where. */
  readonly flows: readonly ReportFlow[];
  /** One for each platform. */
  readonly images: readonly ReportImage[];
  /** Test results found in gate stages. */
  readonly tests: readonly TestSuite[];
  /** What is not known, and why. */
  readonly notes: readonly string[];
  /** Present when two builds were compared. */
  readonly comparison?: Comparison;
}

export interface ReportBuild {
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly milliseconds: number;
  readonly status: 'completed' | 'error' | 'canceled';
  readonly error?: string;
  readonly filename: string;
  readonly target?: string;
  readonly platforms: readonly string[];
  readonly tags: readonly string[];
  readonly digest?: string;
  /** Milliseconds that the checks of the result took. */
  readonly checkMilliseconds?: number;
}

export interface ReportStage {
  readonly name: string;
  readonly index: number;
  readonly platform: string;
  /** What it starts from: an image, another stage, `scratch`. */
  readonly base: string;
  /** Milliseconds of its executed steps. */
  readonly milliseconds: number;
  /** Bytes of its own layers' files. */
  readonly bytes: number;
  /** With its base's. */
  readonly totalBytes?: number;
  /** Asked for by `--gate`. */
  readonly gate?: boolean;
  /** Its file system is the image. */
  readonly target?: boolean;
}

export interface ReportStep {
  readonly name: string;
  readonly stage?: string;
  /** 1-based line of the Dockerfile. */
  readonly line?: number;
  readonly instruction?: string;
  readonly platform?: string;
  readonly state: 'executed' | 'cached' | 'failed' | 'canceled';
  /** Why it ran. */
  readonly reason?: StepReason;
  /** Milliseconds since the build began; absent: it never ran. */
  readonly start?: number;
  readonly milliseconds: number;
  /** Indexes into `steps`. */
  readonly inputs: readonly number[];
  /** Bytes of the files of the layers that it made. */
  readonly bytes?: number;
  /** It is on the longest path: the build cannot be faster than these steps after each other. */
  readonly longest?: boolean;
  /** First line of what went wrong. */
  readonly error?: string;
}

/** Something that went from one place into a stage. */
export interface ReportFlow {
  readonly kind: 'base' | 'copy' | 'mount';
  /** A stage, an image, the build context, an address. */
  readonly from: string;
  /** Index into `stages`, when it is one. */
  readonly fromStage?: number;
  /** Index into `stages`. */
  readonly to: number;
  /** Bytes that were copied, or of the base; absent for what was only mounted, or is not known. */
  readonly bytes?: number;
  readonly line?: number;
  readonly instruction?: string;
}

export interface ReportImage {
  readonly platform: string;
  readonly digest?: string;
  readonly created?: string;
  /** The config's lines for people: `ENTRYPOINT ["/app"]`. Values of variables with secret-looking names are left out. */
  readonly config: readonly string[];
  readonly layers: readonly ReportLayer[];
  readonly files: FileTable;
  /** Everything the checks found, worst first. */
  readonly findings: readonly Finding[];
}

export interface ReportLayer {
  readonly digest?: string;
  /** Bytes as stored or sent. */
  readonly stored?: number;
  /** Bytes of its files. */
  readonly bytes: number;
  readonly entries: number;
  /** Bytes of its files that are still seen in the image. */
  readonly visible: number;
  /** For people. */
  readonly made: string;
  /** The base image that it is of. */
  readonly base?: string;
  readonly stage?: string;
  readonly line?: number;
  readonly instruction?: string;
  /** What it copied from. */
  readonly from?: readonly string[];
}

/**
 * All paths of an image in columns, parents before children. Entry 0 is the root. Numbers are written compactly: an image has a
 * hundred thousand of them.
 */
export interface FileTable {
  readonly count: number;
  /** Last components in order, joined by `/`; the root's is empty. */
  readonly names: string;
  /** Index of the directory each is in; the root's is 0. */
  readonly parents: readonly number[];
  /** Bytes; 0 for what is no file, and for the second and later names of one file. */
  readonly sizes: readonly number[];
  /** One letter each: `f` file, `d` directory, `l` symlink, `c` `b` devices, `p` fifo, `s` socket. */
  readonly kinds: string;
  /** Index into `layers`; -1: no layer lists it. */
  readonly layers: readonly number[];
  /** Index into `rights`. */
  readonly right: readonly number[];
  /** Mode (octal) and owner: `0755 0:0`. */
  readonly rights: readonly string[];
  /** Index into `packages`; -1: no package has it. */
  readonly owner: readonly number[];
  readonly packages: readonly string[];
  /** Targets of symlinks by index. */
  readonly links: Readonly<Record<string, string>>;
}

/** Results of one JUnit file. */
export interface TestSuite {
  readonly stage: string;
  /** Where the file is in the stage. */
  readonly path: string;
  readonly name: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Seconds, as the file says. */
  readonly seconds: number;
  /** Failed ones first; at most `MAX_CASES`. */
  readonly cases: readonly TestCase[];
  /** Cases that are not listed. */
  readonly unlisted?: number;
  /** The file could not be read to its end; why. */
  readonly broken?: string;
}

export interface TestCase {
  readonly name: string;
  readonly state: 'passed' | 'failed' | 'skipped';
  readonly seconds?: number;
  /** What it says, cut. */
  readonly message?: string;
}

/** What grew between two images, and by which line. */
export interface Comparison {
  readonly before: string;
  readonly bytesBefore: number;
  readonly bytesNow: number;
  /** Milliseconds of the builds; absent where one is not known. */
  readonly millisecondsBefore?: number;
  readonly millisecondsNow?: number;
  /** Most changed first. */
  readonly origins: readonly OriginChange[];
  /** Paths that came, went or changed their size; most changed first, at most `MAX_CHANGES`. */
  readonly paths: readonly PathChange[];
  /** Paths that are not listed. */
  readonly unlisted?: number;
}

export interface OriginChange {
  /** `build Dockerfile:7 RUN make`, `base alpine:3.20`. */
  readonly made: string;
  readonly before: number;
  readonly now: number;
}

export interface PathChange {
  readonly path: string;
  /** Absent: it was not there. */
  readonly before?: number;
  /** Absent: it is gone. */
  readonly now?: number;
  /** What made it, now or then. */
  readonly made: string;
}
