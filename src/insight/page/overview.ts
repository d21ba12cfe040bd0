// The report in a few numbers.

import type { Report, ReportImage } from '../report/types.ts';
import { h } from './dom.ts';
import { bytes, count, many, share, time } from './format.ts';

/** Facts in boxes, then the config and what is not known. */
export function overview(report: Report, image: ReportImage | undefined): readonly HTMLElement[] {
  const { build, steps, tests, notes } = report;
  const facts: HTMLElement[] = [];
  if (build !== undefined) {
    const ran = steps.filter(({ state }) => state === 'executed').length;
    const cached = steps.filter(({ state }) => state === 'cached').length;
    const longest = steps.reduce((sum, step) => sum + (step.longest === true ? step.milliseconds : 0), 0);
    facts.push(fact('Time', time(build.milliseconds), longest > 0 ? `longest path ${time(longest)}` : 'nothing had to run'));
    facts.push(fact('Steps', `${count(ran)} ran`, `${count(cached)} from the cache`));
  }
  if (image !== undefined) {
    const total = image.layers.reduce((sum, layer) => sum + layer.bytes, 0);
    const base = image.layers.reduce((sum, layer) => sum + (layer.base === undefined ? 0 : layer.bytes), 0);
    facts.push(fact('Image', bytes(total), `${many(image.layers.length, 'layer')}, ${many(image.files.count - 1, 'path')}`));
    if (base > 0) facts.push(fact('Base', bytes(base), `${share(base, total)} of the image`));
    const errors = image.findings.filter(({ severity }) => severity === 'error').length;
    const warnings = image.findings.filter(({ severity }) => severity === 'warning').length;
    facts.push(
      fact(
        'Findings',
        errors > 0 ? many(errors, 'error') : many(warnings, 'warning'),
        errors > 0 ? many(warnings, 'warning') : 'no errors',
        errors > 0 ? 'error' : '',
      ),
    );
  }
  if (tests.length > 0) {
    const failed = tests.reduce((sum, suite) => sum + suite.failed, 0);
    const passed = tests.reduce((sum, suite) => sum + suite.passed, 0);
    facts.push(
      fact(
        'Tests',
        failed > 0 ? `${count(failed)} failed` : `${count(passed)} passed`,
        failed > 0 ? `${count(passed)} passed` : 'none failed',
        failed > 0 ? 'error' : '',
      ),
    );
  }
  return [
    h('div', { class: 'facts' }, ...facts),
    ...(build?.error === undefined ? [] : [h('p', { class: 'card bad' }, build.error)]),
    ...notes.map((text) => h('p', { class: 'note' }, `Note: ${text}.`)),
    ...(image === undefined || image.config.length === 0
      ? []
      : [
          h(
            'details',
            { class: 'card' },
            h('summary', {}, 'Configuration of the image'),
            h('pre', { tabindex: 0, 'aria-label': 'Configuration' }, image.config.join('\n')),
          ),
        ]),
  ];
}

function fact(name: string, value: string, more: string, kind = ''): HTMLElement {
  return h(
    'div',
    { class: `fact ${kind}` },
    h('div', { class: 'fact-name' }, name),
    h('div', { class: 'fact-value' }, value),
    h('div', { class: 'fact-more' }, more),
  );
}
