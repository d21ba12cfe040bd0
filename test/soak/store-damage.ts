// Every kind of damage to a store, one after the other until the time is up: noticed, survived or explained, repaired.

import { Rig } from '../rig/rig.ts';
import { builtStore, DAMAGE, suffer } from '../rig/store-damage.ts';

const end = Date.now() + Number(process.env['SECONDS'] ?? 20) * 1000;
await using rig = Rig.create();
await builtStore(rig);
let suffered = 0;
// From a random one on, unless it is named: many short runs come to all of them in the end.
const first = Number(process.env['FUZZ_SEED'] ?? Math.floor(Math.random() * DAMAGE.length));
for (let at = first; suffered === 0 || (suffered < DAMAGE.length && Date.now() < end); at += 1) {
  const damage = DAMAGE[at % DAMAGE.length] as (typeof DAMAGE)[number];
  try {
    await suffer(rig, damage);
  } catch (error) {
    throw new Error(`${damage[0]}: ${String(error)}`, { cause: error });
  }
  suffered += 1;
}
console.log(`${suffered} kinds of damage of ${DAMAGE.length}: noticed, survived or explained, repaired`);
