// Results as a Markdown table and a chart.

import { spawnSync } from 'node:child_process';
import { cpus, release, totalmem } from 'node:os';

/** What the numbers were measured on. */
export function machine(peers) {
  const git = (args) =>
    spawnSync('git', args, { encoding: 'utf8', cwd: import.meta.dirname ?? new URL('.', import.meta.url).pathname }).stdout.trim();
  return {
    processor: cpus()[0]?.model ?? 'unknown',
    processors: cpus().length,
    memoryGB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    commit: git(['rev-parse', '--short', 'HEAD']),
    libraries: ['isal', 'deflate', 'zstd'].filter((name) => spawnSync('sh', ['-c', `ldconfig -p | grep -q lib${name}.so`]).status === 0),
    peers: peers.map(({ name }) => name),
  };
}

/** Wall time of Slipway as a share of what it is measured against; undefined when that is missing. */
function ratio({ results, against }, kind = 'wall', other = against) {
  const [own, theirs] = [results.slipway, results[other]];
  return own === undefined || theirs === undefined || theirs[kind] === 0 ? undefined : own[kind] / theirs[kind];
}

/** What a tool that does only the unavoidable would reach. */
function floorRatio({ results, against }) {
  const [floor, theirs] = [results.floor, results[against]];
  return against === 'floor' || floor === undefined || theirs === undefined ? undefined : floor.wall / theirs.wall;
}

/** How many times as long as Slipway buildah takes. */
function timesAs({ results: { slipway: own, buildah: theirs } }) {
  return own === undefined || theirs === undefined ? undefined : theirs.wall / own.wall;
}

export function table({ at, machine: on, load, note, rows, others = [] }) {
  const lines = [
    '# Benchmark',
    '',
    `${at.slice(0, 16).replace('T', ' ')} UTC, commit ${on.commit}; rounds interleaved, medians. ${on.processors} × ${on.processor}, ${on.memoryGB} GB, Linux ${on.kernel}, Node ${on.node}.`,
    `Libraries for compression that Slipway finds: ${on.libraries?.length > 0 ? on.libraries.map((name) => `lib${name}`).join(', ') : 'none'}.`,
    `Load average while it ran: ${Math.min(...load)} to ${Math.max(...load)}${Math.max(...load) > on.processors ? ' (the machine was busy with other work: processor time says more than wall time)' : ''}.`,
    ...(note === '' ? [] : ['', note]),
    '',
    'Seconds, wall (processor). A daemon’s processor time counts. The floor does only the unavoidable, with plain tools. Ratios are Slipway’s time as a share of BuildKit’s (of the floor’s, where there is no BuildKit).',
    '',
    '| workload | Slipway | BuildKit | buildah | floor | ratio wall | ratio CPU | goal | floor’s ratio | buildah takes | memory | rounds |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
  ];
  for (const row of rows) {
    const { phase, results, goal } = row;
    const cells = ['slipway', 'buildkit', 'buildah', 'floor'].map((tool) => seconds(results[tool]));
    const memory = results.slipway?.memory === undefined ? '' : `${Math.round(results.slipway.memory / 2 ** 20)} MB`;
    lines.push(
      `| ${[phase, ...cells, share(ratio(row)), share(ratio(row, 'cpu')), goal === undefined ? '' : `${goal}×`, share(floorRatio(row)), share(timesAs(row)), memory, results.slipway?.walls.length ?? 0].join(' | ')} |`,
    );
  }
  return [...lines, '', '![Ratios of wall time](latest.svg)', ...singles(others), ''].join('\n');
}

/** What scripts of their own measured. */
function singles(others) {
  if (others.length === 0) return [];
  const rows = others.map(
    ({ about, lines, goal, met, load, at, machine: on }) =>
      `| ${[about, lines.join('; '), goal, met ? 'met' : '**missed**', `${at.slice(0, 10)}, ${on.commit}, ${on.processors} × ${on.processor}, load ${load}`].join(' | ')} |`,
  );
  return ['', '| what | figures | goal | | when |', '| --- | --- | --- | --- | --- |', ...rows];
}

function seconds(result) {
  return result === undefined ? '' : `${result.wall.toFixed(2)} (${result.cpu.toFixed(2)})`;
}

function share(value) {
  return value === undefined ? '' : `${value.toFixed(2)}×`;
}

/** Bars of the ratios to BuildKit, wall and processor, with the goals as marks. */
export function chart({ rows }) {
  const shown = rows.filter((row) => row.against === 'buildkit' && ratio(row) !== undefined);
  const [left, width, step] = [190, 520, 38];
  const x = (value) => left + Math.min(value, 1.25) * (width / 1.25);
  const bars = shown.flatMap((row, index) => {
    const y = 40 + index * step;
    const bar = (value, top, color) =>
      `<rect x="${left}" y="${top}" width="${(x(value) - left).toFixed(1)}" height="12" fill="${color}"/><text x="${(x(value) + 5).toFixed(1)}" y="${top + 10}">${value.toFixed(2)}</text>`;
    return [
      `<text x="${left - 8}" y="${y + 16}" text-anchor="end">${row.phase}</text>`,
      bar(ratio(row), y, '#2563eb'),
      bar(ratio(row, 'cpu') ?? 0, y + 14, '#93c5fd'),
      ...(row.goal === undefined
        ? []
        : [
            `<line x1="${x(row.goal).toFixed(1)}" x2="${x(row.goal).toFixed(1)}" y1="${y - 2}" y2="${y + 28}" stroke="#dc2626" stroke-width="2"/>`,
          ]),
    ];
  });
  const height = 60 + shown.length * step;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${left + width + 60}" height="${height}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="white"/>
<text x="${left}" y="20">Slipway’s time as a share of BuildKit’s: wall (dark), processor (light), goal (red); the line is BuildKit</text>
<line x1="${x(1)}" x2="${x(1)}" y1="30" y2="${height - 20}" stroke="#555" stroke-dasharray="4 3"/>
${bars.join('\n')}
</svg>
`;
}
