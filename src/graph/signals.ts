// Signals that STOPSIGNAL may name.

const NAMES = new Set(
  (
    'ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP TSTP TTIN TTOU URG USR1 USR2 ' +
    'VTALRM WINCH XCPU XFSZ RTMIN RTMAX'
  ).split(' '),
);

/** All names, for suggestions. */
export const SIGNAL_NAMES: readonly string[] = [...NAMES].map((name) => `SIG${name}`);

/** Whether a name (any case, with or without `SIG`) or a number other than 0 is a signal of Linux. */
export function isSignal(text: string): boolean {
  if (/^[+-]?[0-9]+$/.test(text)) return Number(text) !== 0;
  const name = text.toUpperCase().replace(/^SIG/, '');
  return NAMES.has(name) || /^RTMIN\+([1-9]|1[0-5])$/.test(name) || /^RTMAX-([1-9]|1[0-4])$/.test(name);
}
