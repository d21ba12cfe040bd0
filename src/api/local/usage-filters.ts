// Filters of clients for disk usage and pruning: containerd's grammar, where each filter is a list of conditions and one filter that
// passes is enough. The engine knows lists of conditions.

/**
 * The lists of conditions that `filters` stand for; a thing is meant when it fulfils all of one list. No filter, or an empty one, means
 * everything.
 */
export function readFilters(filters: readonly string[]): readonly (readonly string[])[] {
  if (filters.length === 0 || filters.some((filter) => filter.trim() === '')) return [[]];
  return filters.map(conditions);
}

/** Splits at commas outside of quotes. */
function conditions(filter: string): string[] {
  return (filter.match(/(?:"(?:\\.|[^"\\])*"|[^,"]|")+/g) ?? []).map((part) => part.trim()).filter((part) => part !== '');
}
