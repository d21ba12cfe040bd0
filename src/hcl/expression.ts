// Expressions: operators by precedence, and what can stand behind a term.

import type { CallNode, Node, StepNode } from './node.ts';
import { parseObject, parseTuple } from './collection.ts';
import { parseNumber } from './number.ts';
import type { ExpressionParser, Scanner, Token } from './scanner.ts';
import { parseBareTemplate, parseTemplate } from './template.ts';
import { bool, NULL, number, string, type Value } from './value.ts';

/** Operators by how tightly they bind, loosest first; all from left to right. */
const LEVELS: readonly (readonly string[])[] = [['||'], ['&&'], ['==', '!='], ['>', '>=', '<', '<='], ['+', '-'], ['*', '/', '%']];

/** More operators or steps in a row than people write: the tree may not be too deep for the stack. */
const MAX_CHAIN = 1000;

const WORDS: Readonly<Record<string, Value>> = { true: bool(true), false: bool(false), null: NULL };

export class Expressions implements ExpressionParser {
  readonly scan: Scanner;

  constructor(scan: Scanner) {
    this.scan = scan;
  }

  readonly expression = (): Node => this.scan.nested(() => this.#conditional());

  #conditional(): Node {
    const { scan } = this;
    const start = scan.peek().start;
    const condition = this.#binary(0);
    if (scan.accept('?') === undefined) return condition;
    const then = this.expression();
    if (scan.accept(':') === undefined)
      throw scan.unexpected('a colon and the value for "false"', 'write: condition ? value : other value');
    const otherwise = this.expression();
    return { kind: 'conditional', condition, then, otherwise, location: scan.location(start, scan.at) };
  }

  #binary(level: number): Node {
    const { scan } = this;
    const operators = LEVELS[level];
    if (operators === undefined) return this.#withSteps();
    const start = scan.peek().start;
    let left = this.#binary(level + 1);
    for (let count = 0; operators.includes(scan.peek().kind); count += 1) {
      const operator = scan.next();
      if (count >= MAX_CHAIN)
        throw scan.fault(`more than ${MAX_CHAIN} operators in a row`, operator, 'take it apart into several attributes');
      const right = this.#binary(level + 1);
      left = { kind: 'binary', operator: operator.kind, left, right, location: scan.location(start, scan.at) };
    }
    return left;
  }

  #withSteps(): Node {
    const start = this.scan.peek().start;
    return this.#steps(this.#term(), start);
  }

  #term(): Node {
    const { scan } = this;
    const token = scan.peek();
    switch (token.kind) {
      case '(':
        return this.#parentheses();
      case 'number':
        return this.#number();
      case 'word':
        return this.#word();
      case 'quote':
      case 'heredoc':
        return parseTemplate(this);
      case '-':
      case '!':
        return this.#unary(token.kind);
      case '[':
        return parseTuple(this);
      case '{':
        return parseObject(this);
      default:
        throw scan.unexpected('an expression', token.kind === '=' ? 'to compare, write ==' : undefined);
    }
  }

  #parentheses(): Node {
    const { scan } = this;
    const open = scan.next();
    return scan.inBrackets(false, () => {
      const inner = this.expression();
      if (scan.peek().kind === 'end') throw scan.fault('this parenthesis is not closed', open, 'close it with )');
      if (scan.accept(')') === undefined) throw scan.unexpected('a closing parenthesis', 'close it with )');
      return { kind: 'parentheses', inner, location: scan.location(open.start, scan.at) };
    });
  }

  #number(): Node {
    const token = this.scan.next();
    const value = parseNumber(token.text);
    if (value === undefined)
      throw this.scan.fault(`${token.text} is no number`, token, 'write digits with at most one point; text goes in double quotes');
    return { kind: 'literal', value: number(value), location: this.#at(token) };
  }

  #word(): Node {
    const { scan } = this;
    const token = scan.next();
    if (scan.peek().kind === '(' || scan.peek().kind === '::') return this.#call(token);
    const value = Object.hasOwn(WORDS, token.text) ? WORDS[token.text] : undefined;
    const location = this.#at(token);
    if (value !== undefined) return { kind: 'literal', value, word: token.text, location };
    return { kind: 'variable', name: token.text, steps: [], location, nameLocation: location };
  }

  #unary(operator: '-' | '!'): Node {
    const { scan } = this;
    const { start } = scan.next();
    const operand = scan.nested(() => this.#withSteps());
    return { kind: 'unary', operator, operand, location: scan.location(start, scan.at) };
  }

  #call(first: Token): CallNode {
    const { scan } = this;
    let name = first.text;
    while (scan.accept('::') !== undefined) {
      if (scan.peek().kind !== 'word') throw scan.unexpected('the name of a function behind ::');
      name += `::${scan.next().text}`;
    }
    const nameLocation = scan.location(first.start, scan.at);
    if (scan.peek().kind !== '(') throw scan.unexpected(`( behind the function ${name}`);
    const open = scan.next();
    return scan.inBrackets(false, () => {
      const parameters: Node[] = [];
      let expands = false;
      while (scan.peek().kind !== ')') {
        if (scan.peek().kind === 'end') break;
        parameters.push(this.expression());
        expands = scan.accept('...') !== undefined;
        if (expands || scan.accept(',') === undefined) break;
      }
      if (scan.peek().kind === 'end')
        throw scan.fault(`the call of ${name} has no end`, { start: first.start, end: open.end }, 'close it with )');
      const expected = expands ? ') behind ...' : 'a comma or ) behind a parameter';
      if (scan.peek().kind !== ')') throw scan.unexpected(expected, 'put a comma between parameters');
      const closing = this.#at(scan.next());
      return { kind: 'call', name, nameLocation, parameters, expands, closing, location: scan.location(first.start, scan.at) };
    });
  }

  /** `.name`, `.0`, `.*`, `[key]`, `[*]` behind a term that begins at `start`. */
  #steps(from: Node, start: number): Node {
    const { scan } = this;
    let node = from;
    for (let count = 0; ; count += 1) {
      const token = scan.peek();
      if (token.kind !== '.' && token.kind !== '[') return node;
      if (count >= MAX_CHAIN) throw scan.fault(`more than ${MAX_CHAIN} steps in a row`, token);
      scan.next();
      if (token.kind === '[') node = this.#bracket(node, token, start);
      else if (scan.accept('*') !== undefined) node = this.#attributeSplat(node, token, start);
      else node = this.#extended(node, this.#attribute(token), start);
    }
  }

  /** Behind a dot: a name, or an index of the old kind. */
  #attribute(dot: Token): StepNode {
    const { scan } = this;
    const token = scan.peek();
    if (token.kind === 'word') {
      scan.next();
      return { kind: 'attribute', name: token.text, location: scan.location(dot.start, token.end) };
    }
    if (token.kind !== 'number') throw scan.unexpected('the name of an attribute behind the dot', 'write value.name or value["name"]');
    scan.next();
    const key = token.text.includes('.') ? undefined : parseNumber(token.text);
    if (key === undefined)
      throw scan.fault(
        `${token.text} is no index`,
        token,
        `write ${token.text
          .split('.')
          .map((one) => `[${one}]`)
          .join('')}`,
      );
    return { kind: 'index', key: number(key), location: scan.location(dot.start, token.end) };
  }

  /** `.*` and the names and indices right behind it, for each element. */
  #attributeSplat(source: Node, dot: Token, start: number): Node {
    const { scan } = this;
    const item: Node = { kind: 'item', location: scan.location(dot.start, scan.at) };
    const steps: StepNode[] = [];
    for (let next = scan.accept('.'); next !== undefined; next = scan.accept('.')) {
      if (scan.peek().kind === '*') throw scan.fault('.* can not stand behind .*', scan.peek(), 'write [*] for the outer one');
      steps.push(this.#attribute(next));
    }
    const location = scan.location(start, scan.at);
    return { kind: 'splat', source, each: steps.length === 0 ? item : { kind: 'access', source: item, steps, location }, location };
  }

  #bracket(source: Node, open: Token, start: number): Node {
    const { scan } = this;
    if (scan.peek().kind === '*') return this.#fullSplat(source, open, start);
    const key = scan.inBrackets(false, () => {
      const inner = this.expression();
      if (scan.accept(']') === undefined) throw scan.unexpected('] behind the index', 'close it with ]');
      return inner;
    });
    const bracket = scan.location(open.start, scan.at);
    const constant = constantKey(key);
    if (constant !== undefined) return this.#extended(source, { kind: 'index', key: constant, location: bracket }, start);
    return { kind: 'index', source, key, bracket, location: scan.location(start, scan.at) };
  }

  /** `[*]`: everything behind it is done for each element. */
  #fullSplat(source: Node, open: Token, start: number): Node {
    const { scan } = this;
    scan.next();
    if (scan.accept(']') === undefined) throw scan.unexpected('] behind [*', 'write [*]');
    const item: Node = { kind: 'item', location: scan.location(open.start, scan.at) };
    const each = scan.nested(() => this.#steps(item, open.start));
    return { kind: 'splat', source, each, location: scan.location(start, scan.at) };
  }

  #extended(source: Node, step: StepNode, start: number): Node {
    const location = this.scan.location(start, this.scan.at);
    if (source.kind === 'variable' || source.kind === 'access') return { ...source, steps: [...source.steps, step], location };
    return { kind: 'access', source, steps: [step], location };
  }

  #at({ start, end }: Token): Node['location'] {
    return this.scan.location(start, end);
  }
}

function constantKey(key: Node): Value | undefined {
  if (key.kind === 'literal') return key.value;
  const only = key.kind === 'template' && key.parts.length === 1 ? key.parts[0] : undefined;
  return only?.kind === 'literal' ? string(String(only.value.value)) : undefined;
}

/** A text that is one expression. */
export function parseWholeExpression(scan: Scanner): Node {
  scan.newlines = false;
  const node = new Expressions(scan).expression();
  if (scan.peek().kind !== 'end') throw scan.unexpected('nothing more behind the expression');
  return node;
}

/** A text that is one template, without quotes around it. */
export function parseWholeTemplate(scan: Scanner): Node {
  return parseBareTemplate(new Expressions(scan));
}
