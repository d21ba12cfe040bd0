// Functions that look at the world, or whose results are not the same everywhere.

import assert from 'node:assert/strict';
import { constants, generateKeyPairSync, publicEncrypt } from 'node:crypto';
import { test } from 'node:test';
import { compareSync } from 'bcryptjs';

import { type HclFunction, number, string, textOf, type Value } from './index.ts';
import { testFunctions } from './testing/world.ts';

const FUNCTIONS = testFunctions();

function call(name: string, ...values: readonly Value[]): string {
  return textOf((FUNCTIONS.get(name) as HclFunction).call(values));
}

test('all functions of Bake are there', () => {
  const names =
    'absolute add and base64decode base64encode basename bcrypt byteslen bytesslice can ceil chomp chunklist cidrhost cidrnetmask cidrsubnet cidrsubnets ' +
    'coalesce coalescelist compact concat contains convert csvdecode dirname distinct divide element equal flatten floor format formatdate formatlist ' +
    'formattimestamp greaterthan greaterthanorequalto hasindex homedir indent index indexof int join jsondecode jsonencode keys length lessthan ' +
    'lessthanorequalto log lookup lower max md5 merge min modulo multiply negate not notequal or parseint pow range regex regex_replace regexall replace ' +
    'reverse reverselist rsadecrypt sanitize semvercmp sethaselement setintersection setproduct setsubtract setsymmetricdifference setunion sha1 sha256 ' +
    'sha512 signum slice sort split strlen substr subtract timeadd timestamp title trim trimprefix trimspace trimsuffix try unixtimestampparse upper ' +
    'urlencode uuidv4 uuidv5 values zipmap';
  assert.deepEqual([...FUNCTIONS.keys()].sort(), names.split(' ').sort());
});

test('time, home and dice are those that are handed in', () => {
  assert.equal(call('timestamp'), '2026-11-30T08:00:00Z');
  assert.equal(call('homedir'), '/home/somebody');
  assert.equal(call('uuidv4'), '0b30557a-9fc4-490e-b358-7da2c7ec1136');
});

test('bcrypt makes what bcrypt knows again', () => {
  const hash = call('bcrypt', string('secret'), number(4));
  assert.match(hash, /^\$2a\$04\$.{53}$/);
  assert.ok(compareSync('secret', hash));
  assert.throws(() => call('bcrypt', string('secret'), number(17)), /takes too long/);
  assert.throws(() => call('bcrypt', string('x'.repeat(73))), /72 bytes/);
});

test('rsadecrypt reads what was encrypted with the public key, and refuses other texts', () => {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const pem = privateKey.export({ type: 'pkcs1', format: 'pem' });
  const encrypted = publicEncrypt({ key: publicKey, padding: constants.RSA_PKCS1_PADDING }, Buffer.from('grüße')).toString('base64');
  assert.equal(call('rsadecrypt', string(encrypted), string(String(pem))), 'grüße');
  assert.throws(() => call('rsadecrypt', string(Buffer.from('no').toString('base64')), string(String(pem))), /can not be decrypted/);
  assert.throws(() => call('rsadecrypt', string(encrypted), string('no key')), /no private key/);
});
