// A package of the system, whichever database says so.

/** One installed package. */
export interface InstalledPackage {
  readonly kind: 'deb' | 'apk' | 'rpm';
  readonly name: string;
  readonly version: string;
  /** rpm's, where it is not 0. */
  readonly epoch?: number;
  readonly architecture?: string;
  /** Source package, when it has another name. */
  readonly source?: string;
  readonly license?: string;
  readonly maintainer?: string;
  readonly homepage?: string;
  /** Every system of the distribution has it. */
  readonly essential?: boolean;
}
