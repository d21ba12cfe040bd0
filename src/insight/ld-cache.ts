// `/etc/ld.so.cache`: glibc's list of libraries, in its new form, alone or behind the old one (glibc: dl-cache.h).

const NEW_MAGIC = 'glibc-ld.so.cache1.1';
const OLD_MAGIC = 'ld.so-1.7.0';
const MAX_LIBRARIES = 200_000;
/** Characters over all names and paths: more than the file has means that they overlap. */
const MAX_TEXT = 32 << 20;

/** Paths by library name, in the file's order (better hardware first). Empty when the file is not one. */
export function readLdCache(data: Buffer): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  const start = newFormStart(data);
  if (start === undefined || data.length < start + 48) return found;
  const little = data[start + 28] !== 3;
  const u32 = (at: number): number => (little ? data.readUInt32LE(at) : data.readUInt32BE(at));
  const count = Math.min(u32(start + 20), MAX_LIBRARIES);
  let characters = 0;
  for (let index = 0, at = start + 48; index < count && at + 24 <= data.length && characters < MAX_TEXT; index += 1, at += 24) {
    const name = textAt(data, start + u32(at + 4));
    const path = textAt(data, start + u32(at + 8));
    characters += name.length + path.length;
    if (name === '' || path === '') continue;
    const paths = found.get(name);
    if (paths === undefined) found.set(name, [path]);
    else paths.push(path);
  }
  return found;
}

function newFormStart(data: Buffer): number | undefined {
  const is = (text: string, at: number): boolean => data.toString('latin1', at, at + text.length) === text;
  if (is(NEW_MAGIC, 0)) return 0;
  if (!is(OLD_MAGIC, 0) || data.length < 16) return undefined;
  const start = (16 + data.readUInt32LE(12) * 12 + 7) & ~7;
  return start > 0 && is(NEW_MAGIC, start) ? start : undefined;
}

function textAt(data: Buffer, at: number): string {
  if (at >= data.length) return '';
  const end = data.indexOf(0, at);
  return end < 0 ? '' : data.toString('latin1', at, Math.min(end, at + 4096));
}
