// The tree of a Dockerfile: every character of the text belongs to a node, every word knows its place.

import type { Diagnostic, SourceRange, SourceText } from '../base/index.ts';

// Nothing of the tree is to be copied by spreading: the parser works out what most never need, such as `range`, when it is asked for.

/** A word with its place. */
export interface Word {
  /**
   * The word as the language hands it on: line continuations joined and comments between lines gone, quotes, escapes
   * and `$variables` still in it (the expander takes those away). For a flag's value quotes are already removed; for
   * a member of a JSON array it is the decoded string.
   */
  readonly text: string;
  /** Where it stands, quotes included. It spans lines when a continuation is inside the word. */
  readonly range: SourceRange;
}

/** One flag in front of an instruction's arguments. */
export interface Flag {
  /** Without the dashes, as written: `from`. */
  readonly name: string;
  /** Undefined for a bare `--name`. `text` is empty for `--name=`. */
  readonly value: Word | undefined;
  /** The whole flag. */
  readonly range: SourceRange;
}

/** A comment line. */
export interface Comment {
  /** Without the `#` and the space around. (An indented comment keeps its `#`, as BuildKit reads it.) */
  readonly text: string;
  readonly range: SourceRange;
}

/** A heredoc that an instruction brought along, in the order of the markers. */
export interface Heredoc {
  /** The delimiter without quotes: the file's name in COPY and ADD. */
  readonly name: string;
  /** Number before `<<`, 0 when there is none. */
  readonly fileDescriptor: number;
  /** Variables in the content are expanded (COPY, ADD): no part of the delimiter was quoted. */
  readonly expand: boolean;
  /** `<<-`: leading tabs are taken off. `content` still has them; see `chompHeredoc`. */
  readonly chomp: boolean;
  /** The lines between marker and terminator, line ends included, unchanged. */
  readonly content: string;
  /** The marker word on the instruction's line: `<<-"EOF"`. */
  readonly marker: SourceRange;
  /** The content. */
  readonly range: SourceRange;
}

/** `# name = value` at the very top. */
export interface Directive {
  readonly name: 'syntax' | 'escape' | 'check';
  readonly value: Word;
  /** The line. */
  readonly range: SourceRange;
}

/** The name of an instruction, always upper case here. */
export type InstructionKind =
  | 'ADD'
  | 'ARG'
  | 'CMD'
  | 'COPY'
  | 'ENTRYPOINT'
  | 'ENV'
  | 'EXPOSE'
  | 'FROM'
  | 'HEALTHCHECK'
  | 'LABEL'
  | 'MAINTAINER'
  | 'ONBUILD'
  | 'RUN'
  | 'SHELL'
  | 'STOPSIGNAL'
  | 'USER'
  | 'VOLUME'
  | 'WORKDIR';

/** What every instruction has. */
export interface InstructionBase {
  /** The keyword as written: `Run`. */
  readonly keyword: Word;
  readonly casing: 'upper' | 'lower' | 'mixed';
  /** From the keyword to the end of the last line that belongs to it, heredocs included, final line end excluded. */
  readonly range: SourceRange;
  /** The logical line, trimmed: continuations joined, comments in between gone. What BuildKit calls `original`. */
  readonly original: string;
  readonly flags: readonly Flag[];
  /** Arguments as words in order, before any typing: for messages and for rules. */
  readonly words: readonly Word[];
  /** Arguments came as a JSON array. */
  readonly json: boolean;
  readonly heredocs: readonly Heredoc[];
  /** Comment lines above, back to the last instruction, directive or empty comment. Blank lines do not detach them. */
  readonly comments: readonly Comment[];
  /** Last of the lines that are joined, heredocs not counted; 1-based. */
  readonly lastLine: number;
  /** Blank lines inside the instruction's continuation. */
  readonly emptyContinuations: readonly SourceRange[];
}

/** The command of RUN, CMD, ENTRYPOINT, HEALTHCHECK CMD: for the shell, or a list of arguments. */
export type CommandLine =
  /** `command` is undefined when nothing was written. */
  { readonly form: 'shell'; readonly command: Word | undefined } | { readonly form: 'exec'; readonly args: readonly Word[] };

/** `FROM base AS name`. */
export interface FromInstruction extends InstructionBase {
  readonly kind: 'FROM';
  /** As written, variables unexpanded. */
  readonly base: Word;
  readonly platform: Word | undefined;
  /** The word between base and name, as written: `as`. */
  readonly as: Word | undefined;
  /** As written; the stage's name is it in lower case. */
  readonly name: Word | undefined;
}

export interface RunInstruction extends InstructionBase {
  readonly kind: 'RUN';
  readonly command: CommandLine;
  /** `--mount` values; `parseMount` reads them when variables are known. Their `from=` has been checked. */
  readonly mounts: readonly Word[];
  readonly network: 'default' | 'none' | 'host';
  readonly security: 'sandbox' | 'insecure';
  readonly devices: readonly { readonly name: string; readonly required: boolean; readonly range: SourceRange }[];
}

/** A file whose content stands in the Dockerfile (COPY and ADD with heredocs). */
export interface InlineFile {
  /** The delimiter. */
  readonly name: string;
  /** `<<-` already applied. */
  readonly content: string;
  /** Variables in `content` are to be expanded, quotes left alone, with `\` as escape. */
  readonly expand: boolean;
  /** The marker word. */
  readonly range: SourceRange;
}

export interface CopyInstruction extends InstructionBase {
  readonly kind: 'COPY';
  /** Without heredocs. */
  readonly sources: readonly Word[];
  readonly inlineFiles: readonly InlineFile[];
  readonly destination: Word;
  readonly from: Word | undefined;
  readonly chown: Word | undefined;
  readonly chmod: Word | undefined;
  readonly link: boolean;
  readonly parents: boolean;
  readonly exclude: readonly Word[];
}

export interface AddInstruction extends InstructionBase {
  readonly kind: 'ADD';
  readonly sources: readonly Word[];
  readonly inlineFiles: readonly InlineFile[];
  readonly destination: Word;
  readonly chown: Word | undefined;
  readonly chmod: Word | undefined;
  readonly checksum: Word | undefined;
  readonly link: boolean;
  /** Undefined when not said. */
  readonly keepGitDir: boolean | undefined;
  /** Undefined when not said: local archives are unpacked, remote ones not. */
  readonly unpack: boolean | undefined;
  readonly exclude: readonly Word[];
}

/** One `name=value` of ENV or LABEL. */
export interface Assignment {
  readonly name: Word;
  readonly value: Word;
  /** `ENV name value`, without `=`. */
  readonly legacy: boolean;
}

export interface EnvInstruction extends InstructionBase {
  readonly kind: 'ENV';
  readonly pairs: readonly Assignment[];
}

export interface LabelInstruction extends InstructionBase {
  readonly kind: 'LABEL';
  readonly pairs: readonly Assignment[];
}

/** One `name` or `name=value` of ARG. */
export interface ArgDeclaration {
  readonly name: Word;
  /** The default; undefined when there is no `=`. */
  readonly value: Word | undefined;
  /** From a comment line above that starts with the name. */
  readonly description: string | undefined;
}

export interface ArgInstruction extends InstructionBase {
  readonly kind: 'ARG';
  readonly args: readonly ArgDeclaration[];
}

export interface CmdInstruction extends InstructionBase {
  readonly kind: 'CMD';
  readonly command: CommandLine;
}

export interface EntrypointInstruction extends InstructionBase {
  readonly kind: 'ENTRYPOINT';
  readonly command: CommandLine;
}

export interface ShellInstruction extends InstructionBase {
  readonly kind: 'SHELL';
  /** At least one. */
  readonly args: readonly Word[];
}

export interface ExposeInstruction extends InstructionBase {
  readonly kind: 'EXPOSE';
  /** In the order of the text. BuildKit sorts them bytewise before it expands them. */
  readonly ports: readonly Word[];
}

export interface HealthcheckInstruction extends InstructionBase {
  readonly kind: 'HEALTHCHECK';
  /** `none` turns an inherited check off. */
  readonly check:
    | { readonly type: 'none' }
    | {
        readonly type: 'cmd';
        readonly command: CommandLine;
        /** Nanoseconds; 0 when not said. */
        readonly interval: number;
        readonly timeout: number;
        readonly startPeriod: number;
        readonly startInterval: number;
        /** 0 when not said. */
        readonly retries: number;
      };
}

export interface MaintainerInstruction extends InstructionBase {
  readonly kind: 'MAINTAINER';
  readonly name: Word;
}

export interface OnbuildInstruction extends InstructionBase {
  readonly kind: 'ONBUILD';
  /** What goes into the image's config: the trigger's text, heredocs re-assembled. `parseTrigger` reads it. */
  readonly expression: string;
  /** The trigger's keyword as written. */
  readonly trigger: Word;
}

export interface StopsignalInstruction extends InstructionBase {
  readonly kind: 'STOPSIGNAL';
  readonly signal: Word;
}

export interface UserInstruction extends InstructionBase {
  readonly kind: 'USER';
  readonly user: Word;
}

export interface VolumeInstruction extends InstructionBase {
  readonly kind: 'VOLUME';
  readonly paths: readonly Word[];
}

export interface WorkdirInstruction extends InstructionBase {
  readonly kind: 'WORKDIR';
  readonly path: Word;
}

/** Any valid instruction. */
export type Instruction =
  | AddInstruction
  | ArgInstruction
  | CmdInstruction
  | CopyInstruction
  | EntrypointInstruction
  | EnvInstruction
  | ExposeInstruction
  | FromInstruction
  | HealthcheckInstruction
  | LabelInstruction
  | MaintainerInstruction
  | OnbuildInstruction
  | RunInstruction
  | ShellInstruction
  | StopsignalInstruction
  | UserInstruction
  | VolumeInstruction
  | WorkdirInstruction;

/** Any valid instruction that may stand in a stage. */
export type StageInstruction = Exclude<Instruction, FromInstruction>;

/** An instruction that has an error (a diagnostic says which) or an unknown keyword. */
export interface InvalidInstruction extends InstructionBase {
  readonly kind: 'invalid';
}

/** One FROM and what follows it. */
export interface Stage {
  /** From 0 in the order of the file. */
  readonly index: number;
  /** Lower case; undefined for an unnamed stage. */
  readonly name: string | undefined;
  /** As written after FROM. */
  readonly base: Word;
  /** `--platform` as written. */
  readonly platform: Word | undefined;
  /** From a comment line above that starts with the stage's name. */
  readonly description: string | undefined;
  readonly from: FromInstruction;
  /** Valid ones only. */
  readonly instructions: readonly StageInstruction[];
  /** From FROM to the end of the last instruction. */
  readonly range: SourceRange;
}

/** A piece of the text. All `text`s in order are the source. */
export type SyntaxNode =
  | { readonly kind: 'bom'; readonly text: string }
  | { readonly kind: 'directive'; readonly text: string; readonly directive: Directive }
  | { readonly kind: 'comment'; readonly text: string; readonly comment: Comment }
  | { readonly kind: 'blank'; readonly text: string }
  | { readonly kind: 'instruction'; readonly text: string; readonly instruction: Instruction | InvalidInstruction };

/** A parsed Dockerfile. It is complete only when no diagnostic has severity `error`. */
export interface Dockerfile {
  readonly source: SourceText;
  /** Every character of the source, in order; `printDockerfile` puts it together again. */
  readonly nodes: readonly SyntaxNode[];
  /** All instructions among them. */
  readonly instructions: readonly (Instruction | InvalidInstruction)[];
  /** Those of them that have blank lines in their midst. */
  readonly interrupted: readonly (Instruction | InvalidInstruction)[];
  readonly directives: readonly Directive[];
  /** Escape and continuation character. */
  readonly escape: '\\' | '`';
  /** ARGs in front of the first FROM. */
  readonly metaArgs: readonly ArgInstruction[];
  readonly stages: readonly Stage[];
  /** Some line could not even be taken apart into words (BuildKit's parser fails before any instruction is looked at), or there is none. */
  readonly malformed: boolean;
  /** The first thing wrong with such a line: what BuildKit says of the whole file, whatever stands in front of it. */
  readonly stopsAt: Diagnostic | undefined;
  /** What is wrong with the text (`DOCKERFILE_SYNTAX`, all `error`), in the order of the text. Lint findings are separate: `lintDockerfile`. */
  readonly diagnostics: readonly Diagnostic[];
}
