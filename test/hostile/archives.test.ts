// Every hostile archive at the three places where archives come in: ADD, a context that is an archive, a layer of a base image.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { type Arena, assertContained, assertRefused, hostile, type Verdict } from './arena.ts';
import { ARCHIVES, type Fate } from './archives.ts';
import { writeLayout } from './layouts.ts';

hostile(
  ARCHIVES.map(({ like, what, archive, fate, context = fate, layer = fate }) => ({
    like,
    what,
    run: async (arena) => {
      const bytes = archive(arena.outside);
      const meets = (verdict: Verdict, wanted: Fate, prefix: string): void => check(verdict, wanted, prefix, arena.outside);
      meets(await byAdd(arena, bytes), fate, 'in/');
      meets(await asContext(arena, bytes), context, 'in/');
      meets(await asLayer(arena, bytes), layer, '');
    },
  })),
);

/** `OUT` in what is wanted stands for the arena's outside, without its first slash. */
function check(verdict: Verdict, fate: Fate, prefix: string, outside: string): void {
  if ('refused' in fate) return assertRefused(verdict, fate.refused);
  const named = (text: string): string => text.replace('OUT/', `${outside.slice(1)}/`);
  const wanted = Object.entries(fate.files).map(([path, content]) => [
    `${prefix}${named(path)}`,
    content === undefined ? content : named(content),
  ]);
  assertContained(verdict, Object.fromEntries(wanted) as Record<string, string | undefined>);
}

function byAdd(arena: Arena, bytes: Buffer): Promise<Verdict> {
  return arena.build('FROM scratch\nADD evil.bin /in/\n', { files: { 'evil.bin': bytes } });
}

function asContext(arena: Arena, bytes: Buffer): Promise<Verdict> {
  const path = join(arena.folder(), 'context.tar');
  writeFileSync(path, bytes);
  return arena.build('FROM scratch\nCOPY . /in/\n', { context: { kind: 'archive', path } });
}

function asLayer(arena: Arena, bytes: Buffer): Promise<Verdict> {
  const folder = join(arena.folder(), 'layout');
  mkdirSync(folder);
  const base = writeLayout(folder, { layers: [{ blob: bytes, ...tarOf(bytes) }] });
  return arena.build('FROM base\n', { namedContexts: { base } });
}

/** What a compressed blob unpacks to, as far as the config must know it. */
function tarOf(bytes: Buffer): { tar?: Buffer } {
  if (bytes[0] !== 0x1f) return {};
  try {
    return { tar: gunzipSync(bytes) };
  } catch {
    return {};
  }
}
