// A build's secrets, looked for byte by byte where they must not be: while the step that has them runs, and after the build.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { Rig } from '../rig/rig.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/slipway.js', import.meta.url));
/** In no process but those of this run. */
const secret = (name: string): string => `${name}-SECRET-${randomBytes(8).toString('hex')}`;
const FILE_SECRET = secret('file');
const ENV_SECRET = secret('env');
const LOGIN_SECRET = secret('login');
const CACHE_SECRET = secret('cache');
const ADDRESS_SECRET = secret('address');
const SECRETS = [FILE_SECRET, ENV_SECRET, LOGIN_SECRET, CACHE_SECRET, ADDRESS_SECRET];

/** Files below a folder whose bytes, plain or unpacked, have a secret. */
function leaks(folder: string): string[] {
  const found: string[] = [];
  const walk = (path: string): void => {
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat?.isDirectory() === true) {
      for (const name of readable(() => readdirSync(path)) ?? []) walk(join(path, name));
    } else if (stat?.isFile() === true && stat.size < 64 << 20) {
      const bytes = readable(() => readFileSync(path));
      if (bytes !== undefined && (has(bytes) || has(unpacked(bytes)))) found.push(path);
    }
  };
  walk(folder);
  return found;
}

const has = (bytes: Buffer): boolean =>
  SECRETS.some((secret) => bytes.includes(secret) || bytes.includes(Buffer.from(secret).toString('base64').slice(0, 20)));

function unpacked(bytes: Buffer): Buffer {
  return bytes[0] === 0x1f && bytes[1] === 0x8b ? (readable(() => gunzipSync(bytes)) ?? Buffer.alloc(0)) : Buffer.alloc(0);
}

/** What goes away, or belongs to somebody else, while we look. */
function readable<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

/** Processes of our own pid namespace with a secret in their arguments or environment. */
function tellingProcesses(): number[] {
  const ours = readlinkSync('/proc/self/ns/pid');
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && readable(() => readlinkSync(`/proc/${name}/ns/pid`)) === ours)
    .filter((name) => ['cmdline', 'environ'].some((file) => has(readable(() => readFileSync(`/proc/${name}/${file}`)) ?? Buffer.alloc(0))))
    .map(Number);
}

test(
  'CVE-2019-13509 (Docker): a secret is in no process but the step’s, in no file, no layer, no cache, no log',
  { timeout: 180_000 },
  async () => {
    await using rig = Rig.create();
    const file = rig.path('token');
    writeFileSync(file, FILE_SECRET);
    const context = rig.context({
      Dockerfile: [
        'FROM busybox',
        'RUN --mount=type=secret,id=file --mount=type=secret,id=var,env=VAR \\',
        '  cat /run/secrets/file; echo "$VAR"; test "$(wc -c < /run/secrets/file)" = 28 || exit 9; echo ready-now; sleep 4; echo x > /made',
        'RUN --mount=type=secret,id=file,target=/etc/app/token,mode=0444 cp /etc/app/token /dev/shm/ && echo y > /made2',
        '',
      ].join('\n'),
    });
    const archive = rig.path('image.tar');
    const cache = rig.path('cache');
    const metadata = rig.path('metadata.json');
    const args = [
      'build',
      '--progress=plain',
      '--secret',
      `id=file,src=${file}`,
      '--secret',
      'id=var,env=GIVEN',
      '-t',
      'secret',
      '--provenance=mode=max',
      '--sbom=true',
    ];
    const child = spawn(
      process.execPath,
      [
        PROGRAM,
        ...args,
        '--debug',
        '-o',
        `type=oci,dest=${archive}`,
        '--cache-to',
        `type=local,dest=${cache},mode=max`,
        '--metadata-file',
        metadata,
        context,
      ],
      {
        env: {
          ...process.env,
          SLIPWAY_ROOT: rig.store,
          SLIPWAY_CONFIG: process.env['SLIPWAY_TEST_CONFIG'],
          GIVEN: ENV_SECRET,
          NODE_DEBUG: 'slipway*',
        },
      },
    );
    let log = '';
    const ready = new Promise<void>((resolve, reject) => {
      const take = (chunk: Buffer): void => {
        log += chunk.toString('latin1');
        if (log.includes(' ready-now')) resolve();
      };
      child.stdout.on('data', take);
      child.stderr.on('data', take);
      child.once('close', () => reject(new Error(`it ended before: ${log}`)));
    });
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    await ready;
    // The command's own environment is where the user put one of them.
    assert.deepEqual(
      tellingProcesses().filter((pid) => pid !== child.pid && pid !== process.pid),
      [],
      'processes',
    );
    const state = ['/run/crun', '/run/runc', '/run/slipway', '/var/run/crun'].filter(
      (path) => statSync(path, { throwIfNoEntry: false }) !== undefined,
    );
    const during = [rig.store, ...state].flatMap(leaks);
    assert.equal(await ended, 0, log);
    assert.deepEqual(during, [], 'files of the store and the runtime while the step ran');
    assert.ok(!has(Buffer.from(log, 'latin1')), log);
    assert.match(log, /\*\*\*\*/);
    assert.deepEqual([rig.store, archive, cache, metadata].flatMap(leaks), []);
    for (const command of [['history', 'ls'], ['inspect', 'secret'], ['images']]) {
      const { stdout, stderr } = await rig.slipway(command);
      assert.ok(!has(Buffer.from(stdout + stderr)), command.join(' '));
    }
  },
);

for (const [what, script, place] of [
  ['a copy', 'cp /run/secrets/file /etc/leak', /etc\/leak/],
  ['inside a large file', '(head -c 3000000 /dev/zero; cat /run/secrets/file; head -c 100 /dev/zero) > /opt-leak', /opt-leak/],
  ['across the edge of a piece', '(head -c 1048570 /dev/zero; cat /run/secrets/file) > /edge', /edge/],
  ['the target of a symlink', 'ln -s "$(cat /run/secrets/file)" /pointer', /pointer/],
  ['the name of a file', 'touch "/x-$(cat /run/secrets/file)"', /\//],
] as const) {
  test(`a step that leaves its secret in the image fails, and the place is named: ${what}`, { timeout: 120_000 }, async () => {
    await using rig = Rig.create();
    const file = rig.path('token');
    writeFileSync(file, FILE_SECRET);
    const context = rig.context({ Dockerfile: `FROM busybox\nRUN --mount=type=secret,id=file ${script}\n` });
    const { code, stdout, stderr } = await rig.slipway([
      'build',
      '--progress=plain',
      '--secret',
      `id=file,src=${file}`,
      '-o',
      rig.path('out'),
      context,
    ]);
    assert.equal(code, 1, stdout + stderr);
    assert.match(stderr, /SECRET_IN_LAYER|wrote a secret|secret/);
    assert.match(stderr, place);
    assert.ok(!has(Buffer.from(stdout + stderr)), stderr);
    assert.deepEqual([rig.store].flatMap(leaks), []);
  });
}

/** A repository behind a login, as plain files over http. `asked`: with which logins. */
async function servePrivately(repository: string): Promise<AsyncDisposable & { readonly host: string; readonly asked: Set<string> }> {
  const asked = new Set<string>();
  const server = createServer((request, response) => {
    const login = Buffer.from((request.headers.authorization ?? '').replace(/^Basic /i, ''), 'base64').toString();
    asked.add(login);
    const path = join(repository, '.git', (request.url ?? '').replace(/\?.*/, '').replace('/app.git', ''));
    if (login !== `user:${LOGIN_SECRET}`) response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
    else if (statSync(path, { throwIfNoEntry: false })?.isFile() === true) response.end(readFileSync(path));
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test('CVE-2023-26054 (BuildKit): a login in an address is in nothing that a build says, keeps or ships', { timeout: 120_000 }, async () => {
  await using rig = Rig.create();
  const files = { Dockerfile: 'FROM scratch\nCOPY . /context\nCOPY --from=named . /named\n', a: 'x' };
  const repository = rig.context(files, 'repository');
  const git = (...args: readonly string[]): void =>
    void execFileSync('git', ['-C', repository, '-c', 'user.name=x', '-c', 'user.email=x@x', ...args], { stdio: 'ignore' });
  git('init', '--quiet', '--initial-branch=main');
  git('add', '.');
  git('commit', '--quiet', '--message=x');
  git('update-server-info');
  await using server = await servePrivately(repository);
  const address = `http://user:${LOGIN_SECRET}@${server.host}/app.git`;
  const [out, report, metadata] = [rig.path('out'), rig.path('report.html'), rig.path('metadata.json')];
  const build = ['build', '--provenance=mode=max', '--sbom=true', '--metadata-file', metadata, '--report', report, '--explain'];
  const context = ['--build-arg', 'BUILDKIT_CONTEXT_KEEP_GIT_DIR=1', '--build-context', `named=${address}#main`, `${address}#main`];
  const built = [
    await rig.slipway([...build, '--progress=plain', '-o', `type=oci,tar=false,dest=${out}`, ...context]),
    await rig.slipway([...build, '--progress=rawjson', '-o', rig.path('files'), ...context]),
    await rig.slipway(['history']),
    // Two that fail: no such branch, no such repository.
    await rig.slipway(['build', `${address}#none`]),
    await rig.slipway(['build', address.replace('app.git', 'none.git')]),
  ];
  assert.deepEqual(
    built.map(({ code }) => code),
    [0, 0, 0, 1, 1],
    built[0]?.stderr,
  );
  for (const { stdout, stderr } of built) assert.ok(!has(Buffer.from(stdout + stderr)), stderr);
  assert.deepEqual([rig.store, out, report, metadata, rig.path('files')].flatMap(leaks), []);
  // It was the login that opened the repository, and the checkout knows where it came from.
  assert.ok(server.asked.has(`user:${LOGIN_SECRET}`));
  assert.match(readFileSync(rig.path('files/context/.git/config'), 'utf8'), new RegExp(`url = http://${server.host}/app.git`));
});

test('CVE-2025-0495 (buildx): the keys of a cache are in nothing that a build says, keeps or ships', { timeout: 120_000 }, async () => {
  await using rig = Rig.create();
  const context = rig.context({ Dockerfile: 'FROM scratch\nCOPY Dockerfile /\n' });
  const [out, report, metadata] = [rig.path('out'), rig.path('report.html'), rig.path('metadata.json')];
  const store = `type=s3,bucket=b,region=r,endpoint_url=http://127.0.0.1:1,access_key_id=a,secret_access_key=${CACHE_SECRET},session_token=${CACHE_SECRET}`;
  const actions = `type=gha,url=http://127.0.0.1:1/,token=${CACHE_SECRET}`;
  for (const cache of [store, actions]) {
    const { code, stdout, stderr } = await rig.slipway(
      [
        ...['build', '--debug', '--progress=plain', '--provenance=mode=max', '--metadata-file', metadata, '--report', report],
        ...['--cache-from', cache, '--cache-to', `${cache},ignore-error=true`, '-o', `type=oci,tar=false,dest=${out}`, context],
      ],
      { env: { ...process.env, NODE_DEBUG: 'slipway*' } },
    );
    assert.equal(code, 0, stderr);
    assert.match(stderr, /cache/);
    assert.ok(!has(Buffer.from(stdout + stderr)), stderr);
    assert.deepEqual([rig.store, out, report, metadata].flatMap(leaks), []);
  }
});

test('logins and signatures in addresses, and arguments called tokens, are in no log, record, provenance or report', async () => {
  await using rig = Rig.create();
  const context = rig.context({
    Dockerfile: `FROM busybox AS made
ARG REPO
ARG NPM_TOKEN
RUN : $REPO \${REPO} $NPM_TOKEN; echo "\${#REPO}" > /made
FROM busybox
COPY --from=made /made /
`,
  });
  const login = `http://user:${ADDRESS_SECRET}@127.0.0.1:9`;
  const flags = ['--build-arg', `HTTP_PROXY=${login}`, '--build-arg', `REPO=${login}/x`, '--build-arg', `NPM_TOKEN=${ADDRESS_SECRET}`];
  const output = [
    '-o',
    `type=oci,dest=${rig.path('out')},tar=false`,
    '--provenance=mode=min',
    '--metadata-file',
    rig.path('metadata.json'),
  ];
  const cache = ['--cache-to', `type=local,dest=${rig.path('cache')},mode=max`, '--report', rig.path('report.html')];
  const printed: string[] = [];
  for (const more of [
    ['--progress', 'plain'],
    ['--progress', 'rawjson', '--explain'],
    ['--progress', 'plain', '--no-cache'],
  ]) {
    const built = await rig.slipway(['build', ...flags, ...output, ...cache, ...more, context]);
    assert.equal(built.code, 0, built.stderr);
    printed.push(built.stdout, built.stderr);
  }
  for (const address of [`${login}/a.tar?sig=${ADDRESS_SECRET}`, `${login}/a.git#main`]) {
    const refused = await rig.slipway(['build', '--progress', 'plain', address]);
    assert.equal(refused.code, 1);
    printed.push(refused.stdout, refused.stderr);
  }
  const refused = await rig.slipway(['build', '--progress', 'plain', ...flags, '-'], {
    input: 'FROM scratch\nARG REPO\nARG NPM_TOKEN\nADD $REPO /\nADD ${REPO}.git /\nADD http://127.0.0.1:9/a?t=$NPM_TOKEN /\n',
  });
  assert.equal(refused.code, 1);
  printed.push(refused.stdout, refused.stderr, (await rig.slipway(['history', '^0'])).stdout);
  assert.ok(!has(Buffer.from(printed.join('\n'))), printed.join('\n'));
  assert.deepEqual(leaks(rig.folder), []);
});
