// What a target must not say, as far as it shows without looking at the machine.

import { parsePlatform } from '../oci/index.ts';
import { at, mistake } from './mistake.ts';
import { limitText } from './numbers.ts';
import type { BakeTarget } from './target.ts';

const ANNOTATION_TYPE = /^([a-z-]+)(?:\[([A-Za-z0-9_/-]+)\])?$/;
const ANNOTATED = ['index', 'index-descriptor', 'manifest', 'manifest-descriptor'];

/** Throws at the target's place. */
export function checkTarget(target: BakeTarget): void {
  at(target.location, () => {
    if (target.context === '-') throw mistake('context from stdin not allowed in bake', { hint: 'name a folder or an address' });
    if (target.dockerfile === '-')
      throw mistake('dockerfile from stdin not allowed in bake', { hint: 'name a file, or write dockerfile-inline' });
    if (target.shmSize !== undefined) checkSize(target.shmSize);
    for (const platform of (target.platforms ?? []).flatMap((list) => list.split(','))) checkPlatform(platform);
    for (const limit of target.ulimits ?? []) checkLimit(limit);
    for (const annotation of target.annotations ?? []) checkAnnotation(annotation);
  });
}

function checkSize(text: string): void {
  if (/^(?:0|[1-9]\d*|\d+)(?:\.\d+)? ?(?:[kmgtp]i?b?|b)?$/i.test(text)) return;
  throw mistake(`invalid value ${text} for membytes key shm-size`, { hint: 'write 64m, 1g, or a number of bytes' });
}

function checkPlatform(text: string): void {
  if (text.toLowerCase() === 'local') return;
  try {
    parsePlatform(text);
  } catch (error) {
    throw mistake(error instanceof Error ? error.message : String(error), {
      hint: 'write os/architecture: linux/amd64, linux/arm64, linux/arm/v7',
    });
  }
}

function checkLimit(text: string): void {
  const [, name, soft = '', hard = soft] = /^([^=]+)=([^:]*)(?::([^]*))?$/.exec(text) ?? [];
  if (name === undefined) throw mistake(`invalid ulimit argument: ${text}`, { hint: 'write NAME=SOFT:HARD: nofile=1024:2048' });
  limitText(name, soft, hard);
}

function checkAnnotation(text: string): void {
  const equals = text.indexOf('=');
  if (equals < 0) throw mistake(`invalid annotation ${JSON.stringify(text)}, expected key=value`, { hint: 'write [TYPE:]KEY=VALUE' });
  const key = text.slice(0, equals);
  const colon = key.indexOf(':');
  for (const type of colon < 0 ? [] : key.slice(0, colon).split(',')) {
    const [, name = '', platform] = ANNOTATION_TYPE.exec(type) ?? [];
    if (!ANNOTATED.includes(name))
      throw mistake(`unknown annotation type ${JSON.stringify(type)}`, { hint: `types are ${ANNOTATED.join(', ')}` });
    if (platform !== undefined) checkPlatform(platform);
  }
}
