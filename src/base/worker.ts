// Worker entry files are `<name>.worker.ts` beside their user; the build bundles each as `dist/<name>.worker.cjs`. A thread that need not
// set up the loader of modules starts in two thirds of the processor time: entries have no `await` at their top level.

/**
 * URL of a worker entry: beside the bundle in the product, beside the importing file in a checkout. There a thread does not inherit the
 * loader for TypeScript (Node 20), so the URL is a small program that registers it first.
 */
export function workerUrl(importMetaUrl: string, name: string): URL {
  if (!importMetaUrl.endsWith('.ts')) return new URL(`./${name}.worker.cjs`, importMetaUrl);
  const entry = new URL(`./${name}.worker.ts`, importMetaUrl).href;
  const loader = import.meta.resolve('tsx/esm/api');
  const program = `import{register}from${JSON.stringify(loader)};register();await import(${JSON.stringify(entry)});`;
  return new URL(`data:text/javascript,${encodeURIComponent(program)}`);
}
