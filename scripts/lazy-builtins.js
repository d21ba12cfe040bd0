// Text that stands before the command's bundle. It is not a module: it runs where `require` is the bundle's own.

/**
 * Node's modules that most commands never use are loaded when something of them is first used, not when the part of the bundle that may
 * use them is. Half a dozen of them (tls, https, child_process, worker_threads, dgram, ...) cost 9 ms of a no-op build of 110.
 * Imports by name see no difference; one of a whole module (`import zlib from`, `import * as`) loads it at once.
 */
function lazyBuiltins(load) {
  const late = new Set(
    'child_process dgram dns fs/promises http http2 https net os readline stream/promises timers/promises tls tty util v8 worker_threads zlib'
      .split(' ')
      .map((name) => `node:${name}`),
  );
  const known = new Map();
  return (name) => {
    if (!late.has(name)) return load(name);
    let shown = known.get(name);
    if (shown === undefined) {
      let loaded;
      const builtin = () => (loaded ??= load(name));
      shown = new Proxy(Object.create(null), {
        get: (_, key) => builtin()[key],
        has: (_, key) => key in builtin(),
        ownKeys: () => Reflect.ownKeys(builtin()),
        getOwnPropertyDescriptor: (_, key) => {
          const found = Object.getOwnPropertyDescriptor(builtin(), key);
          return found === undefined ? undefined : { ...found, configurable: true };
        },
        getPrototypeOf: () => Object.prototype,
      });
      known.set(name, shown);
    }
    return shown;
  };
}
