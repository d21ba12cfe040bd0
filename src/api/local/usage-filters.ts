// Filters of clients for disk usage and pruning: in containerd's grammar each filter is a list of conditions, and one filter that passes is
// enough. The engine wants all of what it is given.

/**
 * The lists of conditions that `filters` stand for; a thing is meant when it fulfils all of one list. No filter, or an empty one, means
 * everything.
 */
export function readFilters(filters: readonly string[]): readonly (readonly string[])[] {
  if (filters.length === 0 || filters.some((filter) => filter.trim() === '')) return [[]];
  return filters.map((filter) => [filter]);
}
