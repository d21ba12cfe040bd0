// SSH agents for steps: the user's own agent by its socket, or keys loaded into an agent of ours that ends with the build.

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AsyncDisposableStack, SlipwayError } from '../base/index.ts';
import type { Engine } from './engine.ts';
import type { SshInput } from './options.ts';

/** The agents of one build. */
export interface Agents extends AsyncDisposable {
  /** Socket of an agent by id, started if it has keys; undefined: the build was given none of that id. */
  socket(id: string): Promise<string | undefined>;
}

/** Nothing is started before a step asks. */
export function openAgents(inputs: readonly SshInput[], engine: Pick<Engine, 'settings'>): Agents {
  const stack = new AsyncDisposableStack();
  const started = new Map<string, Promise<string>>();
  return {
    socket: async (id) => {
      const input = inputs.find((candidate) => candidate.id === id);
      const [first] = input?.paths ?? [];
      if (input === undefined || first === undefined) return undefined;
      if (statSync(first, { throwIfNoEntry: false })?.isSocket() === true) return first;
      const agent = started.get(id) ?? startAgent(input, engine.settings.programEnv ?? {}, stack);
      started.set(id, agent);
      return await agent;
    },
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  };
}

async function startAgent({ id, paths }: SshInput, env: Readonly<Record<string, string>>, stack: AsyncDisposableStack): Promise<string> {
  const folder = ownFolder(id);
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const socket = join(folder, 'agent.sock');
  const agent = spawn('ssh-agent', ['-D', '-a', socket], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  agent.stderr.setEncoding('utf8').on('data', (text: string) => (said = `${said}${text}`.slice(-1000)));
  await new Promise<void>((resolve, reject) => {
    agent.once('error', (cause) =>
      reject(
        new SlipwayError('PROGRAM_MISSING', 'ssh-agent is not on PATH', {
          cause,
          hint: 'apt-get install openssh-client, or give an agent’s socket',
        }),
      ),
    );
    // All that it said is read by then.
    agent.once('close', () =>
      reject(
        new SlipwayError('SSH_KEY_UNREADABLE', `no agent can be started for --ssh ${id}: ${said.trim() || 'ssh-agent ended at once'}`, {
          hint: 'set TMPDIR to a folder with a short path, or give an agent’s socket',
        }),
      ),
    );
    agent.stdout.once('data', () => resolve());
  });
  stack.defer(() => agent.kill());
  for (const path of paths) {
    let key: Buffer;
    try {
      key = readFileSync(path);
    } catch (cause) {
      throw new SlipwayError('SSH_KEY_UNREADABLE', `cannot read the key of --ssh ${id}: ${(cause as Error).message}`, { cause });
    }
    const added = spawnSync('ssh-add', ['-q', '-'], {
      // A passphrase would be asked for on the terminal, and the whole build would wait.
      env: { ...env, SSH_AUTH_SOCK: socket, SSH_ASKPASS: '/bin/false', SSH_ASKPASS_REQUIRE: 'force' },
      input: key,
      encoding: 'utf8',
    });
    if (added.status !== 0)
      throw new SlipwayError('SSH_KEY_UNREADABLE', `the key ${path} of --ssh ${id} cannot be used: ${added.stderr.trim()}`, {
        hint: 'keys with a passphrase must come through an agent',
      });
  }
  return socket;
}

/** For the agent's socket: nobody else may enter it. */
function ownFolder(id: string): string {
  try {
    return mkdtempSync(join(tmpdir(), 'slipway-agent-'));
  } catch (cause) {
    throw new SlipwayError('SSH_KEY_UNREADABLE', `no agent can be started for --ssh ${id}: ${(cause as Error).message}`, {
      cause,
      hint: 'set TMPDIR to a folder that you may write',
    });
  }
}
