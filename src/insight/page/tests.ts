// Test results of gate stages.

import type { TestCase, TestSuite } from '../report/types.ts';
import { h } from './dom.ts';
import { count, many } from './format.ts';

/** Results, failed ones open. */
export function testResults(suites: readonly TestSuite[]): HTMLElement {
  return h('div', { class: 'card' }, ...suites.map(suitePart));
}

function suitePart({ stage, path, name, passed, failed, skipped, seconds, cases, unlisted, broken }: TestSuite): HTMLElement {
  const bad = cases.filter(({ state }) => state === 'failed');
  const rest = cases.filter(({ state }) => state !== 'failed');
  const list = h('ul', { class: 'cases' });
  const details = h('details', {}, h('summary', {}, many(rest.length, 'other test')), list);
  details.addEventListener('toggle', () => list.append(...rest.map(caseItem)), { once: true });
  return h(
    'article',
    { class: 'suite' },
    h('h3', {}, name === '' ? path : name),
    h('p', { class: 'from' }, `Stage ${stage}, `, h('span', { class: 'mono' }, path), `, ${seconds.toFixed(2)} s`),
    h(
      'p',
      { class: 'counts' },
      h('span', { class: 'badge ok' }, `${count(passed)} passed`),
      h('span', { class: failed > 0 ? 'badge error' : 'badge' }, `${count(failed)} failed`),
      skipped > 0 ? h('span', { class: 'badge' }, `${count(skipped)} skipped`) : undefined,
    ),
    broken === undefined ? undefined : h('p', { class: 'from' }, `The file could not be read to its end: ${broken}.`),
    bad.length > 0 ? h('ul', { class: 'cases' }, ...bad.map(caseItem)) : undefined,
    rest.length > 0 ? details : undefined,
    unlisted === undefined ? undefined : h('p', { class: 'hint' }, `${many(unlisted, 'test')} not listed`),
  );
}

function caseItem({ name, state, seconds, message }: TestCase): HTMLElement {
  return h(
    'li',
    { class: state },
    h('span', { class: `badge ${state === 'failed' ? 'error' : state === 'passed' ? 'ok' : ''}` }, state),
    h('span', { class: 'name' }, name),
    seconds === undefined ? undefined : h('span', { class: 'hint' }, `${seconds.toFixed(2)} s`),
    message === undefined ? undefined : h('pre', { tabindex: 0, 'aria-label': 'Message' }, message),
  );
}
