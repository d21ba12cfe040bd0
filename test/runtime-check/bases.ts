// What the programs are copied onto.

/** A base of the comparison. */
export interface Base {
  readonly name: string;
  /** As `FROM` names it. */
  readonly from: string;
}

export const BASES: readonly Base[] = [
  { name: 'scratch', from: 'scratch' },
  { name: 'busybox', from: 'busybox' },
  { name: 'older', from: 'debian:bullseye-slim' },
  { name: 'newer', from: 'debian:trixie-slim' },
  { name: 'musl', from: 'musl' },
];
