// Which images `GET /images/json` is asked for. A filter that is not understood is refused: who removes what a list has must not be given more.

import { toBytePath } from '../../base/index.ts';
import type { ImageFacts } from '../backend.ts';
import { compileGlob } from '../../build/parts.ts';
import { RpcError } from '../wire/rpc-error.ts';

const KNOWN = ['reference', 'dangling', 'label'];

/** Images that pass, with the names that do. `filters`: JSON as Docker's clients write it. Throws InvalidArgument. */
export function filterImages(images: readonly ImageFacts[], filters: string | null): readonly ImageFacts[] {
  const wanted = readFilters(filters);
  const patterns = wanted.get('reference')?.map(matcher);
  // No image here is without a name.
  if (wanted.get('dangling')?.some((value) => /^(?:1|true|t)$/i.test(value)) === true) return [];
  return images.flatMap((image) => {
    const names = patterns === undefined ? image.names : image.names.filter((name) => patterns.some((matches) => matches(name)));
    return names.length > 0 && (wanted.get('label') ?? []).every((label) => hasLabel(image, label)) ? [{ ...image, names }] : [];
  });
}

function readFilters(text: string | null): ReadonlyMap<string, readonly string[]> {
  let given: unknown;
  try {
    given = JSON.parse(text === null || text === '' ? '{}' : text);
  } catch {
    throw new RpcError('invalidArgument', 'the filters are no JSON');
  }
  if (typeof given !== 'object' || given === null) throw new RpcError('invalidArgument', 'the filters are no table');
  return new Map(
    Object.entries(given).map(([name, values]) => {
      if (!KNOWN.includes(name)) throw new RpcError('invalidArgument', `invalid filter '${name}': there are ${KNOWN.join(', ')}`);
      // Old clients write a list, newer ones a table.
      return [name, Array.isArray(values) ? values.map(String) : Object.keys((values ?? {}) as object)];
    }),
  );
}

/** As Docker: the whole name, or the name without its tag. */
function matcher(pattern: string): (name: string) => boolean {
  const glob = compileGlob(pattern);
  if (!glob.ok) throw new RpcError('invalidArgument', `the reference ${JSON.stringify(pattern)} is no pattern`);
  const matches = (name: string): boolean => glob.value.matches(toBytePath(name));
  return (name) => matches(name) || matches(name.replace(/:[^/:]*$/, ''));
}

function hasLabel({ config }: ImageFacts, label: string): boolean {
  const labels = config?.config?.Labels ?? {};
  const equals = label.indexOf('=');
  const name = equals < 0 ? label : label.slice(0, equals);
  return Object.hasOwn(labels, name) && (equals < 0 || labels[name] === label.slice(equals + 1));
}
