// The command's entry: one process, one command, one exit code.

import { constants, readFileSync } from 'node:fs';
import { withoutVaguePlaces } from '../base/index.ts';
import { run } from './run.ts';

const abort = new AbortController();
let signalled = 0;
const O_ACCMODE = 3;
for (const [name, code, reason] of [
  ['SIGINT', 130, 'cancelled by SIGINT'],
  ['SIGTERM', 143, 'cancelled by SIGTERM'],
  ['SIGHUP', 129, 'the terminal was closed'],
] as const) {
  process.on(name, () => {
    if (name === 'SIGHUP' && (signalled !== 0 || isUnderNohup())) return; // of a closed terminal it is heard several times: from kernel and shell
    if (signalled !== 0) process.exit(code); // the second one ends at once
    signalled = code;
    abort.abort(Object.assign(new Error(reason), { name: 'AbortError' }));
  });
}

/** Node takes no notice of a signal that is ignored from before its start. What nohup(1) leaves besides is an input that cannot be read. */
function isUnderNohup(): boolean {
  try {
    const [, flags = ''] = /^flags:\s+(\d+)$/m.exec(readFileSync('/proc/self/fdinfo/0', 'latin1')) ?? [];
    return (parseInt(flags, 8) & O_ACCMODE) === constants.O_WRONLY;
  } catch {
    return false;
  }
}

// A reader that went away (`slipway … | head`) or a closed terminal is no crash. Progress that a full disk does not take is lost; a result
// that it does not take is a failure.
process.stderr.on('error', () => {});
let unwritten = false;
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (unwritten || error.code === 'EPIPE' || error.code === 'EIO') return;
  unwritten = true;
  process.stderr.write(`ERROR: cannot write to standard output: ${error.message}\nhelp: is the disk full that it is redirected to?\n`);
  abort.abort(Object.assign(new Error('standard output cannot be written'), { name: 'AbortError' }));
});

/** Node throws where the folder was removed under the shell that is in it. */
function currentFolder(): string {
  try {
    return process.cwd();
  } catch {
    process.stderr.write('ERROR: the current folder is gone\nhelp: change to one that is there, and try again\n');
    process.exit(1);
  }
}

// The bundle of the command is CommonJS (it can be loaded compiled), which has no await at its top.
void (async (): Promise<void> => {
  const code = await run(process.argv.slice(2), {
    env: withoutVaguePlaces(process.env),
    cwd: currentFolder(),
    uid: process.getuid?.() ?? 1000,
    // Node makes the stream, and loads what it is made of, when somebody asks for it.
    get stdin() {
      return process.stdin;
    },
    stdout: process.stdout,
    stderr: process.stderr,
    signal: abort.signal,
    now: () => new Date(),
  });
  // Keep-alive sockets and idle workers have nothing more to say; what was written is written before the exit.
  await new Promise<void>((resolve) => process.stdout.write('', () => process.stderr.write('', () => resolve())));
  process.exit(signalled !== 0 ? signalled : unwritten ? 1 : code);
})();
