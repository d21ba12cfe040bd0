// The JSON syntax: the same bodies, whose strings are templates.

import type { SlipwayError, SourceText } from '../base/index.ts';
import { parseWholeExpression, parseWholeTemplate } from './expression.ts';
import { fault, faults } from './fault.ts';
import { type Json, type JsonString, parseJson } from './json-text.ts';
import type { Node } from './node.ts';
import { Scanner } from './scanner.ts';
import { Text } from './text.ts';
import type { Attribute, Block, Body } from './tree.ts';

/** Which names are blocks: JSON alone does not tell a block from an attribute that is an object. */
export type BlockSchema = ReadonlyMap<string, { readonly labels: number; readonly blocks?: BlockSchema }>;

/** The tree of a JSON file; throws HCL_INVALID. A member `"//"` is a comment. */
export function parseHclJson(source: SourceText, schema: BlockSchema): Body {
  const { json, text } = parseJson(source);
  const reader = new BodyReader(text);
  const body = reader.body(json, schema, 'the file');
  if (reader.faults.length > 0) throw faults(reader.faults);
  return body;
}

interface Member {
  readonly name: JsonString;
  readonly value: Json;
}

class BodyReader {
  readonly faults: SlipwayError[] = [];
  readonly #text: Text;

  constructor(text: Text) {
    this.#text = text;
  }

  /** An object is a body; so is an array of objects, whose members are then taken together. */
  body(json: Json, schema: BlockSchema, what: string): Body {
    const attributes = new Map<string, Attribute>();
    const blocks: Block[] = [];
    for (const { name, value } of this.#members(json, what)) {
      const block = schema.get(name.text);
      if (block !== undefined) this.#blocks(name, value, block, [], blocks);
      else if (name.text !== '//') this.#attribute(name, value, attributes);
    }
    return { attributes: [...attributes.values()], blocks, location: this.#location(json) };
  }

  #attribute(name: JsonString, value: Json, attributes: Map<string, Attribute>): void {
    const first = attributes.get(name.text);
    if (first === undefined) {
      attributes.set(name.text, { name: name.text, expression: nodeOf(value, this.#text), location: this.#location(name) });
      return;
    }
    const { line } = first.location.range.start;
    this.faults.push(fault(`${name.text} is set twice (first in line ${line})`, this.#location(name), 'keep one of them'));
  }

  /** Labels are the names of nested objects; behind the last one is a body, or an array of bodies. */
  #blocks(
    type: JsonString,
    json: Json,
    schema: { readonly labels: number; readonly blocks?: BlockSchema },
    labels: readonly JsonString[],
    found: Block[],
  ): void {
    if (labels.length < schema.labels) {
      for (const { name, value } of this.#members(json, `the block ${type.text}`)) {
        this.#blocks(type, value, schema, [...labels, name], found);
      }
      return;
    }
    if (json.kind === 'plain' && json.value.value === null) return;
    const bodies = json.kind === 'array' ? json.items : [json];
    for (const one of bodies) {
      found.push({
        type: type.text,
        labels: labels.map((label) => ({ text: label.text, range: this.#location(label).range })),
        location: this.#location(labels[labels.length - 1] ?? type),
        body: this.body(one, schema.blocks ?? new Map(), `the block ${type.text}`),
      });
    }
  }

  #members(json: Json, what: string): readonly Member[] {
    if (json.kind === 'object') return json.members;
    if (json.kind === 'array') return json.items.flatMap((item) => this.#members(item, what));
    if (json.kind === 'plain' && json.value.value === null) return [];
    this.faults.push(fault(`${what} must be an object`, this.#location(json), 'write { "name": value, … }'));
    return [];
  }

  #location({ start, end }: { readonly start: number; readonly end: number }): Body['location'] {
    return this.#text.location(start, end);
  }
}

function nodeOf(json: Json, text: Text): Node {
  const location = text.location(json.start, json.end);
  switch (json.kind) {
    case 'plain':
      return { kind: 'literal', value: json.value, location };
    case 'array':
      return { kind: 'tuple', items: json.items.map((item) => nodeOf(item, text)), location };
    case 'object':
      return {
        kind: 'object',
        items: json.members.map(({ name, value }) => ({ key: nodeOf(name, text), value: nodeOf(value, text) })),
        distinct: true,
        location,
      };
    case 'string':
      return stringOf(json, text, location);
  }
}

/** What the string means as a template, or as an expression, is found out when somebody asks. */
function stringOf(json: JsonString, file: Text, location: Node['location']): Node {
  const inside = (): Scanner => new Scanner(new Text(file.source, { text: json.text, offsets: json.offsets, file }));
  let template: Node | undefined;
  return {
    kind: 'json-string',
    text: json.text,
    template: () => (template ??= parseWholeTemplate(inside())),
    expression: () => parseWholeExpression(inside()),
    location,
  };
}
