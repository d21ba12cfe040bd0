// What is between `[ ]` and `{ }`: tuples, objects, for expressions.

import type { Node } from './node.ts';
import type { ExpressionParser, Token } from './scanner.ts';
import { readLoopHead } from './template-pieces.ts';

export function parseTuple(parser: ExpressionParser): Node {
  const { scan } = parser;
  const open = scan.next();
  return scan.inBrackets(false, () => {
    if (scan.acceptWord('for') !== undefined) return parseFor(parser, open);
    const items: Node[] = [];
    while (scan.accept(']') === undefined) {
      items.push(parser.expression());
      if (scan.peek().kind === 'end') throw scan.fault('this list has no end', open, 'close it with ]');
      if (scan.peek().kind !== ']' && scan.accept(',') === undefined)
        throw scan.unexpected('a comma or ] behind an element', 'put a comma between elements');
    }
    return { kind: 'tuple', items, location: scan.location(open.start, scan.at) };
  });
}

export function parseObject(parser: ExpressionParser): Node {
  const { scan } = parser;
  const open = scan.next();
  const isFor = scan.inBrackets(false, () => scan.acceptWord('for') !== undefined);
  if (isFor) return scan.inBrackets(false, () => parseFor(parser, open));
  return scan.inBrackets(true, () => {
    const items: { key: Node; value: Node }[] = [];
    for (;;) {
      while (scan.accept('newline') !== undefined);
      if (scan.accept('}') !== undefined) break;
      items.push(parseItem(parser, open));
      if (scan.peek().kind === '}' || scan.accept(',') !== undefined || scan.accept('newline') !== undefined) continue;
      if (scan.peek().kind === 'end') throw scan.fault('this object has no end', open, 'close it with }');
      throw scan.unexpected('a comma, a newline or } behind an attribute', 'put a comma or a newline between attributes');
    }
    return { kind: 'object', items, distinct: false, location: scan.location(open.start, scan.at) };
  });
}

function parseItem(parser: ExpressionParser, open: Token): { readonly key: Node; readonly value: Node } {
  const { scan } = parser;
  if (scan.peek().kind === 'end') throw scan.fault('this object has no end', open, 'close it with }');
  const key = parser.expression();
  if (scan.accept('=') === undefined && scan.accept(':') === undefined) {
    if (scan.peek().kind === 'end') throw scan.fault('this object has no end', open, 'close it with }');
    throw scan.unexpected(
      '= and a value behind the name of an attribute',
      'write name = value; a name with blanks or dots goes in double quotes',
    );
  }
  return { key, value: parser.expression() };
}

/** Behind the word `for`. */
function parseFor(parser: ExpressionParser, open: Token): Node {
  const { scan } = parser;
  const closing = open.kind === '{' ? '}' : ']';
  const head = readLoopHead(parser);
  if (scan.accept(':') === undefined) throw scan.unexpected('a colon behind the collection', 'write: for value in collection : result');
  const first = parser.expression();
  const second = scan.accept('=>') === undefined ? undefined : parser.expression();
  const dots = scan.accept('...');
  const condition = scan.acceptWord('if') === undefined ? undefined : parser.expression();
  if (scan.accept(closing) === undefined) throw scan.unexpected(`${closing} at the end of the for expression`, `close it with ${closing}`);
  const location = scan.location(open.start, scan.at);
  if (open.kind === '{' && second === undefined) {
    throw scan.fault(
      'a for expression between { } needs a key and a value',
      { start: open.start, end: scan.at },
      'write: key => value; or use [ ] for a list',
    );
  }
  if (open.kind === '[' && (second !== undefined || dots !== undefined)) {
    const what = second !== undefined ? 'a key (=>)' : 'grouping (...)';
    throw scan.fault(`a for expression between [ ] can not have ${what}`, { start: open.start, end: scan.at }, 'use { } to make an object');
  }
  const [key, value] = second === undefined ? [undefined, first] : [first, second];
  return { kind: 'for', ...head, key, value, condition, grouped: dots !== undefined, location };
}
