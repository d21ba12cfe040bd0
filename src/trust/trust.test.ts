// Signatures: cosign's own, ours, none, by another key, of another image; and what a policy makes of them.

import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Digest, digestOf, isSlipwayError, quietJob } from '../base/index.ts';
import { OCI, parseReference, type Reference, serializeIndex, serializeManifest } from '../oci/index.ts';
import { bytesBlob, openRegistry, type RegistryClient } from '../registry/index.ts';
import { type RealRegistry, startRealRegistry } from '../../test/rig/real-registry.ts';
import { checkBundle, checkPayload } from './check-signature.ts';
import { createTrustGate, parseTrustPolicy, readPrivateKey, readPublicKey, signImage, verifyImage } from './index.ts';
import { ruleFor } from './policy.ts';
import { SIGNATURE_ANNOTATION, signatureTag, SIMPLE_SIGNING } from './simple-signing.ts';

const read = (name: string): Buffer => readFileSync(join(import.meta.dirname, 'testdata', name));
const text = (name: string): string => read(name).toString('utf8');
const job = quietJob();
const cosignKey = readPrivateKey(text('cosign.key'), 'cosign.key', () => 'pw');
const otherKey = readPrivateKey(text('other.key'), 'other.key', () => undefined);
const cosignPub = readPublicKey(text('cosign.pub'), 'cosign.pub');
const hasCode = (code: string) => (error: unknown) => isSlipwayError(error, code);

const config = bytesBlob(OCI.config, Buffer.from('{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'));
const manifest = serializeManifest({ schemaVersion: 2, mediaType: OCI.manifest, config: config.descriptor, layers: [] });
const digest = digestOf(manifest);

let registry: RealRegistry;
let client: RegistryClient;
before(async () => {
  registry = await startRealRegistry();
  client = openRegistry();
});
after(async () => {
  client[Symbol.dispose]();
  await registry[Symbol.asyncDispose]();
});

/** Pushes the image (or another one) under a name. */
async function push(name: string, bytes = manifest): Promise<Reference> {
  const reference = parseReference(`${registry.address}/${name}:1`);
  await client.push({ reference, blobs: [config], manifests: [{ mediaType: OCI.manifest, bytes, digest: digestOf(bytes) }] }, job);
  return reference;
}

/** Puts a recorded manifest with its blobs under a tag. */
async function put(reference: Reference, tag: string | Digest, name: string, blobs: readonly Uint8Array[]): Promise<void> {
  const bytes = read(name);
  await client.push(
    {
      reference: { ...reference, tag },
      blobs: blobs.map((blob) => bytesBlob(OCI.config, blob)),
      manifests: [{ mediaType: OCI.manifest, bytes, digest: digestOf(bytes) }],
      byDigest: tag.includes(':'),
    },
    job,
  );
}

test('cosign’s encrypted keys open with their password only', () => {
  assert.equal(cosignKey.publicKey.export({ type: 'spki', format: 'pem' }), text('cosign.pub'));
  assert.throws(() => readPrivateKey(text('cosign.key'), 'k', () => 'wrong'), hasCode('TRUST_KEY'));
  assert.throws(() => readPrivateKey(text('cosign.key'), 'k', () => undefined), hasCode('TRUST_KEY'));
  for (const bad of ['', 'x', '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n']) {
    assert.throws(() => readPrivateKey(bad, 'k', () => 'pw'), hasCode('TRUST_KEY'));
    assert.throws(() => readPublicKey(bad, 'k'), hasCode('TRUST_KEY'));
  }
  const huge = Buffer.from(
    JSON.stringify({ kdf: { name: 'scrypt', params: { N: 2 ** 40, r: 8, p: 1 }, salt: 'AA' }, cipher: { name: 'nacl/secretbox' } }),
  );
  const pem = `-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n${huge.toString('base64')}\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n`;
  assert.throws(() => readPrivateKey(pem, 'k', () => 'pw'), /does not write/);
});

test('what cosign signed is verified, in both of its forms', async () => {
  const simple = await push('cosign/simple');
  await put(simple, signatureTag(digest), 'simple-manifest.txt', [read('simple-payload.txt'), read('simple-config.txt')]);
  assert.equal((await verifyImage(client, simple, digest, [otherKey.publicKey, cosignPub], job)).form, 'simple signing');
  await assert.rejects(verifyImage(client, simple, digest, [otherKey.publicKey], job), hasCode('TRUST_SIGNATURE'));

  const bundled = await push('cosign/bundle');
  const recorded = read('bundle-manifest.txt');
  await put(bundled, digestOf(recorded), 'bundle-manifest.txt', [read('bundle.txt'), Buffer.from('{}')]);
  const index = serializeIndex({
    schemaVersion: 2,
    mediaType: OCI.index,
    manifests: [{ mediaType: OCI.manifest, digest: digestOf(recorded), size: recorded.length, artifactType: OCI.empty }],
  });
  const place = { ...bundled, tag: digest.replace(':', '-') };
  await client.push({ reference: place, blobs: [], manifests: [{ mediaType: OCI.index, bytes: index, digest: digestOf(index) }] }, job);
  assert.equal((await verifyImage(client, bundled, digest, [cosignPub], job)).form, 'bundle');
  await assert.rejects(verifyImage(client, bundled, digest, [otherKey.publicKey], job), hasCode('TRUST_SIGNATURE'));
});

test('what we sign is verified; a second signature joins the first, one key signs once', async () => {
  const reference = await push('ours/app');
  await assert.rejects(verifyImage(client, reference, digest, [cosignPub], job), hasCode('TRUST_UNSIGNED'));
  assert.equal(await signImage(client, reference, cosignKey, job), digest);
  await signImage(client, reference, otherKey, job);
  await signImage(client, reference, cosignKey, job);
  for (const key of [cosignPub, otherKey.publicKey])
    assert.equal((await verifyImage(client, reference, digest, [key], job)).digest, digest);
  const { document } = await client.manifest({ ...reference, tag: signatureTag(digest) }, job);
  assert.equal(document.kind === 'manifest' ? document.manifest.layers.length : 0, 2);
});

test('a signature of another image, moved under this one’s name, does not hold', async () => {
  const reference = await push('ours/moved');
  await signImage(client, reference, cosignKey, job);
  const changed = serializeManifest({
    schemaVersion: 2,
    mediaType: OCI.manifest,
    config: config.descriptor,
    layers: [],
    annotations: { a: 'evil' },
  });
  const evil = await push('ours/moved', changed);
  const { bytes } = await client.manifest({ ...reference, tag: signatureTag(digest) }, job);
  const moved = { ...evil, tag: signatureTag(digestOf(changed)) };
  await client.push({ reference: moved, blobs: [], manifests: [{ mediaType: OCI.manifest, bytes, digest: digestOf(bytes) }] }, job);
  await assert.rejects(verifyImage(client, evil, digestOf(changed), [cosignPub], job), /signature of another image/);
});

test('more signatures than anybody needs are refused, not read (CVE-2023-46737, CVE-2024-29902, CVE-2024-29903)', async () => {
  const reference = await push('ours/many');
  const payload = bytesBlob(SIMPLE_SIGNING, read('simple-payload.txt'));
  const layers = Array.from({ length: 1000 }, () => ({ ...payload.descriptor, annotations: { [SIGNATURE_ANNOTATION]: 'AAAA' } }));
  const bytes = serializeManifest({ schemaVersion: 2, mediaType: OCI.manifest, config: config.descriptor, layers });
  const place = { ...reference, tag: signatureTag(digest) };
  await client.push(
    { reference: place, blobs: [payload, config], manifests: [{ mediaType: OCI.manifest, bytes, digest: digestOf(bytes) }] },
    job,
  );
  await assert.rejects(verifyImage(client, reference, digest, [cosignPub], job), /1000 signatures/);
});

test('a changed payload, a changed bundle, an attestation of the same key: none is a signature (CVE-2022-35929, CVE-2026-39395)', () => {
  const { layers } = JSON.parse(text('simple-manifest.txt')) as { layers: readonly { annotations: Record<string, string> }[] };
  const signature = Buffer.from(layers[0]?.annotations[SIGNATURE_ANNOTATION] ?? '', 'base64');
  const payload = read('simple-payload.txt');
  assert.equal(checkPayload(payload, signature, cosignPub), true);
  assert.equal(checkPayload(Buffer.concat([payload, Buffer.from(' ')]), signature, cosignPub), false);
  assert.equal(checkPayload(payload, Buffer.alloc(0), cosignPub), false);
  assert.equal(checkPayload(payload, Buffer.alloc(70, 1), cosignPub), false);

  const bundle = JSON.parse(text('bundle.txt')) as { dsseEnvelope: { payload: string; payloadType: string } };
  assert.deepEqual(checkBundle(read('bundle.txt'), cosignPub), [digest]);
  const statement = JSON.parse(Buffer.from(bundle.dsseEnvelope.payload, 'base64').toString()) as object;
  const changed = {
    ...bundle,
    dsseEnvelope: { ...bundle.dsseEnvelope, payload: Buffer.from(JSON.stringify({ ...statement, x: 1 })).toString('base64') },
  };
  for (const bytes of [JSON.stringify(changed), '{}', 'x', '[]', 'null', `{"mediaType":"${'a'.repeat(1000)}"}`]) {
    assert.equal(checkBundle(Buffer.from(bytes), cosignPub), undefined, bytes.slice(0, 40));
  }
});

test('a policy: first rule that fits; digests, signatures, refusal; half a policy is none', async () => {
  const keys = { 'cosign.pub': text('cosign.pub') } as Record<string, string>;
  const parse = (table: Record<string, unknown>): ReturnType<typeof parseTrustPolicy> =>
    parseTrustPolicy(table, 'trust.toml', (path) => keys[path] ?? '');
  const policy = parse({
    default: 'refuse',
    image: [
      { name: `${registry.address}/ours/*`, require: 'signature', keys: ['cosign.pub'] },
      { name: `${registry.address}/pinned/**`, require: 'digest' },
      { name: 'docker.io/library/*', require: 'allow' },
    ],
  });
  assert.equal(ruleFor(policy, 'docker.io/library/busybox')?.require, 'allow');
  assert.equal(ruleFor(policy, 'docker.io/library/a/b'), undefined);
  assert.equal(ruleFor(policy, `${registry.address}/pinned/a/b`)?.require, 'digest');
  assert.equal(ruleFor(parse({ image: [{ name: `a.b/${'*a'.repeat(40)}b`, require: 'allow' }] }), `a.b/${'a'.repeat(5000)}`), undefined);

  const memory = new Map<string, Uint8Array>();
  const store = { read: (name: string) => memory.get(name), write: (name: string, value: Uint8Array) => void memory.set(name, value) };
  const gate = createTrustGate(policy, () => client, store);
  const signed = await push('ours/gate');
  const ask = (reference: Reference): Promise<void> => gate(reference, digest, digest, job);
  await assert.rejects(ask(signed), hasCode('TRUST_UNSIGNED'));
  await signImage(client, signed, cosignKey, job);
  await ask(signed);
  assert.equal(memory.size, 1);
  await ask(signed);
  await assert.rejects(ask(parseReference('evil.example/ours/app:1')), hasCode('TRUST_REFUSED'));
  await assert.rejects(ask(parseReference(`${registry.address}/pinned/a:1`)), hasCode('TRUST_UNPINNED'));
  await ask(parseReference(`${registry.address}/pinned/a@${digest}`));

  for (const table of [
    { defaults: 'allow' },
    { default: 'maybe' },
    { image: {} },
    { image: [{ require: 'allow' }] },
    { image: [{ name: 'docker.io/library/x', require: 'signed' }] },
    { image: [{ name: 'docker.io/library/x', require: 'signature' }] },
    { image: [{ name: 'docker.io/library/x', require: 'digest', keys: ['cosign.pub'] }] },
    { image: [{ name: 'docker.io/library/x', require: 'allow', key: 'cosign.pub' }] },
  ]) {
    assert.throws(() => parse(table), hasCode('TRUST_POLICY'), JSON.stringify(table));
  }
  assert.throws(() => parse({ image: [{ name: 'docker.io/library/x', require: 'signature', keys: ['none'] }] }), hasCode('TRUST_KEY'));
});

test('a rule that fits no image is refused: it would protect nothing', () => {
  const parse = (name: string): unknown => parseTrustPolicy({ image: [{ name, require: 'refuse' }] }, 'trust.toml', () => '');
  for (const name of [
    ...[
      'docker.io/library/busybox',
      'docker.io/library/*',
      'docker.io/**',
      'r.example:443/a',
      'localhost/*',
      '*/team/*',
      '**',
      '**/app',
      '*.example/**',
    ],
  ])
    parse(name);
  for (const [name, says] of [
    ['busybox', /write docker\.io\/library\/busybox/],
    ['team/app', /write docker\.io\/team\/app/],
    ['docker.io/busybox', /write docker\.io\/library\/busybox/],
    ['index.docker.io/library/busybox', /write docker\.io\/library\/busybox/],
    ['docker.io/library/busybox:1.36', /write docker\.io\/library\/busybox/],
    ['https://r.example/a', /a name has no "https:\/\/"/],
    ['R.example/Team', /must be lowercase/],
    ['*', /\*\* for every image/],
    ['busybox*', /write docker\.io\/library\/busybox\*/],
    ['team/*', /write docker\.io\/team\/\*/],
    ['docker.io/*', /write docker\.io\/library\/\*/],
    ['index.docker.io/library/*', /write docker\.io\/library\/\*/],
    ['r.example/*:latest', /no tag/],
    ['r.example/Team/*', /no capitals/],
  ] as const)
    assert.throws(() => parse(name), says, name);
});

test('keys that are of the other kind, or closed, are told as that', () => {
  const encrypted = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
    ...{ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'pw' },
  } as const);
  const closed = String(encrypted);
  assert.equal(readPrivateKey(closed, 'k', () => 'pw').privateKey.asymmetricKeyType, 'ec');
  assert.throws(() => readPrivateKey(closed, 'k', () => 'no'), /the password is wrong/);
  assert.throws(() => readPrivateKey(closed, 'k', () => undefined), /no password was given/);
  assert.throws(() => readPrivateKey(text('cosign.pub'), 'k', () => 'pw'), /it is a public key/);
  for (const key of [closed, text('cosign.key')]) assert.throws(() => readPublicKey(key, 'k'), /it is an encrypted private key/);
});
