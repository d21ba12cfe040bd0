// The stages, and the bytes that went from one to another; the same as a table.

import type { Report, ReportFlow } from '../report/types.ts';
import { stageColor } from './colors.ts';
import { h, hideTip, s, showTip } from './dom.ts';
import { bytes, cut, many, time } from './format.ts';
import { layOutGraph } from './graph-layout.ts';

const NODE = { width: 176, height: 46 };
const GAP = { x: 92, y: 20 };
/** More stages than this are a table only. */
const MAX_NODES = 150;

interface Node {
  readonly title: string;
  readonly line: string;
  /** Index of the stage; -1: an image, a context. */
  readonly stage: number;
  readonly mark?: string;
}

interface Edge {
  readonly from: number;
  readonly to: number;
  readonly bytes: number | undefined;
  readonly flows: readonly ReportFlow[];
}

/** The graph of a build's stages. */
export function stageGraph(report: Report): HTMLElement {
  const { nodes, edges } = graphOf(report);
  const drawn =
    nodes.length <= MAX_NODES ? draw(nodes, edges) : h('p', { class: 'hint' }, `${nodes.length} stages and sources: too many to draw`);
  return h('div', { class: 'card' }, drawn, flowTable(report));
}

function graphOf({ stages, flows }: Report): { readonly nodes: readonly Node[]; readonly edges: readonly Edge[] } {
  const severalPlatforms = new Set(stages.map(({ platform }) => platform)).size > 1;
  const nodes: Node[] = stages.map((stage, index) => ({
    title: stage.name,
    line: [bytes(stage.bytes), stage.milliseconds > 0 ? time(stage.milliseconds) : 'cached', severalPlatforms ? stage.platform : '']
      .filter(Boolean)
      .join(' · '),
    stage: index,
    ...(stage.target === true ? { mark: 'image' } : stage.gate === true ? { mark: 'gate' } : {}),
  }));
  const sources = new Map<string, number>();
  const edges = new Map<string, { from: number; to: number; bytes: number | undefined; flows: ReportFlow[] }>();
  for (const flow of flows) {
    let from = flow.fromStage;
    if (from === undefined) {
      from = sources.get(flow.from) ?? nodes.length;
      if (!sources.has(flow.from)) {
        sources.set(flow.from, from);
        nodes.push({ title: flow.from, line: flow.kind === 'base' ? 'base image' : 'source', stage: -1 });
      }
    }
    const key = `${from} ${flow.to}`;
    const edge = edges.get(key) ?? { from, to: flow.to, bytes: undefined, flows: [] };
    if (flow.bytes !== undefined) edge.bytes = (edge.bytes ?? 0) + flow.bytes;
    edge.flows.push(flow);
    edges.set(key, edge);
  }
  return { nodes, edges: [...edges.values()] };
}

function draw(nodes: readonly Node[], edges: readonly Edge[]): HTMLElement {
  const layout = layOutGraph(
    nodes.length,
    edges.map(({ from, to }) => [from, to]),
  );
  const x = (node: number): number => 8 + (layout.columns[node] ?? 0) * (NODE.width + GAP.x);
  const y = (node: number): number => 8 + (layout.rows[node] ?? 0) * (NODE.height + GAP.y);
  const width = 16 + layout.width * (NODE.width + GAP.x) - GAP.x;
  const height = 16 + layout.height * (NODE.height + GAP.y) - GAP.y;
  const largest = Math.max(1, ...edges.map((edge) => edge.bytes ?? 0));
  const svg = s('svg', {
    width,
    height,
    viewBox: `0 0 ${width} ${height}`,
    role: 'img',
    'aria-label': `${many(nodes.length, 'stage or source', 'stages and sources')}; the table below says the same`,
  });
  // A little too wide is made smaller; much too wide is scrolled.
  svg.style.maxWidth = `${width}px`;
  svg.style.minWidth = `${Math.round(width * 0.7)}px`;
  const labels: Element[] = [];
  for (const { from, to, bytes: size, flows } of edges) {
    const [x1, y1, x2, y2] = [x(from) + NODE.width, y(from) + NODE.height / 2, x(to), y(to) + NODE.height / 2];
    const middle = (x1 + x2) / 2;
    const thickness = 1.5 + 9 * Math.sqrt((size ?? 0) / largest);
    const copied = flows.some(({ kind }) => kind === 'copy');
    const path = s('path', {
      class: `flow ${copied ? 'copied' : flows.some(({ kind }) => kind === 'base') ? 'based' : 'mounted'}`,
      d: `M${x1} ${y1}C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}`,
      'stroke-width': thickness.toFixed(1),
    });
    path.addEventListener('mousemove', (event) =>
      showTip(event, [`${nodes[from]?.title ?? ''} → ${nodes[to]?.title ?? ''}`, ...flows.slice(0, 8).map((flow) => flowText(flow))]),
    );
    path.addEventListener('mouseleave', hideTip);
    svg.append(path);
    if (size !== undefined && size >= 1000)
      labels.push(s('text', { class: 'flow-size', x: middle, y: (y1 + y2) / 2 - 4, 'text-anchor': 'middle' }, bytes(size)));
  }
  svg.append(...labels);
  for (const [index, node] of nodes.entries()) {
    const group = s('g', {
      transform: `translate(${x(index)} ${y(index)})`,
      class: node.stage < 0 ? 'node source' : `node stage ${node.mark ?? ''}`,
    });
    const stripe = s('rect', { class: 'stripe', width: 5, height: NODE.height, rx: 2 });
    stripe.style.fill = stageColor(node.stage);
    group.append(
      s('title', {}, node.title),
      s('rect', { class: 'box', width: NODE.width, height: NODE.height, rx: 6 }),
      stripe,
      s('text', { x: 14, y: 19, class: 'node-title' }, cut(node.title, node.mark === undefined ? 22 : 16)),
      s('text', { x: 14, y: 36, class: 'node-line' }, cut(node.line, 26)),
    );
    if (node.mark !== undefined) group.append(s('text', { x: NODE.width - 9, y: 19, class: 'node-mark', 'text-anchor': 'end' }, node.mark));
    svg.append(group);
  }
  return h('div', { class: 'graph', tabindex: 0, role: 'region', 'aria-label': 'Graph of the stages' }, svg);
}

function flowText({ kind, bytes: size, line, instruction }: ReportFlow): string {
  return `${line === undefined ? '' : `line ${line}: `}${kind === 'base' ? 'starts from it' : (instruction ?? kind)}${size === undefined ? '' : ` (${bytes(size)})`}`;
}

/** What flowed, largest first. */
function flowTable({ flows, stages }: Report): HTMLElement {
  const rows = [...flows].sort((a, b) => (b.bytes ?? -1) - (a.bytes ?? -1)).slice(0, 1000);
  const body = h('tbody', {});
  const details = h(
    'details',
    {},
    h('summary', {}, `The same as a table (${many(flows.length, 'flow')})`),
    h(
      'div',
      { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Flows' },
      h(
        'table',
        {},
        h(
          'thead',
          {},
          h(
            'tr',
            {},
            ...['From', 'To', 'How', 'Line', 'Size'].map((title, index) =>
              h('th', { scope: 'col', class: index > 2 ? 'numeric' : '' }, title),
            ),
          ),
        ),
        body,
      ),
    ),
  );
  details.addEventListener(
    'toggle',
    () => {
      for (const flow of rows) {
        body.append(
          h(
            'tr',
            {},
            h('th', { scope: 'row' }, flow.from),
            h('td', {}, stages[flow.to]?.name ?? ''),
            h('td', { class: 'mono made' }, flow.kind === 'base' ? 'FROM' : (flow.instruction ?? flow.kind)),
            h('td', { class: 'numeric' }, flow.line === undefined ? '' : String(flow.line)),
            h('td', { class: 'numeric' }, flow.bytes === undefined ? (flow.kind === 'mount' ? 'mounted' : 'not known') : bytes(flow.bytes)),
          ),
        );
      }
    },
    { once: true },
  );
  return details;
}
