import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ProgressEvent } from '../../base/index.ts';
import { treeOf } from '../testing.ts';
import { compareReports } from './compare.ts';
import { fileTable, tablePaths } from './file-table.ts';
import { reportPage, safeJson } from './html.ts';
import { readJunit, testResults } from './junit.ts';
import { longestPath } from './longest-path.ts';
import { Timeline } from './timeline.ts';
import type { Report, ReportImage } from './types.ts';
import { readXml } from './xml.ts';

const junit = (inside: string): string => `<?xml version="1.0"?><testsuites name="all">${inside}</testsuites>`;

describe('test results', () => {
  it('counts cases, failed ones first, with what they say', () => {
    const suite = readJunit(
      junit(
        '<testsuite name="unit"><testcase classname="m" name="adds" time="0.5"/><testcase name="sub"><skipped/></testcase>' +
          '<testcase classname="m" name="div" time="1,000.5"><failure message="a &lt; b">at x.c:1 <![CDATA[<i>]]></failure></testcase>' +
          '<testcase name="boom"><error>late</error></testcase></testsuite>',
      ),
    );
    assert.deepEqual(
      suite?.cases.map(({ name, state, message }) => [name, state, message]),
      [
        ['m › div', 'failed', 'a < b\nat x.c:1\n<i>'],
        ['boom', 'failed', 'late'],
        ['sub', 'skipped', undefined],
        ['m › adds', 'passed', undefined],
      ],
    );
    assert.deepEqual([suite?.passed, suite?.failed, suite?.skipped, suite?.seconds], [1, 2, 1, 1001]);
  });

  it('does not take a test that is turned off for one that passed', () => {
    const cases = [
      '<testcase name="DISABLED_a" status="notrun" result="suppressed" time="0."/>', // GoogleTest
      '<testcase name="b" status="disabled"/>', // CTest
      '<testcase name="c" status="run" result="completed"/>',
      '<testcase name="d" status="notrun"><failure message="m"/></testcase>',
    ];
    const suite = readJunit(junit(`<testsuite name="s">${cases.join('')}</testsuite>`));
    assert.deepEqual([suite?.passed, suite?.failed, suite?.skipped], [1, 1, 2]);
  });

  it('reads up to what is broken, and says so', () => {
    const cut = readJunit(junit('<testsuite name="s"><testcase name="a"/>').replace('</testsuites>', ''));
    assert.equal(cut?.passed, 1);
    assert.match(cut?.broken ?? '', /testsuite> is not closed/);
  });

  it('expands no entity and reads no document type', () => {
    const bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><testsuites><testcase name="&b;"/></testsuites>';
    assert.equal(readJunit(bomb), undefined);
    assert.equal(readJunit(junit('<testsuite><testcase name="&b;&#65;&#x110000;"/></testsuite>'))?.cases[0]?.name, '&b;A&#x110000;');
    const outside = '<?xml version="1.0"?><!DOCTYPE t [<!ENTITY x SYSTEM "file:///etc/passwd">]><testsuites/>';
    assert.doesNotMatch(JSON.stringify([...readXml(outside)]), /root/);
  });

  it('a file that ends in a failed case has it, and what must not be shown is taken out before anything is cut', () => {
    const clean = (text: string): string => text.replaceAll('hunter2&', '****');
    const text = `<testsuite name="hunter2&amp;"><testcase name="a"><failure message="${'x'.repeat(1995)}hunter2&amp; rest"/>`;
    const suite = readJunit(text, clean);
    assert.deepEqual([suite?.name, suite?.failed, suite?.cases[0]?.message], ['****', 1, `${'x'.repeat(1995)}**** `]);
  });

  it('bounds depth, attributes and length', () => {
    assert.match(readJunit(`<testsuite>${'<a>'.repeat(1000)}`)?.broken ?? '', /too deep/);
    const attributes = Array.from({ length: 200 }, (_, index) => ` a${index}="1"`).join('');
    assert.match(readJunit(`<testsuite><testcase${attributes}/></testsuite>`)?.broken ?? '', /too many attributes/);
    const cases = '<testcase name="x"/>'.repeat(700);
    const many = readJunit(`<testsuite>${cases}</testsuite>`);
    assert.deepEqual([many?.passed, many?.cases.length, many?.unlisted], [700, 500, 200]);
    for (const odd of [
      '',
      '<',
      '<a',
      `<testsuite ${' '.repeat(100_000)}`,
      '<html><testsuite/></html>',
      '\0',
      '<testsuite x=">',
      '</testsuite>',
    ])
      assert.doesNotThrow(() => readJunit(odd));
  });

  it('finds the files that are results among what a stage made', () => {
    const tree = treeOf({
      'out/junit.xml': junit('<testsuite><testcase name="a"/></testsuite>'),
      'out/pom.xml': '<project/>',
      'a.txt': 'x',
    });
    const entries = ['out/junit.xml', 'out/pom.xml', 'a.txt'].map((path) => tree.lookup(path)!);
    assert.deepEqual(
      testResults('test', tree, entries).map(({ path, passed }) => [path, passed]),
      [['/out/junit.xml', 1]],
    );
  });
});

describe('the timeline', () => {
  const vertex = (id: string, ...inputs: string[]): ProgressEvent => ({ type: 'vertex', vertex: { id, name: id, inputs }, time: 0 });
  const ran = (id: string, from: number, to: number): ProgressEvent[] => [
    { type: 'started', id, time: from },
    { type: 'completed', id, time: to, cached: false },
  ];

  it('marks the longest path, and keeps what was cached off the axis', () => {
    const line = new Timeline();
    const failed: ProgressEvent = { type: 'failed', id: 'd', time: 160, error: new Error('no\nmore') };
    for (const event of [vertex('d', 'b', 'c'), vertex('a'), vertex('b', 'a'), vertex('c', 'a')]) line.event(event);
    for (const event of [...ran('a', 100, 110), ...ran('b', 110, 150), ...ran('c', 110, 120)]) line.event(event);
    for (const event of [{ type: 'started', id: 'd', time: 150 } as const, failed]) line.event(event);
    const steps = line.steps(100, (id) => (id === 'b' ? 7 : undefined));
    assert.deepEqual(
      steps.map(({ name, state, start, milliseconds, longest, inputs }) => [name, state, start, milliseconds, longest === true, inputs]),
      [
        ['a', 'executed', 0, 10, true, []],
        ['b', 'executed', 10, 40, true, [0]],
        ['c', 'executed', 10, 10, false, [0]],
        ['d', 'failed', 50, 10, true, [1, 2]],
      ],
    );
    assert.deepEqual([steps[1]?.bytes, steps[3]?.error], [7, 'no']);
  });

  it('does not stumble over steps that wait for each other', () => {
    const line = new Timeline();
    for (const event of [vertex('a', 'b'), vertex('b', 'a'), vertex('c', 'c', 'gone')]) line.event(event);
    assert.equal(line.steps(0).length, 3);
    assert.deepEqual(longestPath([{ milliseconds: 5, inputs: [0, 9] }]), [0]);
  });
});

describe('files and pages', () => {
  it('lists a tree in columns, parents first', () => {
    const tree = treeOf({ 'etc/a': 'abc', 'etc/<b>': 'x', 'bin/sh': '-> ../etc/a' });
    const table = fileTable(tree, { layers: [], ownerOf: (path) => (path === 'etc/a' ? 'pkg' : undefined) });
    assert.deepEqual([...tablePaths(table)].sort(), ['', '/bin', '/bin/sh', '/etc', '/etc/<b>', '/etc/a']);
    const at = tablePaths(table).indexOf('/etc/a');
    assert.deepEqual([table.sizes[at], table.kinds[at], table.packages[table.owner[at] ?? -1]], [3, 'f', 'pkg']);
    assert.equal(table.links[tablePaths(table).indexOf('/bin/sh')], '../etc/a');
  });

  it('no data ends the block that it stands in', () => {
    const text = safeJson({ a: '</script><script>alert(1)</script><!--', b: '\u2028' });
    assert.doesNotMatch(text, /[<\u2028]/);
    assert.deepEqual(JSON.parse(text), { a: '</script><script>alert(1)</script><!--', b: '\u2028' });
    const page = reportPage({ ...emptyReport(), title: '</script><img src=x onerror=alert(1)>"$&' });
    assert.equal(page.split('</script>').length, reportPage(emptyReport()).split('</script>').length);
    assert.doesNotMatch(page, /<img/);
  });

  it('says which line made an image grow', () => {
    const before = imageReport(
      'old',
      [
        ['base', 10],
        ['RUN a', 5],
      ],
      { '/a': 5, '/b': 10 },
    );
    const now = imageReport(
      'new',
      [
        ['base', 10],
        ['RUN a', 9],
        ['COPY c', 3],
      ],
      { '/a': 9, '/c': 3, '/b': 10 },
    );
    const { bytesBefore, bytesNow, origins, paths } = compareReports(before, now);
    assert.deepEqual([bytesBefore, bytesNow], [15, 22]);
    assert.deepEqual(
      origins.map(({ made, before: was, now: is }) => [made, was, is]),
      [
        ['RUN a', 5, 9],
        ['COPY c', 0, 3],
      ],
    );
    assert.deepEqual(
      paths.map(({ path, before: was, now: is }) => [path, was, is]),
      [
        ['/a', 5, 9],
        ['/c', undefined, 3],
      ],
    );
  });
});

function emptyReport(): Report {
  return { version: 1, title: 'x', generator: 'slipway', stages: [], steps: [], flows: [], images: [], tests: [], notes: [] };
}

function imageReport(title: string, layers: readonly (readonly [string, number])[], files: Readonly<Record<string, number>>): Report {
  const paths = Object.keys(files);
  const image: ReportImage = {
    platform: 'linux/amd64',
    config: [],
    layers: layers.map(([made, bytes]) => ({ made, bytes, entries: 1, visible: bytes })),
    files: {
      count: paths.length + 1,
      names: ['', ...paths.map((path) => path.slice(1))].join('/'),
      parents: [0, ...paths.map(() => 0)],
      sizes: [0, ...Object.values(files)],
      kinds: `d${'f'.repeat(paths.length)}`,
      layers: [-1, ...paths.map(() => 0)],
      right: [0, ...paths.map(() => 0)],
      rights: ['0644 0:0'],
      owner: [-1, ...paths.map(() => -1)],
      packages: [],
      links: {},
    },
    findings: [],
  };
  return { ...emptyReport(), title, images: [image] };
}
