// Bake files and Compose projects: text to targets. Pure.

export { csvOf } from './csv.ts';
export { printList } from './list.ts';
export { printPlan } from './print.ts';
export { parseBake } from './parse-bake.ts';
export type {
  BakeAgent,
  BakeAllowed,
  BakeFile,
  BakeGroup,
  BakeListed,
  BakeOptions,
  BakePlan,
  BakePolicy,
  BakeSource,
  BakeTarget,
  BakeVariable,
  Fields,
} from './target.ts';
