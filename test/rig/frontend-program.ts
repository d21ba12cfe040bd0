// A BuildKit frontend for tests: speaks LLBBridge over its standard streams and does what the build argument DO says.

import { Duplex } from 'node:stream';
import { toBinary, fromBinary, create, type MessageInitShape } from '@bufbuild/protobuf';
import { type ExecMessage, ExecMessageSchema, LLBBridge, type Result } from '../../src/api/gen/gateway_pb.ts';
import { RpcChannel } from '../../src/api/wire/channel.ts';

const never = new AbortController().signal;
const channel = new RpcChannel(Duplex.from({ readable: process.stdin, writable: process.stdout }));
const call = LLBBridge.method;
/** What it waits for, in case it waits for ever. */
let waiting = 'the build';
setTimeout(() => {
  console.error(`gave up waiting for ${waiting}`);
  process.exit(9);
}, 30_000).unref();
const options = Object.fromEntries(
  Object.entries(process.env).flatMap(([name, value = '']) => {
    if (!name.startsWith('BUILDKIT_FRONTEND_OPT_')) return [];
    const equals = value.indexOf('=');
    return [[value.slice(0, equals), value.slice(equals + 1)]];
  }),
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

/** Starts processes in what the Dockerfile made; what they say becomes metadata. */
async function answerFromContainer(): Promise<void> {
  const result = await dockerfile();
  const id = result.result.case === 'ref' ? result.result.value.id : '';
  await channel.unary(call.newContainer, { containerId: 'one', mounts: [{ dest: '/', resultId: id, output: -1n, input: -1n }] }, never);
  const cat = await run(['sh', '-c', 'cat; echo to stderr >&2; echo kept > /kept; exit 5'], 'through stdin');
  const second = await run(['cat', '/kept']);
  const killed = await run(['sleep', '1000'], undefined, 'SIGKILL');
  await channel.unary(call.releaseContainer, { containerId: 'one' }, never);
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
  await channel.unary(call.newContainer, { containerId: 'one', mounts: [{ dest: '/', resultId: id, output: -1n, input: -1n }] }, never);
  const stream = channel.stream(`/${LLBBridge.typeName}/ExecProcess`, never);
  const send = (value: MessageInitShape<typeof ExecMessageSchema>['input']): Promise<void> =>
    stream.send(toBinary(ExecMessageSchema, create(ExecMessageSchema, { processId: 'p', ...(value !== undefined && { input: value }) })));
  const type = (text: string): Promise<void> => send({ case: 'file', value: { fd: 0, data: Buffer.from(text) } });
  /** What is done once the terminal shows the text. */
  const steps: [string, () => Promise<unknown>][] = [
    ['ready>', () => type('tty; stty size; echo $TERM\n')],
    ['xterm\r\n', () => type(`sh -c 'trap "echo resized; stty size; exit" WINCH; echo here; while :; do sleep 0.1; done'\n`)],
    ['here\r\n', () => send({ case: 'resize', value: { rows: 50, cols: 70 } })],
    ['resized\r\n50 70', () => type('sleep 1000; echo after\n')],
    ['sleep 1000', () => new Promise((resolve) => setTimeout(resolve, 500)).then(() => type('\u0003'))],
    ['^C', () => type('exit 42\n')],
  ];
  let output = '';
  let seen = 0;
  let code = -1;
  await send({
    case: 'init',
    value: { containerId: 'one', fds: [0, 1, 2], tty: true, meta: { args: ['sh', '-i'], cwd: '/', env: ['PATH=/bin', 'PS1=ready> '] } },
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
    value: { containerId: 'one', fds: input === undefined ? [1, 2] : [0, 1, 2], meta: { args, cwd: '/', env: ['PATH=/bin'] } },
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
