// Rectangles of given areas in a rectangle, as square as can be (Bruls, Huizing, van Wijk: Squarified treemaps, 2000).

export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A rectangle for each weight; weights are positive and descend. */
export function squarify(weights: readonly number[], { x, y, width, height }: Rect): readonly Rect[] {
  const rects: Rect[] = [];
  let left = { x, y, width, height };
  let rest = weights.reduce((sum, weight) => sum + weight, 0);
  let at = 0;
  while (at < weights.length && left.width > 0 && left.height > 0 && rest > 0) {
    const scale = (left.width * left.height) / rest;
    const side = Math.min(left.width, left.height);
    let sum = 0;
    let end = at;
    let best = Infinity;
    while (end < weights.length) {
      const next = sum + (weights[end] as number);
      const worst = worstRatio(weights[at] as number, weights[end] as number, next, side, scale);
      if (worst > best) break;
      best = worst;
      sum = next;
      end += 1;
    }
    const thickness = (sum * scale) / side;
    let along = 0;
    for (; at < end; at += 1) {
      const length = ((weights[at] as number) / sum) * side;
      rects.push(
        left.width >= left.height
          ? { x: left.x, y: left.y + along, width: thickness, height: length }
          : { x: left.x + along, y: left.y, width: length, height: thickness },
      );
      along += length;
    }
    left =
      left.width >= left.height
        ? { x: left.x + thickness, y: left.y, width: left.width - thickness, height: left.height }
        : { x: left.x, y: left.y + thickness, width: left.width, height: left.height - thickness };
    rest -= sum;
  }
  return rects;
}

function worstRatio(largest: number, smallest: number, sum: number, side: number, scale: number): number {
  const area = sum * scale;
  return Math.max((side * side * largest * scale) / (area * area), (area * area) / (side * side * smallest * scale));
}
