// Published schemas that tests hold documents to: files of npm packages, taken without what those packages need to run.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** Microsoft's matchers for SARIF logs, which carry the schema of OASIS. */
const SARIF = { package: '@microsoft/jest-sarif@1.0.0-beta.0', file: 'package/lib/schemas/sarif-2.1.0-rtm.5.json' };

/** Makes the schema of SARIF 2.1.0 available in `folder`, which is kept; returns its path. */
export function ensureSarifSchema(folder) {
  const path = join(folder, 'sarif-2.1.0.json');
  if (existsSync(path)) return path;
  console.error(`fetching ${SARIF.package}`);
  mkdirSync(folder, { recursive: true });
  const scratch = mkdtempSync(join(folder, 'new-'));
  try {
    const options = { cwd: scratch, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] };
    const archive = execFileSync('npm', ['pack', '--silent', SARIF.package], options).trim();
    execFileSync('tar', ['-xzf', archive, SARIF.file], options);
    renameSync(join(scratch, SARIF.file), path);
    return path;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
