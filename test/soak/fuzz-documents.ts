#!/usr/bin/env node
// `SECONDS=600 npx tsx test/soak/fuzz-documents.ts`: manifests, indexes, configs and names made of odd pieces, for as long as wanted.

import { dice } from '../rig/dice.ts';
import { checkDocument, makeDocument } from '../rig/fuzz-documents.ts';
import { soak } from '../rig/soak.ts';

await soak('documents', (seed) => {
  checkDocument(makeDocument(dice(seed)), dice(seed));
});
