// What the build's own files ask of an interpreter: Python's extension modules and environments, Java's classes.

import { baseName, toBytePath } from '../base/index.ts';
import type { Entry } from '../layer/index.ts';
import { startedBy } from './command-line.ts';
import { type RuntimeContext, whereReadable } from './runtime-context.ts';
import { fileAt, textAt, treePath, withFile } from './tree-files.ts';
import { inflateStart, zipMembers } from './zip.ts';

/** A path that works with one version of Python only. */
export interface PythonDemand {
  readonly entry: Entry;
  /** `3.11` */
  readonly version: string;
  readonly what: 'extension' | 'environment';
}

/** Extension modules (`x.cpython-311-….so`) and virtual environments among the build's own files. */
export function pythonDemands(context: RuntimeContext): readonly PythonDemand[] {
  return context.ownFiles().flatMap((entry): PythonDemand[] => {
    const name = baseName(entry.path);
    const [, major, minor] = /\.cpython-(\d)(\d+)[\w-]*\.so$/.exec(name) ?? [];
    if (major !== undefined && minor !== undefined) return [{ entry, version: `${major}.${minor}`, what: 'extension' }];
    if (name !== 'pyvenv.cfg') return [];
    const version = /^version(?:_info)? *= *(\d+\.\d+)/m.exec(whereReadable(() => textAt(context.tree, entry.path)) ?? '')?.[1];
    return version === undefined ? [] : [{ entry, version, what: 'environment' }];
  });
}

/** The Java version that the jar of the image's command needs. */
export function javaDemand(context: RuntimeContext): number | undefined {
  for (const { args } of startedBy(context.config)) {
    const at = args.indexOf('-jar');
    const entry = at < 0 ? undefined : fileAt(context.tree, treePath(toBytePath(args[at + 1] ?? ''), context.workdir));
    const version = entry === undefined ? undefined : whereReadable(() => newestClass(context, entry));
    if (version !== undefined) return version;
  }
  return undefined;
}

/** The Java version that the first classes of a jar need (those for newer versions only, under META-INF, left out). */
export function newestClass(context: RuntimeContext, entry: Entry): number | undefined {
  return withFile(context.tree, entry, (read, size) => {
    let newest: number | undefined;
    for (const { name, offset, compressed, method } of zipMembers(read, size, 2000)) {
      if (!name.endsWith('.class') || name.startsWith('META-INF/') || name === 'module-info.class') continue;
      const head = read(offset, 30);
      if (head.length < 30) continue;
      const data = read(offset + 30 + head.readUInt16LE(26) + head.readUInt16LE(28), Math.min(compressed, 1 << 16));
      const start = method === 8 ? inflateStart(data) : data;
      if (start === undefined || start.length < 8 || start.readUInt32BE(0) !== 0xcafebabe) continue;
      newest = Math.max(newest ?? 0, start.readUInt16BE(6) - 44);
      if (name.includes('/') && newest > 0) break;
    }
    return newest;
  });
}
