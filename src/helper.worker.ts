// The program of the process that `build()` starts. It stands above all rooms, as the package's door does.

import { runHelper } from './build/helper.ts';

runHelper(() => import('./api/index.ts'));
