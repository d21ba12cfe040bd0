// Builds that pull, push and share a cache through a registry on bad days: each ends with the image of a calm day, or with a failure in
// words; and a calm day after it finds a sound store and a sound registry.

import assert from 'node:assert/strict';
import { type BadWeather, startBadWeather, type Trouble } from '../rig/bad-weather.ts';
import { type Dice, dice } from '../rig/dice.ts';
import { startRealRegistry } from '../rig/real-registry.ts';
import { command, type Outcome, Rig } from '../rig/rig.ts';

const SECONDS = Number(process.env['SECONDS'] ?? 20);
const FIRST = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1e9);
const EPOCH = '1750000000';
const end = Date.now() + SECONDS * 1000;
const counts = { days: 0, builds: 0, troubles: 0, refused: 0 };
/** Builds in bad weather on one day. */
const BUILDS = 3;

/** Requests that trouble is aimed at: method and path. */
const AIMS = [
  /./,
  /^GET .*\/blobs\/sha256/,
  /^HEAD .*\/blobs\//,
  /^(POST|PUT|PATCH) .*\/blobs\/uploads/,
  /^PUT .*\/manifests\//,
  /^(GET|HEAD) .*\/manifests\//,
  /\/cache\//,
  /\/base\//,
  /\/out\//,
  /^GET \/v2\/$/,
];

/** What no failure may say: bugs, and words of the program's own inside. */
const NO_WORDS = /internal[: ]|\n +at .*\.[jt]s:\d|undefined|\[object|TypeError/;

function someTrouble(rng: Dice): Trouble {
  const json = (code: string): string => JSON.stringify({ errors: [{ code, message: 'bad weather' }] });
  return rng.pick<() => Trouble>([
    () => ({ kind: 'status', status: 429, headers: { 'retry-after': '1' }, body: json('TOOMANYREQUESTS') }),
    () => ({ kind: 'status', status: rng.pick([500, 502, 503, 504]) }),
    () => ({ kind: 'status', status: rng.pick([400, 403, 404, 405, 413, 416, 507]), body: rng.pick(['', json('UNKNOWN'), '<html>']) }),
    () => ({ kind: 'cut-request', after: rng.pick([0, 1, 1000, 100_000]) }),
    () => ({ kind: 'cut-answer', after: rng.pick([0, 1, 100, 100_000]) }),
    () => ({ kind: 'lost-answer' }),
    () => ({ kind: 'flip', at: rng.below(1e6) }),
    () => ({ kind: 'half' }),
    () => ({ kind: 'too-short' }),
    () => ({ kind: 'page' }),
    () => ({ kind: 'slow', pause: rng.pick([1, 20]) }),
    () => ({ kind: 'redirect' }),
  ])();
}

/** Trouble at some of the requests: at one place for long, or here and there. */
function blow(weather: BadWeather, rng: Dice): void {
  const aim = rng.pick(AIMS);
  const rare = rng.pick([1, 1, 2, 4]);
  const same = rng.below(3) === 0 ? someTrouble(rng) : undefined;
  let left = rng.pick([1, 3, 10, 40]);
  weather.tokenUses = rng.pick([undefined, undefined, 1, 3, 10]);
  weather.trouble = ({ method, path }) => {
    if (left === 0 || !aim.test(`${method} ${path}`) || rng.below(rare) > 0) return undefined;
    left -= 1;
    counts.troubles += 1;
    return same ?? someTrouble(rng);
  };
}

function calm(weather: BadWeather): void {
  weather.trouble = () => undefined;
  weather.tokenUses = undefined;
}

/** Copies an image, all of it, without login. */
async function copy(from: string, to: string): Promise<void> {
  const copied = await command('skopeo', ['copy', '--quiet', '--src-tls-verify=false', '--dest-tls-verify=false', from, to]);
  assert.equal(copied.code, 0, copied.stderr);
}

async function day(seed: number): Promise<void> {
  const rng = dice(seed);
  await using rig = Rig.create();
  await using registry = await startRealRegistry();
  await using weather = await startBadWeather(registry.address);
  await copy(`docker://${rig.registry}/library/busybox:latest`, `docker://${registry.address}/base/busybox:1`);
  const base = `${weather.address}/base/busybox:1`;
  const context = rig.context({
    Dockerfile: `FROM ${base} AS made
COPY big /big
RUN wc -c < /big > /size && touch -d @1 /size
FROM ${base}
COPY --from=made /size /big /
`,
    big: Array.from({ length: 20_000 }, () => rng.below(1e9).toString(36)).join(''),
  });

  /** Builds and pushes `name/out`, with the cache of `from` and into that of `name`. */
  const build = async (store: string, name: string, from: string, ignoreError = false): Promise<Outcome> => {
    const output = ['-t', `${weather.address}/${name}/out:1`, '-o', 'type=registry,rewrite-timestamp=true', '--provenance=false'];
    const cacheTo = `type=registry,ref=${weather.address}/${name}/cache:1,mode=max,ignore-error=${String(ignoreError)}`;
    const cache = ['--cache-to', cacheTo, '--cache-from', `type=registry,ref=${weather.address}/${from}/cache:1`];
    return rig.slipway(['build', '--progress', 'plain', ...output, ...cache, context], {
      env: { SLIPWAY_ROOT: rig.path(store), SOURCE_DATE_EPOCH: EPOCH },
    });
  };
  const digestOf = async (name: string): Promise<string> => {
    const image = `docker://${registry.address}/${name}/out:1`;
    const shown = await command('skopeo', ['inspect', '--tls-verify=false', '--format', '{{.Digest}}', image]);
    return shown.code === 0 ? shown.stdout.trim() : `none: ${shown.stderr}`;
  };
  const told = (what: string, { code, stdout, stderr }: Outcome): string =>
    `FUZZ_SEED=${seed}, ${what}: ended with ${code}\n${weather.told.join('\n')}\n${stderr}\n${stdout}`;

  const first = await build('first', 'first', 'first');
  assert.equal(first.code, 0, told('calm', first));
  const right = await digestOf('first');

  const stores: string[] = [];
  for (let number = 0; number < BUILDS; number += 1) {
    // A store of its own, one that went through bad weather before, or the one that has everything and only pushes.
    const store = rng.pick(['first', 'second', `store-${number}`]);
    stores.push(store);
    const name = `bad-${number}`;
    blow(weather, rng);
    const bad = await build(store, name, 'first', rng.below(2) === 0);
    calm(weather);
    counts.builds += 1;
    if (bad.code === 0) assert.equal(await digestOf(name), right, told('bad weather', bad));
    else {
      counts.refused += 1;
      assert.equal(bad.code, 1, told('bad weather', bad));
      assert.match(bad.stderr, /^(ERROR|error): ./m, told('bad weather', bad));
    }
    assert.doesNotMatch(bad.stderr, NO_WORDS, told('bad weather', bad));
    assert.deepEqual(weather.faults, [], told('bad weather', bad));
  }

  for (const [number, store] of stores.entries()) {
    const check = await rig.slipway(['store', 'check'], { env: { SLIPWAY_ROOT: rig.path(store) } });
    assert.equal(check.code, 0, told('store check', check));
    const after = await build(store, `bad-${number}`, 'first');
    assert.equal(after.code, 0, told('calm again', after));
    assert.equal(await digestOf(`bad-${number}`), right, told('calm again', after));
  }
  // Somebody else finds all of it: the image, and every step in the cache.
  await copy(`docker://${registry.address}/bad-0/out:1`, `dir:${rig.path('taken')}`);
  const last = await build('last', 'last', 'bad-0');
  assert.equal(last.code, 0, told('from the cache', last));
  assert.equal(await digestOf('last'), right, told('from the cache', last));
  assert.match(last.stderr, /RUN wc .*\n#\d+ CACHED/, told('from the cache', last));
  counts.days += 1;
}

console.log(`bad weather for ${SECONDS} s from seed ${FIRST}`);
for (let seed = FIRST; seed === FIRST || Date.now() < end; seed += 1) await day(seed);
console.log(
  `${counts.days} days, ${counts.builds} builds with ${counts.troubles} troubles, ${counts.refused} refused in words: none gave another image`,
);
