// The Dockerfile language: text to tree, expansion, lint, ignore files.

export type {
  AddInstruction,
  ArgDeclaration,
  ArgInstruction,
  Assignment,
  CmdInstruction,
  CommandLine,
  Comment,
  CopyInstruction,
  Directive,
  Dockerfile,
  EntrypointInstruction,
  EnvInstruction,
  ExposeInstruction,
  Flag,
  FromInstruction,
  HealthcheckInstruction,
  Heredoc,
  InlineFile,
  Instruction,
  InstructionBase,
  InstructionKind,
  InvalidInstruction,
  LabelInstruction,
  MaintainerInstruction,
  OnbuildInstruction,
  RunInstruction,
  ShellInstruction,
  Stage,
  StageInstruction,
  StopsignalInstruction,
  SyntaxNode,
  UserInstruction,
  VolumeInstruction,
  Word,
  WorkdirInstruction,
} from './ast.ts';
export { type Outcome, type Problem, problemRange } from './outcome.ts';
export { descriptionOf } from './description.ts';
export { type Device, parseDevice } from './device.ts';
export { detectSyntax, findDirective, type FoundDirective } from './directives.ts';
export { parseDuration } from './duration.ts';
export {
  type Expansion,
  expandText,
  hasMeaning,
  expandWord,
  expandWords,
  type ExpandOptions,
  type VariableLookup,
  type WordsExpansion,
} from './expand.ts';
export { compareBytewise, parseGoBool, quote } from './go-text.ts';
export { chompHeredoc, parseHeredocMarker } from './heredoc.ts';
export { INSTRUCTION_NAMES, instructionFlags } from './instruction-table.ts';
export { type Mount, type MountType, parseMount } from './mount.ts';
export { parseDockerfile, type ParseOptions, parseTrigger, printDockerfile } from './parse.ts';
export { parseMemorySize } from './size.ts';
export { compileGlob, type Glob, hasWildcards } from './glob.ts';
export { cleanPath } from './go-path.ts';
export { type IgnoreRule, parseIgnore, parseIgnoreRules } from './ignore.ts';
export { type DirectoryMatch, type PathPattern, PatternMatcher } from './pattern-matcher.ts';
export { applyFixes } from './fix.ts';
export { type FrameOptions, renderFrame } from './frame.ts';
export { lintDockerfile } from './lint.ts';
export { LINT_RULES, type LintRule, type LintRuleName, looksSecret } from './lint-rules.ts';
export { DEFAULT_LINT, type LintConfig, Linter, lintConfigOf, type LintExtras, type LintPlace, parseLintConfig } from './linter.ts';
