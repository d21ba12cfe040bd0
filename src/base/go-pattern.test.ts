import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileGoPattern } from './go-pattern.ts';

test('patterns are read as Go reads them', () => {
  assert.deepEqual(compileGoPattern('^docker-image://(.*):(v\\d+)?')('docker-image://a/b:'), ['docker-image://a/b:', 'a/b', '']);
  assert.deepEqual(compileGoPattern('(?i)(?P<name>ALPINE)')('an alpine'), ['alpine', 'alpine']);
  assert.equal(compileGoPattern('^b')('ab'), undefined);
  for (const wrong of ['(', '(a)\\1', '(?=a)', 'a'.repeat(5000)])
    assert.throws(() => compileGoPattern(wrong), /error parsing regexp/, wrong);
});

test('no pattern takes time that doubles with each character', () => {
  // JavaScript's own would need longer than anybody waits for.
  for (const pattern of ['(a+)+$', '^(a|a)*$', '(.*a){20}$'])
    assert.equal(compileGoPattern(pattern)(`${'a'.repeat(200)}!`), undefined, pattern);
});
