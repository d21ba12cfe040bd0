// Docker's credential helpers: programs `docker-credential-<name>` with the verbs get, store and erase on standard input and output.

import { errnoOf, SlipwayError } from '../base/index.ts';
import { printable } from './faults.ts';

/** A helper may ask its user for a password of a key ring; this is for one that hangs. */
const PATIENCE_MS = 60_000;
const LONGEST_ANSWER = 1024 * 1024;

/**
 * Runs one verb with `input` and returns what the helper printed; undefined when it knows no such login.
 * Throws `REGISTRY_HELPER_FAILED` when it is missing or fails.
 */
export async function runHelper(
  name: string,
  verb: 'get' | 'store' | 'erase',
  input: string,
  env: Readonly<Record<string, string>>,
): Promise<string | undefined> {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(name)) {
    throw new SlipwayError('REGISTRY_HELPER_FAILED', `${JSON.stringify(name)} is no name of a credential helper`);
  }
  const program = `docker-credential-${name}`;
  const { spawn } = await import('node:child_process');
  return await new Promise((resolve, reject) => {
    const fail = (why: string, cause?: unknown): void =>
      reject(new SlipwayError('REGISTRY_HELPER_FAILED', `${program} ${why}`, { cause, facts: { helper: program, verb } }));
    const child = spawn(program, [verb], { env: { ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
    // Node's own timeout would hold the process when the program cannot be started.
    const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS).unref();
    let output = '';
    const take = (chunk: string): void => {
      output += chunk;
      if (output.length > LONGEST_ANSWER) child.kill('SIGKILL');
    };
    child.stdout.setEncoding('utf8').on('data', take);
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => verb !== 'get' && take(chunk));
    child.on('error', (error) => fail(errnoOf(error) === 'ENOENT' ? 'is not installed' : 'cannot be started', error));
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (code === 0) return resolve(output);
      if (/credentials not found|no credentials server URL|no credentials username/i.test(output)) return resolve(undefined);
      if (signal !== null) return fail('did not answer in time');
      // A helper's `get` may print a secret before it fails; only the words of the other verbs are shown.
      fail(verb === 'get' ? `failed with exit code ${String(code)}` : `failed: ${printable(output)}`);
    });
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}
