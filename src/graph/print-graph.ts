// A graph as text: for golden tests, and to look at one.

import { formatPlatform } from '../oci/index.ts';
import type { FileAction, GraphEdge, GraphVertex, MountSpec, OpSpec, Owner, SourceSpec } from './op-spec.ts';
import type { GraphResult, PlatformGraph } from './result.ts';

/** Vertices numbered in order, then each platform's roots, config and history, then findings. */
export function printGraph(graph: GraphResult): string {
  const numbers = new Map<GraphVertex, number>(graph.vertices.map((vertex, index) => [vertex, index + 1]));
  const show = (edge: GraphEdge | undefined): string => {
    if (edge === undefined) return 'empty';
    const number = `#${numbers.get(edge.vertex) ?? '?'}`;
    return edge.output === 0 ? number : `${number}.${edge.output}`;
  };
  const lines: string[] = [];
  for (const vertex of graph.vertices) {
    const { name, ignoreCache } = vertex.about;
    const on = vertex.op.type === 'exec' ? ` on ${formatPlatform(vertex.platform)}` : '';
    const from = vertex.inputs.length === 0 ? '' : ` < ${vertex.inputs.map(show).join(' ')}`;
    lines.push(`#${numbers.get(vertex)} ${name}`, `  ${vertex.op.type}${on}${from}${ignoreCache === true ? ' (no cache)' : ''}`);
    lines.push(...describeOp(vertex.op).map((line) => `    ${line}`));
  }
  for (const platform of graph.platforms) lines.push('', ...describePlatform(platform, show));
  if (graph.diagnostics.length > 0) lines.push('', 'findings');
  for (const { rule, message, range } of graph.diagnostics) lines.push(`  line ${range.start.line}: ${rule}: ${message}`);
  return `${lines.join('\n')}\n`;
}

function describePlatform(graph: PlatformGraph, show: (edge: GraphEdge | undefined) => string): string[] {
  const { history: _, rootfs: __, config, ...rest } = graph.config;
  const lines = [`${formatPlatform(graph.platform)}: root ${show(graph.root)}`, `  ${JSON.stringify(rest)}`];
  for (const [name, value] of Object.entries(config ?? {})) lines.push(`  ${name} ${JSON.stringify(value)}`);
  for (const { name, output } of graph.gates) lines.push(`  gate ${name}: ${show(output)}`);
  for (const { name, output } of graph.extraStages) lines.push(`  stage ${name}: ${show(output)}`);
  lines.push(`  context ${graph.contextPaths === undefined ? 'all' : graph.contextPaths.join(' ')}`.trimEnd(), '  history');
  for (const { entry, output } of graph.history) {
    const made = output === 'base' ? 'base' : output === undefined ? '-' : show(output);
    lines.push(`    ${made} ${JSON.stringify(entry.created_by ?? '')}${entry.created === undefined ? '' : ` at ${entry.created}`}`);
  }
  return lines;
}

function describeOp(op: OpSpec): string[] {
  switch (op.type) {
    case 'source':
      return [describeSource(op.source)];
    case 'exec': {
      const { type: _, args, env, cwd, user, mounts, network, security, ...rest } = op;
      return [
        `args ${JSON.stringify(args)}`,
        `env ${JSON.stringify(env)}`,
        `cwd ${cwd} user ${JSON.stringify(user)} network ${network} security ${security}`,
        ...Object.entries(rest).map(([name, value]) => `${name} ${JSON.stringify(value)}`),
        ...mounts.map(describeMount),
      ];
    }
    case 'file':
      return op.actions.map(describeAction);
    default:
      return [];
  }
}

function describeSource(source: SourceSpec['source']): string {
  const { kind, ...rest } = source;
  return `${kind} ${JSON.stringify(rest)}`;
}

function describeMount(mount: MountSpec): string {
  const { type, input, selector, dest, output, readonly, ...rest } = mount;
  const from = input < 0 ? 'empty' : `input ${input}${selector}`;
  const more = Object.values(rest).map((value) => ` ${JSON.stringify(value)}`);
  return `${type} ${dest} from ${from}${readonly ? ' readonly' : ''}${output < 0 ? '' : ` output ${output}`}${more.join('')}`;
}

function describeAction(step: FileAction): string {
  const { kind, ...fields } = step.action;
  const shown = Object.entries(fields).flatMap(([name, value]) => {
    if (value === false || (Array.isArray(value) && value.length === 0)) return [];
    if (name === 'mode' && typeof value === 'number') return [`mode ${value.toString(8)}`];
    if (name === 'owner') return [`owner ${describeOwner(value as Owner)}`];
    return [value === true ? name : `${name} ${typeof value === 'string' ? value.replaceAll('\n', '\\n') : JSON.stringify(value)}`];
  });
  const output = step.output < 0 ? '' : ` output ${step.output}`;
  return `${kind} on ${step.input}${step.secondaryInput < 0 ? '' : ` from ${step.secondaryInput}`}${output}: ${shown.join(' ')}`;
}

function describeOwner(owner: Owner): string {
  const one = (part: Owner['user']): string => (part === undefined ? '' : 'id' in part ? String(part.id) : `${part.name}@${part.input}`);
  return `${one(owner.user)}:${one(owner.group)}`;
}
