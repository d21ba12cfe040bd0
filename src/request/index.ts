// The request room's door: values as people write them → parts of a BuildRequest. What reads Bake files has a door of its own, bake.ts.

export { type DockerfileCall, readCall } from './call.ts';
export { keyValues, splitCsv, splitOnce } from './fields.ts';
export { readPlatforms, readTag } from './names.ts';
export { attestRequest, deletesBelow, outputFrom, readAttest, readCache } from './results.ts';
export { parseBytes, parseDuration } from './sizes.ts';
export { readContext, readDockerfile, readNamedContext } from './sources.ts';
export { readEntitlement, readHosts, readNetwork, readResources, readSecret, readSsh, readUlimits, RESOURCES } from './steps.ts';
export { type Surroundings, variableOf } from './surroundings.ts';
