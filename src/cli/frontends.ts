// What speaks with frontends that are images: loaded when a file asks for one.

import type { LoadFrontends } from '../build/index.ts';

export const frontends: LoadFrontends = async () => (await import('../api/index.ts')).askFrontend;
