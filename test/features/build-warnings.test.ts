// What a build says of its result: usual mistakes, each with its line and cure, again when the image comes from the cache, and no more
// once it is mended.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { Rig } from '../rig/rig.ts';

const SCRIPT = '#!/bin/sh\necho started\n';

/** Usual mistakes: a Dockerfile whose last stage has one, what is said of it, and what makes it start. */
const MISTAKES: readonly (readonly [about: string, dockerfile: string, said: RegExp])[] = [
  [
    'a name that is spelled wrong',
    'COPY --chmod=755 run.sh /app/start.sh\nCMD ["/app/strat.sh"]\n',
    /strat\.sh is not there: did you mean \/app\/start\.sh\? \(Dockerfile:4\)$/,
  ],
  [
    'no execute permission',
    'COPY --chmod=644 run.sh /run.sh\nENTRYPOINT ["/run.sh"]\n',
    /^ - not-executable: \/run\.sh: .*cure: add --chmod=755 to the COPY that brings it \(Dockerfile:3\)$/,
  ],
  [
    'a first line that ends in CR LF',
    'COPY --chmod=755 crlf.sh /run.sh\nENTRYPOINT ["/run.sh"]\n',
    /^ - script-line-ends: .*cure: RUN sed .* \(Dockerfile:3\)$/,
  ],
  [
    'a relative entrypoint of another folder',
    'WORKDIR /app\nCOPY --chmod=755 run.sh .\nWORKDIR /data\nENTRYPOINT ["./run.sh"]\n',
    /^ - program-missing: \/data\/run\.sh: .*cure: ENTRYPOINT \["\/app\/run\.sh"\] \(Dockerfile:6\)$/,
  ],
  [
    'a user that nobody made',
    'COPY --chmod=755 run.sh /run.sh\nUSER app\nCMD ["/run.sh"]\n',
    /^ - user-unknown: USER app: .* \(Dockerfile:4\)$/,
  ],
  [
    'a health check whose program is not there',
    'COPY --chmod=755 run.sh /run.sh\nHEALTHCHECK CMD curl -f http:\/\/localhost/ || exit 1\nCMD ["/run.sh"]\n',
    /^ - program-missing: the health check curl is not on PATH.* \(Dockerfile:4\)$/,
  ],
  [
    'a zone that is not there',
    'ENV TZ=Europe/Berlin\nCOPY --chmod=755 run.sh /run.sh\nCMD ["/run.sh"]\n',
    /^ - zone-missing: TZ is Europe\/Berlin, and /,
  ],
];

test('usual mistakes are told with their line and cure, whether their steps run or not', async () => {
  await using rig = Rig.create();
  // A step looks into the base, which else nobody would. Most other steps come from the cache: what is started differs.
  for (const [about, dockerfile, said] of MISTAKES) {
    const context = rig.context({
      Dockerfile: `FROM busybox\nRUN true\n${dockerfile}`,
      'run.sh': SCRIPT,
      'crlf.sh': SCRIPT.replaceAll('\n', '\r\n'),
    });
    for (const time of ['first', 'cached']) {
      const built = await rig.slipway(['build', '-t', 'mistake', '--metadata-file', rig.path('facts.json'), context]);
      assert.equal(built.code, 0, built.stderr);
      const warnings = built.stderr.split('\n').filter((line) => line.startsWith(' - '));
      assert.equal(warnings.length, 1, `${about}, ${time}: ${built.stderr}`);
      assert.match(warnings[0] ?? '', said);
      const facts = JSON.parse(readFileSync(rig.path('facts.json'), 'utf8')) as {
        readonly 'slipway.checks': { readonly milliseconds: number };
      };
      if (time === 'cached') assert.equal(facts['slipway.checks'].milliseconds, 0);
    }
  }
  const mended = rig.context({
    Dockerfile: 'FROM busybox\nRUN true\nCOPY --chmod=755 run.sh /app/start.sh\nCMD ["/app/start.sh"]\n',
    'run.sh': SCRIPT,
  });
  const built = await rig.slipway(['build', '-t', 'mended', mended]);
  assert.doesNotMatch(built.stderr, /warnings? found/);
});

test('a program that was copied without the folders it was installed with starts after --fix', async () => {
  await using rig = Rig.create();
  const context = rig.context({
    Dockerfile: 'FROM nginx AS web\nFROM debian\nCOPY --from=web /usr/sbin/nginx /usr/sbin/nginx\nCMD ["nginx", "-t"]\n',
  });
  const built = await rig.slipway(['build', '-t', 'server', context]);
  assert.match(built.stderr, /folders-missing: \/usr\/sbin\/nginx: it names \/etc\/nginx, .*\(Dockerfile:3\)/);
  assert.notEqual((await rig.slipway(['run', 'server'])).code, 0);
  const fixed = await rig.slipway(['check', '--runtime', 'server', '--fix', '-f', `${context}/Dockerfile`]);
  assert.match(fixed.stdout + fixed.stderr, /COPY --from=web \/etc\/nginx \/etc\/nginx/);
  writeFileSync(`${context}/other`, '');
  assert.equal((await rig.slipway(['build', '-t', 'server', context])).code, 0);
  const ran = await rig.slipway(['run', 'server']);
  assert.equal(ran.code, 0, ran.stderr);
});
