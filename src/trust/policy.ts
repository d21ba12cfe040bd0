// What is asked of which images. A policy file is a table of rules; the first whose pattern fits an image's name counts.

import { isSlipwayError, SlipwayError } from '../base/index.ts';
import { DOCKER_HUB, parseReference, referenceName } from '../oci/index.ts';
import { readPublicKey } from './key-file.ts';

/** What an image of a name must have. */
export interface TrustRule {
  /** `docker.io/library/*`, the whole name: `*` stands for anything but slashes, `**` for anything. */
  readonly name: string;
  /** `digest`: named by digest where it is used; `signature`: signed by one of the keys; `refuse`; `allow`. */
  readonly require: 'digest' | 'signature' | 'refuse' | 'allow';
  /** Public keys, PEM. */
  readonly keys: readonly string[];
}

/** A whole policy: plain data, that can be handed to another process. */
export interface TrustPolicy {
  readonly rules: readonly TrustRule[];
  /** For names that no rule fits. */
  readonly otherwise: 'allow' | 'refuse';
}

const REQUIREMENTS = ['digest', 'signature', 'refuse', 'allow'] as const;
const KEYS = ['name', 'require', 'keys'];

/**
 * Reads a policy out of a parsed file (`[[image]]` tables and `default`). `readKey` gives a key file's text. Throws `TRUST_POLICY` naming
 * what is wrong: a policy that is half understood protects nobody.
 */
export function parseTrustPolicy(table: Readonly<Record<string, unknown>>, file: string, readKey: (path: string) => string): TrustPolicy {
  const wrong = (what: string): SlipwayError =>
    new SlipwayError('TRUST_POLICY', `the trust policy ${file} cannot be used: ${what}`, {
      hint: 'it has `default = "allow" | "refuse"` and [[image]] tables with name, require = "digest" | "signature" | "refuse" | "allow", and keys',
    });
  for (const key of Object.keys(table)) if (key !== 'default' && key !== 'image') throw wrong(`unknown key ${JSON.stringify(key)}`);
  const { default: otherwise = 'allow', image: images = [] } = table;
  if (otherwise !== 'allow' && otherwise !== 'refuse') throw wrong('default must be "allow" or "refuse"');
  if (!Array.isArray(images)) throw wrong('image must be written as [[image]] tables');
  const rules = (images as readonly Readonly<Record<string, unknown>>[]).map((image, index) => {
    const place = `[[image]] ${index + 1}`;
    for (const key of Object.keys(image)) if (!KEYS.includes(key)) throw wrong(`${place} has the unknown key ${JSON.stringify(key)}`);
    const { name, require, keys = [] } = image;
    if (typeof name !== 'string' || name === '') throw wrong(`${place} has no name`);
    const never = whyNever(name);
    if (never !== undefined) throw wrong(`${place}: no image has a name like ${JSON.stringify(name)}: ${never}`);
    const wanted = REQUIREMENTS.find((known) => known === require);
    if (wanted === undefined) throw wrong(`${place} requires ${JSON.stringify(require)}`);
    if (!Array.isArray(keys) || keys.some((key) => typeof key !== 'string')) throw wrong(`${place}: keys must be a list of files`);
    if ((wanted === 'signature') !== keys.length > 0) throw wrong(`${place}: keys belong to require = "signature", and only there`);
    const pems = (keys as readonly string[]).map((key) => {
      const pem = readKey(key);
      readPublicKey(pem, key); // what cannot be used is told now, not in the middle of a build
      return pem;
    });
    return { name, require: wanted, keys: pems };
  });
  return { rules, otherwise };
}

/** The rule for an image (`docker.io/library/busybox`); undefined: none fits. */
export function ruleFor(policy: TrustPolicy, name: string): TrustRule | undefined {
  return policy.rules.find((rule) => fits(rule.name, name));
}

/** Why a pattern fits no name at all: a rule that says nothing about anything looks like one that protects. */
function whyNever(pattern: string): string | undefined {
  if (!pattern.includes('*')) return otherName(pattern);
  const [registry = '', ...folders] = pattern.split('/');
  const path = folders.join('/');
  if (/[@\s]|\/\//.test(pattern) || /[:A-Z]/.test(path)) return 'names have no tag, no digest and no capitals in them';
  if (folders.length === 0) return pattern.includes('**') ? undefined : `write docker.io/library/${pattern}, or ** for every image`;
  if (registry === 'index.docker.io') return `write docker.io/${path}`;
  if (!/[.:*A-Z]/.test(registry) && registry !== 'localhost') return `write docker.io/${pattern}`;
  return registry === DOCKER_HUB && folders.length === 1 && !path.includes('**') ? `write docker.io/library/${path}` : undefined;
}

/** The name that images which are named like this have, when it is another one. */
function otherName(text: string): string | undefined {
  try {
    const name = referenceName(parseReference(text));
    return name === text ? undefined : `write ${name}`;
  } catch (error) {
    if (isSlipwayError(error)) return error.message;
    throw error;
  }
}

/** Whether a pattern fits a name, in time linear to their lengths' product. */
function fits(pattern: string, name: string): boolean {
  const parts = pattern.split(/(\*\*?)/);
  let ends = new Set([0]);
  for (const part of parts) {
    const next = new Set<number>();
    for (const at of ends) {
      if (part !== '*' && part !== '**') {
        if (name.startsWith(part, at)) next.add(at + part.length);
        continue;
      }
      for (let end = at; end <= name.length; end += 1) {
        next.add(end);
        if (part === '*' && name[end] === '/') break;
      }
    }
    ends = next;
  }
  return ends.has(name.length);
}
