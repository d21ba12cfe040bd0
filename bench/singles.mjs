// What no workload of `run.mjs` measures: scripts of their own, which print their figures and end with 1 when a goal is missed.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Each script, by the name that `--only` takes. */
export const SINGLES = [
  { name: 'serve', about: 'a no-op build through `slipway serve`, by buildx', goal: 'at most 1.3× BuildKit’s daemon', peers: true },
  { name: 'checks', about: 'what the checks of a result cost', goal: 'under 10 % of a cold build, 0 ms of a cached one' },
  { name: 'report-page', about: 'a report of 100,000 files in Chromium', goal: 'usable within 3× an empty page of its size' },
];

/** Runs one script; what it printed, and whether it met its goal. */
export function runSingle({ name, about, goal }) {
  const { status, stdout } = spawnSync(process.execPath, [fileURLToPath(new URL(`${name}.mjs`, import.meta.url))], {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
    maxBuffer: 1 << 24,
  });
  const lines = stdout.trim().split('\n').filter(Boolean);
  if (lines.length === 0) throw new Error(`it printed no figures (exit code ${status})`);
  return { name, about, goal, lines, met: status === 0 };
}
