// Asking for a login on a terminal.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { run } from '../run.ts';
import type { World } from '../world.ts';

/** What a terminal shows while somebody types, and how the command ends. */
async function typed(keys: readonly string[]): Promise<{ readonly code: number; readonly shown: string }> {
  const folder = mkdtempSync('/tmp/slipway-login-');
  const stdin = Object.assign(new PassThrough(), { isTTY: true }) as unknown as NodeJS.ReadStream;
  const left = [...keys];
  let shown = '';
  const write = (text: string): boolean => {
    shown += text;
    if (/(?:Username|Password): $/.test(text)) setImmediate(() => stdin.push(left.shift() ?? ''));
    return true;
  };
  const terminal = Object.assign(new PassThrough(), { write, isTTY: true }) as unknown as NodeJS.WriteStream;
  const world: World = {
    env: { DOCKER_CONFIG: folder, SLIPWAY_ROOT: folder, NO_COLOR: '1' },
    ...{ cwd: '/', uid: 0, stdin, stdout: terminal, stderr: terminal, signal: new AbortController().signal, now: () => new Date(0) },
  };
  try {
    return { code: await run(['login', '127.0.0.1:1'], world), shown };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test('a user name is shown as it is typed, a password is not', async () => {
  const { code, shown } = await typed(['somebody\r', 'correct horse\r']);
  assert.equal(code, 1);
  assert.match(shown, /Username: .*s.*o.*m.*e.*b.*o.*d.*y/s);
  assert.doesNotMatch(shown, /c.*o.*r.*r.*e.*c.*t h/s);
  assert.match(shown, /127\.0\.0\.1:1/, 'the registry was asked');
});

test('end of input and Ctrl-C are an end, not a wait', async () => {
  assert.match((await typed(['somebody\r', '\u0004'])).shown, /a user name and a password are needed/);
  const { code, shown } = await typed(['somebody\r', 'half\u0003']);
  assert.equal(code, 1);
  assert.match(shown, /ERROR: cancelled/);
});
