// Keys of signers: PEM as OpenSSL writes it, and cosign's encrypted form (scrypt, then NaCl's secretbox around PKCS #8).

import { createPrivateKey, createPublicKey, type KeyObject, scryptSync } from 'node:crypto';
import { createRequire } from 'node:module';
import type * as salsa from '@noble/ciphers/salsa';
import { SlipwayError } from '../base/index.ts';

/** A signer's key. */
export interface KeyPair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

const ENCRYPTED = /-----BEGIN ENCRYPTED (?:SIGSTORE|COSIGN) PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END/;
/** As OpenSSL encrypts: PKCS #8, and the older form. */
const ENCRYPTED_PEM = /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m;
/** Cosign writes 2^15 or 2^16; a file that asks for far more wants to keep us busy. */
const LARGEST_N = 2 ** 20;

/** Reads a private key. `password` is asked only for an encrypted one. Throws `TRUST_KEY`. `name` is the file, for messages. */
export function readPrivateKey(text: string, name: string, password: () => string | undefined): KeyPair {
  if (/-----BEGIN (?:RSA )?PUBLIC KEY-----/.test(text) && !/PRIVATE KEY-----/.test(text))
    throw badKey(name, 'it is a public key', undefined, 'signing takes the private key that belongs to it');
  const encrypted = ENCRYPTED.exec(text)?.[1];
  const der = encrypted === undefined ? undefined : openCosignKey(Buffer.from(encrypted, 'base64').toString('utf8'), name, password);
  try {
    const privateKey =
      der === undefined
        ? createPrivateKey({ key: text, passphrase: password() ?? '' })
        : createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
    return { privateKey, publicKey: usable(createPublicKey(privateKey), name) };
  } catch (cause) {
    if (cause instanceof SlipwayError) throw cause;
    // OpenSSL's own words for a wrong password are of its decoders.
    if (ENCRYPTED_PEM.test(text)) throw password() === undefined ? lacksPassword(name) : wrongPassword(name, cause);
    throw badKey(name, `no private key in PEM: ${(cause as Error).message}`, cause);
  }
}

/** Reads a public key (or takes the public half of a private one). Throws `TRUST_KEY`. */
export function readPublicKey(text: string, name: string): KeyObject {
  if (ENCRYPTED.test(text) || ENCRYPTED_PEM.test(text))
    throw badKey(
      name,
      'it is an encrypted private key',
      undefined,
      'name the public key that belongs to it, as cosign.pub beside cosign.key',
    );
  try {
    return usable(createPublicKey(text), name);
  } catch (cause) {
    throw cause instanceof SlipwayError ? cause : badKey(name, `no public key in PEM: ${(cause as Error).message}`, cause);
  }
}

function usable(key: KeyObject, name: string): KeyObject {
  if (key.asymmetricKeyType === 'ec' || key.asymmetricKeyType === 'rsa') return key;
  throw badKey(name, `keys of type ${key.asymmetricKeyType ?? 'unknown'} are not used for images; make an ECDSA one`);
}

function openCosignKey(json: string, name: string, password: () => string | undefined): Buffer {
  const { salt, nonce, box, N, r, p } = readEnvelope(json, name);
  const secret = password();
  if (secret === undefined) throw lacksPassword(name);
  const key = scryptSync(secret, salt, 32, { N, r, p, maxmem: 512 << 20 });
  const { xsalsa20poly1305 } = createRequire(import.meta.url)('@noble/ciphers/salsa') as typeof salsa;
  try {
    return Buffer.from(xsalsa20poly1305(key, nonce).decrypt(box));
  } catch (cause) {
    throw wrongPassword(name, cause);
  }
}

function lacksPassword(name: string): SlipwayError {
  return badKey(name, 'it is encrypted, and no password was given', undefined, 'set COSIGN_PASSWORD to its password');
}

function wrongPassword(name: string, cause: unknown): SlipwayError {
  return badKey(name, 'the password is wrong, or the file is damaged', cause, 'check COSIGN_PASSWORD');
}

interface Envelope {
  readonly salt: Uint8Array;
  readonly nonce: Uint8Array;
  readonly box: Uint8Array;
  readonly N: number;
  readonly r: number;
  readonly p: number;
}

function readEnvelope(json: string, name: string): Envelope {
  interface Written {
    readonly kdf?: { readonly name?: string; readonly params?: { N?: number; r?: number; p?: number }; readonly salt?: string };
    readonly cipher?: { readonly name?: string; readonly nonce?: string };
    readonly ciphertext?: string;
  }
  let written: Written;
  try {
    written = JSON.parse(json) as Written;
  } catch (cause) {
    throw badKey(name, 'its encrypted part is not JSON', cause);
  }
  const { kdf, cipher, ciphertext } = written;
  const { N = 0, r = 0, p = 0 } = kdf?.params ?? {};
  const bytes = (text: unknown): Buffer => Buffer.from(typeof text === 'string' ? text : '', 'base64');
  const sound = kdf?.name === 'scrypt' && cipher?.name === 'nacl/secretbox' && bytes(cipher.nonce).length === 24;
  const bounded = Number.isInteger(Math.log2(N)) && N <= LARGEST_N && r > 0 && r <= 16 && p > 0 && p <= 16;
  if (!sound || !bounded) throw badKey(name, 'it is encrypted in a way that cosign does not write');
  return { salt: bytes(kdf.salt), nonce: bytes(cipher.nonce), box: bytes(ciphertext), N, r, p };
}

function badKey(name: string, why: string, cause?: unknown, hint?: string): SlipwayError {
  return new SlipwayError('TRUST_KEY', `cannot use the key ${name}: ${why}`, {
    cause,
    hint: hint ?? 'make a key by `cosign generate-key-pair`, or by `openssl ecparam -name prime256v1 -genkey -noout`',
  });
}
