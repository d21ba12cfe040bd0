import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDockerfile } from '../dockerfile/index.ts';
import { AMD64, fakeResolver } from './fake-resolver.ts';
import { buildGraph, describeRequests, describeText, outlineDocument, outlineText, targetsOf, targetsText } from './index.ts';

const TEXT = `# go is the version of the compiler
ARG go=1.22
ARG unused=1
# base has the tools
FROM busybox:\${go} AS base
# cgo switches C on
ARG cgo=0
FROM base AS Build
ARG mode="fast and \${cgo}"
RUN --mount=type=secret,id=netrc,required=true --mount=type=ssh true
FROM scratch
COPY --from=build /app /app
`;

void test('the outline says what a target can be given', async () => {
  const dockerfile = parseDockerfile(TEXT);
  const graph = await buildGraph(dockerfile, { buildPlatform: AMD64, target: 'build' }, fakeResolver());
  const document = outlineDocument(graph.platforms[0]?.outline ?? assert.fail(), dockerfile.source);
  const at = (line: number) => ({ ranges: [{ start: { line }, end: { line } }] });
  assert.deepEqual(document, {
    name: 'build',
    args: [
      { name: 'go', description: 'is the version of the compiler', value: '1.22', location: at(2) },
      { name: 'cgo', description: 'switches C on', value: '0', location: at(7) },
      { name: 'mode', value: 'fast and 0', location: at(9) },
    ],
    secrets: [{ name: 'netrc', required: true, location: at(10) }],
    ssh: [{ name: 'default', location: at(10) }],
    sources: [Buffer.from(TEXT).toString('base64')],
  });
  assert.equal(
    outlineText(document),
    `TARGET: build

BUILD ARG   VALUE        DESCRIPTION
go          1.22         is the version of the compiler
cgo         0            switches C on
mode        fast and 0   

SECRET   REQUIRED
netrc    true

SSH       REQUIRED
default   

`,
  );
});

void test('targets are the stages as written', () => {
  const document = targetsOf(parseDockerfile(TEXT));
  assert.deepEqual(
    document.targets.map(({ location: _, ...target }) => target),
    [
      { name: 'base', description: 'has the tools', base: 'busybox:${go}' },
      { name: 'build', base: 'base' },
      { default: true, base: 'scratch' },
    ],
  );
  assert.equal(targetsText(document), 'TARGET    DESCRIPTION\nbase      has the tools\nbuild     \n(default) \n');
});

void test('requests describe themselves', () => {
  assert.deepEqual(
    describeRequests().map(({ name }) => name),
    ['frontend.outline', 'frontend.targets', 'frontend.subrequests.describe'],
  );
  assert.match(describeText(describeRequests()), /^outline +1\.0\.0 +List all parameters/m);
});
