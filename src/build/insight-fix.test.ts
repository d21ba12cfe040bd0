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

const finding = { rule: 'r', severity: 'error', message: 'm' } as const;

it('puts lines in place of others: the base, the user, what is started, a flag of a COPY', () => {
  const text =
    'FROM a AS build\nRUN x\nFROM --platform=$P debian:bullseye AS app\nCOPY --from=build /x /x\nUSER web\nENTRYPOINT x \\\n  y\n';
  const { text: cured, added } = addCures(text, [
    { ...finding, edits: [{ line: 'FROM debian:bookworm', replaces: 'FROM' }, { line: 'RUN apk add --no-cache p' }] },
    { ...finding, edits: [{ line: 'FROM other', replaces: 'FROM' }] },
    { ...finding, edits: [{ line: 'USER 65532:65532', replaces: 'USER' }] },
    { ...finding, edits: [{ line: 'ENTRYPOINT ["x","y"]', replaces: 'ENTRYPOINT' }] },
    { ...finding, edits: [{ line: '--chmod=755', replaces: 4 }] },
    {
      ...finding,
      edits: [
        { line: 'USER nobody', replaces: 'USER' },
        { line: '--chmod=755', replaces: 2 },
      ],
    },
  ]);
  assert.equal(
    cured,
    'FROM a AS build\nRUN x\nFROM --platform=$P debian:bookworm AS app\nCOPY --chmod=755 --from=build /x /x\nRUN apk add --no-cache p\nUSER 65532:65532\nENTRYPOINT ["x","y"]\n#\n',
  );
  assert.deepEqual(added, [
    'FROM debian:bookworm',
    'USER 65532:65532',
    'ENTRYPOINT ["x","y"]',
    'COPY --chmod=755 --from=build /x /x',
    'RUN apk add --no-cache p',
  ]);
});

it('changes the stage that made the image, by its name or number', () => {
  const text = 'FROM scratch\nUSER a\nFROM scratch AS last\nUSER a\n';
  const findings = [{ ...finding, edits: [{ line: 'USER 1', replaces: 'USER' }] }] as const;
  assert.equal(addCures(text, findings, 'stage-0').text, text.replace('USER a', 'USER 1'));
  assert.equal(addCures(text, findings, 'last').text, 'FROM scratch\nUSER a\nFROM scratch AS last\nUSER 1\n');
});

it('looks at the lines of its own stage: what another one has is not in the image', () => {
  const other = `FROM scratch AS other\nUSER 1\n${missing.cure}\n`;
  const text = `FROM a AS build\n${other}FROM scratch AS app\nUSER app\nCMD ["/x"]\n`;
  const { text: cured } = addCures(text, [missing, { ...finding, edits: [{ line: 'USER 1', replaces: 'USER' }] }], 'app');
  assert.equal(cured, `FROM a AS build\n${other}FROM scratch AS app\n${missing.cure}\nUSER 1\nCMD ["/x"]\n`);
});

it('gives an instruction of several lines no flag twice', () => {
  const edits = [{ ...finding, edits: [{ line: '--chmod=755', replaces: 2 }] }] as const;
  const cured = (copy: string): string => addCures(`FROM scratch\n${copy}\n`, edits).text.slice('FROM scratch\n'.length, -1);
  assert.equal(cured('COPY --chown=1 \\\n  --chmod=644 a \\\n  /b'), 'COPY --chown=1 \\\n  --chmod=755 a \\\n  /b');
  assert.equal(cured('copy\ta /--chmod=1'), 'copy --chmod=755\ta /--chmod=1');
  assert.equal(cured('ADD \\\n# why\n  a /b'), 'ADD --chmod=755 \\\n# why\n  a /b');
});
