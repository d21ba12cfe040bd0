import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shownAttributes } from './shown-attributes.ts';

test('records of a request have neither logins nor the keys of caches', () => {
  const login = 'https://user:secret@host/a.git';
  const shown = shownAttributes({
    context: `${login}#main`,
    'context:named': login,
    'vcs:source': login,
    'cache-imports': '[{"Type":"s3","Attrs":{"secret_access_key":"secret"}}]',
    target: 'app',
    'build-arg:URL': 'https://host/a',
    'build-arg:HTTP_PROXY': 'http://u:p@host:1',
  });
  assert.deepEqual(shown, {
    context: 'https://xxxxx:xxxxx@host/a.git#main',
    'context:named': 'https://xxxxx:xxxxx@host/a.git',
    'vcs:source': 'https://xxxxx:xxxxx@host/a.git',
    target: 'app',
    'build-arg:URL': 'https://host/a',
    'build-arg:HTTP_PROXY': 'http://xxxxx:xxxxx@host:1',
  });
  assert.deepEqual(shownAttributes({ contextkey: 'dir', dir: login }), { contextkey: 'dir', dir: 'https://xxxxx:xxxxx@host/a.git' });
});
