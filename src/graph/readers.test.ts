// The small readers: ports, modes, owners, git addresses, paths, Go's printing.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseChmod, parseOwner } from './chmod.ts';
import { parseGitRef } from './git-ref.ts';
import { goDuration } from './go-text.ts';
import { mountSource } from './mounts.ts';
import { nearest } from './nearest.ts';
import { parsePorts } from './ports.ts';
import { isSignal } from './signals.ts';
import { destinationPath } from './unix-path.ts';
import { urlFilename } from './url.ts';

void test('ports of EXPOSE', () => {
  assert.deepEqual(parsePorts('80'), { ports: ['80/tcp'], oddCasing: false, hasHost: false });
  assert.deepEqual(parsePorts('8000-8002/UDP'), { ports: ['8000/udp', '8001/udp', '8002/udp'], oddCasing: true, hasHost: false });
  assert.deepEqual(parsePorts('[::1]:8080:80'), { ports: ['80/tcp'], oddCasing: false, hasHost: true });
  assert.deepEqual(parsePorts('9000-9001:80'), { ports: ['80/tcp'], oddCasing: false, hasHost: true });
  for (const [text, wrong] of [
    ['', /no port specified/],
    ['80/http', /invalid proto: http/],
    ['90-80', /invalid containerPort: 90-80/],
    ['x:80', /invalid hostPort: x/],
    ['1.2.3.4.5:80:80', /invalid IP address/],
    ['[fe80::1%eth0]:80:80', /invalid IP address/],
    ['1-3:80-81', /invalid ranges/],
  ] as const)
    assert.match(parsePorts(text).wrong ?? '', wrong);
  const { hasHost, wrong } = parsePorts('0.0.0.0:80');
  assert.deepEqual({ hasHost, wrong }, { hasHost: true, wrong: 'invalid hostPort: 0.0.0.0' });
});

void test('modes and owners', () => {
  assert.deepEqual(parseChmod('0755'), { mode: 0o755 });
  assert.deepEqual(parseChmod('u=rwX,go-w+x'), { mode: 'u=rwX,go-w+x' });
  for (const text of ['17777', '8', 'u', 'u=q', 'a+r,', '-'])
    assert.ok(text === '-' ? 'mode' in parseChmod(text) : 'wrong' in parseChmod(text), text);
  assert.deepEqual(parseOwner('1000', 0), { user: { id: 1000 } });
  assert.deepEqual(parseOwner('root:staff', 0), { user: { id: 0 }, group: { name: 'staff', input: 0 } });
  assert.deepEqual(parseOwner('-1', 0), { user: { id: 0 } });
  assert.deepEqual(parseOwner('4294967296', 0), { user: { name: '4294967296', input: 0 } });
  assert.deepEqual(parseOwner('app:', -1), { user: { name: 'app', input: -1 }, group: { id: 0 } });
});

void test('git addresses', () => {
  assert.deepEqual(parseGitRef('https://host/a/b.git#main:sub/dir'), {
    remote: 'https://host/a/b.git',
    scheme: 'https',
    looksLocal: false,
    ref: 'main',
    subdir: 'sub/dir',
  });
  assert.equal(parseGitRef('https://host/a/b.git?tag=v1')?.ref, 'refs/tags/v1');
  assert.equal(parseGitRef('git@host:a/b?branch=x&keep-git-dir')?.keepGitDir, true);
  assert.equal(parseGitRef('github.com/a/b')?.looksLocal, true);
  for (const text of ['./a.git', 'https://host/a/b', 'file.txt', 'ftp://host/a.git', 'C:\\x'])
    assert.equal(parseGitRef(text), undefined, text);
  for (const text of ['git://h/r#a?ref=b', 'git://h/r?ref=a&ref=b', 'git://h/r?ref', 'git://h/r?tag=a&branch=b', 'git://h/r?ref=a#b'])
    assert.throws(() => parseGitRef(text.replace('#a?ref=b', '?ref=b#a')), { code: 'GIT_REF_INVALID' }, text);
});

void test('destinations keep what says that they are folders', () => {
  for (const [path, wanted] of [
    ['x', '/w/x'],
    ['.', '/w/'],
    ['', '/w/'],
    ['x/', '/w/x/'],
    ['/a/../b/', '/b/'],
    ['x/.', '/w/x/.'],
    ['/', '/'],
    ['../..', '/'],
  ] as const)
    assert.equal(destinationPath('/w', path), wanted);
});

void test('names, signals, sources', () => {
  assert.equal(urlFilename('https://h/a/b%20c.tgz?x=1#y'), 'b c.tgz');
  assert.equal(urlFilename('https://h/'), '__unnamed__');
  for (const text of ['9', 'kill', 'SIGTERM', 'RTMAX-14']) assert.ok(isSignal(text), text);
  for (const text of ['0', 'SIGNOPE', 'RTMIN+16', '']) assert.ok(!isSignal(text), text);
  assert.equal(mountSource('type=bind,from=stage,target=/x'), 'stage');
  assert.equal(mountSource('"from=a""b",target=/x'), 'a"b');
  assert.equal(mountSource('type=cache,target=/from=x'), undefined);
  assert.equal(nearest('PAHT', ['PATH', 'HOME']), 'PATH');
  assert.equal(nearest('PATH', ['PATHS', 'PATH']), undefined);
  assert.equal(goDuration(90e9 + 1500e6), '1m31.5s');
  assert.equal(goDuration(3600e9), '1h0m0s');
  assert.equal(goDuration(1500), '1.5µs');
});
