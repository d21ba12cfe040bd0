// A grid of any number of rows of which only the visible ones are elements. Keyboard: arrows, pages, ends; Enter chooses.

import { h } from './dom.ts';

/** A column. `cell` fills a cell of a row; it is called while scrolling, so it must be quick. */
export interface Column {
  readonly title: string;
  /** Grid track: `1fr`, `90px`. */
  readonly width: string;
  readonly numeric?: boolean;
  readonly cell: (row: number, cell: HTMLElement) => void;
  /** What choosing its head does. */
  readonly onSort?: () => void;
  readonly sorted?: () => 'ascending' | 'descending' | undefined;
  /** Put into the head beside the title. */
  readonly head?: HTMLElement;
}

export interface GridOptions {
  readonly label: string;
  readonly columns: readonly Column[];
  /** Pixels. */
  readonly rowHeight?: number;
  /** Pixels that the columns need at least; narrower pages scroll. Default: 560. */
  readonly minWidth?: number;
  /** Rows that are seen at a time at most. */
  readonly visibleRows?: number;
  readonly onChoose?: (row: number) => void;
  /** Called for Backspace and arrow left. */
  readonly onBack?: () => void;
  readonly rowClass?: (row: number) => string;
}

/** Engines refuse elements higher than this. */
const MAX_HEIGHT = 15_000_000;
const HEAD = 34;
let grids = 0;

/** See `GridOptions` for what it asks of its owner. */
export class VirtualGrid {
  readonly element: HTMLElement;
  readonly #options: GridOptions;
  readonly #head: HTMLElement;
  readonly #body: HTMLElement;
  readonly #rowHeight: number;
  readonly #template: string;
  readonly #id = `grid-${++grids}`;
  readonly #rows = new Map<number, HTMLElement>();
  #count = 0;
  #active = 0;
  #drawn = false;
  /** Where it is scrolled to and how high it is, remembered: asking the element would lay out the whole page. */
  #top = 0;
  readonly #height: number;

  constructor(options: GridOptions) {
    this.#options = options;
    this.#rowHeight = options.rowHeight ?? 28;
    this.#template = options.columns.map(({ width }) => width).join(' ');
    this.#head = h('div', { role: 'row', class: 'grid-row grid-head', 'aria-rowindex': 1 });
    this.#head.style.gridTemplateColumns = this.#template;
    this.#body = h('div', { role: 'rowgroup', class: 'grid-body' });
    for (const part of [this.#head, this.#body]) part.style.minWidth = `${options.minWidth ?? 560}px`;
    const events = { onscroll: () => this.#scrolled(), onkeydown: (event: Event) => this.#key(event as KeyboardEvent) };
    this.element = h(
      'div',
      { role: 'grid', class: 'grid', tabindex: 0, id: this.#id, 'aria-label': options.label, 'aria-readonly': 'true', ...events },
      h('div', { role: 'rowgroup', class: 'grid-top' }, this.#head),
      this.#body,
    );
    this.#height = (options.visibleRows ?? 16) * this.#rowHeight + HEAD + 2;
    this.element.style.maxHeight = `${this.#height}px`;
    this.#body.addEventListener('click', (event) => this.#click(event));
    this.#drawHead();
  }

  /** Shows so many rows, from the top. */
  set(count: number, active = 0): void {
    this.#count = Math.min(count, Math.floor(MAX_HEIGHT / this.#rowHeight));
    this.#active = Math.min(active, Math.max(0, this.#count - 1));
    this.element.setAttribute('aria-rowcount', String(count + 1));
    this.#body.style.height = `${this.#count * this.#rowHeight}px`;
    if (this.#top > 0) this.#scrollTo(0);
    this.#drawHead();
    this.redraw();
    if (active > 0) this.#show(active);
  }

  /** Fills all visible rows again. */
  redraw(): void {
    for (const row of this.#rows.values()) row.remove();
    this.#rows.clear();
    this.#drawn = true;
    this.#draw();
  }

  #drawHead(): void {
    this.#head.replaceChildren(
      ...this.#options.columns.map(({ title, numeric, onSort, sorted, head }) => {
        const order = sorted?.();
        const mark = order === undefined ? '' : order === 'ascending' ? ' ↑' : ' ↓';
        const cell = h('div', { role: 'columnheader', class: numeric === true ? 'cell numeric' : 'cell', 'aria-sort': order });
        if (onSort === undefined) cell.append(title);
        else cell.append(h('button', { type: 'button', class: 'sort', onclick: onSort }, `${title}${mark}`));
        if (head !== undefined) cell.append(head);
        return cell;
      }),
    );
  }

  #draw(): void {
    if (!this.#drawn) return;
    const first = Math.max(0, Math.floor(this.#top / this.#rowHeight) - 4);
    const last = Math.min(this.#count - 1, Math.ceil((this.#top + this.#height) / this.#rowHeight) + 4);
    for (const [index, row] of this.#rows) {
      if (index >= first && index <= last) continue;
      row.remove();
      this.#rows.delete(index);
    }
    for (let index = first; index <= last; index += 1) {
      if (this.#rows.has(index)) continue;
      const row = this.#makeRow(index);
      this.#rows.set(index, row);
      this.#body.append(row);
    }
    this.#mark();
  }

  #makeRow(index: number): HTMLElement {
    const more = this.#options.rowClass?.(index) ?? '';
    const row = h('div', { role: 'row', class: `grid-row ${more}`, id: `${this.#id}-${index}`, 'aria-rowindex': index + 2 });
    row.style.gridTemplateColumns = this.#template;
    row.style.height = `${this.#rowHeight}px`;
    row.style.transform = `translateY(${index * this.#rowHeight}px)`;
    row.dataset['index'] = String(index);
    for (const { numeric, cell } of this.#options.columns) {
      const element = h('div', { role: 'gridcell', class: numeric === true ? 'cell numeric' : 'cell' });
      cell(index, element);
      row.append(element);
    }
    return row;
  }

  #mark(): void {
    for (const [index, row] of this.#rows) {
      row.classList.toggle('active', index === this.#active);
      row.setAttribute('aria-selected', String(index === this.#active));
    }
    if (this.#rows.has(this.#active)) this.element.setAttribute('aria-activedescendant', `${this.#id}-${this.#active}`);
    else this.element.removeAttribute('aria-activedescendant');
  }

  #key(event: KeyboardEvent): void {
    if (event.target !== this.element || event.ctrlKey || event.altKey || event.metaKey) return;
    const page = Math.max(1, Math.floor((this.element.clientHeight - HEAD) / this.#rowHeight) - 1);
    const moves: Readonly<Record<string, number>> = {
      ArrowDown: this.#active + 1,
      ArrowUp: this.#active - 1,
      PageDown: this.#active + page,
      PageUp: this.#active - page,
      Home: 0,
      End: this.#count - 1,
    };
    const to = moves[event.key];
    if (to !== undefined) {
      this.#active = Math.max(0, Math.min(this.#count - 1, to));
      this.#show(this.#active);
    } else if ((event.key === 'Enter' || event.key === 'ArrowRight') && this.#count > 0 && this.#options.onChoose !== undefined) {
      this.#options.onChoose(this.#active);
    } else if ((event.key === 'Backspace' || event.key === 'ArrowLeft') && this.#options.onBack !== undefined) {
      this.#options.onBack();
    } else return;
    event.preventDefault();
  }

  #show(index: number): void {
    const top = index * this.#rowHeight;
    const room = this.element.clientHeight - HEAD - this.#rowHeight;
    if (top < this.#top) this.#scrollTo(top);
    else if (top > this.#top + room) this.#scrollTo(top - room);
    this.#draw();
  }

  #scrollTo(top: number): void {
    this.element.scrollTop = top;
    this.#top = this.element.scrollTop;
  }

  #scrolled(): void {
    this.#top = this.element.scrollTop;
    this.#draw();
  }

  #click(event: Event): void {
    const row = (event.target as Element).closest<HTMLElement>('[role=row]');
    if (row === null) return;
    this.#active = Number(row.dataset['index']);
    this.#mark();
    this.#options.onChoose?.(this.#active);
  }
}
