// When a stamp may be remembered.

/** The kernel's clock ticks at most this far apart. */
const TICK_NS = 20_000_000;
/** Filesystems that keep whole (or even) seconds only. */
const COARSE_NS = 2_000_000_000;

/**
 * Whether a file could change after `seenAt` (milliseconds since the epoch) without a new stamp: its last change is too near. Such a
 * stamp is not remembered (git's "racily clean").
 */
export function isRacy(changed: { readonly ctime: number; readonly ctimeNs: number }, seenAt: number): boolean {
  const margin = changed.ctimeNs === 0 ? COARSE_NS : TICK_NS;
  return seenAt * 1e6 - (changed.ctime * 1e9 + changed.ctimeNs) < margin;
}
