// The engine: vertices, keys, scheduler. Knows nothing of containers.

export { MemoryCache } from './memory-cache.ts';
export type { SolverLimits } from './limits.ts';
export { comparePathLists, type ListComparison, type PathList, pathListOf, PathListWriter, readPathList } from './path-list.ts';
export { SolveSession } from './session.ts';
export type { SolveOptions } from './solve.ts';
export { type Solution, Solver } from './solver.ts';
export * from './types.ts';
export type { VertexFacts } from './vertex-facts.ts';
