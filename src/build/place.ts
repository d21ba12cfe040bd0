// Where steps would run on this machine, and why: for `slipway info`.

import { SlipwayError } from '../base/index.ts';
import {
  chooseRung,
  describeNetwork,
  describeRungs,
  findRuntime,
  hasMounts,
  type Rung,
  RUNG_TITLES,
  type RungReport,
  viewHost,
} from '../runtime/index.ts';

/** The ladder as this machine has it. */
export interface PlaceOfSteps {
  /** The rung that builds take, or why there is none. */
  readonly chosen:
    | { readonly rung: Rung; readonly runtime: string; readonly network: 'own' | 'host'; readonly networkReason: string }
    | { readonly rung: undefined; readonly code: string; readonly reason: string; readonly hint?: string };
  /** Strongest first. */
  readonly rungs: readonly (RungReport & { readonly title: string })[];
}

/** Looks at this machine; `forced` is the setting `rung`. Starts nothing. */
export function placeOfSteps(searchPath: string, forced: string | undefined): PlaceOfSteps {
  const host = viewHost(searchPath);
  const rungs = describeRungs(host).map((report) => ({ ...report, title: RUNG_TITLES[report.rung] }));
  try {
    const rung = chooseRung(host, forced);
    const mounts = hasMounts(rung);
    const { network, reason } = describeNetwork(mounts, searchPath);
    return { chosen: { rung, runtime: mounts ? findRuntime(searchPath).path : 'chroot', network, networkReason: reason }, rungs };
  } catch (error) {
    if (!(error instanceof SlipwayError)) throw error;
    const { code, message, hint } = error;
    return { chosen: { rung: undefined, code, reason: message, ...(hint === undefined ? {} : { hint }) }, rungs };
  }
}
