import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hideLogin, splitLogin } from './address.ts';

test('logins in addresses', () => {
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
