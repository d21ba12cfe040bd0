import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDockerfile, renderFrame } from '../dockerfile/index.ts';
import { AMD64, fakeResolver } from './fake-resolver.ts';
import { buildGraph, type GraphResult } from './index.ts';

const graphOf = (text: string): Promise<GraphResult> =>
  buildGraph(parseDockerfile(text), { buildPlatform: AMD64, ownRules: true, report: () => {} }, fakeResolver());

/** Joined lines, each as long as BuildKit takes them. */
const joined = (unit: string, count: number): string =>
  Array.from({ length: Math.ceil((count * unit.length) / 60_000) }, () => unit.repeat(Math.floor(60_000 / unit.length))).join('\\\n');

test('no text takes time that grows with the square of its length', async () => {
  // Each of these kept a processor busy for seconds to hours: patterns that began anew at every character, or walked a list for every item.
  const texts: Readonly<Record<string, string>> = {
    'many rm': `FROM scratch\nRUN pip install x && ${joined('rm\t', 100_000)}x\n`,
    'many braces': `FROM scratch\nRUN apt-get update && ${joined('rm\t/var/lib/{', 20_000)}x\n`,
    'many apk': `FROM scratch\nRUN apk add x && ${joined('apk\t-', 40_000)}x\n`,
    'many dnf': `FROM scratch\nRUN dnf install x && ${joined('dnf -dnf ', 20_000)}x\n`,
    'a long number': `FROM scratch\nRUN --mount=type=tmpfs,target=/x,size=${'0'.repeat(65_000)}z true\n`,
    'a marker that is none': `FROM scratch\nCOPY <<${'\t'.repeat(60_000)}< /x\n`,
    'a directive that is none': `# A=${'\t'.repeat(30_000)}=${'\t'.repeat(30_000)}x\nFROM scratch\n`,
    'a long address': `FROM scratch\nADD http://a/${'/'.repeat(65_000)}x /y\n`,
    'a long path': `FROM scratch\nWORKDIR ${'/'.repeat(65_000)}x\nCOPY x ${'/'.repeat(65_000)}y\n`,
  };
  for (const [what, text] of Object.entries(texts)) {
    const outcome = await graphOf(text).then(
      () => 'a graph',
      (error: unknown) => (error as { code?: string }).code,
    );
    assert.ok(outcome === 'a graph' || outcome === 'DOCKERFILE_INVALID', `${what}: ${outcome}`);
  }
});

test('stages may build on each other as deep as a file is long', async () => {
  const stages = Array.from({ length: 20_000 }, (_, at) => `FROM ${at === 0 ? 'scratch' : `s${at - 1}`} AS s${at}`);
  const graph = await graphOf(`${stages.join('\n')}\nCOPY --from=s7 a b\n`);
  assert.equal(graph.platforms[0]?.root?.vertex.op.type, 'file');
});

test('a finding with thousands of places shows some of them', () => {
  const range = { start: { line: 1, column: 0 }, end: { line: 1, column: 1 } };
  const related = Array.from({ length: 300_000 }, () => ({ range, message: 'here too' }));
  const text = renderFrame({ rule: 'X', severity: 'warning', message: 'm', range, related }, { filename: 'f', text: 'x\n' });
  assert.match(text, /and 299950 more/);
});
