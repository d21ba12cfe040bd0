// A trust policy around whole builds: wherever a Dockerfile names an image from a registry, and also when every step is cached.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { isSlipwayError, quietJob } from '../../src/base/index.ts';
import { buildWith, openEngine, parseTrustPolicy, type TrustPolicy } from '../../src/build/index.ts';
import { type Outcome, Rig } from '../rig/rig.ts';

const KEYS = join(import.meta.dirname, '../../src/trust/testdata');
let rig: Rig;
/** `REGISTRY/trust-PID`. */
let repository: string;
const digests = new Map<string, string>();

const RULES: readonly (readonly [name: string, require: string, keys?: string])[] = [
  ['signed', 'signature', 'team.pub'],
  ['unsigned', 'signature', 'team.pub'],
  ['other-key', 'signature', 'team.pub'],
  ['moved', 'signature', 'team.pub'],
  ['pinned', 'digest'],
  ['free', 'allow'],
];

/** The policy file; `signed` may be given another rule. */
function policy(signed = RULES[0]): string {
  const rules = [signed as (typeof RULES)[number], ...RULES.slice(1)].map(
    ([name, require, keys]) =>
      `[[image]]\nname = "${repository}/${name}"\nrequire = "${require}"\n${keys === undefined ? '' : `keys = ["${keys}"]\n`}`,
  );
  const file = rig.path('trust.toml');
  writeFileSync(file, `default = "refuse"\n\n${rules.join('\n')}`);
  return file;
}

before(async () => {
  rig = Rig.create();
  repository = `${rig.registry}/trust-${process.pid}`;
  writeFileSync(rig.path('team.pub'), readFileSync(join(KEYS, 'cosign.pub')));
  const env = { SLIPWAY_ROOT: rig.path('maker'), COSIGN_PASSWORD: 'pw' };
  const run = async (...args: readonly string[]): Promise<Outcome> => {
    const outcome = await rig.slipway(args, { env });
    assert.equal(outcome.code, 0, outcome.stderr);
    return outcome;
  };
  for (const name of [...RULES.map(([each]) => each), 'unlisted']) {
    const context = rig.context({ Dockerfile: 'FROM scratch\nCOPY f /f\n', f: name }, `make-${name}`);
    const file = rig.path('metadata.json');
    await run('build', '--output', `type=image,push=true,name=${repository}/${name}:1`, '--metadata-file', file, context);
    digests.set(name, (JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>)['containerimage.digest'] ?? '');
  }
  await run('sign', '--key', join(KEYS, 'cosign.key'), `${repository}/signed:1`);
  await run('sign', '--key', join(KEYS, 'other.key'), `${repository}/other-key:1`);
  // A true signature of our key, moved to where that of another image is looked for.
  const at = (name: string, of: string): string => `docker://${repository}/${name}:${digests.get(of)?.replace(':', '-')}.sig`;
  execFileSync('skopeo', ['copy', '--src-tls-verify=false', '--dest-tls-verify=false', at('signed', 'signed'), at('moved', 'moved')], {
    stdio: 'ignore',
  });
});
after(() => rig[Symbol.asyncDispose]());

let count = 0;

/** Builds under the policy, in a store of its own unless one is named. */
function build(dockerfile: string, options: { readonly store?: string; readonly flags?: readonly string[] } = {}): Promise<Outcome> {
  const context = rig.context({ Dockerfile: dockerfile, f: 'x' }, `context${(count += 1)}`);
  const env = { SLIPWAY_ROOT: options.store ?? rig.path(`store${count}`), SLIPWAY_TRUST: '' };
  return rig.slipway(['build', '--progress=plain', '--trust', policy(), ...(options.flags ?? []), context], { env });
}

/** How an image is named, and what becomes of it. */
const CASES: readonly (readonly [what: string, image: () => string, refused?: RegExp])[] = [
  ['signed', () => `${repository}/signed:1`],
  ['signed, by digest', () => `${repository}/signed@${digests.get('signed')}`],
  ['unsigned', () => `${repository}/unsigned:1`, /no signature|is not signed|TRUST_UNSIGNED/],
  ['signed by another key', () => `${repository}/other-key:1`, /there is a signature by another key/],
  ['with another image’s signature', () => `${repository}/moved:1`, /there is a signature of another image/],
  ['by tag where a digest is wanted', () => `${repository}/pinned:1`, /wants \S+ named by its digest[^]*@sha256:/],
  ['by tag and digest', () => `${repository}/pinned:1@${digests.get('pinned')}`],
  ['that no rule names', () => `${repository}/unlisted:1`, /the trust policy does not allow/],
];

for (const [what, image, refused] of CASES) {
  test(`an image ${what}: FROM, COPY --from, --mount=from and a named context`, async () => {
    const files: readonly (readonly [string, readonly string[]])[] = [
      [`FROM ${image()}\nCOPY f /g\n`, []],
      [`FROM ${repository}/free:1\nCOPY --from=${image()} /f /g\n`, []],
      [`FROM ${repository}/free:1\nADD --chmod=600 f /x\nRUN --mount=type=bind,from=${image()},target=/m /nothing\n`, []],
      ['FROM named\nCOPY f /g\n', ['--build-context', `named=docker-image://${image()}`]],
    ];
    for (const [index, [dockerfile, flags]] of files.entries()) {
      const { code, stderr } = await build(dockerfile, { flags });
      if (refused !== undefined) {
        assert.equal(code, 1, `${dockerfile}${stderr}`);
        assert.match(stderr, refused, dockerfile);
        assert.doesNotMatch(stderr, /could not be started/, 'nothing was run');
      } else if (index === 2) assert.match(stderr, /\/nothing/, 'the step was tried');
      else assert.equal(code, 0, `${dockerfile}${stderr}`);
    }
  });
}

test('the policy holds when everything is cached, and when it became stricter', async () => {
  const store = rig.path('kept');
  const dockerfile = `FROM ${repository}/free:1\nCOPY --from=${repository}/signed:1 /f /g\n`;
  assert.equal((await build(dockerfile, { store })).code, 0);
  const again = await build(dockerfile, { store });
  assert.equal(again.code, 0, again.stderr);
  assert.match(again.stderr, /CACHED/);
  const context = rig.context({ Dockerfile: dockerfile, f: 'x' }, 'stricter');
  const strict = async (rule: (typeof RULES)[number]): Promise<Outcome> => {
    const file = policy(rule);
    return await rig.slipway(['build', '--progress=plain', '--trust', file, context], { env: { SLIPWAY_ROOT: store } });
  };
  writeFileSync(
    rig.path('other.pub'),
    createPublicKey(createPrivateKey(readFileSync(join(KEYS, 'other.key')))).export({ type: 'spki', format: 'pem' }),
  );
  for (const [rule, code] of [
    [['signed', 'refuse'], /TRUST_REFUSED/],
    [['signed', 'digest'], /TRUST_UNPINNED/],
    [['signed', 'signature', 'other.pub'], /TRUST_(?:UNSIGNED|SIGNATURE)/],
  ] as const) {
    const outcome = await strict(rule);
    assert.equal(outcome.code, 1, outcome.stderr);
    assert.match(outcome.stderr, code);
  }
  assert.equal((await build(dockerfile, { store })).code, 0, 'as before');
});

test('a name that is pinned in one place and not in another is asked about in both', async () => {
  const pinned = `${repository}/pinned:1`;
  for (const dockerfile of [
    `FROM ${pinned}@${digests.get('pinned')}\nCOPY --from=${pinned} /f /g\n`,
    `FROM ${pinned} AS a\nFROM ${pinned}@${digests.get('pinned')}\nCOPY --from=a /f /g\n`,
  ]) {
    const { code, stderr } = await build(dockerfile);
    assert.equal(code, 1, stderr);
    assert.match(stderr, /TRUST_UNPINNED/);
  }
});

test('a digest that is not the tag’s is not taken for it because the tag is named too', async () => {
  const wrong = `sha256:${'1'.repeat(64)}`;
  const { code, stderr } = await build(`FROM ${repository}/free:1 AS a\nFROM ${repository}/free:1@${wrong}\nCOPY --from=a /f /g\n`);
  assert.equal(code, 1, stderr);
  assert.match(stderr, /MANIFEST_UNKNOWN/);
});

test('a policy that cannot be read or understood stops the build', async () => {
  const context = rig.context({ Dockerfile: 'FROM scratch\nCOPY Dockerfile /\n' }, 'broken');
  for (const [text, says] of [
    [undefined, /there is no trust policy/],
    ['default = "refuse', /is not valid TOML/],
    ['default = "deny"', /default must be/],
    ['[[image]]\nname = "busybox"\nrequire = "refuse"\n', /no image has a name like "busybox": write docker\.io\/library\/busybox/],
    [`[[image]]\nname = "r.example/x"\nrequire = "signature"\n`, /keys belong to/],
    [`[[image]]\nname = "r.example/x"\nrequire = "signature"\nkeys = ["missing.pub"]\n`, /missing\.pub/],
  ] as const) {
    const file = rig.path(`policy${(count += 1)}`);
    if (text !== undefined) writeFileSync(file, text);
    const { code, stderr } = await rig.slipway(['build', '--trust', file, context]);
    assert.notEqual(code, 0, text);
    assert.match(stderr, says);
  }
});

test('the library asks the same policy', async () => {
  const folder = rig.path('library');
  mkdirSync(folder);
  const trust: TrustPolicy = parseTrustPolicy(
    {
      default: 'refuse',
      image: RULES.map(([name, require, key]) => ({
        name: `${repository}/${name}`,
        require,
        ...(key === undefined ? {} : { keys: [key] }),
      })),
    },
    'the test',
    (path) => readFileSync(rig.path(path), 'utf8'),
  );
  await using engine = openEngine({ root: rig.path('library-store'), settings: { trust } });
  const run = (image: string): Promise<unknown> =>
    buildWith(
      engine,
      {
        context: { kind: 'folder', path: folder },
        dockerfile: { kind: 'text', filename: 'Dockerfile', text: `FROM scratch\nCOPY --from=${image} /f /g\n` },
      },
      quietJob(),
    );
  await run(`${repository}/signed:1`);
  await assert.rejects(run(`${repository}/unsigned:1`), (error) => isSlipwayError(error, 'TRUST_UNSIGNED'));
  await assert.rejects(run(`${repository}/unlisted:1`), (error) => isSlipwayError(error, 'TRUST_REFUSED'));
});
