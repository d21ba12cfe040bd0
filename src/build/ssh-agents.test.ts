// Agents for keys: what starts one, and what is said when none starts.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { isSlipwayError } from '../base/index.ts';
import { openAgents } from './ssh-agents.ts';

const folder = mkdtempSync(join(tmpdir(), 'slipway-agents-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function keyOf(passphrase: string): string {
  const path = join(mkdtempSync(join(folder, 'key-')), 'key');
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', passphrase, '-f', path]);
  return path;
}

const withPath = (path: string) => ({ settings: { programEnv: { PATH: path } } });

test('steps that ask at once share one agent, which has the key', async () => {
  await using agents = openAgents([{ id: 'default', paths: [keyOf('')] }], withPath(process.env['PATH'] ?? ''));
  const [one, two] = await Promise.all([agents.socket('default'), agents.socket('default')]);
  assert.equal(one, two);
  assert.match(execFileSync('ssh-add', ['-l'], { env: { ...process.env, SSH_AUTH_SOCK: one }, encoding: 'utf8' }), /ED25519/);
});

test('an agent that ends before it listens is told, not waited for', async () => {
  const bin = mkdtempSync(join(folder, 'bin-'));
  writeFileSync(join(bin, 'ssh-agent'), '#!/bin/sh\necho "unix_listener: path too long" >&2\nexit 1\n');
  chmodSync(join(bin, 'ssh-agent'), 0o755);
  await using agents = openAgents([{ id: 'default', paths: [keyOf('')] }], withPath(bin));
  await assert.rejects(agents.socket('default'), (error) => isSlipwayError(error, 'SSH_KEY_UNREADABLE') && /too long/.test(error.message));
});

test('a key with a passphrase is refused without asking for it', async () => {
  await using agents = openAgents([{ id: 'default', paths: [keyOf('open sesame')] }], withPath(process.env['PATH'] ?? ''));
  await assert.rejects(
    agents.socket('default'),
    (error) => isSlipwayError(error, 'SSH_KEY_UNREADABLE') && /passphrase/.test(error.hint ?? ''),
  );
});
