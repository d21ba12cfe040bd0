// `slipway run`.

import { isSlipwayError, quietJob } from '../../base/index.ts';
import { openEngine, runImage } from '../../build/index.ts';
import { COMMON_FLAGS } from '../build-flags.ts';
import { type Flag, parseFlags, usage } from '../flags.ts';
import { readConfiguration, startRootless } from '../settings.ts';
import { printLine, type World } from '../world.ts';

const FLAGS: readonly Flag[] = [
  { name: 'entrypoint', kind: 'string', value: 'PROGRAM', about: 'Start this instead of the image’s entrypoint' },
  { name: 'env', short: 'e', kind: 'list', value: 'K[=V]', about: 'Set a variable' },
  { name: 'network', kind: 'string', value: 'MODE', about: 'default, none or host' },
  { name: 'user', short: 'u', kind: 'string', value: 'USER', about: 'Run as this user' },
  { name: 'workdir', short: 'w', kind: 'string', value: 'DIR', about: 'Start in this directory' },
  { name: 'rm', kind: 'bool', about: 'Always so: nothing is kept', hidden: true },
  { name: 'interactive', short: 'i', kind: 'bool', about: 'Always so', hidden: true },
  { name: 'tty', kind: 'bool', about: 'As the terminal is', hidden: true },
  ...COMMON_FLAGS,
];

const ABOUT = `Starts an image of this store for a look; what it writes is thrown away.

Ends with the program's exit code, or as Docker does: 127 when the program is not there, 126 when it cannot be executed, 125 when slipway
itself failed.`;

/** A failure of slipway's is told from an exit code of the program's. */
export function exitCodeOf(error: unknown): number {
  const exitCode = isSlipwayError(error, 'EXEC_START') ? error.facts['exitCode'] : undefined;
  return typeof exitCode === 'number' ? exitCode : 125;
}

/** Starts an image of this store; ends with its exit code. */
export async function run(args: readonly string[], world: World): Promise<number> {
  const flags = parseFlags('run', FLAGS, args, { stopAtWord: true });
  if (flags.bool('help')) {
    const { helpText } = await import('../help.ts');
    printLine(world, helpText('slipway run [flags] IMAGE [COMMAND…]', ABOUT, FLAGS));
    return 0;
  }
  const ended = await startRootless(flags, world);
  if (ended !== undefined) return ended;
  const [image, ...command] = flags.words;
  if (image === undefined) throw usage('run', '"slipway run" requires at least 1 argument: the image');
  const network = flags.text('network') ?? 'default';
  if (network !== 'default' && network !== 'none' && network !== 'host')
    throw usage('run', `network mode ${JSON.stringify(network)} is not supported: default, none or host`);
  await using engine = openEngine({ ...(await readConfiguration(flags, world)), now: world.now });
  const entrypoint = flags.text('entrypoint');
  const user = flags.text('user');
  const workdir = flags.text('workdir');
  return await runImage(
    engine,
    {
      image,
      args: command,
      env: flags
        .list('env')
        .flatMap((entry) => (entry.includes('=') ? [entry] : world.env[entry] === undefined ? [] : [`${entry}=${world.env[entry]}`])),
      network,
      ...(entrypoint === undefined ? {} : { entrypoint: [entrypoint] }),
      ...(user === undefined ? {} : { user }),
      ...(workdir === undefined ? {} : { workdir }),
    },
    quietJob(world.signal),
  );
}
