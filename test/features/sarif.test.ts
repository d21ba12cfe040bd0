// `slipway check --format=sarif` against the schema that OASIS published: code hosts refuse a log as a whole.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import Ajv from 'ajv';
import { Rig } from '../rig/rig.ts';

const DRAFT_04 = createRequire(import.meta.url)('ajv/lib/refs/json-schema-draft-04.json') as object;

/** Findings with and without a fix, on one line and several, in a file whose name must be escaped in an address. */
const WRONG = `FROM scratch as build
COPY a /a

FROM scratch
ENV a b
COPY --from=buidl /a \\
  /b
USER 1
CMD run me
ARG TOKEN=x
`;

test('a log with findings, one without, and one of a file that is no Dockerfile are as the schema says', async () => {
  await using rig = Rig.create();
  const schema = process.env['SLIPWAY_TEST_SARIF_SCHEMA'];
  assert.ok(schema !== undefined, 'run this test by `npm test`, which fetches the schema');
  const ajv = new Ajv({ schemaId: 'auto', meta: false, allErrors: true, unknownFormats: 'ignore' });
  ajv.addMetaSchema(DRAFT_04);
  const isValid = ajv.compile(JSON.parse(readFileSync(schema, 'utf8')) as object);
  const context = rig.context({ 'wrong file%.txt': WRONG, right: 'FROM scratch\nCOPY a /a\n', broken: 'FRM scratch\n' });
  for (const [file, results] of [
    ['wrong file%.txt', 4],
    ['right', 0],
    ['broken', 1],
  ] as const) {
    const { stdout, stderr } = await rig.slipway(['check', '--format=sarif', '-f', `${context}/${file}`, context]);
    const log = JSON.parse(stdout) as { readonly runs: readonly { readonly results: readonly object[] }[] };
    assert.ok(isValid(log), `${file}: ${ajv.errorsText(isValid.errors)}`);
    assert.ok((log.runs[0]?.results.length ?? 0) >= results, `${file}: ${stdout}${stderr}`);
  }
});
