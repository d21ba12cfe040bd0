// Steps that behave badly, with limits: each build fails in bounded time, says why, and leaves no process, mount, cgroup or scratch file.

import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { FeatureSite, makeFeatureContext, type Refused } from '../rig/feature-site.ts';
import { copyProduct, openPlace, type Place } from '../rig/places.ts';
import { killIfThere, processesWith, until } from '../rig/processes.ts';
import { command } from '../rig/rig.ts';
import { makeStepTool } from '../rig/step-tool.ts';

let below = '';
let product = '';
let context = '';

before(() => {
  below = mkdtempSync('/tmp/slipway-limits-');
  chmodSync(below, 0o755);
  product = copyProduct(join(below, 'product'));
  context = makeFeatureContext(join(below, 'context'), makeStepTool(join(below, 'tool')));
});
after(() => rmSync(below, { recursive: true, force: true }));

for (const rung of ['root-overlay', 'rootless-subid', 'container-chroot'] as const) {
  // On the chroot rung the container's own limit must do for processes.
  const contained = rung === 'container-chroot';
  describe(`limits on ${rung}`, () => {
    let place: Place;
    before(() => (place = openPlace(rung, product, below, contained ? { pids: 200 } : {})));
    after(() => place[Symbol.asyncDispose]());

    const fails = async (name: string, step: string, args: readonly string[]): Promise<Refused> => {
      const site = new FeatureSite(place, name, context);
      const marker = `marker-${name}-${process.pid}`;
      const dockerfile = `FROM busybox\nCOPY --chmod=755 tool /bin/${marker}\nRUN ${step.replaceAll('TOOL', marker)}\n`;
      const failure = await site.failure(dockerfile, ['--root', join(site.folder, 'store'), ...args]);
      assert.deepEqual(processesWith(marker), []);
      assert.deepEqual(scratch(join(site.folder, 'store')), []);
      return failure;
    };

    test('a fork bomb', async () => {
      const limits = contained ? [] : ['--pids-limit', '60'];
      const failure = await fails('fork-bomb', 'TOOL fork-bomb', [...limits, '--step-timeout', '2s']);
      assert.equal(failure.code, 'EXEC_TIMEOUT', failure.log);
      if (!contained) assert.match(failure.hint ?? '', /more processes than its limit/);
    });

    test('a log without end (CVE-2022-31030 in containerd)', async () => {
      const failure = await fails('log', 'yes TOOL', ['--step-timeout', '2s', '--log-limit', '10000']);
      assert.equal(failure.code, 'EXEC_TIMEOUT', failure.log.slice(0, 2000));
      assert.match(failure.log, /output clipped/);
      // The end of what was clipped is shown after a failure.
      assert.ok(failure.log.length < 2 << 20, `${failure.log.length}`);
    });

    test('a file that grows', async () => {
      const failure = await fails('file', 'dd if=/dev/zero of=/TOOL bs=1M', ['--ulimit', 'fsize=8388608', '--step-timeout', '60s']);
      assert.equal(failure.code, 'EXEC_EXIT', failure.log);
      assert.match(failure.hint ?? '', /--ulimit fsize/, failure.log);
    });

    test('processes that ignore every signal', async () => {
      const failure = await fails('stubborn', 'TOOL stubborn', ['--step-timeout', '1s']);
      assert.equal(failure.code, 'EXEC_TIMEOUT', failure.log);
      assert.match(failure.hint ?? '', /--step-timeout/);
    });

    test('the builder told to stop while a step ignores every signal', async () => {
      const site = new FeatureSite(place, 'stopped', context);
      const marker = `marker-stopped-${process.pid}`;
      const running = place.startSlipway(['build', '--progress=plain', '-f', '-', 'context'], {
        cwd: site.folder,
        input: `FROM busybox\nCOPY --chmod=755 tool /bin/${marker}\nRUN ${marker} stubborn\n`,
      });
      await until(() => processesWith(marker).length > 1);
      running.kill('SIGTERM');
      const outcome = await running.ended;
      assert.ok(outcome.code === 143 || outcome.code === 130, `${outcome.code} ${outcome.signal}\n${outcome.stderr}`);
      assert.deepEqual(processesWith(marker), []);
      assert.deepEqual(scratch(join(place.folder, 'store')), []);
    });

    if (!contained) {
      test('a builder killed by SIGKILL: its step ends with it, and the next build removes its cgroup', async () => {
        const site = new FeatureSite(place, 'killed', context);
        const marker = `marker-killed-${process.pid}`;
        const limited = ['build', '--pids-limit', '50', '-f', '-', 'context'];
        const dockerfile = (step: string): string => `FROM busybox\nCOPY --chmod=755 tool /bin/${marker}\nRUN ${step}\n`;
        const running = place.startSlipway(limited, { cwd: site.folder, input: dockerfile(`${marker} stubborn`) });
        await until(() => processesWith(marker).length > 1);
        assert.notDeepEqual(place.leftCgroups(), []);
        for (const pid of builders(place)) killIfThere(pid, 'SIGKILL');
        await running.ended;
        await until(() => processesWith(marker).length === 0);
        // One that limits nothing.
        const next = await place.slipway(['build', '-f', '-', 'context'], { cwd: site.folder, input: dockerfile('true') });
        assert.equal(next.code, 0, next.stderr);
        assert.deepEqual(place.leftCgroups(), []);
        assert.deepEqual(scratch(join(place.folder, 'store')), []);
      });

      test('a memory eater', async () => {
        const failure = await fails('memory', 'TOOL memory', ['--memory', '32m', '--memory-swap', '32m', '--step-timeout', '60s']);
        assert.equal(failure.code, 'EXEC_EXIT', failure.log);
        assert.match(failure.hint ?? '', /want of memory/);
      });
    }

    test('nothing is mounted, and no cgroup of a step is left', () => {
      assert.doesNotMatch(readFileSync('/proc/self/mounts', 'latin1'), new RegExp(place.folder));
      assert.deepEqual(place.leftCgroups(), []);
    });
  });
}

test('a step that fills the disk', async () => {
  await using place = openPlace('root-overlay', product, below);
  const small = join(place.folder, 'small');
  mkdirSync(small);
  assert.equal((await command('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'none', small])).code, 0);
  try {
    const site = new FeatureSite(place, 'filler', context);
    const step = 'i=0; while head -c 1048576 /dev/zero > /f$i; do i=$((i+1)); done; exit 1';
    const failure = await site.failure(`FROM busybox\nRUN ${step}\n`, ['--root', join(small, 'store'), '--step-timeout', '60s']);
    assert.equal(failure.code, 'EXEC_EXIT', failure.log);
    assert.match(failure.hint ?? '', /disk.*full.*--root/);
    assert.deepEqual(scratch(join(small, 'store')), []);
    // The room is there again for the next build.
    await site.build('FROM busybox\nRUN echo small > /f\n', ['--root', join(small, 'store')]);
  } finally {
    await command('umount', [small]);
  }
});

/** Unfinished work in a store. */
function scratch(store: string): readonly string[] {
  const folder = join(store, 'tmp');
  return existsSync(folder) ? readdirSync(folder) : [];
}

/** Processes of the product's command that work on the place's store. */
function builders(place: Place): readonly number[] {
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .map(Number)
    .filter((pid) => {
      try {
        const [program = '', script = ''] = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0');
        return script === product && program === process.execPath && readFileSync(`/proc/${pid}/environ`, 'latin1').includes(place.folder);
      } catch {
        return false;
      }
    });
}
