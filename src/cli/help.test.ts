// docs/cli.md is what `--help` prints, command by command. UPDATE_GOLDEN=1 rewrites it.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { COMMANDS } from './run.ts';
import { callCommand } from './test-call.ts';

const PAGE = join(import.meta.dirname, '../../docs/cli.md');
const HEAD = `# Commands

What \`slipway COMMAND --help\` prints. Made from the flag tables: \`UPDATE_GOLDEN=1 node scripts/unit.mjs src/cli/help.test.ts\`.
`;

/** What a command prints when it is asked for help. */
async function helpOf(command: string): Promise<string> {
  const { code, text } = await callCommand([command, '--help']);
  assert.equal(code, 0, `slipway ${command} --help: ${text}`);
  return text.trimEnd();
}

test('docs/cli.md shows every command and flag as --help does', async () => {
  let page = HEAD;
  for (const [name, { about }] of Object.entries(COMMANDS)) page += `\n## ${name}\n\n${about}.\n\n\`\`\`\n${await helpOf(name)}\n\`\`\`\n`;
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(PAGE, page);
  assert.equal(readFileSync(PAGE, 'utf8'), page, 'UPDATE_GOLDEN=1 rewrites it');
});
