// Flags of kaniko and buildah that `slipway build` has not, and what is written here in their place; what Docker's client is told by variable.

import { SlipwayError } from '../base/index.ts';

const CACHE =
  'results of this machine are reused by themselves; to share them, write --cache-to type=registry,ref=NAME and --cache-from type=registry,ref=NAME';
const REGISTRY = 'say it of the registry, in the configuration file: [registry."HOST"] with http = true, or insecure = true';
const DATES = 'set SOURCE_DATE_EPOCH, and write -o type=image,name=NAME,rewrite-timestamp=true';
const PLATFORM = 'write --platform OS/ARCH[/VARIANT]';
const NOTHING = 'there is nothing to choose here: leave it out';
const RIGHTS = 'write RUN --security=insecure in the Dockerfile, and --allow security.insecure';

const IN_PLACE: Readonly<Record<string, string>> = {
  // kaniko
  context: 'the context is the word behind the flags, a folder or an address: slipway build .',
  dockerfile: 'write -f FILE',
  destination: 'write -t NAME --push',
  'no-push': 'nothing is pushed without --push: leave it out',
  cache: CACHE,
  'cache-repo': CACHE,
  'cache-dir': CACHE,
  'tar-path': 'write -o type=docker,dest=FILE',
  tarPath: 'write -o type=docker,dest=FILE',
  'oci-layout-path': 'write -o type=oci,tar=false,dest=FOLDER',
  'digest-file': 'write --metadata-file FILE: it has containerimage.digest',
  'image-name-with-digest-file': 'write --metadata-file FILE: it has image.name and containerimage.digest',
  insecure: REGISTRY,
  'insecure-pull': REGISTRY,
  'skip-tls-verify': REGISTRY,
  'skip-tls-verify-pull': REGISTRY,
  'registry-mirror': 'name it in the configuration file: [registry."docker.io"] with mirrors = ["HOST"]',
  'registry-certificate': 'name it in the configuration file: [registry."HOST"] with ca = ["FILE"]',
  reproducible: DATES,
  'custom-platform': PLATFORM,
  customPlatform: PLATFORM,
  'snapshot-mode': NOTHING,
  snapshotMode: NOTHING,
  'use-new-run': NOTHING,
  'compressed-caching': NOTHING,
  'skip-unused-stages': 'stages that the target does not need are never built: leave it out',
  cleanup: NOTHING,
  verbosity: 'write --progress plain for all that steps say, --debug for where an error is from',
  // buildah
  layers: NOTHING,
  format: 'images are OCI’s; for Docker’s media types write -o type=image,name=NAME,oci-mediatypes=false',
  'tls-verify': REGISTRY,
  'cert-dir': 'name it in the configuration file: [registry."HOST"] with ca = ["FILE"]',
  authfile: 'set REGISTRY_AUTH_FILE=FILE',
  creds: 'log in once: slipway login REGISTRY',
  manifest: 'several --platform make an index, named by -t',
  timestamp: DATES,
  arch: PLATFORM,
  os: PLATFORM,
  variant: PLATFORM,
  jobs: 'steps run beside each other by themselves; max-parallelism = N in the configuration file bounds them',
  volume: 'write RUN --mount=type=bind in the Dockerfile, and --build-context NAME=FOLDER for what it is from',
  'cap-add': RIGHTS,
  privileged: RIGHTS,
  userns: '--rung NAME chooses how steps are kept apart: see slipway info',
  ignorefile: 'call it like the Dockerfile and put it beside that: Dockerfile.dockerignore',
  from: 'write --build-context NAME=docker-image://OTHER, where NAME is what FROM says',
  'pull-always': 'write --pull',
  env: 'write ENV in the Dockerfile, with --build-arg for what differs',
};

/** What to write in place of a flag (`--destination`) that other builders have; undefined: they have none of that name either. */
export function inPlaceOf(flag: string): string | undefined {
  const name = flag.replace(/^--/, '');
  return Object.hasOwn(IN_PLACE, name) ? IN_PLACE[name] : undefined;
}

const POLICY = 'EXPERIMENTAL_BUILDKIT_SOURCE_POLICY';

/** A policy that Docker's client reads: what it refuses must not be built as if there were none. Throws `SOURCE_POLICY`. */
export function refuseUnreadPolicy(env: Readonly<Record<string, string | undefined>>): void {
  const file = env[POLICY];
  if (file === undefined || file === '') return;
  throw new SlipwayError('SOURCE_POLICY', `${POLICY} names a policy (${file}), which is not evaluated here`, {
    hint: `say what images must have by --trust FILE, let Docker's client evaluate it with slipway serve, or unset ${POLICY}`,
  });
}
