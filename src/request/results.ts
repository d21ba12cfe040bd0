// What is made of a build: outputs, caches, attestations.

import { realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { AttestRequest, CacheRequest, OutputRequest } from '../build/index.ts';
import { keyValues, splitCsv, wrongValue } from './fields.ts';
import type { Surroundings } from './surroundings.ts';

/** An output whose path, if it has one, is absolute. */
export function outputFrom({ cwd }: Surroundings, { type, attributes }: OutputRequest): OutputRequest {
  const { dest } = attributes;
  return { type, attributes: dest === undefined || dest === '' || dest === '-' ? attributes : { ...attributes, dest: resolve(cwd, dest) } };
}

/** Whether all folders that outputs of `mode=delete` clear lie below the current one: there nothing has to be allowed, as in Docker's command. */
export function deletesBelow(outputs: readonly OutputRequest[], cwd: string): boolean {
  const cleared = outputs.filter(({ type, attributes }) => type === 'local' && attributes['mode'] === 'delete');
  const here = `${realPath(cwd).replace(/\/$/, '')}/`;
  return cleared.length > 0 && cleared.every(({ attributes: { dest } }) => dest !== undefined && realPath(dest).startsWith(here));
}

/** A path without symlinks; what does not exist of it stays as it is. The root for one that cannot be looked at: nothing is below it. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' && path !== '/' ? join(realPath(dirname(path)), basename(path)) : '/';
  }
}

/**
 * One `--cache-from` or `--cache-to`. A bare reference is a cache in a registry; credentials of some kinds come from the environment.
 * None for an empty one (a variable that is not set), and for the cache of workflows outside of a workflow: as Docker's command does.
 */
export function readCache(flag: string, entry: string, around: Surroundings): CacheRequest[] {
  if (entry === '') return [];
  if (!entry.includes('=')) return splitCsv(entry).map((ref) => ({ type: 'registry', attributes: { ref } }));
  const { type, ...attributes } = keyValues(flag, entry);
  if (type === undefined || type === '') throw wrongValue(`type required for ${flag}: ${JSON.stringify(entry)}`);
  for (const key of ['src', 'dest']) {
    if (attributes[key]) attributes[key] = resolve(around.cwd, attributes[key]);
  }
  // Other mistakes of an import are warnings: this one is a variable that is not set, and no cache will ever be found.
  const needed = flag === '--cache-from' ? { local: 'src', registry: 'ref' }[type] : undefined;
  if (needed !== undefined && !hasAny(attributes, needed)) throw wrongValue(`--cache-from: type=${type} needs ${needed}=`);
  const { env } = around;
  const fallback = (key: string, value: string | undefined): void => {
    if (attributes[key] === undefined && value !== undefined && value !== '') attributes[key] = value;
  };
  if (type === 'gha') {
    fallback('token', env['ACTIONS_RUNTIME_TOKEN']);
    fallback('url', env['ACTIONS_CACHE_URL']);
    fallback('url_v2', env['ACTIONS_RESULTS_URL']);
    if (!hasAny(attributes, 'token') || !hasAny(attributes, 'url', 'url_v2')) {
      around.note(`${flag} type=gha is passed over: no ACTIONS_RUNTIME_TOKEN and ACTIONS_RESULTS_URL, so this is no workflow`);
      return [];
    }
  } else if (type === 's3') {
    fallback('region', env['AWS_REGION']);
    fallback('bucket', env['AWS_BUCKET']);
    fallback('access_key_id', env['AWS_ACCESS_KEY_ID']);
    fallback('secret_access_key', env['AWS_SECRET_ACCESS_KEY']);
    fallback('session_token', env['AWS_SESSION_TOKEN']);
  } else if (type === 'azblob') {
    fallback('account_url', env['BUILDKIT_AZURE_STORAGE_ACCOUNT_URL']);
    fallback('account_name', env['BUILDKIT_AZURE_STORAGE_ACCOUNT_NAME']);
    fallback('container', env['BUILDKIT_AZURE_STORAGE_CONTAINER']);
    fallback('prefix', env['BUILDKIT_AZURE_STORAGE_PREFIX']);
    fallback('secret_access_key', env['AZURE_STORAGE_KEY']);
  }
  return [{ type, attributes }];
}

function hasAny(attributes: Readonly<Record<string, string>>, ...names: readonly string[]): boolean {
  return names.some((name) => (attributes[name] ?? '') !== '');
}

/** One `--attest`. */
export function readAttest(entry: string): AttestRequest {
  const { type, ...attributes } = keyValues('--attest', entry);
  if (type !== 'sbom' && type !== 'provenance')
    throw wrongValue(`unknown attestation type ${JSON.stringify(type ?? '')}: sbom or provenance`);
  return attestRequest(type, attributes);
}

/** An attestation by its attributes; `disabled` is one of them. */
export function attestRequest(
  type: AttestRequest['type'],
  { disabled = 'false', ...attributes }: Readonly<Record<string, string>>,
): AttestRequest {
  if (!/^(true|t|1|false|f|0)$/i.test(disabled)) throw wrongValue(`invalid disabled of ${type} ${JSON.stringify(disabled)}: true or false`);
  return { type, ...(/^[t1]/i.test(disabled) ? { disabled: true } : {}), attributes };
}
