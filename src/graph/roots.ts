// Which stages a build is about: the target, and the gates.

import { SlipwayError, suggest } from '../base/index.ts';
import type { Scope } from './scope.ts';
import type { StageState } from './stage-state.ts';

/** The stage to build. Names are found in any case; numbers only by the classic builder's rules (`allStages`). */
export function chooseTarget(scope: Scope): StageState {
  const { target, allStages = false } = scope.options;
  const { table } = scope;
  const last = table.stages.at(-1);
  if (last === undefined) throw new Error('internal: a Dockerfile without stages got here');
  if (target === undefined || target === '') return last;
  const found = table.find(target) ?? (allStages && /^[0-9]+$/.test(target) ? table.stages[Number(target)] : undefined);
  if (found !== undefined) return found;
  const numbered = /^[0-9]+$/.test(target) ? table.stages[Number(target)] : undefined;
  const near = numbered?.stage?.name ?? suggest(target, table.names());
  const named = table.stages.flatMap(({ stage }) => (stage?.name === undefined ? [] : [stage.name]));
  const list = named.length === 0 ? 'no stage has a name; give it one by FROM … AS name' : `stages are ${named.join(', ')}`;
  throw new SlipwayError('TARGET_UNKNOWN', `target stage ${JSON.stringify(target)} could not be found`, {
    hint: near === undefined ? list : `did you mean ${near}?`,
    facts: { target, stages: named },
  });
}

/** The stages that must succeed: each gate names at least one. */
export function chooseGates(scope: Scope): readonly StageState[] {
  const chosen = new Set<StageState>();
  for (const gate of scope.options.gates ?? []) {
    const matches = scope.table.stages.filter((state) => matchesGate(state, gate));
    if (matches.length === 0) throw unknownGate(scope, gate);
    for (const state of matches) chosen.add(state);
  }
  return [...chosen].sort((a, b) => a.index - b.index);
}

function matchesGate(state: StageState, gate: string): boolean {
  if (/^[0-9]+$/.test(gate)) return state.index === Number(gate);
  const pattern = gate
    .toLowerCase()
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${pattern}$`).test(state.name);
}

function unknownGate(scope: Scope, gate: string): SlipwayError {
  const names = scope.table.names();
  const near = suggest(gate, names);
  return new SlipwayError('GATE_UNKNOWN', `no stage is called ${JSON.stringify(gate)}, so it cannot be a gate`, {
    hint: near === undefined ? `stages are ${names.join(', ')}` : `did you mean ${near}?`,
    facts: { gate, stages: names },
  });
}
