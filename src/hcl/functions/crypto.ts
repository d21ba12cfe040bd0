// Digests, passwords, identifiers.

import { constants, createHash, createPrivateKey, type KeyObject, privateDecrypt } from 'node:crypto';
import { encodeBase64, hashSync } from 'bcryptjs';
import { type HclFunction, Refusal } from '../scope.ts';
import { string, textOf, type Value } from '../value.ts';
import { define, defineVariadic, type Table, whole, type World } from './define.ts';
import { base64 } from './encodings.ts';

export function cryptography({ random }: World): Table {
  return {
    bcrypt: defineVariadic({ str: 'string' }, ['cost', 'number'], ({ str }, further) => string(bcrypt(textOf(str), further, random))),
    md5: digest('md5'),
    rsadecrypt: define({ ciphertext: 'string', privatekey: 'string' }, ({ ciphertext, privatekey }) =>
      string(decrypted(base64(textOf(ciphertext), 0), keyOf(textOf(privatekey)))),
    ),
    sha1: digest('sha1'),
    sha256: digest('sha256'),
    sha512: digest('sha512'),
    uuidv4: define({}, () => string(uuid(random(16), 4))),
    uuidv5: define({ namespace: 'string', name: 'string' }, ({ namespace, name }) => {
      const hash = createHash('sha1')
        .update(namespaceOf(textOf(namespace)))
        .update(textOf(name))
        .digest();
      return string(uuid(hash.subarray(0, 16), 5));
    }),
  };
}

function digest(algorithm: string): HclFunction {
  return define({ str: 'string' }, ({ str }) => string(createHash(algorithm).update(textOf(str)).digest('hex')));
}

/** Each step doubles the work: this many take some seconds. */
const MAX_COST = 16;

function bcrypt(password: string, further: readonly Value[], random: World['random']): string {
  if (further.length > 1) throw new Refusal('two parameters at most', 2);
  const given = further[0] === undefined ? 10 : whole(further[0], 1);
  const cost = given < 4 ? 10 : given;
  if (cost > MAX_COST) throw new Refusal(`a cost above ${MAX_COST} takes too long`, 1);
  if (Buffer.byteLength(password) > 72) throw new Refusal('a password of bcrypt has 72 bytes at most', 0);
  return hashSync(password, `$2a$${String(cost).padStart(2, '0')}$${encodeBase64([...random(16)], 16)}`);
}

function keyOf(pem: string): KeyObject {
  if (pem.includes('4,ENCRYPTED')) throw new Refusal('the key is encrypted: decrypt it first', 1);
  try {
    return createPrivateKey(pem);
  } catch (error) {
    throw new Refusal(`this is no private key in PEM form: ${error instanceof Error ? error.message : String(error)}`, 1);
  }
}

/** The padding is taken off here: Node refuses to do it with what OpenSSL it may have. */
function decrypted(bytes: Buffer, key: KeyObject): string {
  let block: Buffer;
  try {
    block = privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, bytes);
  } catch {
    throw new Refusal('the text can not be decrypted with this key', 0);
  }
  const end = block.indexOf(0, 2);
  if (block[0] !== 0 || block[1] !== 2 || end < 10) throw new Refusal('the text can not be decrypted with this key', 0);
  return block.subarray(end + 1).toString();
}

const NAMESPACES: Readonly<Record<string, string>> = {
  dns: '6ba7b810-9dad-11d1-80b4-00c04fd430c8',
  url: '6ba7b811-9dad-11d1-80b4-00c04fd430c8',
  oid: '6ba7b812-9dad-11d1-80b4-00c04fd430c8',
  x500: '6ba7b814-9dad-11d1-80b4-00c04fd430c8',
};

function namespaceOf(name: string): Uint8Array {
  const text = (Object.hasOwn(NAMESPACES, name) ? NAMESPACES[name] : undefined) ?? name;
  const bare = text.replace(/^urn:uuid:/i, '').replace(/^\{(.*)\}$/, '$1');
  if (!/^[0-9a-f]{32}$/i.test(bare) && !/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(bare)) {
    throw new Refusal(`the namespace is dns, url, oid, x500 or a UUID, not ${JSON.stringify(name)}`, 0);
  }
  return Buffer.from(bare.replaceAll('-', ''), 'hex');
}

function uuid(bytes: Uint8Array, version: number): string {
  const marked = Buffer.from(bytes);
  marked[6] = ((marked[6] ?? 0) & 0x0f) | (version << 4);
  marked[8] = ((marked[8] ?? 0) & 0x3f) | 0x80;
  return marked.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
