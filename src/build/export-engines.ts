// Where images are loaded into.

/** Container engines to load into, Docker first. */
export const ENGINES: readonly string[] = ['unix:///var/run/docker.sock', 'unix:///run/podman/podman.sock'];
