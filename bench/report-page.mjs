#!/usr/bin/env node
// How soon the report of an image with many files can be used: `node bench/report-page.mjs [FILES] [ROUNDS]`. Beside it an empty page of
// the same number of bytes, in the same Chromium, by turns. Times are from the start of the navigation to the second frame after the end
// of parsing, when the report has been drawn and answers. Goal: within three times.

import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { reportPage } from '../dist/index.js';
import { launchChromium } from '../scripts/chromium.mjs';

const files = Number(process.argv[2] ?? 100_000);
const rounds = Number(process.argv[3] ?? 7);
const folder = mkdtempSync(join(tmpdir(), 'slipway-report-page-'));
const browser = await launchChromium();
try {
  const report = join(folder, 'report.html');
  const text = reportPage(manyFiles(files));
  writeFileSync(report, text);
  const empty = join(folder, 'empty.html');
  const data = /<script type="application\/json" id="report">(.*?)<\/script>/s.exec(text)[1];
  const frame = (filler) => `<!doctype html><meta charset="utf-8"><title>empty</title><script type="application/json">${filler}</script>`;
  writeFileSync(empty, frame(data + ' '.repeat(Math.max(0, Buffer.byteLength(text) - Buffer.byteLength(frame(data))))));
  const times = { empty: [], report: [], search: [] };
  for (let round = 0; round <= rounds; round++) {
    for (const name of round % 2 === 0 ? ['empty', 'report'] : ['report', 'empty']) {
      const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
      await page.addInitScript(markSecondFrame);
      await page.goto(pathToFileURL(name === 'empty' ? empty : report).href);
      const taken = await page.waitForFunction(() => globalThis.secondFrame).then((handle) => handle.jsonValue());
      if (name === 'report') await page.waitForSelector('html[data-ready]');
      // The first round warms the browser.
      if (round > 0) times[name].push(taken);
      if (name === 'report' && round > 0) times.search.push(await page.evaluate(search));
      await page.close();
    }
  }
  const [one, other, third] = ['empty', 'report', 'search'].map((name) => median(times[name]));
  console.log(
    `${files} files, ${(statSync(report).size / 1e6).toFixed(1)} MB: empty page ${one.toFixed(0)} ms, report usable ${other.toFixed(0)} ms (${(other / one).toFixed(2)} times); a search takes ${third.toFixed(0)} ms`,
  );
  process.exitCode = other / one <= 3 ? 0 : 1;
} finally {
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
}

/** In the page: remembers when the second frame after the end of parsing was there; by then the report's script has drawn it. */
function markSecondFrame() {
  const remember = () => (globalThis.secondFrame = performance.now());
  addEventListener('DOMContentLoaded', () => requestAnimationFrame(() => requestAnimationFrame(remember)));
}

/** In the page: types a word, and waits until the list has answered. */
function search() {
  const field = document.getElementById('file-search');
  const start = performance.now();
  field.value = 'file-777';
  field.dispatchEvent(new Event('input'));
  const before = document.querySelector('#files [role=status]').textContent;
  return new Promise((done) => {
    const look = () =>
      document.querySelector('#files [role=status]').textContent === before ? requestAnimationFrame(look) : done(performance.now() - start);
    look();
  });
}

function median(values) {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}

/** A report whose image has so many files: folders of fifty, twelve layers, a package for most. */
function manyFiles(count) {
  const names = [''];
  const columns = { parents: [0], sizes: [0], layers: [-1], right: [0], owner: [-1] };
  let kinds = 'd';
  const add = (name, parent, kind, size) => {
    names.push(name);
    columns.parents.push(parent);
    columns.sizes.push(size);
    columns.layers.push(names.length % 12);
    columns.right.push(kind === 'd' ? 1 : 0);
    columns.owner.push(names.length % 5 === 0 ? -1 : names.length % 300);
    kinds += kind;
    return names.length - 1;
  };
  const tops = ['usr', 'opt', 'var', 'app'].map((name) => add(name, 0, 'd', 0));
  let folder = 0;
  for (let index = 0; names.length <= count; index++) {
    if (index % 50 === 0) folder = add(`package-${index / 50}-of-many`, tops[(index / 50) % tops.length], 'd', 0);
    add(`a-rather-long-name-of-a-file-${index}.js`, folder, 'f', (index * 7919) % 40_000);
  }
  const layers = Array.from({ length: 12 }, (_, index) => ({
    made: `stage Dockerfile:${index + 2} COPY --from=build /${index} /`,
    bytes: 2e8,
    visible: 2e8,
    entries: count / 12,
  }));
  const files = {
    count: names.length,
    names: names.join('/'),
    kinds,
    ...columns,
    rights: ['0644 0:0', '0755 0:0'],
    packages: Array.from({ length: 300 }, (_, index) => `package-${index}`),
    links: {},
  };
  const steps = Array.from({ length: 40 }, (_, index) => ({
    name: `step ${index}`,
    stage: `s${index % 12}`,
    line: index,
    instruction: `RUN step ${index}`,
    state: 'executed',
    start: index * 100,
    milliseconds: 300,
    inputs: index === 0 ? [] : [index - 1],
  }));
  const stages = Array.from({ length: 12 }, (_, index) => ({
    name: `s${index}`,
    index,
    platform: 'linux/amd64',
    base: 'debian',
    milliseconds: 100,
    bytes: 1e6,
  }));
  const findings = Array.from({ length: 200 }, (_, index) => ({
    rule: 'setuid',
    severity: 'info',
    path: `/x/${index}`,
    message: 'it runs with the rights of its owner',
  }));
  return {
    ...{
      version: 1,
      title: 'many files',
      generator: 'slipway',
      steps,
      stages,
      flows: stages.slice(1).map((_, index) => ({ kind: 'copy', from: `s${index}`, fromStage: index, to: index + 1, bytes: 1e6 })),
    },
    build: { id: 'x', startedAt: 0, milliseconds: 5000, status: 'completed', filename: 'Dockerfile', platforms: [], tags: [] },
    ...{ images: [{ platform: 'linux/amd64', config: [], layers, files, findings }], tests: [], notes: [] },
  };
}
