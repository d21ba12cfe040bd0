// `slipway login` and `slipway logout`: Docker's own configuration file and credential helpers.

import { login, logout as forget } from '../../build/index.ts';
import { COMMON_FLAGS } from '../build-flags.ts';
import { type Flag, parseFlags, refuseMoreWords, usage } from '../flags.ts';
import { loginFile, readConfiguration } from '../settings.ts';
import { printLine, type World } from '../world.ts';

const LOGIN_FLAGS: readonly Flag[] = [
  { name: 'username', short: 'u', kind: 'string', value: 'NAME', about: 'User name' },
  {
    name: 'password',
    short: 'p',
    kind: 'string',
    value: 'TEXT',
    about: 'Password (others can see it in the process list: prefer --password-stdin)',
  },
  { name: 'password-stdin', kind: 'bool', about: 'Read the password from standard input' },
  ...COMMON_FLAGS,
];

/** Checks a login with the registry and keeps it. */
export async function run(args: readonly string[], world: World): Promise<number> {
  const flags = parseFlags('login', LOGIN_FLAGS, args);
  if (flags.bool('help')) {
    const { helpText } = await import('../help.ts');
    printLine(world, helpText('slipway login [REGISTRY]', 'Keeps credentials for a registry (default docker.io).', LOGIN_FLAGS));
    return 0;
  }
  refuseMoreWords('login', flags, 1, 'takes one registry');
  const registry = flags.words[0] ?? 'docker.io';
  const username = flags.text('username') ?? (await ask('Username: ', world));
  const password = flags.bool('password-stdin')
    ? (await readAll(world)).replace(/\r?\n$/, '')
    : (flags.text('password') ?? (await ask('Password: ', world, false)));
  if (username === '' || password === '')
    throw usage('login', 'a user name and a password are needed', 'give -u NAME and --password-stdin');
  const { settings } = await readConfiguration(flags, world);
  const { keptIn } = await login({ registry, username, password, configFile: loginFile(world) }, settings, world.now, world.signal);
  printLine(world, `Login Succeeded (kept in ${keptIn})`);
  return 0;
}

/** Forgets a login. */
export async function logout(args: readonly string[], world: World): Promise<number> {
  const flags = parseFlags('logout', COMMON_FLAGS, args);
  if (flags.bool('help')) {
    const { helpText } = await import('../help.ts');
    printLine(world, helpText('slipway logout [REGISTRY]', 'Forgets the credentials for a registry (default docker.io).', COMMON_FLAGS));
    return 0;
  }
  refuseMoreWords('logout', flags, 1, 'takes one registry');
  const registry = flags.words[0] ?? 'docker.io';
  const { settings } = await readConfiguration(flags, world);
  const known = await forget(registry, loginFile(world), settings.programEnv ?? {});
  printLine(world, known ? `Removed login credentials for ${registry}` : `Not logged in to ${registry}`);
  return 0;
}

async function readAll(world: World): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of world.stdin as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

/** Asks on a terminal; elsewhere there is nobody to ask. Empty: the terminal's input ended. Throws when the user gives up. */
async function ask(question: string, world: World, shown = true): Promise<string> {
  if (!world.stdin.isTTY) return '';
  const [{ createInterface }, { Writable }] = await Promise.all([import('node:readline'), import('node:stream')]);
  // What is typed is shown by whoever reads it, in a terminal's raw mode: a password goes nowhere.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const reader = createInterface({ input: world.stdin, output: shown ? world.stderr : nowhere, terminal: true });
  if (!shown) world.stderr.write(question);
  try {
    return await new Promise<string>((resolve, reject) => {
      const giveUp = (): void => reject(Object.assign(new Error('cancelled'), { name: 'AbortError' }));
      reader.on('SIGINT', giveUp).on('close', () => resolve(''));
      world.signal.addEventListener('abort', giveUp, { once: true });
      reader.question(shown ? question : '', resolve);
    });
  } finally {
    reader.close();
    if (!shown) world.stderr.write('\n');
  }
}
