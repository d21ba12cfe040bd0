// Colours of origins: the same everywhere on the page. Bases are grey, what the build made has hues.

import type { ReportLayer } from '../report/types.ts';

const HUES = ['#4a78b8', '#c4703a', '#4f9682', '#a85f8a', '#7d6fc0', '#998634', '#5a8d45', '#3f92b0', '#b8574f', '#6f7f95'];
const GREYS = ['#8a8d94', '#74777e', '#9da0a6', '#62656b'];

/** A colour for each layer. */
export function layerColors(layers: readonly ReportLayer[]): readonly string[] {
  let own = 0;
  let base = 0;
  return layers.map((layer) =>
    layer.base === undefined ? (HUES[own++ % HUES.length] as string) : (GREYS[base++ % GREYS.length] as string),
  );
}

/** A colour for each stage. */
export function stageColor(index: number): string {
  return index < 0 ? '#8a8d94' : (HUES[index % HUES.length] as string);
}

/** Lighter or darker by `amount` (-1 … 1). */
export function shade(color: string, amount: number): string {
  const parts = [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16));
  const to = amount < 0 ? 0 : 255;
  return `rgb(${parts.map((part) => Math.round(part + (to - part) * Math.abs(amount))).join(',')})`;
}
