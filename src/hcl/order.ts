// The order of strings: by code points, which is the order of their UTF-8 bytes.

export function byCodePoints(a: string, b: string): number {
  for (let at = 0; at < a.length && at < b.length; at += 1) {
    if (a.charCodeAt(at) === b.charCodeAt(at)) continue;
    // Units of a surrogate pair would sort before the last characters of the basic plane, whose code points are smaller.
    return lifted(a.charCodeAt(at)) - lifted(b.charCodeAt(at));
  }
  return a.length - b.length;
}

function lifted(unit: number): number {
  return unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit;
}
