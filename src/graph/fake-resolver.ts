// Images for tests: every name is there, busybox-like unless a test says otherwise.

import { type Digest, SlipwayError } from '../base/index.ts';
import type { ImageConfig, Platform } from '../oci/index.ts';
import type { ImageResolver, ResolvedContext } from './resolver.ts';

export const AMD64: Platform = { os: 'linux', architecture: 'amd64' };

/** What an image without surprises says. */
export const PLAIN: ImageConfig = {
  architecture: 'amd64',
  os: 'linux',
  created: '2024-01-01T00:00:00Z',
  config: { Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'], Cmd: ['sh'] },
  rootfs: { type: 'layers', diff_ids: [`sha256:${'1'.repeat(64)}` as ImageConfig['rootfs']['diff_ids'][number]] },
  history: [{ created: '2024-01-01T00:00:00Z', created_by: 'busybox' }],
};

/** Images by familiar name; `missing` is not there; `trigger` has ONBUILD instructions; `other-platform` is for arm64. */
const SPECIAL: Readonly<Record<string, Partial<ImageConfig>>> = {
  'docker.io/library/trigger:latest': { config: { ...PLAIN.config, OnBuild: ['COPY --from=busybox /bin/sh /sh', 'RUN echo triggered'] } },
  'docker.io/library/other-platform:latest': { architecture: 'arm64', variant: 'v8' },
  'docker.io/library/rich:latest': {
    author: 'someone',
    config: {
      User: 'app:app',
      Env: ['PATH=/opt/bin', 'LANG=C.UTF-8'],
      Entrypoint: ['/entry'],
      Cmd: ['serve'],
      WorkingDir: '/srv',
      Labels: { from: 'base' },
      ExposedPorts: { '80/tcp': {} },
      Shell: ['/bin/bash', '-c'],
      StopSignal: 'SIGQUIT',
    },
  },
  'docker.io/library/no-layers:latest': { rootfs: { type: 'layers', diff_ids: [] }, history: [] },
};

/** What was asked is kept in `asked`, in order. */
export function fakeResolver(contexts: Readonly<Record<string, ResolvedContext>> = {}): ImageResolver & { readonly asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    resolveImage: (ref, platform) => {
      asked.push(ref);
      if (ref.includes('/missing:')) return Promise.reject(new SlipwayError('IMAGE_UNKNOWN', `${ref}: not found`));
      const own = ref.includes('/other-platform:') ? {} : { architecture: platform.architecture, os: platform.os };
      return Promise.resolve({ ref, digest: `sha256:${'a'.repeat(64)}` as Digest, config: { ...PLAIN, ...own, ...SPECIAL[ref] } });
    },
    resolveContext: (name) => {
      asked.push(`context ${name}`);
      const known = contexts[name];
      return Promise.resolve(known ?? { tree: { source: { kind: 'local', name: name === 'context' ? '_context' : name, exclude: [] } } });
    },
  };
}
