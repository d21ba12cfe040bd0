// A small reader of XML, for files that nobody vouches for: no document types, no entities beyond the five and numbers, nothing is
// fetched, depth and counts are bounded. What it cannot read ends the reading; it never throws.

/** What is in a document, in order. */
export type XmlEvent =
  | { readonly type: 'open'; readonly name: string; readonly attributes: ReadonlyMap<string, string> }
  | { readonly type: 'close'; readonly name: string }
  | { readonly type: 'text'; readonly text: string };

/** Elements inside each other, attributes of one, and events in all. */
const LIMITS = { depth: 200, attributes: 100, events: 2_000_000 } as const;

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };
const TAG = /<(\/?)([A-Za-z_][\w:.-]{0,200})((?:\s+[A-Za-z_][\w:.-]{0,200}\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>/y;
const ATTRIBUTE = /(?<![\w:.-])([A-Za-z_][\w:.-]*)\s*=\s*(?:"([^"<]*)"|'([^'<]*)')/g;

/** Reads events up to the end or to what is no XML; returns why it stopped before the end. */
export function* readXml(text: string): Generator<XmlEvent, string | undefined> {
  const open: string[] = [];
  let at = text.startsWith('\ufeff') ? 1 : 0;
  let events = 0;
  while (at < text.length) {
    if (++events > LIMITS.events) return 'it has too many elements';
    if (text[at] !== '<') {
      const end = text.indexOf('<', at);
      const part = text.slice(at, end < 0 ? text.length : end);
      if (open.length > 0 && part.trim() !== '') yield { type: 'text', text: unescape(part) };
      at += part.length;
      continue;
    }
    const skipped = skipOver(text, at);
    if (skipped !== undefined) {
      if (typeof skipped === 'string') return skipped;
      if (skipped.text !== undefined) yield { type: 'text', text: skipped.text };
      at = skipped.end;
      continue;
    }
    TAG.lastIndex = at;
    const tag = TAG.exec(text);
    if (tag === null) return `it is no XML at character ${at}`;
    at = TAG.lastIndex;
    const [, closing, name = '', written = '', empty] = tag;
    if (closing === '/') {
      if (open.pop() !== name) return `</${name}> closes what is not open`;
      yield { type: 'close', name };
      continue;
    }
    const attributes = readAttributes(written);
    if (attributes === undefined) return `<${name}> has too many attributes`;
    yield { type: 'open', name, attributes };
    if (empty === '/') yield { type: 'close', name };
    else if (open.push(name) > LIMITS.depth) return 'its elements are too deep';
  }
  return open.length === 0 ? undefined : `<${open.at(-1) ?? ''}> is not closed`;
}

/** Comments, instructions and CDATA. A string: why reading ends. */
function skipOver(text: string, at: number): { readonly end: number; readonly text?: string } | string | undefined {
  for (const [start, stop] of [
    ['<!--', '-->'],
    ['<?', '?>'],
    ['<![CDATA[', ']]>'],
  ] as const) {
    if (!text.startsWith(start, at)) continue;
    const end = text.indexOf(stop, at + start.length);
    if (end < 0) return `${start} is not closed`;
    return { end: end + stop.length, ...(start === '<![CDATA[' ? { text: text.slice(at + start.length, end) } : {}) };
  }
  return text.startsWith('<!', at) ? 'it has a document type, which is not read' : undefined;
}

function readAttributes(written: string): ReadonlyMap<string, string> | undefined {
  const attributes = new Map<string, string>();
  for (const [, name = '', double, single] of written.matchAll(ATTRIBUTE)) {
    if (attributes.size >= LIMITS.attributes) return undefined;
    attributes.set(name, unescape(double ?? single ?? ''));
  }
  return attributes;
}

function unescape(text: string): string {
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|(\w{1,8}));/g, (whole, decimal?: string, hex?: string, name?: string) => {
    if (name !== undefined) return ENTITIES[name] ?? whole;
    const code = decimal !== undefined ? Number(decimal) : Number.parseInt(hex ?? '', 16);
    return code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff) ? String.fromCodePoint(code) : whole;
  });
}
