// Changes of a draft written as a layer, so that others get their turns meanwhile.

import { mkdirSync, rmSync } from 'node:fs';
import type { JobContext } from '../base/index.ts';
import { type LayerWriter, openLayerWriter, type PackedLayer } from '../layer/index.ts';
import type { Layer } from '../snapshot/index.ts';
import type { OpDeps } from './deps.ts';
import { type ByteSource, type DraftEntry, type DraftItem, openSource } from './file-draft.ts';
import { countItems, takeGraft } from './graft.ts';

/** So much is written before others get a turn. */
const SLICE_FILES = 256;
const SLICE_BYTES = 8 << 20;
/** Rows that are as they were take a twentieth of a file's time. */
const ROW = 1 / 20;
/** Copies of more files than this are reported as they go. */
const REPORTED = 2000;

export interface WriteOptions {
  /** The step that the progress belongs to. */
  readonly vertex: string;
  /** A layer that likely has much of the same: what it has is referred to. */
  readonly previous?: PackedLayer | undefined;
}

/** Writes a change set as a layer. Throws `FILE_CHANGED` when a source is not what it was when it was keyed. */
export async function writeLayer(items: readonly DraftItem[], options: WriteOptions, deps: OpDeps, job: JobContext): Promise<Layer> {
  const folder = deps.tempFolder();
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  try {
    using writer = openLayerWriter({ folder, ...(options.previous === undefined ? {} : { previous: options.previous }) });
    const total = countItems(items);
    const report = total > REPORTED;
    if (report) deps.onLargeLayer?.();
    const filling = new Filling(writer, items);
    for (const current of filling.steps()) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      job.signal.throwIfAborted();
      if (report) reportCopied(options.vertex, current, total, job);
    }
    if (report) reportCopied(options.vertex, total, total, job);
    return await deps.layers.commitWritten(writer.finish(), job);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Hands all changes to a writer. */
class Filling {
  readonly #writer: LayerWriter;
  readonly #items: readonly DraftItem[];
  #done = 0;
  /** Since others had a turn. */
  #files = 0;
  #bytes = 0;

  constructor(writer: LayerWriter, items: readonly DraftItem[]) {
    this.#writer = writer;
    this.#items = items;
  }

  /** Yields, whenever others should have a turn, how many entries were handed over. */
  *steps(): Generator<number, void, void> {
    for (const item of this.#items) {
      if ('entry' in item) {
        this.#add(item);
        if (this.#isTime()) yield this.#begin();
        continue;
      }
      const walk = takeGraft(item, {
        row: (prefix, rows, slot, change) => {
          if (!this.#writer.addRow(prefix, rows, slot, change)) return false;
          this.#count(ROW, 0);
          return true;
        },
        entry: (entry) => this.#add(entry),
        isTime: () => this.#isTime(),
      });
      for (const _ of walk) yield this.#begin();
    }
  }

  #add({ entry, bytes: source }: DraftEntry): void {
    if (source === undefined) this.#writer.add(entry);
    else this.#writer.add(entry, openerOf(source));
    this.#count(1, source === undefined ? 0 : entry.size);
  }

  #count(files: number, bytes: number): void {
    this.#done += 1;
    this.#files += files;
    this.#bytes += bytes;
  }

  #isTime(): boolean {
    return this.#files >= SLICE_FILES || this.#bytes > SLICE_BYTES;
  }

  #begin(): number {
    this.#files = this.#bytes = 0;
    return this.#done;
  }
}

function openerOf(source: ByteSource): (() => ReturnType<typeof openSource>) | Uint8Array {
  return source.kind === 'data' ? source.data : () => openSource(source);
}

function reportCopied(id: string, current: number, total: number, job: JobContext): void {
  job.progress({
    type: 'status',
    id,
    status: 'copying files',
    current,
    total,
    unit: 'files',
    done: current === total,
    time: job.now().getTime(),
  });
}
