// Drafts grow by what an instruction says, not by what they have already.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addEntries, addTrigger, continueDraft, type ConfigDraft, emptyDraft, finishDraft, setConfigEnv } from './config-draft.ts';

const COUNT = 2000;
const draft = (): ConfigDraft => emptyDraft({ os: 'linux', architecture: 'amd64' });

/** A target whose members are counted as they are read. */
function counted<T extends object>(target: T): { readonly proxy: T; readonly reads: () => number } {
  let reads = 0;
  const proxy = new Proxy(target, {
    get: (from, key, receiver) => {
      reads += 1;
      return Reflect.get(from, key, receiver) as unknown;
    },
    ownKeys: (from) => {
      const keys = Reflect.ownKeys(from);
      reads += keys.length;
      return keys;
    },
  });
  return { proxy, reads: () => reads };
}

test('thousands of labels, ports, volumes and triggers are added one by one without copying what is there', () => {
  const one = draft();
  const maps = new Set<unknown>();
  for (let at = 0; at < COUNT; at += 1) {
    addEntries(one, 'Labels', [{ name: `l${at}`, value: 'v' }]);
    addEntries(one, 'ExposedPorts', [{ name: `${at}/tcp`, value: {} }]);
    addEntries(one, 'Volumes', [{ name: `/v${at}`, value: {} }]);
    addTrigger(one, `RUN ${at}`);
    for (const map of [one.config.Labels, one.config.ExposedPorts, one.config.Volumes, one.config.OnBuild]) maps.add(map);
  }
  assert.equal(maps.size, 4);
  for (const map of ['Labels', 'ExposedPorts', 'Volumes'] as const) {
    assert.equal(Object.keys(finishDraft(one).config?.[map] ?? {}).length, COUNT);
  }
  assert.equal(one.config.OnBuild?.length, COUNT);
});

test('what came from a base is read once, however many entries are added', () => {
  const base = Object.fromEntries(Array.from({ length: COUNT }, (_, at) => [`b${at}`, 'v']));
  const { proxy, reads } = counted(base);
  const one = draft();
  one.config.Labels = proxy;
  for (let at = 0; at < COUNT; at += 1) addEntries(one, 'Labels', [{ name: `l${at}`, value: 'v' }]);
  assert.equal(Object.keys(finishDraft(one).config?.Labels ?? {}).length, 2 * COUNT);
  assert.ok(reads() <= 3 * COUNT, `${reads()} reads`);
  assert.equal(Object.keys(base).length, COUNT, 'the base is not changed');
});

test('a variable is found without looking at all others', () => {
  const one = draft();
  const { proxy, reads } = counted(['PATH=/bin', 'A=1', 'A=2', 'B']);
  one.config.Env = proxy;
  for (let at = 0; at < COUNT; at += 1) setConfigEnv(one, `N${at}`, `N${at}=v`);
  for (const name of ['A', 'B', 'N7']) setConfigEnv(one, name, `${name}=new`);
  assert.deepEqual(proxy.slice(0, 4), ['PATH=/bin', 'A=new', 'A=2', 'B=new']);
  assert.equal(proxy[11], 'N7=new');
  assert.ok(reads() <= 10 * COUNT, `${reads()} reads`);
});

test('a stage and those that stand on it do not change each other', () => {
  const parent = draft();
  addEntries(parent, 'Labels', [{ name: 'a', value: '1' }]);
  addTrigger(parent, 'RUN x');
  const child = continueDraft(parent);
  addEntries(child, 'Labels', [{ name: 'a', value: '2' }]);
  addTrigger(child, 'RUN y');
  const image = continueDraft(parent);
  addEntries(image, 'Labels', [{ name: 'b', value: '3' }]);
  const sibling = continueDraft(image);
  addEntries(sibling, 'Labels', [{ name: '__proto__', value: 'x' }, { name: 'constructor', value: 'y' }]); // prettier-ignore
  assert.deepEqual(finishDraft(parent).config?.Labels, { a: '1' });
  assert.deepEqual(finishDraft(image).config?.Labels, { a: '1', b: '3' });
  assert.deepEqual(finishDraft(child).config?.Labels, { a: '2' });
  assert.deepEqual(parent.config.OnBuild, ['RUN x']);
  assert.deepEqual(child.config.OnBuild, ['RUN x', 'RUN y']);
  assert.equal(JSON.stringify(finishDraft(sibling).config?.Labels), '{"a":"1","b":"3","__proto__":"x","constructor":"y"}');
});
