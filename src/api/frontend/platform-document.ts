// A platform in the JSON form of image documents, as clients and frontends read it.

import type { Platform } from '../engine.ts';

/** Members that are not set are left out. */
export function platformDocument(platform: Platform): object {
  return {
    architecture: platform.architecture,
    os: platform.os,
    ...(platform.osVersion !== undefined && { 'os.version': platform.osVersion }),
    ...(platform.osFeatures !== undefined && { 'os.features': platform.osFeatures }),
    ...(platform.variant !== undefined && { variant: platform.variant }),
  };
}
