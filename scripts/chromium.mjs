// Chromium of this machine's packages, as tests and benchmarks start it: no window, no sandbox (they run as root), no traffic of its own.

import { chromium } from 'playwright-core';

/** A browser; the caller closes it. `CHROMIUM` names another program. */
export function launchChromium() {
  return chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
    ],
  });
}
