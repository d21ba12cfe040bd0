// Builds of several clients on one server: what a client brings along (registries, caches, folders, agents) serves its own build alone,
// and a client that goes away takes nothing from the others.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { createServer as createSocketServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { childrenOf, processesWith, until } from '../rig/processes.ts';
import { command, type Outcome, Rig } from '../rig/rig.ts';
import { serveAlone, Served } from '../rig/served.ts';

let rig: Rig;

before(() => {
  rig = Rig.create();
});
after(async () => {
  await rig[Symbol.asyncDispose]();
});

function succeeded({ code, stdout, stderr }: Outcome): string {
  assert.equal(code, 0, stderr);
  return `${stderr}\n${stdout}`;
}

/** A server of a store of its own. */
const serve = (config = ''): ReturnType<typeof serveAlone> =>
  serveAlone({ args: ['--allow-insecure-entitlement', 'network.host'], config });

/** An address whose answers wait until the test says so. */
interface Gate extends AsyncDisposable {
  /** `127.0.0.1:PORT`. */
  readonly address: string;
  /** Requests that came, `GET /path`. */
  readonly asked: readonly string[];
  /** Lets those who wait, and all later ones, pass. */
  open(): void;
}

/** `waits`: whether a request waits for the gate. What passes goes to `target`, or is answered with nothing. */
async function startGate(waits: (asked: string) => boolean, target?: string): Promise<Gate> {
  const asked: string[] = [];
  const waiting: (() => void)[] = [];
  let isOpen = false;
  const pass = (incoming: IncomingMessage, response: ServerResponse): void => {
    if (target === undefined) return void response.end('passed\n');
    const headers = { ...incoming.headers, host: target };
    const outgoing = request(`http://${target}${incoming.url ?? ''}`, { method: incoming.method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    outgoing.on('error', () => response.destroy());
    incoming.pipe(outgoing);
  };
  const server = createServer((incoming, response) => {
    const one = `${incoming.method ?? ''} ${incoming.url ?? ''}`;
    asked.push(one);
    if (isOpen || !waits(one)) pass(incoming, response);
    else waiting.push(() => pass(incoming, response));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    open: () => {
      isOpen = true;
      for (const go of waiting.splice(0)) go();
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test('a layer is fetched from where its own build found it, whoever else names it meanwhile', async () => {
  await using served = await serve();
  const base = await rig.ownBase('alpine:latest');
  const path = `${base.repository}:1`;
  await using step = await startGate(() => true);
  await using own = await startGate(() => false, rig.registry);
  await using others = await startGate(() => false, rig.registry);
  const context = served.own.context(
    {
      Dockerfile: `FROM busybox AS slow
RUN --network=host wget -qO /x http://${step.address}/
FROM ${own.address}/${path}
COPY --from=slow /x /x
RUN test "$(cat /x)" = passed
`,
    },
    'own',
  );
  await served.buildx(['inspect']);
  const building = served.buildx(['build', '--progress=plain', '--allow', 'network.host', context]);
  await until(() => step.asked.length > 0);
  succeeded(await served.buildx(['build', served.own.context({ Dockerfile: `FROM ${others.address}/${path}\n` }, 'others')]));
  step.open();
  succeeded(await building);
  const layers = (gate: Gate): number => gate.asked.filter((asked) => base.layers.some((digest) => asked.endsWith(digest))).length;
  assert.deepEqual([layers(own), layers(others)], [base.layers.length, 0]);
});

test('an image keeps the blobs of its own base when another image has the same layer in another blob', async () => {
  await using served = await serve();
  const base = await rig.ownBase('busybox:latest');
  const other = base.name.replace(/:1$/, ':zstd');
  const recompressed = `type=registry,name=${other},compression=zstd,force-compression=true,oci-mediatypes=true`;
  succeeded(await rig.slipway(['build', '-o', recompressed, rig.context({ Dockerfile: `FROM ${base.name}\n` }, 'recompressed')]));
  const files = {
    Dockerfile: `FROM ${base.name} AS base
FROM ${other} AS other
RUN echo made > /made
FROM base
COPY --from=other /made /
`,
  };
  const name = `${rig.registry}/together-${process.pid}/blobs:1`;
  succeeded(await served.buildx(['build', '--provenance=false', '--push', '-t', name, served.own.context(files)]));
  const raw = succeeded(await command('skopeo', ['inspect', '--raw', '--tls-verify=false', `docker://${name}`]));
  const { layers } = JSON.parse(raw) as { layers: { digest: string }[] };
  assert.deepEqual(layers.map(({ digest }) => digest).slice(0, base.layers.length), base.layers);
});

const CACHED = 'FROM busybox\nRUN echo from the cache > /f\n';

test('a cache serves the build that imports it, and no other', async () => {
  const cache = `${rig.registry}/together-${process.pid}/cache:1`;
  const context = rig.context({ Dockerfile: CACHED }, 'cached');
  {
    await using first = await serve();
    succeeded(await first.buildx(['build', '--cache-to', `type=registry,ref=${cache},mode=max`, context]));
  }
  await using served = await serve();
  const from = ['--cache-from', `type=registry,ref=${cache}`];
  succeeded(await served.buildx(['build', ...from, rig.context({ Dockerfile: 'FROM busybox\nRUN true\n' }, 'importing')]));
  const without = succeeded(await served.buildx(['build', '--progress=plain', context]));
  assert.doesNotMatch(without, /\n#(\d+) \[2\/2\] RUN .*\n#\1 CACHED/);
});

test('what only an earlier build could fetch is made again', async () => {
  const context = rig.context({ Dockerfile: CACHED }, 'fetched');
  await using proxy = await startGate(() => false, rig.registry);
  const path = `together-${process.pid}/gone:1`;
  {
    await using first = await serve();
    succeeded(await first.buildx(['build', '--cache-to', `type=registry,ref=${rig.registry}/${path},mode=max`, context]));
  }
  await using served = await serve();
  const found = await served.buildx(['build', '--progress=plain', '--cache-from', `type=registry,ref=${proxy.address}/${path}`, context]);
  assert.match(succeeded(found), /\n#(\d+) \[2\/2\] RUN .*\n#\1 CACHED/);
  await proxy[Symbol.asyncDispose]();
  succeeded(await served.buildx(['build', '--progress=plain', '-o', served.own.path('out'), context]));
  assert.equal(readFileSync(served.own.path('out/f'), 'utf8'), 'from the cache\n');
});

test('an inline cache tells nothing of other builds', async () => {
  const context = rig.context({ Dockerfile: 'FROM busybox\nCOPY f /f\nENV A=b\n', f: 'f' }, 'inline');
  const other = rig.context({ Dockerfile: 'FROM busybox AS made\nRUN echo secret > /s\nFROM scratch\nCOPY --from=made /s /\n' }, 'before');
  const digests: string[] = [];
  for (const before of [[], [other]]) {
    await using served = await serve();
    for (const folder of before) succeeded(await served.buildx(['build', '-o', served.own.path('before'), folder]));
    const name = `${rig.registry}/together-${process.pid}/inline:${digests.length}`;
    const epoch = { env: { SOURCE_DATE_EPOCH: '1' } };
    succeeded(await served.buildx(['build', '--provenance=false', '--cache-to', 'type=inline', '--push', '-t', name, context], epoch));
    digests.push(succeeded(await command('skopeo', ['inspect', '--config', '--raw', '--tls-verify=false', `docker://${name}`])));
  }
  assert.equal(digests[1], digests[0]);
});

test('a step that asks the agent of a client that is gone is done again for those who wait for it', async () => {
  await using served = await serve();
  await served.buildx(['inspect']);
  await using step = await startGate(() => true);
  const answers: string[] = [];
  // It has no keys (draft-miller-ssh-agent: SSH_AGENT_IDENTITIES_ANSWER).
  const agent = (name: string) =>
    createSocketServer((socket) => {
      socket.on('data', () => {
        answers.push(name);
        socket.write(Buffer.from([0, 0, 0, 5, 12, 0, 0, 0, 0]));
      });
    }).listen(served.own.path(`${name}.sock`));
  const agents = [agent('gone'), agent('staying')];
  try {
    const context = served.own.context(
      {
        Dockerfile: `FROM debian
COPY --from=busybox /bin/busybox /bin/
RUN --mount=type=ssh --network=host busybox wget -qO /x http://${step.address}/ && \\
  perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new($ENV{SSH_AUTH_SOCK}); \\
    syswrite $s, pack("NC", 1, 11); sysread $s, $answer, 9; exit(length($answer) != 9)' && touch /agent
`,
      },
      'agents',
    );
    const args = (name: string): string[] => [
      ...['build', '--progress=plain', '--allow', 'network.host', '--ssh', `default=${served.own.path(`${name}.sock`)}`],
      ...['-o', served.own.path(name), context],
    ];
    const gone = served.startBuildx(args('gone'));
    await until(() => step.asked.length > 0);
    const staying = served.startBuildx(args('staying'));
    await new Promise((resolve) => setTimeout(resolve, 2000));
    gone.kill('SIGKILL');
    await gone.ended;
    await new Promise((resolve) => setTimeout(resolve, 500));
    step.open();
    succeeded(await staying.ended);
    assert.ok(existsSync(served.own.path('staying/agent')));
    assert.deepEqual(answers, ['staying']);
  } finally {
    for (const one of agents) one.close();
  }
});

test('copies of clients’ folders count as usage, and are pruned', async () => {
  await using served = await serve();
  const context = served.own.context({ Dockerfile: 'FROM scratch\nCOPY f /\n', f: 'x'.repeat(5_000_000) }, 'large');
  succeeded(await served.buildx(['build', context]));
  assert.match(
    succeeded(await served.buildx(['du', '--filter', 'type=source.local', '--verbose'])),
    /Size:\s+5(?:\.\d+)?MB\nDescription:\s+copy of/,
  );
  succeeded(await served.buildx(['prune', '--all', '--force']));
  assert.deepEqual(readdirSync(served.own.path('served/api/sessions/mirrors')), []);
  succeeded(await served.buildx(['build', '-o', served.own.path('out'), context]));
  assert.equal(statSync(served.own.path('out/f')).size, 5_000_000);
});

test('a server collects what no build needs', async () => {
  await using served = await serve('[worker.oci]\nmaxUsedSpace = 1000000\n');
  const large = 'FROM busybox\nRUN head -c 5000000 /dev/urandom > /f\n';
  succeeded(await served.buildx(['build', served.own.context({ Dockerfile: large })]));
  // Not asked whether that went well: things go while it counts.
  const bytes = async (): Promise<number> => Number((await command('du', ['-sb', served.own.path('served')])).stdout.split('\t')[0]);
  for (let round = 0; (await bytes()) > 4_000_000; round += 1) {
    assert.ok(round < 300, 'nothing was collected');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
});

test('a server that was killed leaves nothing that the next one does not sweep away', async () => {
  await using own = Rig.create();
  const context = own.context({ Dockerfile: 'FROM busybox\nRUN sleep 86399\n', large: 'x'.repeat(5_000_000) });
  {
    await using killed = await Served.start(own, { config: '' });
    const building = killed.docker(['build', context], { env: { DOCKER_BUILDKIT: '0' } });
    await until(() => processesWith('86399').length > 0);
    process.kill(killed.pid, 'SIGKILL');
    await building;
  }
  succeeded(await command(process.execPath, ['bin/slipway.js', 'store', 'check', '--root', own.path('served')]));
  const left = await command('find', [own.path('served'), '-name', 'context*', '-size', '+4000k']);
  assert.equal(left.stdout, '');
});

test('a server that is told to end says so to every client, whatever its step does, and ends', async () => {
  await using served = await serve();
  const context = (name: string): string =>
    served.own.context({ Dockerfile: `FROM busybox\nRUN trap '' TERM INT HUP; : ${name}; /bin/sleep 86397\n` }, name);
  await served.buildx(['inspect']);
  const building = [
    served.buildx(['build', '--progress=plain', context('buildx')]),
    served.docker(['build', context('classic')], { env: { DOCKER_BUILDKIT: '0' } }),
  ];
  await until(() => processesWith('86397').length >= building.length);
  process.kill(served.pid, 'SIGTERM');
  for (const { code, stderr } of await Promise.all(building)) {
    assert.equal(code, 1, stderr);
    assert.match(stderr, /the server was told to end before this was done/);
  }
  await until(() => processesWith('86397').length === 0);
  await until(() => !existsSync(`/proc/${served.pid}/fd`) || readFileSync(`/proc/${served.pid}/stat`, 'latin1').includes(') Z '));
  succeeded(await command(process.execPath, ['bin/slipway.js', 'store', 'check', '--root', served.own.path('served')]));
});

test('a client that has every blob of its cache already costs the server no descriptor', async () => {
  await using served = await serve();
  const context = served.own.context({ Dockerfile: 'FROM busybox\nRUN echo made > /made\nFROM scratch\nCOPY --from=0 /made /\n' });
  const build = async (): Promise<readonly string[]> => {
    const cache = `type=local,dest=${served.own.path('cache')},mode=max`;
    const tar = `type=oci,dest=${served.own.path('image')},tar=false`;
    succeeded(await served.buildx(['build', '--cache-to', cache, '-o', tar, context]));
    return served.descriptors().filter((path) => /\/blobs\//.test(path));
  };
  await build();
  assert.deepEqual(await build(), []);
});

test('a second server on the same store leaves the builds of the first alone', async () => {
  await using served = await serve();
  await served.buildx(['inspect']);
  const context = served.own.context({ Dockerfile: 'FROM busybox\nRUN sleep 3.0417 && echo made\n' });
  const building = served.startBuildx(['build', '--progress=plain', context]);
  await until(() => processesWith('3.0417').length > 0);
  {
    await using second = await Served.start(served.own, { name: 'second' });
    const { stdout } = await second.docker(['version', '--format', '{{.Server.Version}}']);
    assert.notEqual(stdout.trim(), '');
  }
  succeeded(await building.ended);
  const { stdout } = await served.buildx(['history', 'ls', '--format', '{{.Status}}']);
  assert.equal(stdout.trim(), 'Completed');
});

test('a server whose PID namespace or network somebody ended makes new ones for the steps that come', async () => {
  await using served = await serve();
  const build = async (name: string): Promise<void> => {
    const dockerfile = `FROM busybox\nRUN echo ${name} && grep tap0 /proc/net/dev\n`;
    succeeded(await served.buildx(['build', served.own.context({ Dockerfile: dockerfile }, name)]));
  };
  await build('first');
  for (const program of ['cat', 'slirp4netns']) {
    const [helper] = childrenOf(served.pid, program);
    assert.ok(helper !== undefined, `the server has no ${program}`);
    process.kill(helper, 'SIGKILL');
    await until(() => !childrenOf(served.pid, program).includes(helper));
    await build(program);
  }
});

test('when one of several outputs fails, the others come to their end before the build does', async () => {
  await using served = await serve();
  const context = served.own.context({ Dockerfile: 'FROM busybox\nRUN head -c 50000000 /dev/urandom > /f\n' });
  const refused = 'type=image,name=127.0.0.1:1/refused:1,push=true,registry.insecure=true';
  const failed = await served.buildx([
    'build',
    '--progress=plain',
    '-o',
    refused,
    '-o',
    `type=tar,dest=${served.own.path('out.tar')}`,
    context,
  ]);
  assert.equal(failed.code, 1);
  const vertex = /\n(#\d+) exporting to client tarball\n/.exec(failed.stderr)?.[1] ?? '';
  assert.match(failed.stderr, new RegExp(`\n${vertex} DONE`), failed.stderr);
});
