// What a step may use of the machine.

/** Limits of a step as a whole; bytes and microseconds. Names as in BuildKit's LinuxResources. */
export interface ResourceLimits {
  readonly memory?: number;
  readonly memorySwap?: number;
  readonly cpuShares?: number;
  readonly cpuPeriod?: number;
  readonly cpuQuota?: number;
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  readonly pids?: number;
}
