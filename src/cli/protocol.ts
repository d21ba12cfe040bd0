// What knows BuildKit's protocol: loaded when a file asks for a frontend that is an image, or a build for provenance.

import type { LoadProtocol } from '../build/index.ts';

export const protocol: LoadProtocol = () => import('../api/index.ts');
