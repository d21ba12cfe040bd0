import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CallMetadata } from '../wire/channel.ts';
import { type SessionHost, sessionServices } from './services.ts';

test('a folder is announced as all that its target gets: clients that mirror it remove the rest', async () => {
  const calls: CallMetadata[] = [];
  const session = {
    supports: () => true,
    channel: {
      stream: (_path: string, _signal: AbortSignal, metadata: CallMetadata) => {
        calls.push(metadata);
        throw new Error('enough');
      },
    },
  };
  const host = { sessions: { get: () => Promise.resolve(session) } } as unknown as SessionHost;
  await assert.rejects(sessionServices(host, 'x').sendFolder(3, '/nowhere', new AbortController().signal), /enough/);
  assert.equal(calls[0]?.['buildkit-exporter-multi-platform'], '1');
  assert.equal(calls[0]?.['buildkit-attachable-exporter-id'], '3');
});
