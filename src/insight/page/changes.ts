// What grew since another build, and by which line.

import type { Comparison } from '../report/types.ts';
import { h } from './dom.ts';
import { bytes, change, many, time } from './format.ts';
import { VirtualGrid } from './virtual-grid.ts';

/** A comparison of two builds. */
export function changes({
  before,
  bytesBefore,
  bytesNow,
  millisecondsBefore,
  millisecondsNow,
  origins,
  paths,
  unlisted,
}: Comparison): HTMLElement {
  const largest = Math.max(1, ...origins.map((origin) => Math.abs(origin.now - origin.before)));
  const rows = origins.map(({ made, before: was, now }) => {
    const bar = h('span', { class: `meter ${now > was ? 'grew' : 'shrank'}` });
    bar.style.width = `${(Math.abs(now - was) / largest) * 100}%`;
    return h(
      'tr',
      {},
      h('th', { scope: 'row', class: 'made mono' }, made, h('span', { class: 'meter-line' }, bar)),
      h('td', { class: 'numeric' }, was === 0 ? 'new' : bytes(was)),
      h('td', { class: 'numeric' }, now === 0 ? 'gone' : bytes(now)),
      h('td', { class: 'numeric' }, change(now - was)),
    );
  });
  const grid = new VirtualGrid({
    label: 'Paths that changed, most changed first',
    visibleRows: 12,
    columns: [
      {
        title: 'Path',
        width: 'minmax(0, 1fr)',
        cell: (row, cell) => cell.append(h('span', { class: 'mono name' }, paths[row]?.path ?? '')),
      },
      {
        title: 'Change',
        width: '100px',
        numeric: true,
        cell: (row, cell) => {
          const { before: was, now } = paths[row] ?? {};
          cell.append(was === undefined ? `new ${bytes(now ?? 0)}` : now === undefined ? `gone ${bytes(was)}` : change(now - was));
        },
      },
      {
        title: 'Made by',
        width: 'minmax(0, 1fr)',
        cell: (row, cell) => cell.append(h('span', { class: 'mono name' }, paths[row]?.made ?? '')),
      },
    ],
  });
  grid.set(paths.length);
  return h(
    'div',
    { class: 'card' },
    h(
      'p',
      {},
      `Against ${before}: ${bytes(bytesBefore)} then, ${bytes(bytesNow)} now (${change(bytesNow - bytesBefore)})`,
      millisecondsBefore === undefined || millisecondsNow === undefined
        ? '.'
        : `; built in ${time(millisecondsBefore)} then, ${time(millisecondsNow)} now.`,
    ),
    rows.length === 0
      ? h('p', { class: 'hint' }, 'No line brings more or less than before.')
      : h(
          'table',
          {},
          h(
            'thead',
            {},
            h(
              'tr',
              {},
              ...['Line', 'Then', 'Now', 'Change'].map((title, index) =>
                h('th', { scope: 'col', class: index > 0 ? 'numeric' : '' }, title),
              ),
            ),
          ),
          h('tbody', {}, ...rows),
        ),
    paths.length === 0 ? undefined : grid.element,
    unlisted === undefined ? undefined : h('p', { class: 'hint' }, `${many(unlisted, 'more path')} changed`),
  );
}
