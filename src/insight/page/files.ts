// Every path of the image, found and sorted.

import type { ReportImage } from '../report/types.ts';
import { layerColors } from './colors.ts';
import { h } from './dom.ts';
import type { FileTree } from './file-tree.ts';
import { bytes, cut, many } from './format.ts';
import { VirtualGrid } from './virtual-grid.ts';

type Order = 'path' | 'size' | 'layer';

/** The list, and the fields that narrow it. */
export class Files {
  readonly element: HTMLElement;
  readonly #tree: FileTree;
  readonly #image: ReportImage;
  readonly #grid: VirtualGrid;
  readonly #search = h('input', {
    type: 'search',
    id: 'file-search',
    placeholder: 'part of a path',
    autocomplete: 'off',
    spellcheck: 'false',
  });
  readonly #layer = h('select', { id: 'file-layer' }, h('option', { value: '' }, 'all layers'));
  readonly #package = h(
    'select',
    { id: 'file-package' },
    h('option', { value: '' }, 'all packages'),
    h('option', { value: '-1' }, 'of no package'),
  );
  readonly #found = h('p', { class: 'hint', role: 'status' });
  readonly #detail = h('div', { class: 'detail', role: 'status' });
  #order: Order = 'size';
  #rows: Uint32Array = new Uint32Array();

  constructor(tree: FileTree, image: ReportImage) {
    this.#tree = tree;
    this.#image = image;
    const colors = layerColors(image.layers);
    const { sizes, layers, rights, right, owner, packages, links } = image.files;
    for (const [index, { made }] of image.layers.entries())
      this.#layer.append(h('option', { value: index }, `${index + 1}  ${cut(made, 70)}`));
    for (const [index, name] of [...packages.entries()].sort((a, b) => (a[1] < b[1] ? -1 : 1)))
      this.#package.append(h('option', { value: index }, name));
    const at = (row: number): number => this.#rows[row] ?? 0;
    this.#grid = new VirtualGrid({
      label: 'Files of the image',
      visibleRows: 18,
      minWidth: 720,
      columns: [
        {
          ...this.#sorting('path', 'Path'),
          width: 'minmax(0, 1fr)',
          cell: (row, cell) => {
            const link = links[at(row)];
            cell.append(
              h(
                'span',
                { class: 'mono name' },
                `${tree.path(at(row))}${tree.isFolder(at(row)) ? '/' : ''}${link === undefined ? '' : ` → ${link}`}`,
              ),
            );
          },
        },
        {
          ...this.#sorting('size', 'Size'),
          width: '90px',
          numeric: true,
          cell: (row, cell) => cell.append(tree.isFolder(at(row)) ? '' : bytes(sizes[at(row)] ?? 0)),
        },
        {
          ...this.#sorting('layer', 'Layer'),
          width: '80px',
          cell: (row, cell) => {
            const layer = layers[at(row)] ?? -1;
            if (layer < 0) return;
            const swatch = h('span', { class: 'swatch' });
            swatch.style.background = colors[layer] ?? '';
            cell.append(swatch, String(layer + 1));
            cell.title = image.layers[layer]?.made ?? '';
          },
        },
        {
          title: 'Rights',
          width: '110px',
          cell: (row, cell) => cell.append(h('span', { class: 'mono' }, rights[right[at(row)] ?? 0] ?? '')),
        },
        { title: 'Package', width: '150px', cell: (row, cell) => cell.append(packages[owner[at(row)] ?? -1] ?? '') },
      ],
      onChoose: (row) => this.#show(at(row)),
    });
    let pending: number | undefined;
    this.#search.addEventListener('input', () => {
      clearTimeout(pending);
      pending = window.setTimeout(() => this.update(), 80);
    });
    for (const select of [this.#layer, this.#package]) select.addEventListener('change', () => this.update());
    this.element = h(
      'div',
      { class: 'card' },
      h(
        'div',
        { class: 'bar' },
        h('label', { class: 'field' }, 'Find ', this.#search),
        h('label', { class: 'field' }, 'Layer ', this.#layer),
        packages.length === 0 ? undefined : h('label', { class: 'field' }, 'Package ', this.#package),
        this.#found,
      ),
      this.#grid.element,
      this.#detail,
    );
  }

  /** Shows all files, unless something was asked for already. */
  start(): void {
    if (this.#rows.length === 0) this.update();
  }

  /** Shows what the controls say. */
  update(): void {
    const { layers, owner, sizes } = this.#image.files;
    const text = this.#search.value.trim();
    let rows = text === '' ? this.#tree.inOrder() : this.#tree.search(text);
    const layer = this.#layer.value;
    if (layer !== '') rows = rows.filter((index) => layers[index] === Number(layer));
    const owned = this.#package.value;
    if (owned !== '') rows = rows.filter((index) => owner[index] === Number(owned));
    if (this.#order === 'size') rows = rows.slice().sort((a, b) => (sizes[b] ?? 0) - (sizes[a] ?? 0));
    else if (this.#order === 'layer') rows = rows.slice().sort((a, b) => (layers[a] ?? 0) - (layers[b] ?? 0));
    this.#rows = rows;
    let sum = 0;
    for (const index of rows) sum += sizes[index] ?? 0;
    this.#found.textContent = `${many(rows.length, 'path')}, ${bytes(sum)}`;
    this.#grid.set(rows.length);
  }

  /** Shows the files of one layer. */
  ofLayer(layer: number): void {
    this.#layer.value = String(layer);
    this.#search.value = '';
    this.#package.value = '';
    this.update();
    this.element.scrollIntoView({ block: 'start' });
    this.#grid.element.focus();
  }

  #sorting(
    order: Order,
    title: string,
  ): { readonly title: string; readonly onSort: () => void; readonly sorted: () => 'ascending' | 'descending' | undefined } {
    return {
      title,
      onSort: () => {
        this.#order = order;
        this.update();
      },
      sorted: () => (this.#order !== order ? undefined : order === 'size' ? 'descending' : 'ascending'),
    };
  }

  #show(index: number): void {
    const { sizes, layers, rights, right, owner, packages, links } = this.#image.files;
    const layer = this.#image.layers[layers[index] ?? -1];
    const fact = (name: string, value: string | undefined): Node[] =>
      value === undefined || value === '' ? [] : [h('dt', {}, name), h('dd', {}, value)];
    this.#detail.replaceChildren(
      h('h3', { class: 'mono' }, this.#tree.path(index)),
      h(
        'dl',
        {},
        ...fact('Made by', layer?.made),
        ...fact('Copied from', layer?.from?.join(', ')),
        ...fact('Size', this.#tree.isFolder(index) ? undefined : bytes(sizes[index] ?? 0)),
        ...fact('Rights', rights[right[index] ?? 0]),
        ...fact('Package', packages[owner[index] ?? -1]),
        ...fact('Leads to', links[index]),
      ),
    );
  }
}
