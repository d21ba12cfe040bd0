import assert from 'node:assert/strict';
import { test } from 'node:test';
import { frontendAttributes } from './frontend-attributes.ts';
import { foreignFrontend } from './foreign-frontend.ts';

function asked(text: string, buildArgs?: Readonly<Record<string, string>>): string | undefined {
  return foreignFrontend({ filename: 'Dockerfile', text }, buildArgs)?.ref;
}

test('another language than the Dockerfile’s', () => {
  for (const own of [
    'docker/dockerfile:1',
    'docker.io/docker/dockerfile:1.7-labs',
    'docker/dockerfile-upstream:master',
    `registry.example.org/docker/dockerfile@sha256:${'0'.repeat(64)}`,
    'registry.example.org:5000/hub/docker/dockerfile:1',
    'dockerfile.v0',
  ])
    assert.equal(asked(`# syntax=${own}\nFROM scratch\n`), undefined, own);
  assert.equal(asked('FROM scratch\n'), undefined);
  for (const foreign of ['tonistiigi/hellofs', 'example.org/mopy:1', 'docker/dockerfiles:1', 'team/dockerfile:1', 'a b'])
    assert.equal(asked(`# syntax=${foreign}\n`), foreign.split(' ')[0], foreign);
});

test('the build argument decides before the file', () => {
  assert.equal(asked('# syntax=team/lang\n', { BUILDKIT_SYNTAX: 'docker/dockerfile:1' }), undefined);
  assert.equal(asked('FROM scratch\n', { BUILDKIT_SYNTAX: ' team/lang:2 --fast' }), 'team/lang:2');
  assert.equal(asked('# syntax=team/lang\n', { BUILDKIT_SYNTAX: '' }), undefined);
});

test('a request in the words of frontends', () => {
  assert.deepEqual(
    frontendAttributes({
      buildArgs: { A: '1' },
      labels: { l: 'x' },
      target: 't',
      platforms: ['linux/amd64', 'linux/arm64'],
      noCache: ['one', 'two'],
      pull: true,
      extraHosts: [{ host: 'a', ip: '::1' }],
      ulimits: [{ name: 'nofile', soft: 1, hard: 2 }],
      network: 'none',
      resources: { memory: 5, cpusetCpus: '0,1' },
      shmSize: 64,
      sourceDateEpoch: 7,
      proxyEnv: { HTTP_PROXY: 'p' },
    }),
    {
      'build-arg:HTTP_PROXY': 'p',
      'build-arg:SOURCE_DATE_EPOCH': '7',
      'build-arg:A': '1',
      'label:l': 'x',
      target: 't',
      platform: 'linux/amd64,linux/arm64',
      'no-cache': 'one,two',
      'image-resolve-mode': 'pull',
      'add-hosts': 'a=::1',
      ulimit: 'nofile=1:2',
      'shm-size': '64',
      'force-network-mode': 'none',
      memory: '5',
      cpusetcpus: '0,1',
    },
  );
  assert.deepEqual(frontendAttributes({ noCache: true, network: 'default' }), { 'no-cache': '' });
});

test('what frontends have no words for is refused', () => {
  for (const request of [
    { gates: ['test'] },
    { allStages: true },
    { devices: [{ name: 'd', optional: false }] },
    { resources: { pids: 9 } },
  ])
    assert.throws(() => frontendAttributes(request), { code: 'FRONTEND_OPTION' });
});
