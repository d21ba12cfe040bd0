// A solve request in today's form: what older clients put elsewhere is moved, what contradicts itself is refused.

import { create } from '@bufbuild/protobuf';
import {
  CacheOptionsEntrySchema,
  CacheOptionsSchema,
  type CacheOptionsEntry,
  ExporterSchema,
  type SolveRequest,
} from '../gen/control_pb.ts';
import { RpcError } from '../wire/rpc-error.ts';

/** Versions of defaults that a request may ask for; 0 is the newest. */
const COMPATIBILITY: readonly bigint[] = [0n, 10n, 20n, 30n];

const CACHE_EXPORTS: readonly string[] = ['inline', 'registry', 'local', 'gha', 's3', 'azblob'];
const EXPORTERS: readonly string[] = ['image', 'registry', 'oci', 'docker', 'tar', 'local', 'moby'];

/** Changes `request` in place. Throws InvalidArgument and the like. */
export function normalizeRequest(request: SolveRequest): void {
  if (!COMPATIBILITY.includes(request.compatibilityVersion)) {
    throw new RpcError('invalidArgument', `unsupported compatibility-version ${request.compatibilityVersion}`);
  }
  const cache = (request.cache ??= create(CacheOptionsSchema, {}));
  if (cache.exportRef !== '') {
    cache.exports.push(create(CacheOptionsEntrySchema, { type: 'registry', attrs: { ...cache.exportAttrs, ref: cache.exportRef } }));
    cache.exportRef = '';
    cache.exportAttrs = {};
  }
  for (const ref of cache.importRefs) cache.imports.push(create(CacheOptionsEntrySchema, { type: 'registry', attrs: { ref } }));
  cache.importRefs = [];
  if (request.exporters.length === 0 && request.singleExporter !== '') {
    request.exporters.push(create(ExporterSchema, { type: request.singleExporter, attrs: request.singleExporterAttrs }));
  }
  for (const { type } of request.exporters) {
    if (!EXPORTERS.includes(type)) throw new RpcError('invalidArgument', `exporter ${JSON.stringify(type)} could not be found`);
  }
  const epoch = request.frontendAttrs['build-arg:SOURCE_DATE_EPOCH'];
  if (epoch !== undefined && /^-?\d+$/.test(epoch)) for (const exporter of request.exporters) exporter.attrs['source-date-epoch'] ??= epoch;
  cache.exports = uniqueExports(cache.exports);
}

function uniqueExports(entries: readonly CacheOptionsEntry[]): CacheOptionsEntry[] {
  const seen = new Set<string>();
  const kept: CacheOptionsEntry[] = [];
  for (const entry of entries) {
    if (entry.type === 'inline' && kept.some(({ type }) => type === 'inline')) continue;
    const key =
      entry.type === 'registry' && (entry.attrs['ref'] ?? '') !== ''
        ? `ref ${entry.attrs['ref']}`
        : JSON.stringify([entry.type, Object.entries(entry.attrs).sort()]);
    if (seen.has(key)) throw new RpcError('invalidArgument', `duplicate cache exports [${entry.type}]`);
    if (!CACHE_EXPORTS.includes(entry.type)) throw new RpcError('invalidArgument', `unknown cache exporter: ${JSON.stringify(entry.type)}`);
    seen.add(key);
    kept.push(entry);
  }
  return kept;
}
