// Indices of layers that were looked into lately. A server comes to know many layers in its life, and reads again what it has forgotten.

import { ColumnIndex, type LayerIndex } from '../layer/index.ts';

/** Entries of all of them together: 60 bytes each, and some 300 where somebody asked for all of a layer's. */
const MAX_ENTRIES = 1 << 20;

/** By the layer's id. The one that was asked for longest ago goes first. */
export class RecentIndices {
  readonly #indices = new Map<string, LayerIndex>();
  readonly #limit: number;
  #entries = 0;

  /** `limit`: entries of all indices together; one index that has more alone is kept until the next comes. */
  constructor(limit = MAX_ENTRIES) {
    this.#limit = limit;
  }

  get(id: string): LayerIndex | undefined {
    const index = this.#indices.get(id);
    if (index !== undefined) {
      this.#indices.delete(id);
      this.#indices.set(id, index);
    }
    return index;
  }

  set(id: string, index: LayerIndex): void {
    this.delete(id);
    this.#indices.set(id, index);
    this.#entries += entriesOf(index);
    for (const oldest of this.#indices.keys()) {
      if (this.#entries <= this.#limit || oldest === id) break;
      this.delete(oldest);
    }
  }

  delete(id: string): void {
    const index = this.#indices.get(id);
    if (index === undefined) return;
    this.#indices.delete(id);
    this.#entries -= entriesOf(index);
  }
}

function entriesOf(index: LayerIndex): number {
  return index instanceof ColumnIndex ? index.columns.count : index.entries.length;
}
