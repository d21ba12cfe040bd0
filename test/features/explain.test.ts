// Why a step ran: each change of a project is told by its true cause, in full, and nothing else is told.

import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { test } from 'node:test';
import { serveGit } from '../rig/git-server.ts';
import { command, type Files, Rig } from '../rig/rig.ts';

interface Step {
  readonly instruction: string;
  readonly stage: string;
  readonly line: number;
  readonly state: string;
  readonly reason?: { readonly cause: string; readonly text: string };
}

/** `COPY src src | content | 1 of 2 files changed: …`, of every step that ran, in the order of the file. */
async function ran(rig: Rig, context: string, flags: readonly string[] = []): Promise<readonly string[]> {
  const metadata = rig.path('metadata.json');
  const outcome = await rig.slipway(['build', '--metadata-file', metadata, ...flags, context]);
  assert.equal(outcome.code, 0, outcome.stderr);
  const { 'slipway.steps': steps } = JSON.parse(readFileSync(metadata, 'utf8')) as { readonly 'slipway.steps': readonly Step[] };
  for (const { state, reason } of steps) assert.equal(state === 'executed', reason !== undefined);
  return steps.flatMap(({ state, instruction, reason }) =>
    state === 'executed' ? [`${instruction} | ${reason?.cause ?? ''} | ${reason?.text ?? ''}`] : [],
  );
}

function reasonOf(step: string): string {
  return step.slice(step.indexOf(' | '));
}

const DOCKERFILE = `FROM busybox AS tools
RUN echo tool > /tool; echo other > /other
FROM busybox AS app
COPY src /src
COPY --from=lib part /part
COPY --from=tools /tool /tool
RUN --mount=type=bind,source=extra,target=/extra cat /extra/x > /joined
ARG VERSION=1
RUN echo $VERSION > /version
ENV MODE=fast
RUN echo $MODE > /mode
USER root
RUN id > /id
WORKDIR /app
RUN pwd > /here
SHELL ["/bin/sh", "-c"]
RUN echo shell > /shell
RUN --mount=type=cache,target=/cache touch /cache/file
RUN <<END
echo first
echo second
END
COPY <<note /
text
note
ENV OWNER=1
ARG PLACE=there
COPY --chown=$OWNER src /$PLACE
`;

const PROJECT: Files = {
  Dockerfile: DOCKERFILE,
  '.dockerignore': 'ignored\n',
  'src/a.txt': 'a',
  'src/b.txt': 'b',
  'src/run.sh': { text: 'echo', mode: 0o644 },
  'extra/x': 'x',
  'lib/part/1': 'one',
  'lib/part/2': 'two',
};

type Edit = (context: string) => void;

interface Case {
  readonly edit?: Edit;
  readonly flags?: readonly string[];
  /** The first step that runs, with its reason. Those after it have the same reason, or the step before them. */
  readonly first?: string;
  /** Steps after it that have a reason of their own. */
  readonly also?: readonly string[];
}

/** Replaces a text in the Dockerfile. */
function replace(from: string, to: string): Edit {
  return (context) => {
    const file = join(context, 'Dockerfile');
    const text = readFileSync(file, 'utf8');
    assert.ok(text.includes(from), from);
    writeFileSync(file, text.replaceAll(from, to));
  };
}

const write =
  (path: string, text: string): Edit =>
  (context) =>
    writeFileSync(join(context, path), text);

const BIND = 'RUN --mount=type=bind,source=extra,target=/extra cat /extra/x > /joined';

const CASES: Readonly<Record<string, Case>> = {
  'content of a file': { edit: write('src/a.txt', 'A'), first: 'COPY src /src | content | 1 of 4 files changed: src/a.txt (content)' },
  rename: {
    edit: (c) => renameSync(join(c, 'src/a.txt'), join(c, 'src/c.txt')),
    first: 'COPY src /src | content | 1 of 4 files changed: src/a.txt → src/c.txt (renamed)',
  },
  mode: {
    edit: (c) => chmodSync(join(c, 'src/run.sh'), 0o755),
    first: 'COPY src /src | content | 1 of 4 files changed: src/run.sh (mode 0644 → 0755)',
  },
  'new file': { edit: write('src/new.txt', 'new'), first: 'COPY src /src | content | 1 of 5 files changed: src/new.txt (new)' },
  'removed file': {
    edit: (c) => rmSync(join(c, 'src/b.txt')),
    first: 'COPY src /src | content | 1 of 4 files changed: src/b.txt (removed)',
  },
  'symlink target': {
    edit: (c) => {
      rmSync(join(c, 'src/link'));
      symlinkSync('b.txt', join(c, 'src/link'));
    },
    first: 'COPY src /src | content | 1 of 4 files changed: src/link (target a.txt → b.txt)',
  },
  '.dockerignore': {
    edit: write('.dockerignore', 'ignored\nsrc/run.sh\n'),
    first: 'COPY src /src | ignore | .dockerignore changed: src/run.sh (removed)',
  },
  'bind-mounted file': {
    edit: write('extra/x', 'X'),
    first: `${BIND} | content | 1 of 1 files bound at /extra changed: extra/x (content)`,
  },
  'file in a named context': {
    edit: write('lib/part/1', 'ONE'),
    first: 'COPY --from=lib part /part | content | 1 of 2 files from lib changed: part/1 (content)',
  },
  'copied path of another stage': {
    edit: replace('echo tool', 'echo better'),
    first:
      'RUN echo better > /tool; echo other > /other | command | the command changed: `echo tool > /tool; echo other > /other` → `echo better > /tool; echo other > /other`',
    also: ['COPY --from=tools /tool /tool | content | 1 of 1 files from tools changed: tool (content)'],
  },
  'another stage, but not what is copied of it': {
    edit: replace('echo other', 'echo else'),
    first:
      'RUN echo tool > /tool; echo else > /other | command | the command changed: `echo tool > /tool; echo other > /other` → `echo tool > /tool; echo else > /other`',
  },
  'build argument by flag': {
    flags: ['--build-arg', 'VERSION=2'],
    first: 'RUN echo $VERSION > /version | argument | ARG VERSION changed: 1 → 2',
  },
  'build argument by default': {
    edit: replace('VERSION=1', 'VERSION=3'),
    first: 'RUN echo $VERSION > /version | argument | ARG VERSION changed (its default): 1 → 3',
  },
  'an expanded argument': {
    flags: ['--build-arg', 'PLACE=elsewhere'],
    first: 'COPY --chown=$OWNER src /$PLACE | argument | ARG PLACE changed: there → elsewhere',
  },
  'an expanded variable': {
    edit: replace('OWNER=1', 'OWNER=2'),
    first: 'COPY --chown=$OWNER src /$PLACE | environment | ENV OWNER changed: 1 → 2',
  },
  ENV: { edit: replace('MODE=fast', 'MODE=slow'), first: 'RUN echo $MODE > /mode | environment | ENV MODE changed: fast → slow' },
  USER: { edit: replace('USER root', 'USER 0'), first: 'RUN id > /id | user | USER changed: root → 0' },
  WORKDIR: { edit: replace('/app', '/elsewhere'), first: 'WORKDIR /elsewhere | workdir | WORKDIR changed: /app → /elsewhere' },
  SHELL: {
    edit: replace('["/bin/sh", "-c"]', '["/bin/ash", "-c"]'),
    first: 'RUN echo shell > /shell | shell | SHELL changed: /bin/sh -c → /bin/ash -c',
  },
  'command text': {
    edit: replace('id > /id', 'id -u > /id'),
    first: 'RUN id -u > /id | command | the command changed: `id > /id` → `id -u > /id`',
  },
  'heredoc text of a RUN': {
    edit: replace('echo second', 'echo last'),
    first: 'RUN <<END | heredoc | line 2 of the command changed: `echo second` → `echo last`',
  },
  'heredoc text of a COPY': {
    edit: replace('\ntext\n', '\nother text\n'),
    first: 'COPY <<note / | heredoc | the text of the inline file note changed',
  },
  'mount option': {
    edit: replace('target=/cache', 'target=/cache,mode=0700'),
    first: 'RUN --mount=type=cache,target=/cache,mode=0700 touch /cache/file | mount | options of the mount at /cache changed',
  },
  'order of instructions': {
    edit: replace('COPY src /src\nCOPY --from=lib part /part\n', 'COPY --from=lib part /part\nCOPY src /src\n'),
    first:
      'COPY --from=lib part /part | order | it follows `FROM busybox` now, `COPY src /src` before: instructions were moved, added or removed',
  },
  'a stage that is called otherwise': { edit: replace('tools', 'instruments') },
  'metadata, comments, spaces': { edit: replace('USER root\n', 'USER root\n# why\nLABEL a=b\nEXPOSE 80\nCMD  ["x"]\n\n') },
  '--no-cache': {
    flags: ['--no-cache'],
    first: 'RUN echo tool > /tool; echo other > /other | no-cache | it was asked to run without the cache',
  },
};

test('the reason names the true cause and nothing else', async (t) => {
  await using rig = Rig.create();
  const reset = (): string => {
    rmSync(rig.path('context'), { recursive: true, force: true });
    const context = rig.context(PROJECT);
    symlinkSync('a.txt', join(context, 'src/link'));
    return context;
  };
  const build = (context: string, flags: readonly string[] = []): Promise<readonly string[]> =>
    ran(rig, context, ['--build-context', `lib=${join(context, 'lib')}`, ...flags]);
  for (const step of await build(reset())) assert.match(step, / \| first \| no earlier run of this step is known$/);
  for (const [name, { edit, flags = [], first, also = [] }] of Object.entries(CASES)) {
    await t.test(name, async () => {
      const context = reset();
      assert.deepEqual(await build(context), [], 'the project as it was is known');
      edit?.(context);
      const [began, ...rest] = await build(context, flags);
      assert.equal(began, first);
      const others = rest.filter((step) => reasonOf(step) !== reasonOf(first ?? ''));
      assert.deepEqual(
        others.filter((step) => !/ \| input \| `.*` \(Dockerfile:\d+\) before it ran and gave a new result$/.test(step)),
        also,
      );
    });
  }
});

/** A Dockerfile in a folder of its own. */
function file(rig: Rig, name: string, ...lines: readonly string[]): string {
  return rig.context({ Dockerfile: [...lines, ''].join('\n') }, name);
}

test('a base: its files, its configuration, another one, another platform', async () => {
  await using rig = Rig.create();
  const [ref, other] = ['base', 'other'].map((name) => `${rig.registry}/explain/${name}:${process.pid}`) as [string, string];
  const push = async (to: string, ...lines: readonly string[]): Promise<void> => {
    const outcome = await rig.slipway(['build', '-o', `type=registry,name=${to},registry.insecure=true`, file(rig, 'base', ...lines)]);
    assert.equal(outcome.code, 0, outcome.stderr);
  };
  const context = file(rig, 'context', `FROM ${ref}`, 'RUN echo app > /app');
  const again = (): Promise<readonly string[]> => ran(rig, context, ['--pull']);
  await push(ref, 'FROM busybox', 'RUN echo one > /release', 'ENV LEVEL=1');
  await push(other, 'FROM busybox', 'RUN echo other > /release', 'ENV LEVEL=2');
  assert.deepEqual(await again(), ['RUN echo app > /app | first | no earlier run of this step is known']);
  await push(ref, 'FROM busybox', 'RUN echo one > /release', 'ENV LEVEL=1', 'LABEL a=b', 'CMD ["x"]');
  assert.deepEqual(await again(), [], 'a configuration that RUN does not see');
  await push(ref, 'FROM busybox', 'RUN echo one > /release', 'ENV LEVEL=2');
  assert.deepEqual(await again(), ['RUN echo app > /app | base-config | the configuration of the base image changed: ENV LEVEL']);
  await push(ref, 'FROM busybox', 'RUN echo two > /release', 'ENV LEVEL=2');
  assert.deepEqual(await again(), [`RUN echo app > /app | base | base image moved: ${ref}`]);
  file(rig, 'context', `FROM ${other}`, 'RUN echo app > /app');
  assert.deepEqual(await again(), [`RUN echo app > /app | base | base image changed: ${ref} → ${other}`]);

  const files = rig.context({ Dockerfile: 'FROM busybox\nARG TARGETARCH\nCOPY f /$TARGETARCH\n', f: 'f' }, 'platform');
  await ran(rig, files, ['--platform', 'linux/amd64']);
  assert.deepEqual(await ran(rig, files, ['--platform', 'linux/arm64']), [
    'COPY f /$TARGETARCH | platform | the platform changed: linux/amd64 → linux/arm64',
  ]);
});

/** Waits for its key, so that a test decides how a run ends; what a secret is does not count for the key. */
const WAIT = 'RUN --mount=type=secret,id=how if [ -e /run/secrets/how ]; then echo began; . /run/secrets/how; fi';

test('nothing changed: pruned, failed, cancelled, interrupted', async () => {
  await using rig = Rig.create();
  const context = file(rig, 'context', 'FROM busybox', 'RUN echo early > /early', WAIT);
  const how = (script: string): readonly string[] => {
    writeFileSync(rig.path('how'), script);
    return ['build', '--progress=plain', '--secret', `id=how,src=${rig.path('how')}`, context];
  };
  assert.equal((await rig.slipway(how('exit 7'))).code, 1);
  assert.deepEqual(await ran(rig, context), [`${WAIT} | failed | nothing changed since its last run, which failed`]);
  assert.equal((await rig.slipway(['prune', '--force'])).code, 0);
  assert.deepEqual(
    await ran(rig, context),
    ['RUN echo early > /early', WAIT].map(
      (step) => `${step} | pruned | nothing changed, but its earlier result is no longer in the cache (pruned)`,
    ),
  );
  assert.deepEqual(await ran(rig, context), []);
  for (const [signal, cause, text] of [
    ['SIGINT', 'canceled', 'cancelled'],
    ['SIGKILL', 'interrupted', 'interrupted'],
  ] as const) {
    file(rig, 'context', 'FROM busybox', 'RUN echo early > /early', `${WAIT} # ${signal}`);
    const started = rig.start(how(`sleep ${NAP}`));
    await hasBegun(rig, started);
    started.kill(signal);
    await started.ended;
    assert.deepEqual(await ran(rig, context), [`${WAIT} # ${signal} | ${cause} | nothing changed since its last run, which was ${text}`]);
  }
});

/** Sleeps for so long, and nobody else does. */
const NAP = 100_000 + process.pid;

/** Returns when a step of the build sleeps. */
async function hasBegun(rig: Rig, started: ReturnType<Rig['start']>): Promise<void> {
  let over = false;
  void started.ended.then(() => (over = true));
  for (;;) {
    const children = await command('pgrep', ['-x', '-f', `sleep ${NAP}`]);
    if (children.code === 0) return;
    assert.ok(!over, `the build ended too early: ${rig.folder}`);
    await delay(50);
  }
}

test('a cache that could not be imported', async () => {
  await using rig = Rig.create();
  const nowhere = rig.path('nowhere');
  const context = file(rig, 'context', 'FROM busybox', 'RUN echo early > /early');
  assert.deepEqual(await ran(rig, context, ['--cache-from', `type=local,src=${nowhere}`]), [
    `RUN echo early > /early | import-failed | no earlier run of this step is known here, and importing the cache from folder ${nowhere} failed: there is no cache at folder ${nowhere}`,
  ]);
});

test('--explain says it in the display', async () => {
  await using rig = Rig.create();
  const outcome = await rig.slipway(['build', '--explain', '--progress=plain', file(rig, 'context', 'FROM busybox', 'RUN true')]);
  assert.match(outcome.stderr, /^#(\d+) (?:\.\.\. )?\[2\/2\] RUN true\n#\1 why: no earlier run of this step is known$/m);
});

test('sources that moved: a git ref, a file by http', async () => {
  await using rig = Rig.create();
  const repository = rig.path('served/app');
  mkdirSync(repository, { recursive: true });
  const git = async (...args: readonly string[]): Promise<string> => {
    const env = { ...process.env, HOME: rig.folder, GIT_CONFIG_NOSYSTEM: '1' };
    const outcome = await command('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', ...args], { cwd: repository, env });
    assert.equal(outcome.code, 0, outcome.stderr);
    return outcome.stdout.trim();
  };
  const commit = async (text: string): Promise<string> => {
    writeFileSync(join(repository, 'f'), text);
    await git('add', '.');
    await git('commit', '-m', text);
    return (await git('rev-parse', 'HEAD')).slice(0, 12);
  };
  await git('init', '-b', 'main');
  const before = await commit('one');
  await using daemon = await serveGit(rig.path('served'));
  const page = { etag: '"1"', text: 'one', asked: 0 };
  await using web = await serve((request, response) => {
    page.asked += 1;
    response.setHeader('etag', page.etag);
    if (request.headers['if-none-match'] === page.etag) response.writeHead(304).end();
    else response.end(page.text);
  });
  const [source, url] = [`${daemon.address}/app#main`, `${web.address}/page.txt`];
  const context = file(rig, 'context', 'FROM scratch', `ADD ${source} /app`, `ADD ${url} /page`);
  await ran(rig, context);
  assert.deepEqual(await ran(rig, context), []);

  const after = await commit('two');
  const [moved, ...rest] = await ran(rig, context);
  assert.match(moved ?? '', new RegExp(`^ADD .*/app \\| git \\| git ref moved: .*/app ${before} → ${after}$`));
  assert.deepEqual(rest, [`ADD ${url} /page | input | \`ADD ${source} /app\` (Dockerfile:2) before it ran and gave a new result`]);

  Object.assign(page, { etag: '"2"', text: 'two' });
  assert.deepEqual(await ran(rig, context), [`ADD ${url} /page | http | ${url} has new content`]);
  Object.assign(page, { etag: '"3"' });
  assert.deepEqual(await ran(rig, context), [], 'another ETag for the same bytes');
});

/** An HTTP server on loopback. */
async function serve(answer: Parameters<typeof createServer>[1]): Promise<AsyncDisposable & { readonly address: string }> {
  const server: Server = createServer(answer as never);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

test('the folder that a cache mount begins as is not compared with its RUN', async () => {
  await using rig = Rig.create();
  const context = (mode: string): string => file(rig, 'context', 'FROM busybox', `RUN --mount=type=cache,target=/cache${mode} true`);
  for (const mode of ['', ',mode=0700', ',mode=0711']) {
    const { code, stderr } = await rig.slipway(['build', '--explain', '--progress=plain', context(mode)]);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /why: /);
    assert.doesNotMatch(stderr, /is gone|command changed/);
  }
});

test('a context from standard input is the same project the next time', async () => {
  await using rig = Rig.create();
  const why = async (text: string): Promise<string> => {
    const tar = await command('tar', ['c', '-C', rig.context({ Dockerfile: 'FROM scratch\nCOPY f /\n', f: text }), '.']);
    const built = await rig.slipway(['build', '--progress=plain', '--explain', '-'], { input: tar.stdout });
    assert.equal(built.code, 0, built.stderr);
    return built.stderr;
  };
  await why('one');
  assert.match(await why('two'), /1 of 1 files? changed: f/);
});
