// Small trees in temporary folders, and programs that are really compiled.

import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after } from 'node:test';
import type { DiffID } from '../base/index.ts';
import type { Tree } from '../layer/index.ts';
import { type ImageConfig, nodePlatform, type RuntimeConfig } from '../oci/index.ts';
import { FolderTree } from '../source/index.ts';

/** A folder that is gone after the tests of the file. */
export function testFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-insight-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A tree: texts and bytes are files (executable when the path has `bin/`), `-> x` symlinks, `= /x` copies of this machine's files. */
export function treeOf(files: Readonly<Record<string, string | Buffer>>): Tree {
  const folder = testFolder();
  chmodSync(folder, 0o755);
  for (const [path, content] of Object.entries(files)) {
    const target = join(folder, path);
    mkdirSync(path.endsWith('/') ? target : dirname(target), { recursive: true });
    if (path.endsWith('/')) continue;
    if (typeof content === 'string' && content.startsWith('-> ')) symlinkSync(content.slice(3), target);
    else if (typeof content === 'string' && content.startsWith('= ')) cpSync(content.slice(2), target, { dereference: true });
    else {
      writeFileSync(target, content);
      if (path.includes('bin/')) chmodSync(target, 0o755);
    }
  }
  return new FolderTree(folder, { now: () => new Date() });
}

/** Compiles C; `= path` of the result is what `treeOf` takes. */
export function compile(folder: string, name: string, source: string, args: readonly string[] = []): string {
  const file = join(folder, `${name}.c`);
  writeFileSync(file, source);
  const out = join(folder, name);
  execFileSync('gcc', ['-w', '-o', out, file, ...args], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
  return out;
}

export const architecture = nodePlatform(process.platform, process.arch).architecture;

/** An image config of this machine. */
export function configOf(config: RuntimeConfig): ImageConfig {
  return { os: 'linux', architecture, config, rootfs: { type: 'layers', diff_ids: [] as DiffID[] } };
}

/** The least that is a static program of this machine. */
export const PROGRAM = ((): Buffer => {
  const head = Buffer.alloc(64);
  head.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  head.writeUInt16LE(2, 16);
  head.writeUInt16LE(architecture === 'arm64' ? 183 : 62, 18);
  return head;
})();
