// What the image's bytes are: a map of areas and, beside it, the same as a table that a keyboard can walk.

import type { ReportImage } from '../report/types.ts';
import { layerColors, shade } from './colors.ts';
import { h, hideTip, showTip } from './dom.ts';
import type { FileTree } from './file-tree.ts';
import { bytes, count, cut, share } from './format.ts';
import { type Rect, squarify } from './squarify.ts';
import { VirtualGrid } from './virtual-grid.ts';

/** A place in the map: everything (layer -1, folder 0), what one layer brought, or a folder of either. */
interface Place {
  readonly layer: number;
  readonly folder: number;
}

interface Item extends Place {
  readonly label: string;
  readonly bytes: number;
  readonly files: number;
  readonly leaf: boolean;
}

interface Cell extends Rect {
  readonly item: Item;
  readonly depth: number;
  /** The child of the shown place that it is in. */
  readonly top: Item;
}

const HEIGHT = 430;
const LABEL = 17;
/** Smaller areas (square pixels) are not drawn, smaller items not listed one by one in a cell. */
const MIN_AREA = 10;
const MAX_CELLS = 6000;

/** The map of one folder; choosing an area goes into it. */
export class TreeMap {
  readonly element: HTMLElement;
  readonly #tree: FileTree;
  readonly #image: ReportImage;
  readonly #colors: readonly string[];
  readonly #canvas = h('canvas', { class: 'map', 'aria-hidden': 'true' });
  readonly #trail = h('ol', { class: 'trail' });
  readonly #mode: HTMLSelectElement;
  readonly #grid: VirtualGrid;
  #place: Place = { layer: -1, folder: 0 };
  #items: readonly Item[] = [];
  #cells: Cell[] = [];
  #drawing = false;

  constructor(tree: FileTree, image: ReportImage) {
    this.#tree = tree;
    this.#image = image;
    this.#colors = layerColors(image.layers);
    this.#mode = h(
      'select',
      { id: 'map-mode', onchange: () => this.#go({ layer: -1, folder: 0 }) },
      h('option', { value: 'origin' }, 'by what made it'),
      h('option', { value: 'folder' }, 'by folder'),
    );
    this.#grid = new VirtualGrid({
      label: 'What is in the shown part of the image, largest first',
      visibleRows: 14,
      minWidth: 420,
      columns: [
        { title: 'Name', width: 'minmax(0, 1fr)', cell: (row, cell) => this.#nameCell(row, cell) },
        { title: 'Size', width: '84px', numeric: true, cell: (row, cell) => cell.append(bytes(this.#items[row]?.bytes ?? 0)) },
        {
          title: 'Share',
          width: '56px',
          numeric: true,
          cell: (row, cell) => cell.append(share(this.#items[row]?.bytes ?? 0, this.#total())),
        },
        { title: 'Files', width: '70px', numeric: true, cell: (row, cell) => cell.append(count(this.#items[row]?.files ?? 0)) },
      ],
      onChoose: (row) => this.#enter(this.#items[row]),
      onBack: () => this.#up(),
    });
    this.#canvas.addEventListener('mousemove', (event) => this.#hover(event));
    this.#canvas.addEventListener('mouseleave', hideTip);
    this.#canvas.addEventListener('click', (event) => this.#enter(this.#cellAt(event)?.top));
    this.element = h(
      'div',
      { class: 'card' },
      h(
        'div',
        { class: 'bar' },
        h('nav', { 'aria-label': 'Shown part of the image' }, this.#trail),
        h('label', { class: 'field' }, 'Grouped ', this.#mode),
      ),
      h('div', { class: 'map-and-table' }, this.#canvas, this.#grid.element),
      h('p', { class: 'hint' }, 'In the table: Enter opens a row, Backspace goes up. In the map: click to open.'),
    );
    new ResizeObserver(() => this.#drawSoon()).observe(this.#canvas);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#drawSoon());
    document.addEventListener('themechange', () => this.#drawSoon());
  }

  /** Shows everything. */
  start(): void {
    this.#go(this.#place);
  }

  #go(place: Place, from?: Place): void {
    this.#place = place;
    this.#items = this.#itemsOf(place);
    const active =
      from === undefined
        ? 0
        : Math.max(
            0,
            this.#items.findIndex(({ layer, folder }) => layer === from.layer && folder === from.folder),
          );
    this.#grid.set(this.#items.length, active);
    this.#drawTrail();
    this.#drawSoon();
  }

  #enter(item: Item | undefined): void {
    if (item !== undefined && !item.leaf) this.#go(item);
  }

  #up(): void {
    const { layer, folder } = this.#place;
    if (folder !== 0) this.#go({ layer, folder: this.#tree.table.parents[folder] ?? 0 }, this.#place);
    else if (layer >= 0) this.#go({ layer: -1, folder: 0 }, this.#place);
  }

  #byOrigin(): boolean {
    return this.#mode.value === 'origin';
  }

  #total(): number {
    return this.#items.reduce((sum, item) => sum + item.bytes, 0);
  }

  /** Children of a place with bytes or files, largest first. */
  #itemsOf({ layer, folder }: Place): readonly Item[] {
    if (this.#byOrigin() && layer < 0 && folder === 0) return this.#layerItems();
    const sums = this.#tree.sums(layer);
    const items: Item[] = [];
    for (const index of this.#tree.children(folder)) {
      const files = sums.files[index] ?? 0;
      if (files === 0) continue;
      const leaf = !this.#tree.isFolder(index);
      items.push({
        layer,
        folder: index,
        label: `${this.#tree.name(index)}${leaf ? '' : '/'}`,
        bytes: sums.bytes[index] ?? 0,
        files,
        leaf,
      });
    }
    return items.sort(bySize);
  }

  #layerItems(): readonly Item[] {
    const { layers, files } = this.#image;
    const counts = layers.map(() => 0);
    for (let index = 1; index < files.count; index += 1) {
      const layer = files.layers[index] ?? -1;
      if (layer >= 0 && !this.#tree.isFolder(index)) counts[layer]! += 1;
    }
    return layers
      .map(({ made, visible }, layer): Item => ({ layer, folder: 0, label: made, bytes: visible, files: counts[layer] ?? 0, leaf: false }))
      .filter(({ files: some }) => some > 0)
      .sort(bySize);
  }

  #nameCell(row: number, cell: HTMLElement): void {
    const item = this.#items[row];
    if (item === undefined) return;
    const swatch = h('span', { class: 'swatch' });
    swatch.style.background = this.#colorOf(item);
    cell.append(swatch, h('span', { class: 'mono name' }, item.label));
    cell.title = item.label;
  }

  #colorOf({ layer, folder, leaf }: Item): string {
    if (layer >= 0) return this.#colors[layer] ?? '#888888';
    return leaf ? (this.#colors[this.#tree.table.layers[folder] ?? -1] ?? '#888888') : 'transparent';
  }

  #drawTrail(): void {
    const { layer, folder } = this.#place;
    const steps: { readonly label: string; readonly place: Place }[] = [{ label: 'Image', place: { layer: -1, folder: 0 } }];
    if (layer >= 0) steps.push({ label: cut(this.#image.layers[layer]?.made ?? '', 60), place: { layer, folder: 0 } });
    const folders: number[] = [];
    for (let at = folder; at > 0; at = this.#tree.table.parents[at] ?? 0) folders.push(at);
    for (const index of folders.reverse()) steps.push({ label: this.#tree.name(index), place: { layer, folder: index } });
    this.#trail.replaceChildren(
      ...steps.map(({ label, place }, index) =>
        h(
          'li',
          {},
          index === steps.length - 1
            ? h('span', { 'aria-current': 'true' }, label)
            : h('button', { type: 'button', class: 'link', onclick: () => this.#go(place, steps[index + 1]?.place) }, label),
        ),
      ),
      h('li', { class: 'sum' }, bytes(this.#total())),
    );
  }

  /** Once before the next frame, however much changes. */
  #drawSoon(): void {
    if (this.#drawing || this.#items.length === 0) return;
    this.#drawing = true;
    requestAnimationFrame(() => {
      this.#drawing = false;
      this.#draw();
    });
  }

  #draw(): void {
    const width = this.#canvas.clientWidth;
    const context = this.#canvas.getContext('2d');
    if (width === 0 || context === null) return;
    const ratio = Math.min(2, devicePixelRatio || 1);
    this.#canvas.width = Math.round(width * ratio);
    this.#canvas.height = Math.round(HEIGHT * ratio);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const style = getComputedStyle(this.#canvas);
    const theme = {
      line: style.getPropertyValue('--surface').trim(),
      folder: style.getPropertyValue('--map-folder').trim(),
      text: style.getPropertyValue('--text').trim(),
    };
    this.#cells = [];
    context.clearRect(0, 0, width, HEIGHT);
    this.#layOut(this.#items, { x: 0, y: 0, width, height: HEIGHT }, 0, undefined);
    for (const cell of this.#cells) this.#paint(context, cell, theme);
  }

  #layOut(items: readonly Item[], rect: Rect, depth: number, top: Item | undefined): void {
    const sum = items.reduce((bytesSoFar, item) => bytesSoFar + item.bytes, 0);
    if (sum <= 0) return;
    const scale = (rect.width * rect.height) / sum;
    const drawn = items.filter((item) => item.bytes * scale >= MIN_AREA);
    const rects = squarify(
      drawn.map((item) => item.bytes),
      rect,
    );
    for (const [index, area] of rects.entries()) {
      const item = drawn[index] as Item;
      if (this.#cells.length >= MAX_CELLS) return;
      this.#cells.push({ ...area, item, depth, top: top ?? item });
      const inner = { x: area.x + 2, y: area.y + LABEL, width: area.width - 4, height: area.height - LABEL - 2 };
      if (!item.leaf && depth < 6 && inner.width > 12 && inner.height > 10)
        this.#layOut(this.#itemsOf(item), inner, depth + 1, top ?? item);
    }
  }

  #paint(
    context: CanvasRenderingContext2D,
    { x, y, width, height, item, depth }: Cell,
    theme: { readonly line: string; readonly folder: string; readonly text: string },
  ): void {
    const plain = item.layer < 0 && !item.leaf;
    context.fillStyle = plain ? theme.folder : item.leaf ? this.#colorOf(item) : shade(this.#colorOf(item), depth % 2 === 0 ? -0.12 : 0.08);
    context.fillRect(x, y, width, height);
    context.strokeStyle = theme.line;
    context.lineWidth = depth === 0 ? 2 : 1;
    context.strokeRect(x + 0.5, y + 0.5, Math.max(0, width - 1), Math.max(0, height - 1));
    if (width < 36 || height < 14) return;
    context.fillStyle = plain ? theme.text : '#ffffff';
    context.font = `${depth === 0 ? '600 ' : ''}11px ui-monospace, monospace`;
    const fits = Math.floor((width - 8) / 6.7);
    if (fits < 3) return;
    const label = item.folder === 0 || width < 150 ? item.label : `${item.label}  ${bytes(item.bytes)}`;
    context.fillText(cut(label, fits), x + 4, y + 12);
  }

  #cellAt(event: MouseEvent): Cell | undefined {
    const box = this.#canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    return this.#cells.findLast((cell) => x >= cell.x && x < cell.x + cell.width && y >= cell.y && y < cell.y + cell.height);
  }

  #hover(event: MouseEvent): void {
    const cell = this.#cellAt(event);
    this.#canvas.classList.toggle('pointing', cell !== undefined && !cell.top.leaf);
    if (cell === undefined) return hideTip();
    const { folder, layer, leaf } = cell.item;
    const made = this.#image.layers[layer >= 0 ? layer : leaf ? (this.#tree.table.layers[folder] ?? -1) : -1]?.made;
    showTip(event, [
      folder === 0 ? cell.item.label : this.#tree.path(folder),
      `${bytes(cell.item.bytes)}, ${count(cell.item.files)} files`,
      ...(made === undefined || folder === 0 ? [] : [made]),
    ]);
  }
}

function bySize(a: Item, b: Item): number {
  return b.bytes - a.bytes || (a.label < b.label ? -1 : 1);
}
