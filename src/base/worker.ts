// Worker entry files are `<name>.worker.ts` beside their user; the build bundles each as `dist/<name>.worker.js`.

/** URL of a worker entry: beside the importing file in a checkout, beside the bundle in the product. */
export function workerUrl(importMetaUrl: string, name: string): URL {
  return new URL(`./${name}.worker.${importMetaUrl.endsWith('.ts') ? 'ts' : 'js'}`, importMetaUrl);
}
