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
  return applyFixes(text, list).text;
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

void test('a comment turns them off as any other rule', async () => {
  assert.deepEqual(await found('# check=skip=UnusedStage\nFROM scratch AS a\nFROM scratch'), []);
  assert.deepEqual(await found('FROM golang:1\n# check=skip=PackageCacheLeft\nRUN apk add x'), ['1 FinalStageBuilds']);
});
