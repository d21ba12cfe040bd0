// `slipway sign` and `slipway verify`: signatures that cosign makes and reads too.

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { SlipwayError } from '../../base/index.ts';
import { openEngine, signReference, verifyReference } from '../../build/index.ts';
import { COMMON_FLAGS } from '../build-flags.ts';
import { type Flag, parseFlags, type ParsedFlags, usage } from '../flags.ts';
import { readConfiguration } from '../settings.ts';
import { printLine, type World } from '../world.ts';

const SIGN_FLAGS: readonly Flag[] = [
  {
    name: 'key',
    kind: 'string',
    value: 'FILE',
    about: 'Private key: PEM, or cosign’s encrypted form (its password in COSIGN_PASSWORD)',
  },
  ...COMMON_FLAGS,
];
const VERIFY_FLAGS: readonly Flag[] = [
  { name: 'key', kind: 'list', value: 'FILE', about: 'Public key (PEM); several: one of them is enough' },
  ...COMMON_FLAGS,
];

/** Signs what a name means in its registry now. */
export async function run(args: readonly string[], world: World): Promise<number> {
  const flags = parseFlags('sign', SIGN_FLAGS, args);
  if (await helped(flags, world, 'sign', 'Signs an image in its registry, as cosign does.', SIGN_FLAGS)) return 0;
  const image = theImage('sign', flags);
  const file = flags.text('key');
  if (file === undefined) throw usage('sign', 'no key to sign with', 'give --key FILE; `cosign generate-key-pair` makes one');
  await using engine = openEngine({ ...(await readConfiguration(flags, world)), now: world.now });
  const key = { name: file, text: readKey(file, world) };
  const digest = await signReference(engine, image, key, () => world.env['COSIGN_PASSWORD'], world.signal);
  printLine(world, `Signed ${digest}`);
  return 0;
}

/** Checks that an image is signed by a key. */
export async function verify(args: readonly string[], world: World): Promise<number> {
  const flags = parseFlags('verify', VERIFY_FLAGS, args);
  if (await helped(flags, world, 'verify', 'Checks that an image is signed by one of the keys.', VERIFY_FLAGS)) return 0;
  const image = theImage('verify', flags);
  const files = flags.list('key');
  if (files.length === 0) throw usage('verify', 'no key to check with', 'give --key FILE, the signer’s public key');
  await using engine = openEngine({ ...(await readConfiguration(flags, world)), now: world.now });
  const keys = files.map((file) => ({ name: file, text: readKey(file, world) }));
  const { digest, form } = await verifyReference(engine, image, keys, world.signal);
  printLine(world, `Verified ${digest} (${form})`);
  return 0;
}

async function helped(flags: ParsedFlags, world: World, command: string, about: string, all: readonly Flag[]): Promise<boolean> {
  if (!flags.bool('help')) return false;
  const { helpText } = await import('../help.ts');
  printLine(world, helpText(`slipway ${command} --key FILE IMAGE`, about, all));
  return true;
}

function theImage(command: string, flags: ParsedFlags): string {
  const [image] = flags.words;
  if (image === undefined || flags.words.length > 1) throw usage(command, `"slipway ${command}" requires 1 argument: the image`);
  return image;
}

function readKey(file: string, world: World): string {
  try {
    return readFileSync(resolve(world.cwd, file), 'utf8');
  } catch (cause) {
    throw new SlipwayError('TRUST_KEY', `cannot read the key ${file}: ${(cause as Error).message}`, {
      cause,
      hint: 'check the path behind --key',
    });
  }
}
