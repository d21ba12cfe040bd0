// `--allow` of `slipway bake`: rights of a Bake file as words.

import { suggest } from '../../base/index.ts';
import { type BakeRights } from '../../request/bake.ts';
import { splitOnce } from '../../request/index.ts';
import { usage } from '../flags.ts';

/** What may be named; `true`: with a value, `false`: without, `either`: as the user likes. */
const RIGHTS = {
  ...{ 'network.host': false, 'security.insecure': false, 'buildx.local.delete': false, ssh: false },
  ...{ device: 'either', fs: true, 'fs.read': true, 'fs.write': true, image: true, 'image.push': true, 'image.load': true },
} as const;

/** Reads them; `BUILDX_BAKE_ENTITLEMENTS_FS=0` allows all files, and the agent. Throws `USAGE`. */
export function readAllow(given: readonly string[], env: Readonly<Record<string, string | undefined>>): BakeRights {
  const unchecked = /^(0|f|false)$/i.test(env['BUILDX_BAKE_ENTITLEMENTS_FS'] ?? '');
  const rights = given.filter((text) => text !== '').map(readRight);
  const placesOf = (name: string): readonly string[] => [
    ...(unchecked ? ['/'] : []),
    ...rights.flatMap((right) => (right.name === 'fs' || right.name === name ? [right.value === '*' ? '/' : (right.value as string)] : [])),
  ];
  return {
    read: placesOf('fs.read'),
    write: placesOf('fs.write'),
    entitlements: rights.filter(({ name }) => name !== 'ssh' && RIGHTS[name] !== true).map(({ entry }) => entry),
    ssh: unchecked || rights.some(({ name }) => name === 'ssh'),
  };
}

interface Right {
  readonly entry: string;
  readonly name: keyof typeof RIGHTS;
  readonly value: string | undefined;
}

function readRight(entry: string): Right {
  const [name, value] = splitOnce(entry);
  if (!isRight(name)) {
    const near = suggest(name, Object.keys(RIGHTS));
    const hint = near === undefined ? `there are ${Object.keys(RIGHTS).join(', ')}` : `did you mean ${near}?`;
    throw usage('bake', `unknown entitlement ${entry}`, hint);
  }
  if (RIGHTS[name] === false && value !== undefined)
    throw usage('bake', `${name} does not accept a value: ${entry}`, `write --allow ${name}`);
  if (RIGHTS[name] === true && value === undefined) throw usage('bake', `${name} needs a value`, `write --allow ${name}=PATH`);
  return { entry, name, value };
}

function isRight(name: string): name is keyof typeof RIGHTS {
  return Object.hasOwn(RIGHTS, name);
}
