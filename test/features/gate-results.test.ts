// A gate that fails, or any step that does, shows the JUnit files that it left: their file system is gone a moment later.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { build, type BuildFailure, type Report, type TestSuite } from '../../src/build/index.ts';
import { type Outcome, Rig } from '../rig/rig.ts';

const FAILING =
  '<testsuites><testsuite name="unit"><testcase classname="sum" name="adds" time="0.5"/>' +
  '<testcase classname="sum" name="divides"><failure message="expected 2, got 3">at sum.c:12</failure></testcase></testsuite></testsuites>';
const PASSING = '<testsuite name="lint"><testcase name="tabs"/><testcase name="ends"/></testsuite>';

let rig: Rig;
before(() => void (rig = Rig.create()));
after(() => rig?.[Symbol.asyncDispose]());

/** A gate whose last step runs `command` and fails; files of the context lie in /in. Each case has a context of its own. */
let cases = 0;
function gate(command: string, files: Readonly<Record<string, string>> = {}): string {
  const dockerfile = `FROM busybox AS tested
COPY . /in
RUN ${command}
FROM busybox
COPY --from=tested /in/Dockerfile /kept
`;
  return rig.context({ Dockerfile: dockerfile, ...files }, `case-${(cases += 1)}`);
}

function failing(context: string, ...flags: readonly string[]): Promise<Outcome> {
  return rig.slipway(['build', '--progress', 'plain', '--gate', 'tested', ...flags, context]);
}

/** Lines about tests. */
function told({ stderr }: Outcome): readonly string[] {
  return stderr.split('\n').filter((line) => /^tests of |^ {2}failed: |^ {2}… and /.test(line));
}

test('failed tests by name: in the terminal, the metadata, the report, and of the history', async () => {
  const context = gate('mkdir /out && cp /in/unit.xml /out/unit.xml && exit 3', { 'unit.xml': FAILING });
  const outcome = await failing(context, ...['-t', 'never', '--metadata-file', rig.path('meta.json'), '--report', rig.path('failed.json')]);
  assert.equal(outcome.code, 1);
  assert.deepEqual(told(outcome), [
    // What an earlier step copied in counts too, as in a gate that passes.
    'tests of tested: 1 passed, 1 failed (/out/unit.xml)',
    '  failed: sum › divides: expected 2, got 3',
    'tests of tested: 1 passed, 1 failed (/in/unit.xml)',
    '  failed: sum › divides: expected 2, got 3',
  ]);
  assert.match(outcome.stderr, /exit code: 3/);
  const metadata = JSON.parse(readFileSync(rig.path('meta.json'), 'utf8')) as {
    readonly 'slipway.error': { readonly code: string };
    readonly 'slipway.tests': readonly TestSuite[];
    readonly 'containerimage.digest'?: string;
  };
  assert.equal(metadata['slipway.error'].code, 'EXEC_EXIT');
  assert.equal(metadata['containerimage.digest'], undefined);
  const [suite] = metadata['slipway.tests'];
  assert.deepEqual(
    [suite?.stage, suite?.path, suite?.cases[0]?.name, suite?.cases[0]?.message],
    ['tested', '/out/unit.xml', 'sum › divides', 'expected 2, got 3\nat sum.c:12'],
  );
  const report = JSON.parse(readFileSync(rig.path('failed.json'), 'utf8')) as Report;
  assert.deepEqual([report.build?.status, report.images.length, report.tests], ['error', 0, metadata['slipway.tests']]);
  assert.deepEqual(
    report.stages.map(({ name, gate: isGate, target }) => [name, isGate === true, target === true]),
    [
      ['tested', true, false],
      ['stage-1', false, true],
    ],
  );
  assert.equal(report.steps.find(({ state }) => state === 'failed')?.line, 3);
  const later = await rig.slipway(['report', '--format', 'json']);
  assert.deepEqual((JSON.parse(later.stdout) as Report).tests, report.tests);
  assert.notEqual((await rig.slipway(['inspect', 'never'])).code, 0, 'nothing was exported');
});

test('several files, those of other gates, and the newest form of a file', async () => {
  const context = rig.context(
    {
      Dockerfile: `FROM busybox AS lint
COPY lint.xml /r/lint.xml
FROM busybox AS unit
COPY lint.xml /r/unit.xml
RUN i=0; while [ $i -lt 30 ]; do echo "<testcase name='t$i'><failure/></testcase>"; i=$((i+1)); done > /cases; \\
    (echo '<testsuite>'; cat /cases; echo '</testsuite>') > /r/more.xml; cp /dev/stdin /r/unit.xml <<END && exit 1
${FAILING}
END
FROM busybox
`,
      'lint.xml': PASSING,
    },
    'several',
  );
  // The gates run beside each other: the first one is in the cache, so that it is there when the other fails.
  assert.equal((await rig.slipway(['build', '--target', 'lint', context])).code, 0);
  const outcome = await rig.slipway(['build', '--gate', 'lint', '--gate', 'unit', context]);
  const lines = told(outcome);
  assert.deepEqual(
    lines.filter((line) => line.startsWith('tests of')).sort(),
    [
      'tests of lint: 2 passed, 0 failed (/r/lint.xml)',
      'tests of unit: 0 passed, 30 failed (/r/more.xml)',
      'tests of unit: 1 passed, 1 failed (/r/unit.xml)',
    ],
    outcome.stderr,
  );
  assert.equal(lines.filter((line) => line.startsWith('  failed: t')).length, 20);
  assert.ok(lines.includes('  … and 10 more failed'));
});

test('a gate that passes, one that leaves nothing, a target that fails without being a gate', async () => {
  const passed = await rig.slipway(['build', '--gate', 'tested', gate('cp /in/a.xml /b.xml', { 'a.xml': PASSING })]);
  assert.equal(passed.code, 0, passed.stderr);
  assert.deepEqual(told(passed), ['tests of tested: 2 passed, 0 failed (/in/a.xml)', 'tests of tested: 2 passed, 0 failed (/b.xml)']);
  const nothing = await failing(gate('echo "<project/>" > /pom.xml && exit 1'), '--metadata-file', rig.path('nothing.json'));
  assert.deepEqual([nothing.code, told(nothing)], [1, []]);
  assert.equal('slipway.tests' in (JSON.parse(readFileSync(rig.path('nothing.json'), 'utf8')) as object), false);
  const target = await rig.slipway(['build', '--target', 'tested', gate(`echo '${FAILING}' > /r.xml; false`)]);
  assert.equal(target.code, 1);
  assert.deepEqual(told(target), ['tests of tested: 1 passed, 1 failed (/r.xml)', '  failed: sum › divides: expected 2, got 3']);
});

test('a step that takes too long leaves its results too', async () => {
  const outcome = await failing(gate(`echo '${FAILING}' > /r.xml; sleep 300`), '--step-timeout', '6s');
  assert.match(outcome.stderr, /took longer than its limit of 6 s/);
  assert.equal(told(outcome)[0], 'tests of tested: 1 passed, 1 failed (/r.xml)');
});

test('files that are not what they seem: cut off, bombs, links out, pipes, markup, control characters', async () => {
  const hostile = `<testsuites><testsuite name="x"><testcase name="&lt;script&gt;alert(1)&lt;/script&gt;&#27;[2J"><failure message="${'A'.repeat(5000)}"/></testcase></testsuite></testsuites>`;
  const context = gate(
    [
      'mkdir /r && cd /r && cp /in/cut.txt cut.xml && cp /in/bomb.txt bomb.xml && cp /in/odd.txt odd.xml',
      'ln -s /in/odd.txt link.xml',
      'mkfifo pipe.xml',
      'mkdir dir.xml',
      'ln -s / dir.xml/root',
      '(echo "<testsuite>"; head -c 20000000 /dev/zero | tr "\\\\0" " ") > huge.xml',
      'chmod 000 odd.xml',
      'exit 1',
    ].join(' && '),
    {
      'cut.txt': FAILING.slice(0, -40),
      'bomb.txt':
        '<!DOCTYPE t [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><testsuite><testcase name="&b;"><failure/></testcase></testsuite>',
      'odd.txt': hostile,
    },
  );
  const page = rig.path('hostile.html');
  const outcome = await failing(context, '--report', page);
  assert.equal(outcome.code, 1);
  const lines = told(outcome);
  assert.deepEqual(
    lines.map((line) => line.slice(0, 100)).sort(),
    [
      `  failed: <script>alert(1)</script>\\x1b[2J: ${'A'.repeat(100)}`.slice(0, 100),
      '  failed: sum › divides: expected 2, got 3',
      'tests of tested: 0 passed, 1 failed (/r/odd.xml)',
      'tests of tested: 1 passed, 1 failed (/r/cut.xml); it is no XML at character 174',
    ].sort(),
    outcome.stderr,
  );
  assert.ok(lines.every((line) => line.length < 170));
  assert.doesNotMatch(readFileSync(page, 'utf8'), /<script>alert/);
});

test('a secret in what a test says is not shown', async () => {
  const context = rig.context(
    {
      Dockerfile: `FROM busybox AS tested
RUN --mount=type=secret,id=token,env=TOKEN echo "<testsuite><testcase name='uses $TOKEN'><failure>&amp;lt; $TOKEN</failure></testcase></testsuite>" > /r.xml; exit 1
FROM busybox
`,
    },
    'secret',
  );
  const outcome = await rig.slipway(
    ['build', '--gate', 'tested', '--secret', 'id=token,env=TOKEN', '--report', rig.path('secret.json'), context],
    { env: { TOKEN: 'hunter2-correct-horse' } },
  );
  assert.ok(told(outcome).includes('  failed: uses ****: &lt; ****'), outcome.stderr);
  assert.doesNotMatch(outcome.stderr + readFileSync(rig.path('secret.json'), 'utf8'), /correct-horse/);
});

test('the same where nothing can be mounted, and from the library', async () => {
  const context = gate('cp /in/r.txt /r.xml && rm /in/r.txt && exit 1', { 'r.txt': FAILING });
  const chroot = await rig.slipway(['build', '--rung', 'container-chroot', '--gate', 'tested', context]);
  assert.equal(told(chroot)[0], 'tests of tested: 1 passed, 1 failed (/r.xml)', chroot.stderr);
  const failures: BuildFailure[] = [];
  const text = `FROM ${rig.registry}/library/busybox AS tested\nRUN echo "${FAILING.replaceAll('"', "'")}" > /r.xml; exit 1\n`;
  await assert.rejects(
    build({
      root: rig.path('library'),
      dockerfile: { kind: 'text', text, filename: 'Dockerfile' },
      report: true,
      onFailure: (failure) => failures.push(failure),
    }),
    /exit code: 1/,
  );
  assert.deepEqual(
    failures.map(({ tests, report }) => [tests[0]?.failed, report?.build?.status, report?.tests[0]?.path]),
    [[1, 'error', '/r.xml']],
  );
});
