// What a request asked, as its records and its provenance show it.

import { hideLogin } from '../base/index.ts';

type Attributes = Readonly<Record<string, string>>;

/** A frontend's attributes without the logins in addresses of contexts and in build arguments. Where caches are is left out: their keys may stand beside it. */
export function shownAttributes(attributes: Attributes): Record<string, string> {
  const contextKey = attributes['contextkey'] || 'context';
  return Object.fromEntries(
    Object.entries(attributes)
      .filter(([key]) => key !== 'cache-imports')
      .map(([key, value]) => [key, isAddress(key, contextKey) ? hideLogin(value) : value]),
  );
}

function isAddress(key: string, contextKey: string): boolean {
  return key === contextKey || key === 'vcs:source' || key.startsWith('context:') || key.startsWith('build-arg:');
}
