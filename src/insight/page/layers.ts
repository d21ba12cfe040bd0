// The layers, lowest first.

import type { ReportImage } from '../report/types.ts';
import { layerColors } from './colors.ts';
import { h } from './dom.ts';
import { bytes, count } from './format.ts';

/** A table of the layers; `onFiles` shows the files of one. */
export function layerTable({ layers }: ReportImage, onFiles: (layer: number) => void): HTMLElement {
  const colors = layerColors(layers);
  const largest = Math.max(1, ...layers.map((layer) => layer.bytes));
  const stored = layers.some((layer) => layer.stored !== undefined);
  const head = ['Layer', 'Made by', 'Size', 'Seen', ...(stored ? ['Stored'] : []), 'Entries', ''];
  const rows = layers.map((layer, index) => {
    const swatch = h('span', { class: 'swatch' });
    swatch.style.background = colors[index] ?? '';
    const meter = h('span', { class: 'meter' });
    meter.style.width = `${(layer.bytes / largest) * 100}%`;
    meter.style.background = colors[index] ?? '';
    const hidden = layer.bytes - layer.visible;
    return h(
      'tr',
      {},
      h('th', { scope: 'row' }, swatch, String(index + 1)),
      h('td', { class: 'made mono' }, layer.made, h('span', { class: 'meter-line' }, meter)),
      h('td', { class: 'numeric' }, bytes(layer.bytes)),
      h('td', { class: `numeric${hidden > 65536 ? ' warn' : ''}` }, hidden > 0 ? `${bytes(layer.visible)}` : 'all'),
      stored ? h('td', { class: 'numeric' }, layer.stored === undefined ? '' : bytes(layer.stored)) : undefined,
      h('td', { class: 'numeric' }, count(layer.entries)),
      h(
        'td',
        {},
        h('button', { type: 'button', class: 'link', 'aria-label': `Files of layer ${index + 1}`, onclick: () => onFiles(index) }, 'Files'),
      ),
    );
  });
  return h(
    'div',
    { class: 'card scroll', tabindex: 0, role: 'region', 'aria-label': 'Layers' },
    h(
      'table',
      {},
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          ...head.map((title, index) => (title === '' ? h('td', {}) : h('th', { scope: 'col', class: index > 1 ? 'numeric' : '' }, title))),
        ),
      ),
      h('tbody', {}, ...rows),
    ),
    h('p', { class: 'hint' }, 'Seen: what later layers neither replaced nor deleted.'),
  );
}
