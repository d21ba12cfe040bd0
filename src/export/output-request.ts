// `--output` as written: a type and attributes.

import { SlipwayError, suggest } from '../base/index.ts';
import { splitFields } from './csv.ts';

/** The kinds of output there are. */
const OUTPUT_TYPES = ['image', 'registry', 'oci', 'docker', 'tar', 'local', 'cacheonly'] as const;
export type OutputType = (typeof OUTPUT_TYPES)[number];

/** One `-o`: type and attributes as `docker buildx build` names them; `dest` is among the attributes. */
export interface OutputRequest {
  readonly type: OutputType;
  readonly attributes: Readonly<Record<string, string>>;
}

/**
 * Reads one `-o`. A text that is no `type=…` list is a folder to write to, `-` a tar to standard output, and nothing at all no
 * output. Throws `OUTPUT_INVALID`.
 */
export function parseOutput(text: string): OutputRequest {
  if (text === '') return { type: 'cacheonly', attributes: {} };
  const fields = splitFields(text);
  if (fields.length === 1 && fields[0] === text && !text.startsWith('type=')) {
    return text === '-' ? { type: 'tar', attributes: { dest: '-' } } : { type: 'local', attributes: { dest: text } };
  }
  const attributes: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const field of fields) {
    const equals = field.indexOf('=');
    if (equals < 0) throw new SlipwayError('OUTPUT_INVALID', `invalid value ${field}`, { hint: `write ${field}=… in --output` });
    attributes[field.slice(0, equals).trim().toLowerCase()] = field.slice(equals + 1);
  }
  const { type, ...rest } = attributes;
  if (type === undefined || type === '') {
    throw new SlipwayError('OUTPUT_INVALID', 'type is required for output', {
      hint: `one of ${OUTPUT_TYPES.map((name) => `type=${name}`).join(', ')}`,
    });
  }
  if (!isOutputType(type)) throw unknownType(type);
  return { type, attributes: rest };
}

/** What is said of a type that is none. */
export function unknownType(type: string): SlipwayError {
  const near = suggest(type, OUTPUT_TYPES);
  return new SlipwayError('OUTPUT_INVALID', `exporter ${JSON.stringify(type)} could not be found`, {
    hint: near === undefined ? `there are ${OUTPUT_TYPES.join(', ')}` : `did you mean type=${near}?`,
  });
}

function isOutputType(text: string): text is OutputType {
  return (OUTPUT_TYPES as readonly string[]).includes(text);
}
