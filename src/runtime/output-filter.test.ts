import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OutputClip, Redactor } from './output-filter.ts';

const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? '').toString();

test('a stream is clipped at its size, with one line that says so, and its end is kept', () => {
  const clip = new OutputClip({ bytes: 10, bytesPerSecond: -1 }, () => 0);
  assert.equal(text(clip.pass(Buffer.from('12345678'))), '12345678');
  assert.equal(text(clip.pass(Buffer.from('90abc'))), '90\n[output clipped, log limit 10B reached]\n');
  assert.equal(clip.pass(Buffer.from('def')), undefined);
  assert.equal(text(clip.tail()), 'abcdef');
});

test('each second of its life allows more', () => {
  let now = 0;
  const clip = new OutputClip({ bytes: -1, bytesPerSecond: 4 << 10 }, () => now);
  const block = Buffer.alloc(4 << 10, 'x');
  assert.equal(clip.pass(block), block);
  assert.match(text(clip.pass(Buffer.from('more'))), /log limit 4KiB\/s reached/);
  now = 1500;
  assert.equal(text(clip.pass(Buffer.from('again'))), 'again');
});

test('the end of a huge clipped stream is bounded', () => {
  const clip = new OutputClip({ bytes: 0, bytesPerSecond: -1 }, () => 0);
  for (let index = 0; index < 100; index += 1) clip.pass(Buffer.alloc(64 << 10, String(index % 10)));
  assert.equal(clip.tail()?.length, 256 << 10);
});

test('secrets are blotted out, however the stream is cut', () => {
  const secrets = [Buffer.from('hunter2-long\n'), Buffer.from('line-one\nline-two'), Buffer.from('abc')];
  const source = 'a hunter2-long b hunter2-lonx line-two abc hunter2';
  for (let cut = 0; cut <= source.length; cut += 1) {
    const redactor = new Redactor(secrets);
    const parts = [source.slice(0, cut), source.slice(cut)].map((part) => text(redactor.pass(Buffer.from(part))));
    assert.equal(parts.join('') + text(redactor.end()), 'a **** b hunter2-lonx **** abc hunter2');
  }
});

test('ordinary output waits only where it could become a secret', () => {
  const redactor = new Redactor([Buffer.from('secret')]);
  assert.equal(text(redactor.pass(Buffer.from('hello\n'))), 'hello\n');
  assert.equal(text(redactor.pass(Buffer.from('hello sec'))), 'hello ');
  assert.equal(text(redactor.pass(Buffer.from('tion'))), 'section');
});
