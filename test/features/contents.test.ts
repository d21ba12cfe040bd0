// What should not be in an image, left there by real builds: each is found, with its bytes, where it came from and a cure; and what is
// clean is left alone.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Finding } from '../../src/build/index.ts';
import { Rig } from '../rig/rig.ts';

const KEY = `-----BEGIN PRIVATE KEY-----\n${'A'.repeat(64)}\n-----END PRIVATE KEY-----\n`;

async function findings(rig: Rig, image: string): Promise<readonly Finding[]> {
  const told = await rig.slipway(['check', '--runtime', image, '--format', 'json']);
  assert.ok(told.code === 0 || told.code === 1, told.stderr);
  return told.stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Finding);
}

test('what a build leaves behind is found where it is', async () => {
  await using rig = Rig.create();
  const context = rig.context({
    Dockerfile: `FROM busybox AS tools
RUN head -c 200000 /dev/urandom > /cc && head -c 150000 /dev/urandom > /app
FROM busybox
ARG NPM_TOKEN
ENV DB_PASSWORD=hunter2222 TOKEN_FILE=/run/token
COPY . /srv
COPY --from=tools /cc /usr/bin/real-gcc
RUN ln -s real-gcc /usr/bin/gcc && mkdir -p /root/.cache/pip && head -c 90000 /dev/urandom > /root/.cache/pip/wheel
RUN head -c 120000 /dev/urandom > /junk
RUN rm /junk
COPY --from=tools /app /app
RUN chmod 4755 /app && mkdir /open && chmod 777 /open
COPY --from=tools /app /app-again
`,
    '.git/HEAD': 'ref: refs/heads/main\n',
    '.git/objects/ab/cd': 'x'.repeat(1000),
    'deploy/id_ed25519': KEY,
    '.npmrc': '//registry.example/:_authToken=npm_abcdefghijkl\n',
    'src/sum.test.js': 'test()',
    'src/__tests__/more.js': 'test()',
    'src/sum.js': 'run()',
    'docs/token.md': 'How tokens work: put TOKEN=… into your shell.',
    'settings.env.example': 'DB_PASSWORD=changeme\n',
  });
  const built = await rig.slipway(['build', '-t', 'left', '--build-arg', 'NPM_TOKEN=s3cr3t-t0ken', context]);
  assert.equal(built.code, 0, built.stderr);
  const found = await findings(rig, 'left');
  const one = (rule: string, path?: string): Finding => {
    const match = found.find((finding) => finding.rule === rule && (path === undefined || finding.path === path));
    assert.ok(match !== undefined, `${rule} ${path ?? ''}:\n${found.map((finding) => `${finding.rule} ${finding.path ?? ''}`).join('\n')}`);
    assert.ok((match.cure ?? '') !== '', `${rule} has a cure`);
    return match;
  };
  assert.deepEqual([one('compiler-left', '/usr/bin/gcc').bytes, one('compiler-left').severity], [200_000, 'warning']);
  assert.match(one('compiler-left').origin ?? '', /Dockerfile:8 RUN ln -s/);
  assert.equal(one('cache-left', '/root/.cache').bytes, 90_000);
  assert.match(one('vcs-left', '/srv/.git').origin ?? '', /Dockerfile:6 COPY \. \/srv/);
  assert.ok((one('vcs-left').bytes ?? 0) >= 1000);
  assert.equal(one('secret-left', '/srv/deploy/id_ed25519').severity, 'error');
  assert.equal(one('secret-left', '/srv/.npmrc').severity, 'error');
  assert.match(one('tests-left').message, /^2 files of tests/);
  assert.match(one('secret-in-config').message, /DB_PASSWORD/);
  assert.match(one('secret-in-history').message, /NPM_TOKEN/);
  assert.match(one('setuid', '/app').origin ?? '', /Dockerfile:12 RUN chmod 4755/);
  assert.equal(one('setuid', '/app').severity, 'warning');
  assert.equal(one('world-writable', '/open').severity, 'warning');
  assert.equal(one('deleted-later', '/junk').bytes, 120_000);
  assert.equal(one('copied-again', '/app').bytes, 150_000);
  assert.equal(one('twice', '/app-again').bytes, 150_000);
  const quiet = ['/srv/docs/token.md', '/srv/settings.env.example', '/srv/src/sum.js'];
  assert.deepEqual(
    found.filter(({ path }) => quiet.includes(path ?? '')),
    [],
  );
  assert.doesNotMatch(JSON.stringify(found), /hunter2222|s3cr3t-t0ken|npm_abcdefghijkl|AAAAAAAA/);
});

test('--fix says which Dockerfile it looked for', async () => {
  await using rig = Rig.create();
  const context = rig.context({ Dockerfile: 'FROM busybox\nCMD ["missing"]\n' });
  assert.equal((await rig.slipway(['build', '-t', 'lacks', context])).code, 0);
  const fixed = await rig.slipway(['check', '--runtime', 'lacks', '--fix']);
  assert.equal(fixed.code, 1);
  assert.match(fixed.stdout, /missing is not on PATH/);
  assert.match(fixed.stderr, /there is no Dockerfile to fix: Dockerfile cannot be read[^]*name the Dockerfile of the image by --file/);
});

test('a clean image of static programs: only that its base is not needed', async () => {
  await using rig = Rig.create();
  const dockerfile =
    'FROM busybox AS made\nRUN cp /bin/busybox /tool\nFROM debian\nCOPY --from=made --chmod=755 /tool /tool\nUSER 1000\nENTRYPOINT ["/tool", "true"]\n';
  assert.equal((await rig.slipway(['build', '-t', 'clean', rig.context({ Dockerfile: dockerfile })])).code, 0);
  const found = await findings(rig, 'clean');
  const loud = found.filter(({ severity }) => severity !== 'info');
  assert.deepEqual(
    loud.map(({ rule, path }) => `${rule} ${path ?? ''}`),
    [],
  );
  const needless = found.find(({ rule }) => rule === 'base-not-needed');
  assert.ok((needless?.bytes ?? 0) > 10_000_000, JSON.stringify(needless));
  assert.ok(found.filter(({ rule }) => rule === 'setuid').length <= 1, 'what the base brings is told once');
  assert.ok(found.length <= 8, found.map(({ rule, path }) => `${rule} ${path ?? ''}`).join('\n'));
});
