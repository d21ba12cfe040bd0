// What grew between two images, and which line made it grow.

import { tablePaths } from './file-table.ts';
import type { Comparison, OriginChange, PathChange, Report, ReportImage } from './types.ts';

/** Paths listed at most. */
const MAX_CHANGES = 1000;

interface Size {
  readonly bytes: number;
  readonly made: string;
}

/** Compares the images of one platform. `before` is the earlier one. */
export function compareReports(before: Report, now: Report): Comparison {
  const [old, current] = [imageOf(before, now), now.images[0]];
  const [oldSizes, sizes] = [sizesOf(old), sizesOf(current)];
  const paths: PathChange[] = [];
  for (const [path, { bytes, made }] of sizes) {
    const was = oldSizes.get(path);
    if (was?.bytes !== bytes) paths.push({ path, ...(was === undefined ? {} : { before: was.bytes }), now: bytes, made });
  }
  for (const [path, { bytes, made }] of oldSizes) if (!sizes.has(path)) paths.push({ path, before: bytes, made });
  paths.sort((a, b) => changeOf(b) - changeOf(a) || (a.path < b.path ? -1 : 1));
  const [then, today] = [before.build?.milliseconds, now.build?.milliseconds];
  return {
    before: before.title,
    bytesBefore: total(oldSizes),
    bytesNow: total(sizes),
    ...(then === undefined ? {} : { millisecondsBefore: then }),
    ...(today === undefined ? {} : { millisecondsNow: today }),
    origins: originChanges(old, current),
    paths: paths.slice(0, MAX_CHANGES),
    ...(paths.length > MAX_CHANGES ? { unlisted: paths.length - MAX_CHANGES } : {}),
  };
}

function imageOf(before: Report, now: Report): ReportImage | undefined {
  return before.images.find(({ platform }) => platform === now.images[0]?.platform) ?? before.images[0];
}

/** Bytes by what made them. An instruction that moved to another line is the same one. */
function originChanges(old: ReportImage | undefined, current: ReportImage | undefined): readonly OriginChange[] {
  const [was, is] = [bytesByOrigin(old), bytesByOrigin(current)];
  const keys = [...new Set([...is.keys(), ...was.keys()])];
  return keys
    .map((key): OriginChange => ({
      made: is.get(key)?.made ?? was.get(key)?.made ?? key,
      before: was.get(key)?.bytes ?? 0,
      now: is.get(key)?.bytes ?? 0,
    }))
    .filter(({ before, now }) => before !== now)
    .sort((a, b) => Math.abs(b.now - b.before) - Math.abs(a.now - a.before) || (a.made < b.made ? -1 : 1));
}

function bytesByOrigin(image: ReportImage | undefined): ReadonlyMap<string, Size> {
  const sums = new Map<string, Size>();
  for (const { base, stage, instruction, made, bytes } of image?.layers ?? []) {
    // A base of another digest or tag is the same line of the Dockerfile.
    const key =
      base !== undefined
        ? `base ${base.replace(/@.*$/s, '').replace(/:[^/]*$/, '')}`
        : instruction === undefined
          ? made
          : `${stage ?? ''} ${instruction}`;
    sums.set(key, { bytes: (sums.get(key)?.bytes ?? 0) + bytes, made });
  }
  return sums;
}

function sizesOf(image: ReportImage | undefined): ReadonlyMap<string, Size> {
  const sizes = new Map<string, Size>();
  if (image === undefined) return sizes;
  const { files, layers } = image;
  for (const [index, path] of tablePaths(files).entries()) {
    if (files.kinds[index] !== 'f') continue;
    sizes.set(path, { bytes: files.sizes[index] ?? 0, made: layers[files.layers[index] ?? -1]?.made ?? '' });
  }
  return sizes;
}

function changeOf({ before = 0, now = 0 }: PathChange): number {
  return Math.abs(now - before);
}

function total(sizes: ReadonlyMap<string, Size>): number {
  let sum = 0;
  for (const { bytes } of sizes.values()) sum += bytes;
  return sum;
}
