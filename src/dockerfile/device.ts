// RUN --device: a CDI device name and whether it must be there.

import { suggest } from '../base/index.ts';
import { parseCsvFields } from './csv.ts';
import { parseGoBool } from './go-text.ts';
import { bad, good, type Outcome } from './outcome.ts';

export interface Device {
  /** `vendor.com/class`, `vendor.com/class=name`. */
  readonly name: string;
  readonly required: boolean;
}

/** Reads `vendor.com/class=name,required` or `name=…,required=true`. */
export function parseDevice(text: string): Outcome<Device> {
  const fields = parseCsvFields(text);
  if (!fields.ok) return bad(`failed to parse csv devices: ${fields.problem.message}`, fields.problem.hint);
  let name = '';
  let required = false;
  for (const field of fields.value) {
    const equals = field.indexOf('=');
    const key = (equals < 0 ? field : field.slice(0, equals)).toLowerCase();
    const value = equals < 0 ? undefined : field.slice(equals + 1);
    if (key === 'required') {
      const flag = value === undefined ? true : parseGoBool(value);
      if (flag === undefined) return bad(`invalid value for ${key}: ${value ?? ''}`, 'write required=true or required=false');
      required = flag;
    } else if (key === 'name' && value !== undefined) {
      if (name !== '') return bad(`device name already set to ${name}`);
      name = value;
    } else if (name === '') name = field;
    else if (value === undefined) return bad(`invalid field '${field}' must be a key=value pair`);
    else {
      const near = suggest(key, ['name', 'required']);
      return bad(
        `unexpected key '${key}' in '${field}'`,
        near === undefined ? 'known keys are name and required' : `did you mean ${near}?`,
      );
    }
  }
  return good({ name, required });
}
