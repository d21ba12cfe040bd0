import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parseDevice } from './device.ts';
import { parseDuration } from './duration.ts';
import { checkMountEarly, type Mount, parseMount } from './mount.ts';
import type { Outcome } from './outcome.ts';
import { parseMemorySize } from './size.ts';

const asIs = (value: string): Outcome<string> => ({ ok: true, value });

function problemOf<T>(outcome: Outcome<T>): string | undefined {
  return outcome.ok ? undefined : `${outcome.problem.message}; ${outcome.problem.hint ?? ''}`;
}

test('options of --mount are read with their defaults, in any case and order', () => {
  const cases: readonly (readonly [string, Partial<Mount>])[] = [
    ['target=/x', { type: 'bind', target: '/x', readonly: true }],
    ['type=bind,from=a,src=/b,dst=c,rw', { from: 'a', source: '/b', target: 'c', readonly: false }],
    [
      'TYPE=Cache,destination=/c,id=i,sharing=LOCKED,mode=0700,uid=1,gid=2',
      { type: 'cache', sharing: 'locked', mode: 0o700, uid: 1, gid: 2, readonly: false },
    ],
    ['type=cache,target=/c,ro', { readonly: true }],
    ['type=tmpfs,target=/t,size=1.5k', { type: 'tmpfs', size: 1536, readonly: false }],
    ['type=secret,id=s,required,env=TOKEN', { type: 'secret', id: 's', required: true, env: 'TOKEN' }],
    ['type=secret,source=s,env=', { source: 's', env: '' }],
    ['type=ssh,required=0', { type: 'ssh', required: false }],
    ['"target=/a,b",type=bind', { target: '/a,b' }],
  ];
  for (const [text, expected] of cases) {
    const mount = parseMount(text, asIs);
    assert.ok(mount.ok, problemOf(mount));
    for (const [key, value] of Object.entries(expected)) assert.equal(mount.value[key as keyof Mount], value, `${key} of ${text}`);
  }
});

test('mount options that are wrong', () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['type=bnd', /unsupported mount type "bnd"; did you mean bind/],
    ['type=volume', /unsupported mount type "volume"/],
    ['target', /invalid field 'target' must be a key=value pair/],
    ['tagret=/x', /unexpected key 'tagret' in 'tagret=\/x'; did you mean target/],
    ['type=cache,sharing=lock', /unsupported sharing value "lock"; did you mean locked/],
    ['type=bind,sharing=locked', /invalid cache sharing set for bind mount/],
    ['size=1,type=tmpfs', /unexpected key 'size' for mount type 'bind'/],
    ['type=tmpfs,size=x', /invalid value for size: x/],
    ['required', /unexpected key 'required' for mount type 'bind'/],
    ['ro=maybe', /invalid value for ro: maybe/],
    ['type=cache,mode=8', /invalid value 8 for mode/],
    ['type=cache,uid=-1', /invalid value -1 for uid/],
    ['mode=1', /mode not allowed for "bind" type mounts/],
    ['type=tmpfs,gid=1', /gid not allowed for "tmpfs" type mounts/],
    ['type=secret', /one of source, target required/],
    ['type=secret,id=a,from=b', /secret mount should not have a from/],
    ['type=secret,id=a,source=b', /both source and id can't be set/],
    ['a"b', /failed to parse csv mounts: bare " in non-quoted field/],
    ['"a', /failed to parse csv mounts: extraneous or missing "/],
  ];
  for (const [text, expected] of cases) assert.match(problemOf(parseMount(text, asIs)) ?? 'fine', expected, text);
});

test('variables in mounts, and where they are refused', () => {
  const mount = parseMount('type=cache,target=$X', (value) => ({ ok: true, value: value.replace('$X', '/home') }));
  assert.ok(mount.ok);
  assert.equal(mount.value.target, '/home');
  assert.match(checkMountEarly('from=$x')?.message ?? '', /'from' doesn't support variable expansion/);
  assert.equal(checkMountEarly('type=cache,target=$x,from=a$'), undefined);
});

test('a device is read with whether it must be there; other fields are refused by name', () => {
  const read = (text: string): unknown => {
    const device = parseDevice(text);
    return device.ok ? device.value : device.problem.message;
  };
  assert.deepEqual(read('v.com/c=x,required'), { name: 'v.com/c=x', required: true });
  assert.deepEqual(read('name=v.com/c=x,required=false'), { name: 'v.com/c=x', required: false });
  assert.deepEqual(read('a,name=b'), 'device name already set to a');
  assert.deepEqual(read('a,b'), "invalid field 'b' must be a key=value pair");
});

test('durations are read as Go reads them', () => {
  const cases: readonly (readonly [string, number | undefined])[] = [
    ['0', 0],
    ['5s', 5e9],
    ['1h2m3.5s', 3723.5e9],
    ['.5s', 0.5e9],
    ['1.s', 1e9],
    ['-1.5h', -5400e9],
    ['+3us', 3000],
    ['1µs2ns', 1002],
    ['0.3333333333333333333h', 1_200_000_000_000 - 1],
    ['', undefined],
    ['.', undefined],
    ['-', undefined],
    ['1', undefined],
    ['1x', undefined],
    ['s', undefined],
    ['9999999999h', undefined],
  ];
  for (const [text, expected] of cases) {
    const duration = parseDuration(text);
    assert.equal(duration.ok ? duration.value : undefined, expected, text);
  }
});

test('sizes are read as Docker reads them, and never less than nothing', () => {
  const cases: readonly (readonly [string, number | undefined])[] = [
    ['32', 32],
    ['32b', 32],
    ['32k', 32768],
    ['32 KiB', 32768],
    ['32kb', 32768],
    ['1.5G', 1.5 * 2 ** 30],
    ['1p', 2 ** 50],
    ['-1', undefined],
    ['k', undefined],
    ['1kbb', undefined],
    ['1x', undefined],
    ['1bb', undefined],
  ];
  for (const [text, expected] of cases) {
    const size = parseMemorySize(text);
    assert.equal(size.ok ? size.value : undefined, expected, text);
  }
});
