// The page of a report: reads the data that stands in it and draws one section after the other. No network, no markup from data.

import type { Report, ReportImage } from '../report/types.ts';
import { changes } from './changes.ts';
import { byId, h, section, whenNear } from './dom.ts';
import { FileTree } from './file-tree.ts';
import { Files } from './files.ts';
import { findingList } from './findings.ts';
import { count } from './format.ts';
import { layerTable } from './layers.ts';
import { overview } from './overview.ts';
import { stageGraph } from './stage-graph.ts';
import { testResults } from './tests.ts';
import { timeline } from './timeline.ts';
import { TreeMap } from './tree-map.ts';

function start(): void {
  const data = byId('report');
  const report = JSON.parse(data.textContent ?? '') as Report;
  data.remove();
  drawHead(report);
  draw(report, report.images[0]);
  switchTheme();
  document.documentElement.dataset['ready'] = 'true';
}

function draw(report: Report, image: ReportImage | undefined): void {
  byId('nav').replaceChildren();
  byId('content').replaceChildren();
  section('overview', 'Overview', undefined, ...overview(report, image));
  if (report.images.length > 1) byId('overview').append(platformChoice(report, image));
  if (report.comparison !== undefined) section('changes', 'Changes', undefined, changes(report.comparison));
  const failedTests = report.tests.some(({ failed }) => failed > 0);
  if (failedTests) drawTests(report);
  if (report.steps.length > 0) section('timeline', 'Timeline', count(report.steps.length), timeline(report));
  if (report.stages.length > 0) section('stages', 'Stages', count(report.stages.length), stageGraph(report));
  if (image !== undefined) drawImage(image);
  if (!failedTests && report.tests.length > 0) drawTests(report);
}

function drawTests({ tests }: Report): void {
  const all = tests.reduce((sum, { passed, failed, skipped }) => sum + passed + failed + skipped, 0);
  section('tests', 'Tests', count(all), testResults(tests));
}

function drawImage(image: ReportImage): void {
  section('findings', 'Findings', count(image.findings.length), findingList(image));
  const tree = new FileTree(image.files);
  const map = new TreeMap(tree, image);
  const files = new Files(tree, image);
  section('contents', 'Contents', undefined, map.element);
  section(
    'layers',
    'Layers',
    count(image.layers.length),
    layerTable(image, (layer) => files.ofLayer(layer)),
  );
  section('files', 'Files', count(image.files.count - 1), files.element);
  whenNear(map.element, () => map.start());
  whenNear(files.element, () => files.start());
}

function drawHead({ title, build, generator }: Report): void {
  document.title = `${title} · build report`;
  byId('title').textContent = title;
  const parts =
    build === undefined
      ? []
      : [
          build.status === 'completed' ? undefined : build.status,
          new Date(build.startedAt).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short' }),
          build.filename,
          build.target === undefined ? undefined : `target ${build.target}`,
          build.platforms.join(', '),
          build.digest?.slice(0, 19),
        ];
  byId('subtitle').textContent = parts.filter(Boolean).join(' · ');
  byId('footer').textContent = `Made by ${generator}${build === undefined ? '' : `, build ${build.id}`}.`;
}

function platformChoice(report: Report, image: ReportImage | undefined): HTMLElement {
  const select = h('select', { id: 'platform' });
  for (const [index, { platform }] of report.images.entries())
    select.append(h('option', { value: index, selected: report.images[index] === image }, platform));
  select.addEventListener('change', () => {
    draw(report, report.images[Number(select.value)]);
    byId('platform').focus();
  });
  return h('p', {}, h('label', { class: 'field' }, 'Image for ', select));
}

function switchTheme(): void {
  const button = byId('theme');
  const root = document.documentElement;
  const system = matchMedia('(prefers-color-scheme: dark)');
  const isDark = (): boolean => (root.dataset['theme'] ?? (system.matches ? 'dark' : 'light')) === 'dark';
  const name = (): void => {
    button.textContent = isDark() ? 'Light' : 'Dark';
    button.setAttribute('aria-label', isDark() ? 'Switch to light colours' : 'Switch to dark colours');
  };
  const changed = (): void => {
    name();
    document.dispatchEvent(new Event('themechange'));
  };
  button.addEventListener('click', () => {
    root.dataset['theme'] = isDark() ? 'light' : 'dark';
    changed();
  });
  system.addEventListener('change', () => changed());
  name();
}

start();
