// A row for each rule of the language that shows in an image's config: `meaning-cases.ts` has them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDockerfile } from '../dockerfile/index.ts';
import { AMD64, fakeResolver } from './fake-resolver.ts';
import { buildGraph } from './index.ts';
import { type Meaning, MEANINGS } from './meaning-cases.ts';

for (const { about, text, options, means } of MEANINGS) {
  void test(about, async () => {
    const graph = await buildGraph(parseDockerfile(text), { buildPlatform: AMD64, ...options }, fakeResolver());
    const [platform] = graph.platforms;
    const { config = {}, author } = platform?.config ?? {};
    const runs = graph.vertices.flatMap(({ op }) => (op.type === 'exec' ? [op.env] : []));
    const found: Record<keyof Meaning, unknown> = {
      labels: config.Labels ?? {},
      config: Object.fromEntries(Object.keys(means.config ?? {}).map((name) => [name, (config as Record<string, unknown>)[name]])),
      history: platform?.history.map(({ entry }) => entry.created_by),
      author,
      runEnv: runs.at(-1)?.filter((variable) => !variable.startsWith('PATH=')),
    };
    for (const [what, expected] of Object.entries(means)) assert.deepEqual(found[what as keyof Meaning], expected, what);
  });
}
