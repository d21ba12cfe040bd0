// The report of a build with twelve stages, opened in Chromium and used by keyboard and mouse; its data; other reports than of builds.

import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { launchChromium } from '../../scripts/chromium.mjs';
import type { Report } from '../../src/build/index.ts';
import { command, Rig } from '../rig/rig.ts';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const HOSTILE = '<img src=x onerror=document.title="broken">&\'"<script>.txt';
const RESULTS =
  '<testsuites name="unit"><testsuite name="unit"><testcase classname="math" name="adds" time="0.01"/>' +
  '<testcase classname="math" name="divides"><failure message="expected 2, got &lt;img src=x onerror=alert(1)&gt;">at math.c:12</failure></testcase>' +
  '<testcase name="later"><skipped/></testcase></testsuite></testsuites>';

/** Twelve stages: a chain, a diamond, a mount, a gate, a link, a secret that is left, a file that is deleted too late. */
const TWELVE = `FROM busybox AS base
RUN mkdir /work && echo base > /work/base
FROM base AS deps
RUN head -c 300000 /dev/zero > /work/deps.bin
FROM base AS tools
RUN mkdir -p /opt/tools && echo '#!/bin/sh' > /opt/tools/gen
FROM deps AS lib-a
RUN mkdir /out && head -c 200000 /dev/urandom > /out/a.so
FROM deps AS lib-b
RUN --mount=from=tools,source=/opt/tools,target=/tools mkdir /out && head -c 90000 /dev/urandom > /out/b.so
FROM lib-a AS app
COPY --from=lib-b /out /out
RUN head -c 500000 /dev/urandom > /out/app && chmod 755 /out/app
FROM app AS test
COPY results.xml /results/junit.xml
FROM base AS lint
RUN echo fine > /lint.txt
FROM busybox AS assets
COPY names/ /assets/
RUN i=0; while [ $i -lt 200 ]; do echo "asset $i" > /assets/file-$i.js; i=$((i+1)); done
FROM tools AS docs
RUN mkdir /docs && echo manual > /docs/manual.txt
FROM busybox AS certs
RUN mkdir /certs && echo none > /certs/ca.crt
FROM busybox AS final
WORKDIR /app
COPY --from=app /out/ /app/
COPY --link --from=assets /assets /app/assets
COPY --from=docs /docs /usr/share/doc/app
COPY --from=certs /certs/ca.crt /etc/ssl/certs/ca.crt
RUN head -c 300000 /dev/urandom > /junk
RUN rm /junk
COPY .env /app/.env
CMD ["/app/app"]
`;

/** What axe says, as far as it is read here. */
interface AxeResults {
  readonly passes: readonly unknown[];
  readonly violations: readonly {
    readonly id: string;
    readonly impact: string;
    readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
  }[];
}

let rig: Rig;
let browser: Browser;
let context: string;
const pageFile = (): string => rig.path('build.html');

before(async () => {
  rig = Rig.create();
  browser = await launchChromium();
  context = rig.context({ Dockerfile: TWELVE, 'results.xml': RESULTS, [`names/${HOSTILE}`]: 'x', '.env': 'DB_PASSWORD=hunter22\n' });
  const built = await rig.slipway(['build', '--gate', 'test', '--gate', 'lint', '-t', 'twelve', '--report', pageFile(), context]);
  assert.equal(built.code, 0, built.stderr);
  assert.match(built.stderr, /^twelve: built in .* steps ran/m);
  assert.match(built.stderr, /^tests of test: 1 passed, 1 failed, 1 skipped \(\/results\/junit\.xml\)$/m);
});

after(async () => {
  await browser?.close();
  await rig?.[Symbol.asyncDispose]();
});

/** A page with the report; what it says on its console, and every request that it makes, is a failure. */
async function open(file: string, colorScheme: 'light' | 'dark' = 'light'): Promise<{ readonly page: Page; readonly trouble: string[] }> {
  const page = await browser.newPage({ colorScheme, viewport: { width: 1280, height: 900 } });
  const trouble: string[] = [];
  page.on('console', (message) => trouble.push(message.text()));
  page.on('pageerror', (error) => trouble.push(error.message));
  page.on('dialog', (dialog) => void dialog.dismiss().then(() => trouble.push('a dialog')));
  page.on('request', (request) => request.url().startsWith('file:') || trouble.push(request.url()));
  await page.goto(pathToFileURL(file).href);
  await page.waitForSelector('html[data-ready]', { timeout: 120_000 });
  return { page, trouble };
}

function dataOf(file: string): Report {
  const text = readFileSync(file, 'utf8');
  return JSON.parse(/<script type="application\/json" id="report">\s*(.*?)\s*<\/script>/s.exec(text)?.[1] ?? '') as Report;
}

test('axe finds nothing serious, in light and in dark', async () => {
  for (const scheme of ['light', 'dark'] as const) {
    const { page, trouble } = await open(pageFile(), scheme);
    for (const details of await page.locator('details').all()) await details.evaluate((element) => element.setAttribute('open', ''));
    for (const part of ['#contents', '#files']) await page.locator(`${part} .grid-body [role=row]`).first().waitFor(); // drawn when there is time
    await page.evaluate(AXE);
    const { violations, passes } = await page.evaluate<AxeResults>('axe.run()');
    assert.ok(passes.length > 20, `axe looked at ${passes.length} rules`);
    const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
    const told = serious.flatMap(({ id, nodes }) =>
      nodes.slice(0, 3).map(({ html, failureSummary }) => `${scheme}: ${id}: ${html.slice(0, 200)}: ${failureSummary}`),
    );
    assert.deepEqual(told, []);
    assert.deepEqual(trouble, []);
    await page.close();
  }
});

test('a keyboard reaches every part and moves in it', async () => {
  const { page, trouble } = await open(pageFile());
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate('document.activeElement.textContent'), 'Skip to the report');
  // Everything that can be used can be reached by Tab.
  const reached = new Set<string>();
  for (let presses = 0; presses < 120; presses += 1) {
    await page.keyboard.press('Tab');
    reached.add(await page.evaluate<string>('document.activeElement.getAttribute("aria-label") ?? document.activeElement.id'));
  }
  for (const wanted of [
    'Steps of the build',
    'time-order',
    'Graph of the stages',
    'map-mode',
    'file-search',
    'file-layer',
    'Files of the image',
  ])
    assert.ok(reached.has(wanted), `${wanted} is reached by Tab: ${[...reached].join(', ')}`);

  const steps = page.getByRole('grid', { name: 'Steps of the build' });
  await steps.focus();
  await page.keyboard.press('End');
  await page.keyboard.press('Enter');
  const chosen = await steps.locator('[aria-selected=true] .mono').textContent();
  assert.equal(await page.locator('#timeline .detail h3').textContent(), chosen);

  // Into the largest part of the image and back, by the table beside the map.
  const map = page.getByRole('grid', { name: /What is in the shown part/ });
  await map.focus();
  const first = await map.locator('.grid-body [aria-rowindex="2"] .name').textContent();
  await page.keyboard.press('Enter');
  assert.ok((await page.locator('.trail').textContent())?.includes((first ?? '').slice(0, 20)));
  await page.keyboard.press('Backspace');
  assert.equal(await map.locator('.grid-body [aria-rowindex="2"] .name').textContent(), first);

  await page.locator('#file-search').focus();
  await page.keyboard.type('file-19');
  await page.getByText('11 paths', { exact: false }).waitFor();
  const files = page.getByRole('grid', { name: 'Files of the image' });
  await files.focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  assert.match((await page.locator('#files .detail').textContent()) ?? '', /assets\/file-19.*Made by.*COPY --link --from=assets/s);
  assert.deepEqual(trouble, []);
  await page.close();
});

test('a mouse sorts, filters, opens and switches colours', async () => {
  const { page, trouble } = await open(pageFile());
  await page.locator('#nav').getByText('Layers').click();
  await page.getByRole('button', { name: 'Files of layer 3' }).click();
  assert.match((await page.locator('#files [role=status]').first().textContent()) ?? '', /^[\d,]+ paths?/);
  await page.locator('#files').getByRole('button', { name: /^Path/ }).click();
  await page.selectOption('#time-order', 'longest');
  const longest = await page.locator('#timeline .grid-body [role=row]').count();
  assert.equal(longest, dataOf(pageFile()).steps.filter((step) => step.longest === true).length);
  await page.locator('#timeline .time-bar').first().hover();
  await page.locator('#tip').waitFor({ state: 'visible' });
  const canvas = page.locator('canvas');
  await canvas.scrollIntoViewIfNeeded();
  const box = await canvas.boundingBox();
  assert.ok(box !== null);
  await page.mouse.click(box.x + box.width / 4, box.y + box.height / 2);
  assert.ok((await page.locator('.trail li').count()) > 2);
  await page.locator('.trail button').first().click();
  const notes = page.getByRole('button', { name: /^(Warnings|Notes|Errors)/ }).first();
  const shown = await page.locator('.finding').count();
  await notes.click();
  assert.ok((await page.locator('.finding').count()) < shown);
  await page.locator('#stages summary').click();
  await page.locator('#stages tbody tr').first().waitFor(); // drawn when it is opened
  assert.ok((await page.locator('#stages tbody tr').count()) >= 12);
  const background = (): Promise<string> => page.evaluate('getComputedStyle(document.body).backgroundColor');
  const light = await background();
  await page.locator('#theme').click();
  assert.notEqual(await background(), light);
  assert.deepEqual(trouble, []);
  await page.close();
});

test('names with markup in them are texts', async () => {
  const { page, trouble } = await open(pageFile());
  await page.locator('#file-search').fill('<img');
  await page.getByText('1 path,', { exact: false }).waitFor();
  assert.match(
    (await page.locator('#files .grid-body').textContent()) ?? '',
    /<img src=x onerror=document\.title="broken">&'"<script>\.txt/,
  );
  assert.match((await page.locator('#tests').textContent()) ?? '', /expected 2, got <img src=x onerror=alert\(1\)>/);
  assert.equal(await page.locator('img').count(), 0);
  assert.match(await page.title(), /^twelve/);
  // What the page may do: nothing that is not its own.
  const policy = (await page.locator('meta[http-equiv=Content-Security-Policy]').getAttribute('content')) ?? '';
  assert.match(policy, /^default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha256-[^']+'; base-uri 'none'; form-action 'none'$/);
  assert.deepEqual(trouble, []);
  await page.close();
});

test('the data: stages, flows, steps, tests, and the bytes that went from stage to stage', () => {
  const { stages, flows, steps, tests, images, build } = dataOf(pageFile());
  assert.equal(stages.length, 12);
  assert.deepEqual(
    [
      stages.filter(({ gate }) => gate === true).map(({ name }) => name),
      stages.filter(({ target }) => target === true).map(({ name }) => name),
    ],
    [['test', 'lint'], ['final']],
  );
  const flow = (from: string, to: string): readonly (number | undefined)[] =>
    flows.filter((one) => one.from === from && stages[one.to]?.name === to).map(({ bytes }) => bytes);
  assert.deepEqual(flow('lib-b', 'app'), [90_000]);
  assert.deepEqual(flow('app', 'final'), [790_000]);
  assert.deepEqual(flow('tools', 'lib-b'), [undefined]);
  assert.deepEqual(flow('the build context', 'test'), [RESULTS.length]);
  assert.equal(build?.status, 'completed');
  assert.ok(steps.every(({ inputs }, index) => inputs.every((input) => input < index)));
  assert.ok(steps.some(({ longest, reason }) => longest === true && reason?.cause === 'first'));
  assert.equal(tests[0]?.cases[0]?.message?.split('\n')[0], 'expected 2, got <img src=x onerror=alert(1)>');
  const rules = images[0]?.findings.map(({ rule, path }) => `${rule} ${path ?? ''}`) ?? [];
  for (const wanted of ['secret-left /app/.env', 'deleted-later /junk']) assert.ok(rules.includes(wanted), rules.join('\n'));
});

test('an earlier build, its image, an archive of it, and two builds compared', async () => {
  const again = await rig.slipway(['build', '--gate', 'test', '-t', 'twelve', '--report', rig.path('again.json'), context]);
  assert.equal(again.code, 0, again.stderr);
  const cached = JSON.parse(readFileSync(rig.path('again.json'), 'utf8')) as Report;
  assert.equal(cached.steps.filter(({ state, instruction }) => state === 'executed' && instruction !== undefined).length, 0);
  assert.equal(cached.tests[0]?.failed, 1, 'results come from the cache too');
  assert.equal(cached.build?.checkMilliseconds, 0);

  const byImage = await rig.slipway(['report', 'twelve', '--format', 'json']);
  assert.equal((JSON.parse(byImage.stdout) as Report).stages.length, 11, 'the newest build asked for one gate less');
  const earlier = await rig.slipway(['report', '^1', '-o', rig.path('earlier.html')]);
  assert.equal(earlier.code, 0, earlier.stderr);
  assert.ok(earlier.stdout.trimEnd().split('\n').length <= 10, earlier.stdout);
  assert.equal(dataOf(rig.path('earlier.html')).stages.length, 12);

  const saved = await rig.slipway(['save', '-o', rig.path('twelve.tar'), 'twelve']);
  assert.equal(saved.code, 0, saved.stderr);
  const ofFile = await rig.slipway(['report', rig.path('twelve.tar'), '--format', 'json'], {
    env: { SLIPWAY_ROOT: rig.path('other-store') },
  });
  assert.equal(ofFile.code, 0, ofFile.stderr);
  const foreign = JSON.parse(ofFile.stdout) as Report;
  assert.deepEqual([foreign.stages.length, foreign.images[0]?.files.count], [0, cached.images[0]?.files.count]);
  assert.match(foreign.images[0]?.layers.at(-1)?.made ?? '', /^COPY \.env/);
  assert.match(foreign.notes.join(), /read from a file/);

  writeFileSync(`${context}/Dockerfile`, TWELVE.replace('head -c 500000', 'head -c 900000'));
  assert.equal((await rig.slipway(['build', '-t', 'twelve', context])).code, 0);
  const compared = await rig.slipway(['report', '^1', '^0', '-o', rig.path('changes.html')]);
  assert.match(compared.stdout, /^against twelve: .*→/m);
  assert.match(compared.stdout, /\+400kB {2}final Dockerfile:27 COPY --from=app/);
  const { page, trouble } = await open(rig.path('changes.html'));
  assert.match((await page.locator('#changes').textContent()) ?? '', /COPY --from=app \/out\/ \/app\/.*\+400 kB/s);
  assert.deepEqual(trouble, []);
  await page.close();
});

test('an image that docker saved, without an index', async () => {
  const old = rig.path('old');
  assert.equal((await command('skopeo', ['copy', `oci-archive:${rig.path('twelve.tar')}`, `docker-archive:${old}.tar:old:1`])).code, 0);
  for (const word of [`${old}.tar`, `${old}.tar:old:1`]) {
    const told = await rig.slipway(['report', word], { env: { SLIPWAY_ROOT: rig.path('third-store') } });
    assert.equal(told.code, 0, told.stderr);
    assert.match(told.stdout, /image linux\/\w+: .* layers, \d+ paths/);
  }
});

test('what cannot be reported is said at once, and how to do better', async () => {
  for (const [args, said] of [
    [['build', '--report', 'x.pdf', context], /--report "x\.pdf": name a file that ends in \.html/],
    [['build', '--report', '/nowhere/x.html', context], /there is no folder \/nowhere/],
    [['report', 'neither'], /neither is no build, no image and no file here/],
    [['report', './context/Dockerfile'], /has no image that can be read: it is no tar archive/],
    [['report', './context'], /has neither index\.json nor manifest\.json/],
    [['report', 'a', 'b', 'c'], /at most two/],
  ] as const) {
    const told = await rig.slipway(args);
    assert.equal(told.code, 1, args.join(' '));
    assert.match(told.stderr, said);
  }
});

test('a build that failed has its timeline and the tests that failed', async () => {
  const dockerfile = 'FROM busybox AS a\nCOPY results.xml /\nRUN cp results.xml r.xml; exit 3\n';
  const failing = rig.context({ Dockerfile: dockerfile, 'results.xml': RESULTS }, 'failing');
  assert.equal((await rig.slipway(['build', '--report', rig.path('failed.html'), failing])).code, 1);
  const told = await rig.slipway(['report']);
  assert.match(told.stdout, /: error in .*\nfailed: a:3 RUN cp/);
  const { page, trouble } = await open(rig.path('failed.html'));
  assert.match((await page.locator('#overview').textContent()) ?? '', /exit code: 3/);
  const tests = (await page.locator('#tests').textContent()) ?? '';
  assert.match(tests, /Stage a, \/r\.xml.*1 failed.*math › divides.*expected 2, got <img/s);
  assert.deepEqual(await page.locator('#nav a').allTextContents(), ['Overview', 'Tests3', 'Timeline5', 'Stages1']);
  assert.deepEqual(trouble, []);
  await page.close();
  rmSync(rig.path('failed.html'));
});
