// The same Dockerfile gives the same image on every rung that can run it.

import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { buildReproducibly } from '../rig/example-digests.ts';
import { copyProduct, openPlace, PLACES, type PlaceName } from '../rig/places.ts';

/** Everything that a file system can do to a layer: links, owners, replaced and renamed directories, mounts that leave no trace. */
const ROOT_OF_MANY_IDS = `FROM busybox
RUN mkdir -p /data/a /d && chown 1000:1001 /data && echo hi > /data/a/x && ln /data/a/x /data/a/y && echo 1 > /d/one && echo 2 > /d/two
RUN rm -rf /d && mkdir /d && echo 3 > /d/three; rm /data/a/y; mv /data /moved; rm /bin/wget; touch /run/x; rm /run/x; chmod 1700 /moved
RUN --mount=type=bind,source=text,target=/mnt/deep/bb --mount=type=cache,target=/var/cache/x --mount=type=tmpfs,target=/t echo > /dev/null
WORKDIR /w/o/r/k
USER 1000:1001
RUN touch /tmp/no || mkdir -p /w/o/r/k/mine 2>/dev/null || true
`;

/** Owners that only COPY gives: changed, renamed, linked, replaced and removed by steps of one id. */
const ROOT_OF_ONE_ID = `FROM busybox AS build
COPY --chown=1000:1001 --chmod=440 text /own/read-only
COPY --chown=7 text /own/renamed
COPY --chown=8:9 text /own/replaced
COPY --chown=8:9 text /own/linked
COPY --chown=65534:65534 --chmod=500 text /own/dir/
RUN echo more >> /own/read-only && mv /own/renamed /new-name && rm /own/replaced && echo anew > /own/replaced
RUN ln /own/linked /own/twin && chmod 600 /own/linked && chmod 711 /own/dir && rm -rf /var/spool && mkdir -p /d/e && ln -s e /d/f
RUN --mount=type=secret,id=none --mount=type=tmpfs,target=/t rm /own/dir/text; mkdir -m 1777 /d/sticky; cp /bin/busybox /su && chmod 4755 /su
FROM busybox
COPY --from=build --chown=3:4 /own /own
COPY --from=build /new-name /d /su /moved/
RUN mkdir /last && date -d @0 > /last/time
`;

let below = '';
let product = '';

before(() => {
  below = mkdtempSync('/tmp/slipway-digests-');
  chmodSync(below, 0o755);
  product = copyProduct(join(below, 'product'));
});
after(() => rmSync(below, { recursive: true, force: true }));

for (const [name, dockerfile, rungs] of [
  ['many ids', ROOT_OF_MANY_IDS, PLACES.filter((rung) => rung !== 'rootless-single')],
  ['one id', ROOT_OF_ONE_ID, PLACES],
] as const) {
  test(`one digest on every rung: steps that need ${name}`, async () => {
    const context = join(below, name.replace(' ', '-'));
    mkdirSync(context);
    writeFileSync(join(context, 'Dockerfile'), dockerfile);
    writeFileSync(join(context, 'text'), 'text\n');
    const digests: Partial<Record<PlaceName, string>> = {};
    for (const rung of rungs) {
      await using place = openPlace(rung, product, below);
      const end = await buildReproducibly(place, name.replace(' ', '-'), context);
      assert.ok('digest' in end, `${rung}: ${'log' in end ? end.log : ''}`);
      digests[rung] = end.digest;
    }
    assert.match(digests['root-overlay'] ?? '', /^sha256:[0-9a-f]{64}$/);
    assert.equal(new Set(Object.values(digests)).size, 1, JSON.stringify(digests, null, 2));
  });
}
