// What clients other than Dockerfile's frontend send: definitions, with everything that ops and sources may say.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { Content, ListContentResponseSchema } from '../../src/api/gen/content_pb.ts';
import { Exporter } from '../../src/api/gen/exporter_pb.ts';
import { busybox, definition, failure, file, listen, run, solve, solveByFrontend, source, step } from '../rig/definitions.ts';
import { offer, OfferingClient } from '../rig/offering-client.ts';
import { command, Rig } from '../rig/rig.ts';
import { Served } from '../rig/served.ts';

let rig: Rig;
let served: Served;

before(async () => {
  rig = Rig.create();
  served = await Served.start(rig);
});
after(async () => {
  await served[Symbol.asyncDispose]();
  await rig[Symbol.asyncDispose]();
});

test('a failure tells all places of its step, in the words of the client', async () => {
  const failed = run(busybox, 'exit 3');
  const info = (filename: string, data: string) => ({ filename, data: Buffer.from(data), language: 'tongue' });
  const place = (sourceIndex: number, line: number) => ({ sourceIndex, ranges: [{ start: { line }, end: { line } }] });
  const made = { ...info('made', 'b\n'), definition: definition(file('/made', 'b\n')) };
  const locations = { [failed.digest]: { locations: [place(0, 1), place(1, 7)] } };
  const { details } = await failure(served.socket, definition(failed, 0, { source: { infos: [info('first', 'a\n'), made], locations } }));
  const told = details.filter(({ typeUrl }) => typeUrl.endsWith('errdefs.Source+json'));
  assert.deepEqual(
    told.map(({ value }) => {
      const { info: text, ranges } = JSON.parse(Buffer.from(value).toString()) as {
        info: { filename: string; language: string; definition?: { def: string[] } };
        ranges: { start: { line: number } }[];
      };
      return [text.filename, text.language, text.definition?.def.length, ranges.map(({ start }) => start.line)];
    }),
    // Clients take the first one for the outermost, which is the definition's last.
    [
      ['made', 'tongue', 2, [7]],
      ['first', 'tongue', undefined, [1]],
    ],
  );
});

test('an op that needs what the server does not know is refused, not done without it', async () => {
  const made = file('/f', 'x');
  const metadata = { [made.digest]: { caps: { 'file.base': true, 'file.dance': true } } };
  const { code, message } = await failure(served.socket, definition(made, 0, { metadata }));
  assert.equal(code, 'invalidArgument');
  assert.match(message, /file\.dance/);
});

test('what a result only requires is made as well, and fails the build when it fails', async () => {
  const pass = (...outputs: number[]) => ({ case: 'passthrough', value: { id: 'requires', outputs: outputs.map(BigInt) } }) as const;
  const wanted = file('/wanted', 'x', busybox);
  const passed = step(pass(0), wanted, run(busybox, 'exit 5'));
  assert.match((await failure(served.socket, definition(passed))).message, /exit code: 5/);
  const both = step(pass(0, 2), wanted, run(busybox, 'touch /aside'), file('/other', 'y', busybox));
  await solve(served.socket, definition(run(both, 'test -e /wanted && test ! -e /aside && test ! -e /other')));
  const second = step({ case: 'exec', value: { meta: { args: ['/bin/test', '-e', '/other'] }, mounts: [{ dest: '/', output: 0n }] } }, [
    both,
    1,
  ]);
  await solve(served.socket, definition(second));
});

test('an image is held to its checksum, and only its lowest layers are taken', async () => {
  const name = `${rig.registry}/definitions-${process.pid}/layers:1`;
  const layers = file('/third', '3', file('/second', '2', file('/first', '1')));
  const exporters = [{ type: 'image', attrs: { name, push: 'true' } }];
  const digest = (await solve(served.socket, definition(layers), { exporters }))['containerimage.digest'] ?? '';
  const image = (attrs: Record<string, string>) => source(`docker-image://${name}`, attrs);
  await solve(served.socket, definition(image({ 'image.checksum': digest })));
  const other = `sha256:${'a'.repeat(64)}`;
  const { message } = await failure(served.socket, definition(image({ 'image.checksum': other })));
  assert.match(message, new RegExp(`image digest ${digest} for .* does not match expected checksum ${other}`));

  const merged = step({ case: 'merge', value: { inputs: [{ input: 0n }, { input: 1n }] } }, busybox, image({ 'image.layerlimit': '2' }));
  await solve(served.socket, definition(run(merged, 'test -e /first && test -e /second && test ! -e /third')));
  assert.match((await failure(served.socket, definition(image({ 'image.layerlimit': '0' })))).message, /invalid layer limit/);
});

test('the documents of past builds can be listed', async () => {
  await solve(served.socket, definition(file('/f', 'listed')));
  const listed: string[] = [];
  for await (const bytes of listen(served.socket, `/${Content.typeName}/List`, new Uint8Array()))
    listed.push(...fromBinary(ListContentResponseSchema, bytes).info.map(({ digest }) => digest));
  assert.ok(listed.length > 0);
  for (const digest of listed) assert.match(digest, /^sha256:[0-9a-f]{64}$/);
});

test('what leads from a tree to nothing takes all of it away', async () => {
  const nothing = step({ case: 'diff', value: { lower: { input: 0n }, upper: { input: -1n } } }, file('/gone', 'x'));
  const merged = step({ case: 'merge', value: { inputs: [{ input: 0n }, { input: 1n }] } }, file('/gone', 'x', busybox), nothing);
  await solve(served.socket, definition(run(merged, 'test ! -e /gone && test -e /bin/sh')));
});

test('mounts without a leading slash are below the folder of the process; modes that are none are refused', async () => {
  const meta = { args: ['/bin/sh', '-c', 'test -e /tmp/there/f'], cwd: '/tmp' };
  const mounts = [
    { input: 0n, dest: '/', output: 0n },
    { input: 1n, dest: 'there', output: -1n, readonly: true },
  ];
  await solve(served.socket, definition(step({ case: 'exec', value: { meta, mounts } }, busybox, file('/f', 'x'))));
  for (const mode of [{ security: 2 }, { network: 7 }]) {
    const odd = step({ case: 'exec', value: { meta, mounts: mounts.slice(0, 1), ...mode } }, busybox);
    assert.match((await failure(served.socket, definition(odd))).message, /invalid (security|network) mode/);
  }
});

test('an image is dated to what its output names', async () => {
  const name = `${rig.registry}/definitions-${process.pid}/dated:1`;
  const exporters = [{ type: 'image', attrs: { name, push: 'true', 'source-date-epoch': '1000' } }];
  await solve(served.socket, definition(file('/f', 'dated')), { exporters });
  const { stdout } = await command('skopeo', ['inspect', '--config', '--tls-verify=false', `docker://${name}`]);
  const { created, history } = JSON.parse(stdout) as { created: string; history: { created: string }[] };
  assert.deepEqual([created, ...history.map((entry) => entry.created)], ['1970-01-01T00:16:40Z', '1970-01-01T00:16:40Z']);
});

test('annotations of a frontend are on the image, those of the client before them', async () => {
  const name = `${rig.registry}/definitions-${process.pid}/annotated:1`;
  const exporters = [{ type: 'image', attrs: { name, push: 'true', 'annotation.both': 'client' } }];
  const metadata = { 'annotation-manifest.own': 'frontend', 'annotation.both': 'frontend' };
  await solveByFrontend(served.socket, definition(file('/f', 'annotated')), metadata, { exporters });
  const { stdout } = await command('skopeo', ['inspect', '--raw', '--tls-verify=false', `docker://${name}`]);
  assert.deepEqual((JSON.parse(stdout) as { annotations: unknown }).annotations, { both: 'client', own: 'frontend' });
});

test('a client that chooses exporters sees the result first and the answer last', async () => {
  const name = `${rig.registry}/definitions-${process.pid}/chosen:1`;
  const told: string[] = [];
  let refuses = false;
  using client = new OfferingClient(served.socket, [
    offer(Exporter.method.findExporters, ({ refs }) => {
      told.push(`${refs.length} result ${refs[0] === '' ? 'without a name' : 'to look at'}`);
      return { exporters: [{ type: 'image', attrs: { name, push: 'true' } }] };
    }),
    offer(Exporter.method.finalizeExport, ({ exporterResponse }) => {
      told.push(exporterResponse['image.name'] ?? 'nothing');
      if (refuses) throw new Error('not this one');
      return {};
    }),
  ]);
  const chosen = () => solve(served.socket, definition(file('/f', 'chosen')), { session: client.id, enableSessionExporter: true });
  await chosen();
  assert.deepEqual(told, ['1 result to look at', name]);
  refuses = true;
  await assert.rejects(chosen(), /not this one/);
});
