// The engine's promises one by one, with ops that the test drives by hand.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BuildErrors, type Digest, digestOf, type JobContext, type ProgressEvent, quietJob } from '../base/index.ts';
import { type CacheMap, MemoryCache, NeedsBytes, type Op, type Output, SolveSession, Solver, type Vertex } from './index.ts';

interface Thing extends Output {
  readonly text: string;
  readonly bytes: boolean;
}

function thing(text: string, bytes = true): Thing {
  return { identity: digestOf(text), text, bytes };
}

const LIMITS = { process: 4, files: 4, network: 4 };

interface StepOptions {
  readonly inputs?: readonly Vertex<Thing>[];
  readonly op?: Partial<Op<Thing>>;
  readonly ignoreCache?: boolean;
  readonly digest?: string;
}

/** A step that joins its inputs' texts; `ran` lists the names that were executed. */
function step(name: string, ran: string[], { inputs = [], op = {}, ignoreCache = false, digest = name }: StepOptions = {}): Vertex<Thing> {
  return {
    digest: digestOf(digest),
    inputs: inputs.map((vertex) => ({ vertex, output: 0 })),
    progress: { id: digestOf(digest), name, inputs: [] },
    ignoreCache,
    op: {
      resource: 'process',
      cacheMap: (given) => Promise.resolve(mapOf(digest, given)),
      exec: (given) => {
        const lacking = given.findIndex(({ bytes }) => !bytes);
        if (lacking >= 0) throw new NeedsBytes(lacking);
        ran.push(name);
        return Promise.resolve([thing(`${name}(${given.map(({ text }) => text).join()})`)]);
      },
      ...op,
    },
  };
}

function mapOf(name: string, inputs: readonly Thing[]): CacheMap {
  return { key: digestOf(`${name} ${inputs.map(({ identity }) => identity).join()}`), step: `test/${name}`, fields: [] };
}

function recording(signal = new AbortController().signal): { job: JobContext; events: ProgressEvent[] } {
  const events: ProgressEvent[] = [];
  return { events, job: { signal, progress: (event) => events.push(event), now: () => new Date(0) } };
}

/** A gate that the test opens. */
function gate(): { readonly opened: Promise<void>; open(): void } {
  let open: () => void = () => {};
  return { opened: new Promise<void>((resolve) => (open = resolve)), open: () => open() };
}

const root = (vertex: Vertex<Thing>): { vertex: Vertex<Thing>; output: number } => ({ vertex, output: 0 });

test('a second build finds everything; events and facts say so', async () => {
  const cache = new MemoryCache<Thing>();
  const ran: string[] = [];
  const base = step('base', ran);
  const app = step('app', ran, { inputs: [base] });
  const solver = new Solver(cache, LIMITS);
  const first = await solver.solve([root(app)], quietJob());
  assert.equal(first.outputs[0]?.text, 'app(base())');
  assert.deepEqual(
    first.facts.map(({ state, reason }) => [state, reason?.cause]),
    [
      ['executed', 'first'],
      ['executed', 'first'],
    ],
  );
  const { job, events } = recording();
  const second = await solver.solve([root(app)], job);
  assert.deepEqual(
    second.facts.map(({ state }) => state),
    ['cached', 'cached'],
  );
  assert.deepEqual(ran, ['base', 'app']);
  assert.deepEqual(
    events.map((event) => event.type),
    ['vertex', 'vertex', 'completed', 'completed'],
  );
});

test('vertices of equal digest, and of equal key, run once, also without the cache', async () => {
  const ran: string[] = [];
  const one = step('one', ran, { ignoreCache: true });
  const again = step('again', ran, { ignoreCache: true, digest: 'one' });
  const sameKey: Vertex<Thing> = { ...step('same key', ran, { ignoreCache: true, digest: 'one' }), digest: 'other' };
  const cache = new MemoryCache<Thing>();
  const { outputs } = await new Solver(cache, LIMITS).solve([one, again, sameKey].map(root), quietJob());
  assert.deepEqual(ran, ['one']);
  assert.deepEqual(new Set(outputs.map(({ text }) => text)).size, 1);
  const { facts } = await new Solver(cache, LIMITS).solve([root(one)], quietJob());
  assert.equal(facts[0]?.reason?.cause, 'no-cache');
});

test('when places are few, the longest path goes first', async () => {
  const ran: string[] = [];
  const short = step('short', ran);
  const long = step('long', ran);
  const middle = step('middle', ran, { inputs: [long] });
  const last = step('last', ran, { inputs: [middle] });
  const first = step('first', ran); // takes the only place before the others are keyed
  const end = step('end', ran, { inputs: [first, short, last] });
  await new Solver(new MemoryCache<Thing>(), { ...LIMITS, process: 1 }).solve([root(end)], quietJob());
  assert.ok(ran.indexOf('long') < ran.indexOf('short'), ran.join());
});

test('bytes that turn out to be absent make the producer run, and all its consumers are keyed on that run', async () => {
  const cache = new MemoryCache<Thing>();
  const ran: string[] = [];
  let run = 0;
  const compile = step('compile', ran, {
    op: {
      exec: () => {
        ran.push('compile');
        return Promise.resolve([thing(`compile ${(run += 1)}`)]);
      },
    },
  });
  const copy = step('copy', ran, { inputs: [compile] });
  cache.results.set(mapOf('compile', []).key, [{ outputs: [thing('compile 0', false)], createdAt: -1 }]);
  cache.results.set(mapOf('copy', [thing('compile 0')]).key, [{ outputs: [thing('copied 0')], createdAt: -1 }]);
  const solver = new Solver(cache, LIMITS);
  const remembered = await solver.solve([root(copy)], quietJob());
  assert.equal(remembered.outputs[0]?.text, 'copied 0');
  assert.deepEqual(ran, []);
  const test = step('test', ran, { inputs: [compile] });
  const both = await solver.solve([root(copy), root(test)], quietJob());
  assert.deepEqual(
    both.outputs.map(({ text }) => text),
    ['copy(compile 1)', 'test(compile 1)'],
  );
  assert.deepEqual(ran.sort(), ['compile', 'copy', 'test']);
  assert.equal(both.facts.find(({ progress }) => progress.name === 'compile')?.reason?.cause, 'bytes-absent');
});

test('a chain whose bytes are all absent runs each step once, from the bottom', async () => {
  const cache = new MemoryCache<Thing>();
  const ran: string[] = [];
  const steps: Vertex<Thing>[] = [];
  let text: Thing | undefined;
  for (let index = 0; index < 40; index += 1) {
    const vertex = step(`s${index}`, ran, { inputs: steps.slice(-1) });
    const made = thing(`s${index}(${text?.text ?? ''})`, false);
    cache.results.set(mapOf(`s${index}`, text === undefined ? [] : [text]).key, [{ outputs: [made], createdAt: -1 }]);
    text = made;
    steps.push(vertex);
  }
  const last = step('last', ran, { inputs: steps.slice(-1) });
  // The memory store keeps the older result of an equal identity: it must not be one without bytes.
  cache.save = ({ key }, _inputs, outputs) => {
    cache.results.set(key, [{ outputs, createdAt: 1 }]);
    return Promise.resolve(outputs);
  };
  const { facts } = await new Solver(cache, LIMITS).solve([root(last)], quietJob(), { hasBytes: ({ bytes }) => bytes });
  assert.deepEqual(ran, [...steps.map(({ progress }) => progress.name), 'last']);
  assert.ok(facts.every(({ state }) => state === 'executed'));
});

test('a root that will be read executes when its bytes are absent', async () => {
  const cache = new MemoryCache<Thing>();
  const ran: string[] = [];
  const app = step('app', ran);
  cache.results.set(mapOf('app', []).key, [{ outputs: [thing('old', false)], createdAt: -1 }]);
  const options = { hasBytes: ({ bytes }: Thing) => bytes };
  assert.equal((await new Solver(cache, LIMITS).solve([root(app)], quietJob(), options)).outputs[0]?.text, 'old');
  const { outputs } = await new Solver(cache, LIMITS).solve([root(app)], quietJob(), { ...options, rootsNeedBytes: true });
  assert.equal(outputs[0]?.text, 'app()');
});

test('a result is of use when the bytes of what is taken of it are here, whatever its other outputs lack', async () => {
  const cache = new MemoryCache<Thing>();
  const ran: string[] = [];
  const two = step('two', ran);
  cache.results.set(mapOf('two', []).key, [{ outputs: [thing('lacking', false), thing('here')], createdAt: -1 }]);
  const options = { hasBytes: ({ bytes }: Thing) => bytes, rootsNeedBytes: true };
  const { outputs } = await new Solver(cache, LIMITS).solve([{ vertex: two, output: 1 }], quietJob(), options);
  assert.equal(outputs[0]?.text, 'here');
  assert.deepEqual(ran, []);
  await new Solver(cache, LIMITS).solve([root(two)], quietJob(), options);
  assert.deepEqual(ran, ['two']);
});

test('bytes that are absent right after they were made end the build with words', async () => {
  const ran: string[] = [];
  const broken = step('broken', ran, { op: { exec: () => Promise.resolve([thing('x', false)]) } });
  await assert.rejects(new Solver(new MemoryCache<Thing>(), LIMITS).solve([root(step('next', ran, { inputs: [broken] }))], quietJob()), {
    code: 'RESULT_LOST',
  });
});

test('another result of a key is followed when its successors are known', async () => {
  const cache = new MemoryCache<Thing>();
  const ran: string[] = [];
  const compile = step('compile', ran);
  const link = step('link', ran, { inputs: [compile] });
  const pack = step('pack', ran, { inputs: [link] });
  const [a, b] = [thing('compiled on a'), thing('compiled on b')];
  const [linkA, linkB] = [thing('linked on a'), thing('linked on b')];
  cache.results.set(mapOf('compile', []).key, [
    { outputs: [b], createdAt: 2 },
    { outputs: [a], createdAt: 1 },
  ]);
  cache.results.set(mapOf('link', [a]).key, [{ outputs: [linkA], createdAt: 1 }]);
  cache.results.set(mapOf('link', [b]).key, [{ outputs: [linkB], createdAt: 2 }]);
  cache.results.set(mapOf('pack', [linkA]).key, [{ outputs: [thing('packed on a')], createdAt: 1 }]);
  const { outputs } = await new Solver(cache, LIMITS).solve([root(pack)], quietJob());
  assert.equal(outputs[0]?.text, 'packed on a');
  assert.deepEqual(ran, []);
  // But not when something else would become unknown by it.
  const sign = step('sign', ran, { inputs: [link] });
  cache.results.set(mapOf('sign', [linkB]).key, [{ outputs: [thing('signed on b')], createdAt: 2 }]);
  const { facts } = await new Solver(cache, LIMITS).solve([root(sign), root(pack)], quietJob());
  assert.equal(facts.filter(({ state }) => state === 'executed').length, 1);
});

test('several independent failures are all reported; what depends on them is canceled, finished work is kept', async () => {
  const cache = new MemoryCache<Thing>();
  const ran: string[] = [];
  const [one, two] = [gate(), gate()];
  const failing = (name: string, opened: Promise<void>): Vertex<Thing> =>
    step(name, ran, {
      op: {
        exec: async () => {
          await opened;
          throw new Error(`${name} broke`);
        },
      },
    });
  const good = step('good', ran, { op: { exec: async () => (await two.opened, [thing('good')]) } });
  const [a, b] = [failing('a', one.opened), failing('b', two.opened)];
  const end = step('end', ran, { inputs: [a, b, good] });
  const { job, events } = recording();
  const solving = new Solver(cache, LIMITS).solve([root(end)], job);
  one.open();
  setImmediate(() => two.open());
  await assert.rejects(solving, (error) => {
    assert.ok(error instanceof BuildErrors);
    assert.deepEqual(
      error.errors.map(({ message }) => message),
      ['a broke', 'b broke'],
    );
    return true;
  });
  const last = new Map(events.map((event) => ['id' in event ? event.id : '', event.type]));
  assert.equal(last.get(end.digest), 'canceled');
  assert.ok(cache.results.has(mapOf('good', []).key));
});

test('what runs is given up some time after the first failure, or at once', async () => {
  const ran: string[] = [];
  const endless = step('endless', ran, {
    op: {
      exec: (_inputs, job) => new Promise((_, reject) => job.signal.addEventListener('abort', () => reject(job.signal.reason as Error))),
    },
  });
  const broken = step('broken', ran, { op: { exec: () => Promise.reject(new Error('broke')) } });
  for (const failureGraceMs of [0, 20]) {
    await assert.rejects(
      new Solver(new MemoryCache<Thing>(), LIMITS).solve([root(endless), root(broken)], quietJob(), { failureGraceMs }),
      /^Error: broke$/,
    );
  }
});

test('a cancelled build leaves an execution that another build wants, and ends its own', async () => {
  const solver = new Solver(new MemoryCache<Thing>(), LIMITS);
  const ran: string[] = [];
  const [begun, go] = [gate(), gate()];
  let aborted = false;
  const shared = step('shared', ran, {
    op: {
      exec: async (_inputs, job) => {
        begun.open();
        await go.opened;
        aborted = job.signal.aborted;
        ran.push('shared');
        return [thing('shared')];
      },
    },
  });
  const cancel = new AbortController();
  const mine = solver.solve([root(shared)], quietJob(cancel.signal));
  const { job, events } = recording();
  const other: Vertex<Thing> = { ...shared, digest: 'other', progress: { ...shared.progress, id: 'other' } };
  const theirs = solver.solve([root(other)], job);
  await begun.opened;
  cancel.abort(new Error('enough'));
  await assert.rejects(mine, /enough/);
  go.open();
  assert.equal((await theirs).outputs[0]?.text, 'shared');
  assert.deepEqual([ran, aborted], [['shared'], false]);
  assert.ok(events.every((event) => !('id' in event) || event.id === 'other'));
});

test('a failure of another build is not this one’s, unless it is the work’s own', async () => {
  const cases = [
    { givesUp: true, failsForAll: true, ran: 2 }, // its client is gone: whatever the step says of that
    { givesUp: false, failsForAll: false, ran: 2 },
    { givesUp: false, failsForAll: true, ran: 1 },
  ];
  for (const { givesUp, failsForAll, ran: expected } of cases) {
    const solver = new Solver(new MemoryCache<Thing>(), LIMITS);
    const ran: string[] = [];
    const entered = gate();
    const go = gate();
    const build = (name: string, fails: boolean): Vertex<Thing> =>
      step(name, ran, {
        digest: 'shared',
        op: {
          failsForAll: () => failsForAll,
          exec: async () => {
            ran.push(name);
            entered.open();
            await go.opened;
            if (fails) throw new Error('nobody answered');
            return [thing('made')];
          },
        },
      });
    const abort = new AbortController();
    const session = new SolveSession<Thing>();
    const first = solver.solve([root(build('first', true))], recording(abort.signal).job, { session });
    first.catch(() => {});
    await entered.opened;
    const second = solver.solve([root(build('second', false))], quietJob());
    second.catch(() => {});
    await new Promise((resolve) => setImmediate(resolve));
    if (givesUp) {
      abort.abort(new Error('the client is gone'));
      await assert.rejects(first, /the client is gone/);
      // What the step reads of its build must stay until it is over.
      assert.ok(session.afterwards() !== undefined);
    }
    go.open();
    if (expected === 1) await assert.rejects(second, /nobody answered/);
    else assert.equal((await second).outputs[0]?.text, 'made');
    assert.deepEqual(ran, ['first', 'second'].slice(0, expected));
    await session.afterwards();
    assert.equal(session.afterwards(), undefined);
  }
});

test('a build cancelled before it began runs nothing', async () => {
  const ran: string[] = [];
  const signal = AbortSignal.abort(new Error('never mind'));
  await assert.rejects(new Solver(new MemoryCache<Thing>(), LIMITS).solve([root(step('a', ran))], quietJob(signal)), /never mind/);
  assert.deepEqual(ran, []);
});

test('a result that another process made meanwhile is adopted', async () => {
  const cache = new MemoryCache<Thing>();
  const ran: string[] = [];
  const app = step('app', ran);
  const key: Digest = mapOf('app', []).key;
  cache.exclusive = (_key, _job, work) => {
    cache.results.set(key, [{ outputs: [thing('theirs')], createdAt: 1 }]);
    return work();
  };
  const { outputs, facts } = await new Solver(cache, LIMITS).solve([root(app)], quietJob());
  assert.equal(outputs[0]?.text, 'theirs');
  assert.deepEqual([facts[0]?.state, ran], ['adopted', []]);
});

test('several calls for one build solve each vertex once, also without the cache; facts stay', async () => {
  const ran: string[] = [];
  const cache = new MemoryCache<Thing>();
  const solver = new Solver(cache, LIMITS);
  const session = new SolveSession<Thing>();
  const base = step('base', ran, { ignoreCache: true });
  const app = step('app', ran, { inputs: [base] });
  const { job, events } = recording();
  await solver.solve([root(base)], job, { session });
  const first = events.length;
  const { facts, outputs } = await solver.solve([root(app), root(base)], job, { session });
  assert.deepEqual(ran, ['base', 'app']);
  assert.equal(outputs[1]?.text, 'base()');
  assert.deepEqual(
    facts.map(({ state, reason }) => [state, reason?.cause]),
    [
      ['executed', 'no-cache'],
      ['executed', 'first'],
    ],
  );
  assert.deepEqual(
    events.slice(first).map(({ type }) => type),
    ['vertex', 'started', 'completed'],
  );
  const again = events.length;
  await solver.solve([root(app)], job, { session });
  assert.equal(events.length, again);

  // A root that was known without bytes is made when a later call wants to read it.
  const known = step('known', ran);
  cache.results.set(mapOf('known', []).key, [{ outputs: [thing('old', false)], createdAt: -1 }]);
  const options = { session, hasBytes: ({ bytes }: Thing) => bytes };
  assert.equal((await solver.solve([root(known)], job, options)).outputs[0]?.text, 'old');
  assert.equal((await solver.solve([root(known)], job, { ...options, rootsNeedBytes: true })).outputs[0]?.text, 'known()');
});

test('a step or a question that waits for many things at a time warns of nothing', async () => {
  const warnings: string[] = [];
  const note = ({ name }: Error): void => void warnings.push(name);
  process.on('warning', note);
  const listen = (signal: AbortSignal): void => {
    for (let count = 0; count < 30; count += 1) signal.addEventListener('abort', () => {});
  };
  const op: Partial<Op<Thing>> = {
    cacheMap: (given, { signal }) => {
      listen(signal);
      return Promise.resolve(mapOf('many', given));
    },
    exec: (_given, { signal }) => {
      listen(signal);
      return Promise.resolve([thing('many')]);
    },
  };
  const solver = new Solver<Thing>(new MemoryCache(), LIMITS);
  await solver.solve([{ vertex: step('many', [], { op }), output: 0 }], recording().job);
  await new Promise((resolve) => setImmediate(resolve)); // warnings are told in the next turn
  process.off('warning', note);
  assert.deepEqual(warnings, []);
});
