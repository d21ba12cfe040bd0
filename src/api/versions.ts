// The BuildKit release whose behaviour clients may expect: they switch features on by it.

export const BUILDKIT_VERSION = 'v0.31.0';
/** Of the Dockerfile frontend. */
export const DOCKERFILE_VERSION = '1.25.0';
