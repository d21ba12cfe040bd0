import assert from 'node:assert/strict';
import { it } from 'node:test';
import { addCures } from './insight-fix.ts';

const missing = { rule: 'library-missing', severity: 'error', message: 'm', cure: 'COPY --from=build /lib/a.so /lib/a.so' } as const;

it('adds cures once, before the last stage says what it starts', () => {
  const text = 'FROM a AS build\nCMD x\nFROM scratch\nCOPY --from=build /x /x\nCMD ["/x"]\n';
  const { text: cured, added } = addCures(text, [missing, missing, { ...missing, severity: 'info', cure: 'COPY --from=build /b /b' }]);
  assert.deepEqual(added, [missing.cure]);
  assert.equal(cured, `FROM a AS build\nCMD x\nFROM scratch\nCOPY --from=build /x /x\n${missing.cure}\nCMD ["/x"]\n`);
  assert.deepEqual(addCures(cured, [missing]).added, []);
});
