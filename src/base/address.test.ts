import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hideLogin, hideLogins, hideLoginsIn, splitLogin } from './address.ts';

test('a login of an address is hidden, taken away and told; an @ elsewhere is none', () => {
  for (const [address, hidden, plain, login] of [
    ['https://u:p@host/a.git#main', 'https://xxxxx:xxxxx@host/a.git#main', 'https://host/a.git#main', 'u:p'],
    ['https://token@host/a', 'https://xxxxx@host/a', 'https://host/a', 'token'],
    ['http://u:p@ss@host:80', 'http://xxxxx:xxxxx@host:80', 'http://host:80', 'u:p@ss'],
    ['https://host/a@b', 'https://host/a@b', 'https://host/a@b', undefined],
    ['https://host?x=a@b', 'https://host?x=a@b', 'https://host?x=a@b', undefined],
    ['git@host:a.git', 'git@host:a.git', 'git@host:a.git', undefined],
    ['/folder/x@y', '/folder/x@y', '/folder/x@y', undefined],
  ] as const) {
    assert.equal(hideLogin(address), hidden);
    assert.deepEqual(splitLogin(address), login === undefined ? { address: plain } : { address: plain, login });
  }
});

test('logins of addresses within texts', () => {
  for (const [text, hidden] of [
    ['RUN git clone https://u:p@h/a http://t@h/b', 'RUN git clone https://xxxxx:xxxxx@h/a http://xxxxx@h/b'],
    ['RUN X="http://u:p@ss@h" curl', 'RUN X="http://xxxxx:xxxxx@h" curl'],
    ['ADD https://u:${T}@h/a https://$T@h/b /', 'ADD https://u:${T}@h/a https://$T@h/b /'],
    ['ADD ssh://git@h/a /', 'ADD ssh://git@h/a /'],
    ['docker-image://busybox@sha256:00', 'docker-image://busybox@sha256:00'],
    ['mail a@b, see https://h/a@b', 'mail a@b, see https://h/a@b'],
  ] as const) {
    assert.equal(hideLogins(text), hidden);
  }
  const when = new Date(0);
  assert.deepEqual(hideLoginsIn({ a: ['x://u:p@h', 1], when, b: { c: null } }), { a: ['x://xxxxx:xxxxx@h', 1], when, b: { c: null } });
  assert.equal(hideLogins('://u'.repeat(50_000)).length, 200_000);
});
