// Our own rules: what sets them off, what does not, and what their fixes make of the file.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyFixes, parseDockerfile } from '../dockerfile/index.ts';
import { AMD64, fakeResolver } from './fake-resolver.ts';
import { buildGraph, type GraphOptions, OWN_RULES } from './index.ts';

async function findings(text: string, options: Partial<GraphOptions> = {}) {
  const graph = await buildGraph(parseDockerfile(text), { buildPlatform: AMD64, ownRules: true, ...options }, fakeResolver());
  return graph.diagnostics.filter(({ rule }) => rule in OWN_RULES);
}

/** Rules and lines, without those that nearly every small example sets off. */
async function found(text: string, options: Partial<GraphOptions> = {}): Promise<string[]> {
  const list = await findings(text, options);
  return list.map(({ rule, range }) => `${range.start.line} ${rule}`).filter((line) => !/RunsAsRoot|MutableBaseTag/.test(line));
}

/** The file after the fixes of one rule. */
async function fixed(rule: string, text: string, options: Partial<GraphOptions> = {}): Promise<string> {
  const list = (await findings(text, options)).filter((finding) => finding.rule === rule);
  assert.notEqual(list.length, 0, `${rule} found nothing`);
  const { text: cured, cured: done } = applyFixes(text, list);
  return done.length < list.length && cured !== text ? await fixed(rule, cured, options) : cured; // what touched another waited
}

const BUILD = 'FROM golang:1.22 AS build\nRUN go build -o /app\n';

void test('BuildKit has none of them', async () => {
  const graph = await buildGraph(
    parseDockerfile('FROM busybox AS x\nFROM busybox\nRUN apk add y'),
    { buildPlatform: AMD64 },
    fakeResolver(),
  );
  assert.deepEqual(graph.diagnostics, []);
});

void test('UnusedStage', async () => {
  const text = 'FROM busybox AS lost\nFROM lost AS deeper\nRUN x\nFROM busybox\nRUN y\n\nFROM scratch\nCOPY a /\n';
  assert.deepEqual(await found(text), ['2 UnusedStage', '4 UnusedStage']);
  // `slipway check` evaluates all stages.
  assert.deepEqual(await found(text, { allStages: true }), ['2 UnusedStage', '4 UnusedStage']);
  assert.deepEqual(await found('FROM busybox AS build\nFROM scratch\nCOPY --from=buidl a /', { allStages: true }), [
    '3 MisspelledStageName',
  ]);
  assert.deepEqual(await found('# tests run the tests\nFROM busybox AS tests\nFROM scratch'), []);
  assert.deepEqual(await found('FROM busybox AS tests\nFROM scratch', { gates: ['tests'] }), []);
  assert.deepEqual(await found('FROM busybox AS a\nFROM scratch\nRUN --mount=from=a,target=/a x'), []);
  for (const name of ['dev-envs', 'update', 'golangci-lint', 'docs'])
    assert.deepEqual(await found(`FROM busybox AS ${name}\nFROM scratch`), [], name);
  for (const name of ['devices', 'tests', 'updated'])
    assert.deepEqual(await found(`FROM busybox AS ${name}\nFROM scratch`), ['1 UnusedStage'], name);
  assert.deepEqual(
    await found('ARG RACE=true\nFROM busybox AS bin-false\nFROM busybox AS bin-true\nFROM bin-${RACE} AS bin\nFROM bin'),
    [],
  );
  assert.deepEqual(await found('ARG BASE=a\nFROM busybox AS a\nFROM busybox AS b\nFROM $BASE'), []);
  const targets = 'FROM busybox AS lint\nFROM busybox AS docs\nFROM busybox AS debug\nFROM busybox\nFROM scratch\n';
  assert.deepEqual(await found(targets), ['4 UnusedStage']);
  assert.equal(await fixed('UnusedStage', 'FROM busybox\nRUN y\nFROM scratch\n'), 'FROM scratch\n');
});

void test('FinalStageBuilds', async () => {
  assert.deepEqual(await found('FROM golang:1.22\nRUN go build'), ['1 FinalStageBuilds']);
  assert.deepEqual(await found('FROM debian:12\nRUN apt-get install -y build-essential && make'), ['1 FinalStageBuilds']);
  assert.deepEqual(await found('FROM alpine:3\nRUN apk add --no-cache --virtual .deps gcc && make && apk del .deps'), []);
  assert.deepEqual(await found(`${BUILD}FROM scratch\nCOPY --from=build /app /app`), []);
  assert.deepEqual(await found(`${BUILD}FROM scratch\nCOPY --from=build /app /app`, { target: 'build' }), []);
});

void test('WholeRootCopied', async () => {
  assert.deepEqual(await found(`${BUILD}FROM scratch\nCOPY --from=build / /`), ['4 WholeRootCopied']);
  assert.deepEqual(await found('FROM scratch AS files\nCOPY a /a\nFROM busybox\nCOPY --from=files / /\nCOPY --from=busybox / /b'), []);
  assert.deepEqual(
    await found(
      'FROM tools/helpers:1 AS helpers\nFROM golang:1.22 AS build\nCOPY --from=helpers / /\nFROM scratch\nCOPY --from=build /a /',
    ),
    [],
  );
});

void test('MisspelledStageName and LateStageName', async () => {
  const text =
    'FROM golang:1 AS build-app\nRUN x\nFROM scratch\nCOPY --from=build_app /a /\nCOPY --from=bulid-app /a /\nCOPY --from=build-app /a /';
  assert.deepEqual(await found(text), ['4 MisspelledStageName', '5 MisspelledStageName']);
  assert.equal((await fixed('MisspelledStageName', text)).match(/--from=build-app/g)?.length, 3);
  const mounts =
    'FROM golang:1 AS build\nRUN x\nFROM scratch\nRUN --mount=type=bind,from=biuld,target=/a \\\n  --mount=from=bulid,target=/b x';
  assert.deepEqual(await found(mounts), ['4 MisspelledStageName', '4 MisspelledStageName']);
  assert.equal((await fixed('MisspelledStageName', mounts)).match(/from=build,/g)?.length, 2);
  for (const [stage, image] of [
    ['dev', 'deps'],
    ['db', 'ui'],
    ['base', 'busybox'],
    ['nginx-conf', 'nginx'],
  ])
    assert.deepEqual(
      await found(`FROM golang:1 AS ${stage}\nRUN x\nFROM scratch\nCOPY --from=${image} /a /\nCOPY --from=${stage} /b /`),
      [],
      image,
    );
  for (const [stage, image] of [
    ['web', 'wbe'],
    ['deps', 'dep'],
    ['app', 'apps'],
  ])
    assert.deepEqual(
      await found(`FROM golang:1 AS ${stage}\nRUN x\nFROM scratch\nCOPY --from=${image} /a /`),
      ['4 MisspelledStageName'],
      image,
    );
  assert.deepEqual(await found('FROM tools AS a\nFROM busybox AS tools\nFROM a\nCOPY --from=tools x /'), ['1 LateStageName']);
  assert.deepEqual(await found('FROM busybox AS nodes\nFROM node AS x\nCOPY --from=nodes a /\nFROM x'), []);
  assert.deepEqual(await found('FROM busybox AS bases\nFROM base\nCOPY --from=bases a /', { namedContexts: ['base'] }), []);
});

void test('PackageCacheLeft', async () => {
  const text =
    'FROM alpine:3\nRUN apk add curl\nRUN apt-get update && apt-get install -y x\nRUN python -m pip install -U y\nRUN npm ci \\\n  --omit=dev\n';
  assert.deepEqual(await found(text), ['2 PackageCacheLeft', '3 PackageCacheLeft', '4 PackageCacheLeft', '5 PackageCacheLeft']);
  const cured = await fixed('PackageCacheLeft', text);
  assert.equal(
    cured,
    'FROM alpine:3\nRUN apk add --no-cache curl\nRUN apt-get update && apt-get install -y x && rm -rf /var/lib/apt/lists/*\n' +
      'RUN python -m pip install --no-cache-dir -U y\nRUN npm ci \\\n  --omit=dev && npm cache clean --force\n',
  );
  assert.deepEqual(await found(cured), []);
  for (const clean of [
    'apt-get update && apt-get install -y x && rm -rf /var/lib/apt',
    'apt-get update && apt-get install -y x && rm -r /var/lib/{apt,dpkg}/',
    'apk add --no-cache x',
    'apk update --no-cache',
    'pip3.12 install --no-cache-dir x',
    'yarn install && yarn cache clean',
    'yarn build',
    'conda install -y x && conda clean -afy',
  ])
    assert.deepEqual(await found(`FROM alpine:3\nRUN ${clean}`), [], clean);
  const index = 'FROM alpine:3\nRUN apk update && apk add curl\n';
  assert.deepEqual(await found(index), ['2 PackageCacheLeft']);
  assert.equal(await fixed('PackageCacheLeft', index), 'FROM alpine:3\nRUN apk update && apk add curl && rm -rf /var/cache/apk/*\n');
  for (const left of ['pip3.12 install x', 'python3.12 -m pip install x', 'yarn --frozen-lockfile', 'mamba create -n x y']) {
    const text = `FROM alpine:3\nRUN ${left}\n`;
    assert.deepEqual(await found(text), ['2 PackageCacheLeft'], left);
    assert.deepEqual(await found(await fixed('PackageCacheLeft', text)), [], left);
  }
  // What stands behind these is not run, or is no command.
  for (const end of [';', ' &', ' # why', ' \\', '; exit 0', ' && exec x', ' ||']) {
    const text = `FROM debian:12\nRUN apt-get update${end}`;
    assert.deepEqual(await found(text), ['2 PackageCacheLeft'], end);
    assert.equal(await fixed('PackageCacheLeft', text), text);
  }
  assert.match(await fixed('PackageCacheLeft', 'FROM debian:12\nRUN (apt-get update || exit 1)'), / exit 1\) && rm -rf \S+$/);
  assert.deepEqual(await found('FROM debian:12\nRUN --mount=type=cache,target=/var/lib/apt apt-get update'), []);
  assert.deepEqual(await found('FROM python:3.12\nENV PIP_NO_CACHE_DIR=1\nRUN pip install x'), []);
  assert.deepEqual(await found('FROM alpine:3 AS build\nRUN apk add gcc\nFROM scratch\nCOPY --from=build /a /a'), []);
});

void test('GitFolderCopied and CredentialsCopied', async () => {
  assert.deepEqual(await found('FROM busybox:1\nCOPY . /src', { ignore: ['node_modules'] }), ['2 GitFolderCopied']);
  assert.deepEqual(await found('FROM busybox:1\nCOPY . /src', { ignore: ['.git'] }), []);
  assert.deepEqual(await found('FROM busybox:1\nCOPY . /src', { ignore: [], contextHas: () => false }), []);
  assert.deepEqual(await found('FROM busybox:1 AS b\nCOPY . /src\nFROM scratch\nCOPY --from=b /x /', { ignore: [] }), []);
  assert.deepEqual(await found('FROM busybox:1\nCOPY .git a /src/'), ['2 GitFolderCopied']);
  const keys = 'FROM busybox:1\nCOPY .npmrc server.key public.pem ca.pem .env.example ./\nADD .ssh/id_rsa /root/.ssh/';
  assert.deepEqual(await found(keys), ['2 CredentialsCopied', '2 CredentialsCopied', '3 CredentialsCopied']);
});

void test('DependenciesAfterSources shows the better order', async () => {
  const text =
    'FROM node:20 AS b\nWORKDIR /app\nCOPY . .\nRUN --mount=type=cache,target=/root/.npm npm ci && npm run build\nFROM scratch\nCOPY --from=b /app/dist /\n';
  assert.deepEqual(await found(text), ['4 DependenciesAfterSources']);
  const cured = await fixed('DependenciesAfterSources', text);
  assert.equal(
    cured,
    'FROM node:20 AS b\nWORKDIR /app\nCOPY package*.json ./\nRUN --mount=type=cache,target=/root/.npm npm ci\nCOPY . .\n' +
      'RUN --mount=type=cache,target=/root/.npm npm run build\nFROM scratch\nCOPY --from=b /app/dist /\n',
  );
  assert.deepEqual(await found(cured), []);
  // What the context lacks is not copied; what yarn itself needs is.
  const has = (path: string): boolean => ['go.mod', 'package.json', 'yarn.lock', '.yarnrc.yml'].includes(path);
  const go = 'FROM golang:1.22 AS b\nCOPY . .\nRUN go mod download\nRUN go build\nFROM scratch\nCOPY --from=b /a /\n';
  assert.match(await fixed('DependenciesAfterSources', go, { contextHas: has }), /^COPY go\.mod \.\/\nRUN go mod download\nCOPY \. \.$/m);
  const yarn = go.replace('go mod download', 'yarn install');
  assert.match(await fixed('DependenciesAfterSources', yarn, { contextHas: has }), /^COPY package\.json yarn\.lock \.yarnrc\.yml \.\/$/m);
  const told = text.replace('RUN --mount', '# why\nRUN --mount');
  assert.equal(await fixed('DependenciesAfterSources', told), told);
  assert.deepEqual(await found('FROM node:20\nCOPY . .\nRUN npm install -g pnpm && npm cache clean --force'), []);
});

void test('StageWaits', async () => {
  const text = `${BUILD}FROM debian:12\nCOPY --from=build /app /app\nRUN dnf install -y x && dnf clean all\n`;
  assert.deepEqual(await found(text), ['5 StageWaits']);
  assert.equal(
    await fixed('StageWaits', text),
    `${BUILD}FROM debian:12\nRUN dnf install -y x && dnf clean all\nCOPY --from=build /app /app\n`,
  );
  for (const [copied, run] of [
    ['/src/setup /usr/local/bin/', 'apt-get update && apt-get install -y x && setup'],
    ['/etc/apt /etc/apt', 'apt-get install -y x && rm -rf /var/lib/apt/lists/*'],
    ['/root /', 'apt-get install -y x && rm -rf /var/lib/apt/lists/*'],
  ])
    assert.deepEqual(
      (await found(`${BUILD}FROM debian:12\nCOPY --from=build ${copied}\nRUN ${run}`)).filter((one) => /Waits/.test(one)),
      [],
    );
  assert.deepEqual(await found(`${BUILD}FROM debian:12\nCOPY --from=build /app /tmp/x.deb\nRUN dpkg -i /tmp/x.deb`), []);
});

void test('RunsAsRoot and MutableBaseTag', async () => {
  const rules = async (text: string): Promise<string[]> => (await findings(text)).map(({ rule, range }) => `${range.start.line} ${rule}`);
  assert.deepEqual(await rules('FROM busybox:1.36\nUSER app\nUSER 0'), ['3 RunsAsRoot']);
  assert.deepEqual(await rules('FROM busybox:1.36\nUSER app'), []);
  assert.deepEqual(await rules('FROM scratch\nCOPY a /'), []);
  assert.deepEqual(await rules('FROM busybox\nUSER app'), ['1 MutableBaseTag']);
  for (const tag of ['lts', 'lts-alpine', 'stable-slim', 'edge'])
    assert.deepEqual(await rules(`FROM x:${tag}\nUSER app`), ['1 MutableBaseTag']);
  for (const tag of ['1', 'stable-20240101-slim', 'bookworm', '3-slim']) assert.deepEqual(await rules(`FROM x:${tag}\nUSER app`), []);
  assert.equal(await fixed('MutableBaseTag', 'FROM busybox\nUSER a'), `FROM busybox:latest@sha256:${'a'.repeat(64)}\nUSER a`);
});

void test('BrokenArray', async () => {
  for (const [line, cured] of [
    ['VOLUME [/data]', 'VOLUME ["/data"]'],
    ["VOLUME ['/a', /b]", 'VOLUME ["/a", "/b"]'],
    ['COPY [a, /x/]', 'COPY ["a", "/x/"]'],
    ['WORKDIR ["/app"]', 'WORKDIR /app'],
    ['USER ["app"]', 'USER app'],
    ['HEALTHCHECK CMD [curl, -f, http://localhost/]', 'HEALTHCHECK CMD ["curl", "-f", "http://localhost/"]'],
    [`RUN ["make", 'all']`, 'RUN ["make", "all"]'],
    ['RUN [make, all]', 'RUN ["make", "all"]'],
    ['RUN ["make", "all"', 'RUN ["make", "all"]'],
    ['SHELL ["/bin/bash", "-c"]\nCMD [a, b]', 'SHELL ["/bin/bash", "-c"]\nCMD ["a", "b"]'],
  ] as const) {
    const text = `FROM busybox:1\n${line}\n`;
    assert.deepEqual(
      (await found(text)).map((one) => one.slice(2)),
      ['BrokenArray'],
      line,
    );
    assert.equal(await fixed('BrokenArray', text), `FROM busybox:1\n${cured}\n`);
    assert.deepEqual(await found(`FROM busybox:1\n${cured}\n`), [], cured);
  }
  // Each of them with nothing to find: tests of the shell, patterns, arrays.
  for (const line of [
    'RUN [ -f /x ] && y',
    'RUN [ "$A" = "b" ] || exit 1',
    'RUN [[ $A == [a,b] ]]',
    'COPY [a-c]* /x/',
    'VOLUME ["/data"]',
    'WORKDIR /[x]',
    'HEALTHCHECK CMD [ -f /ok ]',
  ])
    assert.deepEqual(await found(`FROM busybox:1\n${line}\n`), [], line);
});

void test('MisplacedFlag', async () => {
  for (const [line, cured] of [
    ['COPY . /x/ --chown=1:1', 'COPY --chown=1:1 . /x/'],
    ['COPY --from=busybox a --link /x/', 'COPY --from=busybox --link a /x/'],
    ['COPY a /x/ --chown=1 --chmod=755', 'COPY --chown=1 --chmod=755 a /x/'],
    ['ADD http://x.example/a /x/ --checksum=sha256:1', 'ADD --checksum=sha256:1 http://x.example/a /x/'],
    ['RUN make --mount=type=cache,target=/c', 'RUN --mount=type=cache,target=/c make'],
    ['RUN set -e; make --mount=type=secret,id=x all', 'RUN --mount=type=secret,id=x set -e; make all'],
    ['HEALTHCHECK CMD --interval=5s --retries=3 curl -f http://x', 'HEALTHCHECK --interval=5s --retries=3 CMD curl -f http://x'],
  ] as const) {
    const text = `FROM busybox:1\n${line}\n`;
    const rules = (await found(text)).filter((one) => one.endsWith('MisplacedFlag'));
    assert.ok(rules.length > 0, line);
    assert.equal(await fixed('MisplacedFlag', text), `FROM busybox:1\n${cured}\n`, line);
  }
  for (const line of [
    'COPY -- --chown=1 /x/',
    'COPY --chown=1 a /x/',
    'COPY a --other /x/',
    'RUN docker run --mount=type=bind,source=/a,target=/b x',
    'RUN x --mount=/dev/sda',
    'RUN --mount=type=cache,target=/c make',
    'RUN <<E\nx --mount=type=cache,target=/c\nE',
    'HEALTHCHECK CMD curl --retries=3 x',
  ])
    assert.deepEqual(await found(`FROM busybox:1\n${line}\n`), [], line);
});

void test('TrailingComment', async () => {
  for (const [line, cured] of [
    ['USER app # not root', '# not root\nUSER app'],
    ['WORKDIR /app # here', '# here\nWORKDIR /app'],
    ['VOLUME /a # the data', '# the data\nVOLUME /a'],
    ['COPY a b /x/ #all', '#all\nCOPY a b /x/'],
    ['ARG X=1 # how many', '# how many\nARG X=1'],
    ['ENV X 1 # how many', '# how many\nENV X 1'],
    ['CMD ["a", "#b"] # why', '# why\nCMD ["a", "#b"]'],
    ['RUN ["a", "b"] # why', '# why\nRUN ["a", "b"]'],
    ['HEALTHCHECK CMD ["a"] # why', '# why\nHEALTHCHECK CMD ["a"]'],
  ] as const) {
    const text = `FROM busybox:1\n${line}\n`;
    assert.deepEqual(await found(text), ['2 TrailingComment'], line);
    assert.equal(await fixed('TrailingComment', text), `FROM busybox:1\n${cured}\n`);
  }
  assert.equal(
    await fixed('TrailingComment', 'FROM busybox:1\nVOLUME /a \\\n  /b # the data\n'),
    'FROM busybox:1\n# the data\nVOLUME /a \\\n  /b\n',
  );
  for (const line of ['WORKDIR /a#b', 'ENV A="b # c"', 'ENV A "b # c"', 'COPY "#a" /x/', 'RUN x # why', 'ARG A="x # y"', 'CMD x # y'])
    assert.deepEqual(await found(`FROM busybox:1\n${line}\n`), [], line);
});

void test('CommentHidesCommand', async () => {
  const text = 'FROM busybox:1\nRUN a # first \\\n # theirs\n && b \\\n && c\n';
  const [finding] = (await findings(text)).filter(({ rule }) => rule === 'CommentHidesCommand');
  assert.equal(finding?.message, '"b" never runs: to the shell it is part of the comment "# first"');
  assert.equal(finding.range.start.column, 6);
  assert.equal(await fixed('CommentHidesCommand', text), 'FROM busybox:1\nRUN a  \\\n # theirs\n && b \\\n && c\n');
  const later = 'FROM busybox:1\nRUN "a # \\\n b" \\\n && c; #why `x` \\\n d';
  assert.deepEqual(await found(later), ['2 CommentHidesCommand']);
  assert.equal(await fixed('CommentHidesCommand', later), 'FROM busybox:1\nRUN "a # \\\n b" \\\n && c;  \\\n d');
  for (const line of [
    'RUN a \\\n# why\n && b',
    'RUN a && b # why',
    'RUN a && b # why \\\n\n',
    'RUN echo "# x" \\\n && b',
    "RUN echo ' # x' \\\n && b",
    'RUN echo a#b $# ${#x} \\# \\\n && b',
    'RUN <<E\na # why \\\nb\nE',
    'SHELL ["cmd", "/S", "/C"]\nRUN a # b \\\n c',
  ])
    assert.deepEqual(
      (await found(`FROM busybox:1\n${line}\n`)).filter((one) => /Hides/.test(one)),
      [],
      line,
    );
});

void test('LostShellState', async () => {
  for (const [line, cured] of [
    ['RUN cd /app', 'WORKDIR /app'],
    ['run cd ../x', 'workdir ../x'],
    ['RUN export PATH=$PATH:/opt/bin', 'ENV PATH=$PATH:/opt/bin'],
    ['RUN export A="b c"', undefined],
    ['RUN . venv/bin/activate', undefined],
    ['RUN umask 022 && cd /x', undefined],
    ['RUN A=b', undefined],
  ] as const) {
    const text = `FROM busybox:1\n${line}\n`;
    assert.deepEqual(await found(text), ['2 LostShellState'], line);
    if (cured !== undefined) assert.equal(await fixed('LostShellState', text), `FROM busybox:1\n${cured}\n`);
    else assert.ok((await findings(text)).every(({ fix }) => fix === undefined || !/WORKDIR|ENV/.test(fix.title)));
  }
  for (const line of ['RUN cd /app && make', 'RUN export A=$(make)', 'RUN . ./setup.sh', 'RUN A=b make', 'RUN export > /env', 'RUN set'])
    assert.deepEqual(await found(`FROM busybox:1\n${line}\n`), [], line);
});

void test('NoShellInExecForm', async () => {
  for (const [line, cured] of [
    ['CMD ["npm start"]', 'CMD ["npm", "start"]'],
    ['ENTRYPOINT ["/app --port 80"]', 'ENTRYPOINT ["/app", "--port", "80"]'],
    ['HEALTHCHECK CMD ["curl -f http://x || exit 1"]', undefined],
    ['ENTRYPOINT ["java", "$JAVA_OPTS", "-jar", "a.jar"]', undefined],
    ['CMD ["${APP}"]', undefined],
    ['RUN [ "$A" ]', undefined], // meant for the shell, and an array all the same
    ['RUN ["make", "&&", "make", "install"]', undefined],
  ] as const) {
    const text = `FROM busybox:1\n${line}\n`;
    assert.deepEqual(await found(text), ['2 NoShellInExecForm'], line);
    if (cured !== undefined) assert.equal(await fixed('NoShellInExecForm', text), `FROM busybox:1\n${cured}\n`);
  }
  for (const line of [
    'CMD ["/opt/My App/run"]',
    'CMD ["Plex Media Server"]',
    'ENTRYPOINT ["sh", "-c"]\nCMD ["npm start"]',
    'ENTRYPOINT ["/entry"]\nCMD ["$A"]',
    'CMD ["sh", "-c", "exec java $JAVA_OPTS"]',
    'CMD ["awk", "$NF"]',
    'RUN ["find", "/", "-exec", "ls", ";"]',
    'CMD ["java", "-Dx=${HOME}"]',
  ])
    assert.deepEqual(await found(`FROM busybox:1\n${line}\n`), [], line);
  assert.deepEqual(await found('FROM busybox:1\nENTRYPOINT ["docker-entrypoint.sh"]\nCMD ["npm start"]'), ['3 NoShellInExecForm']);
});

void test('a comment turns them off as any other rule', async () => {
  assert.deepEqual(await found('# check=skip=UnusedStage\nFROM scratch AS a\nFROM scratch'), []);
  assert.deepEqual(await found('FROM golang:1\n# check=skip=PackageCacheLeft\nRUN apk add x'), ['1 FinalStageBuilds']);
});
