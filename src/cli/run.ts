// From arguments to an exit code. Commands are loaded when they are called.

import { SlipwayError, suggest } from '../base/index.ts';
import { note, printLine, type World } from './world.ts';

/** A command: what it is for, and its code. */
interface Command {
  readonly about: string;
  readonly load: () => Promise<Loaded>;
}

interface Loaded {
  readonly run: (args: readonly string[], world: World) => Promise<number>;
  /** What a failure ends with, where that is not always 1. */
  readonly exitCodeOf?: (error: unknown) => number;
}

export const COMMANDS: Readonly<Record<string, Command>> = {
  build: { about: 'Build an image from a Dockerfile', load: () => import('./commands/build.ts') },
  bake: { about: 'Build the targets of a Bake file or a Compose project', load: () => import('./commands/bake.ts') },
  run: { about: 'Start a built image', load: () => import('./commands/run-image.ts') },
  images: { about: 'List the images of this store', load: () => import('./commands/images.ts') },
  tag: { about: 'Give an image another name', load: () => import('./commands/tag.ts') },
  rmi: { about: 'Remove names of images', load: () => import('./commands/rmi.ts') },
  push: { about: 'Push an image of this store', load: () => import('./commands/push.ts') },
  save: { about: 'Write an image of this store to an archive', load: () => import('./commands/save.ts') },
  history: { about: 'List past builds; compare two', load: () => import('./commands/history.ts') },
  info: { about: 'Show what this machine allows', load: () => import('./commands/info.ts') },
  serve: { about: 'Serve BuildKit’s and Docker’s build APIs', load: () => import('./commands/serve.ts') },
  inspect: { about: 'Show config, layers and files of an image', load: () => import('./commands/inspect.ts') },
  why: { about: 'Tell where a path of an image came from', load: () => import('./commands/why.ts') },
  report: { about: 'Show what a build or an image is made of; compare two', load: () => import('./commands/report.ts') },
  check: { about: 'Check a Dockerfile, or what an image lacks (--runtime)', load: () => import('./commands/check.ts') },
  sign: { about: 'Sign an image in its registry', load: () => import('./commands/sign.ts') },
  verify: { about: 'Check the signature of an image', load: () => import('./commands/sign.ts').then(({ verify }) => ({ run: verify })) },
  login: { about: 'Keep credentials for a registry', load: () => import('./commands/login.ts') },
  logout: { about: 'Forget credentials for a registry', load: () => import('./commands/login.ts').then(({ logout }) => ({ run: logout })) },
  du: { about: 'Show what the store holds', load: () => import('./commands/store.ts').then(({ du }) => ({ run: du })) },
  prune: { about: 'Remove what no build needs', load: () => import('./commands/store.ts').then(({ prune }) => ({ run: prune })) },
  store: { about: 'Check or repair the store', load: () => import('./commands/store.ts') },
};

/** Commands that people know from Docker, and what does here what they do there. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  compose: 'slipway bake builds the services of a Compose project',
  pull: 'a build pulls what it needs, and --pull asks the registry anew',
  load: 'slipway build --load gives the image to Docker or Podman; slipway save writes an archive for them',
  export: 'slipway build -o DIR writes the files of an image; slipway save writes the image',
  create: 'there is no builder to create: slipway build starts, builds and ends',
  use: 'there is no builder to choose: slipway build starts, builds and ends',
  ls: 'slipway images lists images, slipway history builds',
  rm: 'slipway rmi takes a name away; slipway prune frees what no name needs',
  ps: 'nothing runs between builds; slipway history lists past ones',
  exec: 'slipway run IMAGE COMMAND starts a command in an image',
  imagetools: 'slipway inspect shows an image of this store, slipway tag and slipway push name and send it',
};

/** Runs one command. Prints failures; returns 0, 1, or what else the command ends with. */
export async function run(args: readonly string[], world: World): Promise<number> {
  const [name, ...rest] = args;
  let exitCodeOf: (error: unknown) => number = () => 1;
  try {
    if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
      const topic = rest[0];
      if (topic !== undefined && !topic.startsWith('-')) return await run([topic, '--help'], world);
      printHelp(world);
      return 0;
    }
    if (name === '--version' || name === '-v' || name === 'version') {
      printLine(world, `slipway ${process.env['SLIPWAY_VERSION'] ?? 'from source'}`);
      return 0;
    }
    // `docker buildx build` and `docker image build` by habit.
    if ((name === 'buildx' || name === 'builder' || name === 'image') && rest[0] !== undefined) return await run(rest, world);
    if (name.startsWith('-'))
      throw new SlipwayError('USAGE', `unknown flag: ${name}`, { hint: `flags stand behind the command: slipway build ${name} …` });
    const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
    if (command === undefined) {
      const elsewhere = Object.hasOwn(ELSEWHERE, name) ? ELSEWHERE[name] : undefined;
      if (elsewhere !== undefined) throw new SlipwayError('USAGE', `unknown command: ${name}`, { hint: elsewhere });
      const near = suggest(name, Object.keys(COMMANDS));
      throw new SlipwayError('USAGE', `unknown command: ${name}${near === undefined ? '' : ` (did you mean ${near}?)`}`, {
        hint: "see 'slipway --help'",
      });
    }
    const loaded = await command.load();
    if (loaded.exitCodeOf !== undefined) ({ exitCodeOf } = loaded);
    return await loaded.run(rest, world);
  } catch (error) {
    const { renderFailure } = await import('./failure.ts');
    note(
      world,
      renderFailure(error, {
        color: world.stderr.isTTY === true && !world.env['NO_COLOR'],
        debug: args.includes('--debug') || args.includes('-D'),
      }),
    );
    return exitCodeOf(error);
  }
}

/** Commands by what people come for. */
const GROUPS: Readonly<Record<string, readonly string[]>> = {
  'Build and check': ['build', 'bake', 'check', 'serve'],
  'Images of this store': ['run', 'images', 'tag', 'rmi', 'push', 'save'],
  'What is in an image, and why': ['inspect', 'why', 'report', 'history'],
  'Registries and trust': ['login', 'logout', 'sign', 'verify'],
  'This machine': ['info', 'du', 'prune', 'store'],
};

function printHelp(world: World): void {
  printLine(world, 'Usage: slipway COMMAND [flags]\n\nBuilds container images from multi-stage Dockerfiles, without a daemon.');
  for (const [title, names] of Object.entries(GROUPS)) {
    printLine(world, `\n${title}:`);
    for (const name of names) printLine(world, `  ${name.padEnd(10)} ${COMMANDS[name]?.about}`);
  }
  printLine(world, "\n'slipway COMMAND --help' shows the flags of a command. Names and values are those of 'docker buildx'.");
}
