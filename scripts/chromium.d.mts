import type { Browser } from 'playwright-core';

/** A browser; the caller closes it. `CHROMIUM` names another program. */
export declare function launchChromium(): Promise<Browser>;
