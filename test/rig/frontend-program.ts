// A BuildKit frontend for tests: speaks LLBBridge over its standard streams and does what the build argument DO says.

import { Duplex } from 'node:stream';
import { toBinary, fromBinary, create, type MessageInitShape } from '@bufbuild/protobuf';
import { type ExecMessage, ExecMessageSchema, LLBBridge, type Result, type ResultSchema } from '../../src/api/gen/gateway_pb.ts';
import type { Definition } from '../../src/api/gen/llb_pb.ts';
import { decodeDefinition } from '../../src/api/llb/decode.ts';
import { encodeDefinition } from '../../src/api/llb/encode.ts';
import { RpcChannel } from '../../src/api/wire/channel.ts';
import { detail, errorToStatus, RpcError } from '../../src/api/wire/rpc-error.ts';
import { type GraphEdge, VertexPool } from '../../src/graph/index.ts';

/** As in CVE-2026-33747 (BuildKit): here it is a name, and no path. */
const CONTAINER = '../../../../../../../tmp/slipway-of-a-frontend';

const never = new AbortController().signal;
const channel = new RpcChannel(Duplex.from({ readable: process.stdin, writable: process.stdout }));
const call = LLBBridge.method;
/** What it waits for, in case it waits for ever. */
let waiting = 'the build';
setTimeout(() => {
  console.error(`gave up waiting for ${waiting}`);
  process.exit(9);
}, 120_000).unref();
const options = Object.fromEntries(
  Object.entries(process.env).flatMap(([name, value = '']) => {
    if (!name.startsWith('BUILDKIT_FRONTEND_OPT_')) return [];
    const equals = value.indexOf('=');
    return [[value.slice(0, equals), value.slice(equals + 1)]];
  }),
);

const PLATFORM = { os: 'linux', architecture: process.arch === 'x64' ? 'amd64' : process.arch };
const pool = new VertexPool();
const base = pool.edge(
  { type: 'source', source: { kind: 'image', ref: 'docker.io/library/busybox:latest', platform: PLATFORM, resolveMode: 'default' } },
  [],
  PLATFORM,
  { name: 'busybox' },
);

switch (options['build-arg:DO']) {
  case 'crash':
    console.error('there is no way to go on');
    process.exit(3);
    break;
  case 'silent':
    process.exit(0);
    break;
  case 'fail':
    await channel.unary(call.return, { error: { code: 3, message: 'refused by the frontend' } }, never);
    break;
  case 'exec':
    await answerFromContainer();
    break;
  case 'terminal':
    await answerFromTerminal();
    break;
  case 'language':
    await answerInOwnLanguage();
    break;
  default:
    await channel.unary(call.return, { result: await dockerfile() }, never);
}
process.exit(0);

/** Lets the built-in frontend do the work. */
async function dockerfile(): Promise<Result> {
  const { source: _, cmdline, ...frontendOpt } = options;
  const { result } = await channel.unary(
    call.solve,
    {
      frontend: 'dockerfile.v0',
      frontendOpt: { ...frontendOpt, cmdline: cmdline ?? '' },
      allowResultReturn: true,
      allowResultArrayRef: true,
    },
    never,
  );
  if (result === undefined) throw new Error('no result');
  return result;
}

/**
 * A language of its own: each line after the first is a shell command on busybox, with the context at /context and the secret `s` at
 * /secret; `!words` is a mistake. What it makes is not known to the built-in frontend.
 */
async function answerInOwnLanguage(): Promise<void> {
  const filename = options['filename'] ?? 'Dockerfile';
  const local = (name: string): GraphEdge =>
    pool.edge({ type: 'source', source: { kind: 'local', name, exclude: [] } }, [], PLATFORM, { name });
  const text = await readFile((await inputOf('dockerfile')) ?? local('dockerfile'), filename);
  const lines = text.trimEnd().split('\n');
  const mistake = lines.findIndex((line) => line.startsWith('!'));
  if (mistake >= 0) return refuse(filename, text, mistake + 1, (lines[mistake] ?? '').slice(1));
  const commands = lines.filter((line) => !line.startsWith('#'));
  const context = options['context:other'] === undefined ? ((await inputOf('context')) ?? local('context')) : await otherContext(local);
  const platforms = options['platform']?.split(',') ?? [''];
  const made = new Map<string, { readonly ref: string; readonly config: object }>();
  for (const name of platforms) {
    const [os = 'linux', architecture = PLATFORM.architecture] = name === '' ? [] : name.split('/');
    const root = commands.reduce((before, command) => step(before, context, command, { os, architecture }), base);
    made.set(name, { ref: await solve(root), config: configOf({ os, architecture }, commands) });
  }
  const [first] = made.values();
  const result: MessageInitShape<typeof ResultSchema> =
    options['platform'] === undefined
      ? { result: { case: 'plainRef', value: first?.ref ?? '' }, metadata: { 'containerimage.config': json(first?.config) } }
      : {
          result: { case: 'plainRefs', value: { refs: Object.fromEntries([...made].map(([name, { ref }]) => [name, ref])) } },
          metadata: {
            ...Object.fromEntries([...made].map(([name, { config }]) => [`containerimage.config/${name}`, json(config)])),
            'refs.platforms': json({
              Platforms: platforms.map((ID) => ({ ID, Platform: { os: ID.split('/')[0], architecture: ID.split('/')[1] } })),
            }),
          },
        };
  const warned = commands.findIndex((command) => command.includes('sudo'));
  if (warned >= 0) {
    const line = lines.indexOf(commands[warned] ?? '') + 1;
    const range = { start: { line, character: 0 }, end: { line, character: 4 } };
    const info = { filename, data: Buffer.from(text) };
    await channel.unary(call.warn, { digest: '', level: 1n, short: Buffer.from('NoSudo: there is no need'), info, ranges: [range] }, never);
  }
  await channel.unary(
    call.return,
    { result: { ...result, metadata: { ...result.metadata, 'frontend.answer': json(Object.keys(options)) } } },
    never,
  );
}

async function inputOf(name: string): Promise<GraphEdge | undefined> {
  const { definitions } = await channel.unary(call.inputs, {}, never);
  const definition = definitions[name];
  return definition === undefined ? undefined : decoded(definition);
}

async function otherContext(local: (name: string) => GraphEdge): Promise<GraphEdge> {
  const word = options['context:other'] ?? '';
  if (word.startsWith('local:')) return local(word.slice('local:'.length));
  const input = await inputOf(word.slice('input:'.length));
  if (input === undefined) throw new Error(`no input ${word}`);
  return input;
}

function decoded(definition: Definition): Promise<GraphEdge | undefined> {
  return decodeDefinition(definition, {
    edge: (op, inputs, platform, about) => pool.edge(op, inputs, platform, about),
    platform: PLATFORM,
    policy: async (source) => source,
    onVertex: () => {},
    nested: () => Promise.reject(new Error('not here')),
  });
}

function step(root: GraphEdge, context: GraphEdge, command: string, platform: { os: string; architecture: string }): GraphEdge {
  const mount = { selector: '', output: -1, readonly: true };
  const wantsSecret = command.includes('/secret');
  return pool.edge(
    {
      type: 'exec',
      args: ['/bin/sh', '-c', command],
      env: ['PATH=/bin', `ARCH=${platform.architecture}`],
      cwd: '/',
      user: '',
      network: 'default',
      security: 'sandbox',
      mounts: [
        { ...mount, type: 'bind', input: 0, dest: '/', output: 0, readonly: false },
        { ...mount, type: 'bind', input: 1, dest: '/context' },
        ...(wantsSecret
          ? [
              {
                ...mount,
                type: 'secret',
                input: -1,
                dest: '/secret',
                secret: { id: 's', uid: 0, gid: 0, mode: 0o400, optional: false },
              } as const,
            ]
          : []),
      ],
    },
    [root, context],
    PLATFORM,
    { name: command },
  );
}

function configOf({ os, architecture }: { os: string; architecture: string }, commands: readonly string[]): object {
  const history = [{ created_by: 'busybox' }, ...commands.map((command) => ({ created_by: command }))];
  return { os, architecture, config: { Labels: { language: 'own' } }, rootfs: { type: 'layers', diff_ids: [] }, history };
}

async function solve(edge: GraphEdge): Promise<string> {
  const evaluate = options['build-arg:EVALUATE'] !== undefined;
  const { ref } = await channel.unary(call.solve, { definition: encodeDefinition(edge), evaluate }, never).catch(giveBack);
  return ref;
}

/** As frontends do: a failure behind them is theirs. */
async function giveBack(error: unknown): Promise<never> {
  if (error instanceof RpcError) await channel.unary(call.return, { error: errorToStatus(error) }, never);
  process.exit(1);
}

async function readFile(folder: GraphEdge, filePath: string): Promise<string> {
  const { data } = await channel.unary(call.readFile, { ref: await solve(folder), filePath }, never);
  return Buffer.from(data).toString();
}

async function refuse(filename: string, text: string, line: number, message: string): Promise<void> {
  const place = { line, character: 0 };
  const info = { filename, data: Buffer.from(text).toString('base64') };
  const source = detail('errdefs.Source', { info, ranges: [{ start: place, end: place }] });
  await channel.unary(call.return, { error: errorToStatus(new RpcError('invalidArgument', message, [source])) }, never);
}

function json(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

/** Starts processes in what the Dockerfile made; what they say becomes metadata. */
async function answerFromContainer(): Promise<void> {
  const result = await dockerfile();
  const id = result.result.case === 'ref' ? result.result.value.id : '';
  await channel.unary(call.newContainer, { containerId: CONTAINER, mounts: [{ dest: '/', resultId: id, output: -1n, input: -1n }] }, never);
  const cat = await run(['sh', '-c', 'cat; echo to stderr >&2; echo kept > /kept; exit 5'], 'through stdin');
  const second = await run(['cat', '/kept']);
  const killed = await run(['sleep', '1000'], undefined, 'SIGKILL');
  await channel.unary(call.releaseContainer, { containerId: CONTAINER }, never);
  const gone = await run(['true']).then(
    () => 'started',
    (error: Error) => error.message,
  );
  const metadata = { ...result.metadata, 'frontend.answer': Buffer.from(JSON.stringify({ cat, second, killed, gone })) };
  await channel.unary(call.return, { result: { ...result, metadata } }, never);
}

/** Talks to a shell on a terminal as a person would: sizes, lines, an interrupt. */
async function answerFromTerminal(): Promise<void> {
  const result = await dockerfile();
  const id = result.result.case === 'ref' ? result.result.value.id : '';
  await channel.unary(call.newContainer, { containerId: CONTAINER, mounts: [{ dest: '/', resultId: id, output: -1n, input: -1n }] }, never);
  const stream = channel.stream(`/${LLBBridge.typeName}/ExecProcess`, never);
  const send = (value: MessageInitShape<typeof ExecMessageSchema>['input']): Promise<void> =>
    stream.send(toBinary(ExecMessageSchema, create(ExecMessageSchema, { processId: 'p', ...(value !== undefined && { input: value }) })));
  const type = (text: string): Promise<void> => send({ case: 'file', value: { fd: 0, data: Buffer.from(text) } });
  /** What is done once the terminal shows the text. */
  const steps: [string, () => Promise<unknown>][] = [
    ['ready>', () => type('tty; stty size; echo $TERM\n')],
    ['xterm\r\n', () => type(`sh -c 'trap "echo resized; stty size; exit" WINCH; echo here; while :; do sleep 0.1; done'\n`)],
    ['here\r\n', () => send({ case: 'resize', value: { rows: 50, cols: 70 } })],
    // The shell between: the one at the prompt misses an interrupt that comes before its child has the terminal.
    ['resized\r\n50 70', () => type(`sh -c "echo as''leep; exec sleep 1000"; echo after\n`)],
    ['asleep\r\n', () => type('\u0003')],
    ['^C', () => type('exit 42\n')],
  ];
  let output = '';
  let seen = 0;
  let code = -1;
  await send({
    case: 'init',
    value: { containerId: CONTAINER, fds: [0, 1, 2], tty: true, meta: { args: ['sh', '-i'], cwd: '/', env: ['PATH=/bin', 'PS1=ready> '] } },
  });
  await send({ case: 'resize', value: { rows: 30, cols: 100 } });
  for await (const bytes of stream.messages) {
    const { input: message }: ExecMessage = fromBinary(ExecMessageSchema, bytes);
    if (message.case === 'file') {
      output += Buffer.from(message.value.data).toString();
      for (let step = steps[0]; step !== undefined && output.indexOf(step[0], seen) >= 0; step = steps[0]) {
        seen = output.indexOf(step[0], seen) + step[0].length;
        steps.shift();
        waiting = `what comes after ${step[0]}; it showed ${JSON.stringify(output)}`;
        await step[1]();
      }
    }
    if (message.case === 'exit') code = message.value.code;
    if (message.case === 'done') stream.closeSend();
  }
  const metadata = { ...result.metadata, 'frontend.answer': Buffer.from(JSON.stringify({ code, output })) };
  await channel.unary(call.return, { result: { ...result, metadata } }, never);
}

async function run(args: string[], input?: string, signal?: string): Promise<{ code: number; stdout: string; stderr: string }> {
  const stream = channel.stream(`/${LLBBridge.typeName}/ExecProcess`, never);
  const send = (value: MessageInitShape<typeof ExecMessageSchema>['input']): Promise<void> =>
    stream.send(toBinary(ExecMessageSchema, create(ExecMessageSchema, { processId: 'p', ...(value !== undefined && { input: value }) })));
  waiting = args.join(' ');
  const output = ['', '', ''];
  let code = -1;
  await send({
    case: 'init',
    value: { containerId: CONTAINER, fds: input === undefined ? [1, 2] : [0, 1, 2], meta: { args, cwd: '/', env: ['PATH=/bin'] } },
  });
  for await (const bytes of stream.messages) {
    const { input: message }: ExecMessage = fromBinary(ExecMessageSchema, bytes);
    waiting = `${args.join(' ')} after ${message.case}`;
    if (message.case === 'started' && input !== undefined) {
      await send({ case: 'file', value: { fd: 0, data: Buffer.from(input) } });
      await send({ case: 'file', value: { fd: 0, eof: true } });
    }
    if (message.case === 'started' && signal !== undefined) await send({ case: 'signal', value: { name: signal } });
    if (message.case === 'file') output[message.value.fd] += Buffer.from(message.value.data).toString();
    if (message.case === 'exit') code = message.value.code;
    if (message.case === 'done') stream.closeSend();
  }
  return { code, stdout: output[1] ?? '', stderr: output[2] ?? '' };
}
