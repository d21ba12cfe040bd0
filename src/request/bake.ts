// The request room's second door, for what reads Bake files: much code, which a plain build need not load.

export { repositoryLogin } from './bake/elsewhere.ts';
export { type BakeFiles, type BakeText, type Elsewhere, readBakeFiles } from './bake/files.ts';
export { openBake } from './bake/open-bake.ts';
export {
  type Bake,
  type BakeList,
  type BakeWarning,
  type Caller,
  listBake,
  type ListBakeOptions,
  readBake,
  type ReadBakeOptions,
} from './bake/read-bake.ts';
export { type BakeCall, type BakeRequests, requestsOf } from './bake/requests.ts';
export { type BakeRights, checkRights, grant } from './bake/rights.ts';
