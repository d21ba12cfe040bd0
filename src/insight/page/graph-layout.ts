// Places for the nodes of a graph without cycles: columns by distance from the sources, rows by what a node is joined to.

export interface LaidOutGraph {
  /** Column of each node. */
  readonly columns: readonly number[];
  /** Row in its column, from 0. */
  readonly rows: readonly number[];
  readonly width: number;
  readonly height: number;
}

const SWEEPS = 6;

/** Lays out nodes 0 … count-1; `edges` go from, to. Edges that would close a cycle are passed over. */
export function layOutGraph(count: number, edges: readonly (readonly [from: number, to: number])[]): LaidOutGraph {
  const columns = new Array<number>(count).fill(0);
  for (let round = 0; round < count; round += 1) {
    let moved = false;
    for (const [from, to] of edges) {
      const wanted = (columns[from] ?? 0) + 1;
      if (wanted > (columns[to] ?? 0) && wanted < count) {
        columns[to] = wanted;
        moved = true;
      }
    }
    if (!moved) break;
  }
  // What nothing goes into stands right before what it goes into.
  const entered = new Set(edges.map(([, to]) => to));
  for (let node = 0; node < count; node += 1) {
    const users = edges.filter(([from]) => from === node).map(([, to]) => columns[to] ?? 0);
    if (!entered.has(node) && users.length > 0) columns[node] = Math.max(0, Math.min(...users) - 1);
  }
  const width = Math.max(0, ...columns) + 1;
  const members: number[][] = Array.from({ length: width }, () => []);
  for (let node = 0; node < count; node += 1) members[columns[node] ?? 0]?.push(node);
  const rows = new Array<number>(count).fill(0);
  const number = (column: number[]): void => column.forEach((node, row) => (rows[node] = row - (column.length - 1) / 2));
  members.forEach(number);
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    const order = sweep % 2 === 0 ? members : [...members].reverse();
    for (const column of order) {
      const wish = new Map(column.map((node) => [node, barycenter(node, edges, rows)]));
      column.sort((a, b) => (wish.get(a) ?? 0) - (wish.get(b) ?? 0) || a - b);
      number(column);
    }
  }
  const height = Math.max(1, ...members.map((column) => column.length));
  for (const column of members) column.forEach((node, row) => (rows[node] = row + (height - column.length) / 2));
  return { columns, rows, width, height };
}

function barycenter(node: number, edges: readonly (readonly [number, number])[], rows: readonly number[]): number {
  const others = edges.flatMap(([from, to]) => (from === node ? [to] : to === node ? [from] : []));
  if (others.length === 0) return rows[node] ?? 0;
  return others.reduce((sum, other) => sum + (rows[other] ?? 0), 0) / others.length;
}
