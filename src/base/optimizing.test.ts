import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

test('the engine knows the flags that it is told', () => {
  const program = `import { delayOptimizing } from ${JSON.stringify(new URL('optimizing.ts', import.meta.url).href)}; delayOptimizing(2)();`;
  const { status, stderr } = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], { encoding: 'utf8' });
  assert.deepEqual([status, stderr], [0, '']);
});
