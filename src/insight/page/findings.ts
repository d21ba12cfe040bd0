// What the checks found: worst first, with where it came from and what cures it.

import type { Finding } from '../finding.ts';
import type { ReportImage } from '../report/types.ts';
import { h } from './dom.ts';
import { bytes, count, many } from './format.ts';

const KINDS = ['error', 'warning', 'info'] as const;
const NAMES: Readonly<Record<Finding['severity'], string>> = { error: 'Errors', warning: 'Warnings', info: 'Notes' };
/** Shown before somebody asks for the rest. */
const FIRST = 60;

/** The findings of an image. */
export function findingList({ findings }: ReportImage): HTMLElement {
  if (findings.length === 0)
    return h('p', { class: 'card good' }, 'Nothing was found that the image lacks, and nothing that should not be in it.');
  const shown = new Set<Finding['severity']>(KINDS);
  const list = h('ol', { class: 'findings' });
  let all = false;
  const draw = (): void => {
    const wanted = findings.filter(({ severity }) => shown.has(severity));
    const some = all ? wanted : wanted.slice(0, FIRST);
    list.replaceChildren(...some.map(findingItem));
    more.hidden = some.length === wanted.length;
    more.textContent = `Show all ${count(wanted.length)}`;
  };
  const more = h('button', {
    type: 'button',
    onclick: () => {
      all = true;
      draw();
    },
  });
  const filters = KINDS.filter((kind) => findings.some(({ severity }) => severity === kind)).map((kind) => {
    const button = h(
      'button',
      { type: 'button', class: `chip ${kind}`, 'aria-pressed': 'true' },
      `${NAMES[kind]} ${count(findings.filter(({ severity }) => severity === kind).length)}`,
    );
    button.addEventListener('click', () => {
      if (!shown.delete(kind)) shown.add(kind);
      button.setAttribute('aria-pressed', String(shown.has(kind)));
      draw();
    });
    return button;
  });
  draw();
  const saved = findings.reduce((sum, finding) => Math.max(sum, finding.bytes ?? 0), 0);
  return h(
    'div',
    { class: 'card' },
    h(
      'div',
      { class: 'bar', role: 'group', 'aria-label': 'Shown findings' },
      ...filters,
      h('span', { class: 'hint' }, saved > 0 ? `the largest one is ${bytes(saved)}` : ''),
    ),
    list,
    more,
  );
}

function findingItem({ severity, rule, path, message, bytes: size, origin, found = [], cure }: Finding): HTMLElement {
  return h(
    'li',
    { class: `finding ${severity}` },
    h(
      'div',
      { class: 'finding-head' },
      h('span', { class: `badge ${severity}` }, severity === 'info' ? 'note' : severity),
      path === undefined ? undefined : h('span', { class: 'mono path' }, path),
      h('span', { class: 'rule' }, rule),
      size === undefined ? undefined : h('span', { class: 'size' }, bytes(size)),
    ),
    h('p', {}, message),
    origin === undefined ? undefined : h('p', { class: 'from' }, 'From ', h('span', { class: 'mono' }, origin)),
    ...found
      .slice(0, 5)
      .map((place) =>
        h(
          'p',
          { class: 'from' },
          `It is in ${place.stage ?? 'the image'}: `,
          h('span', { class: 'mono' }, place.path),
          place.package === undefined ? undefined : `, package ${place.package}`,
        ),
      ),
    found.length > 5 ? h('p', { class: 'from' }, many(found.length - 5, 'more place')) : undefined,
    cure === undefined ? undefined : h('pre', { class: 'cure', tabindex: 0, 'aria-label': 'Cure' }, cure),
  );
}
