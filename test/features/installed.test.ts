// The product as npm packs it, installed with install scripts disabled: it must not need one.

import assert from 'node:assert/strict';
import {
  chmodSync,
  copyFileSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { command, Rig } from '../rig/rig.ts';

const NOBODY = 65_534;
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** What a program of somebody else's does with the library: builds, listens, reads failures, gives up. */
const PROGRAM = `import { build, BuildErrors, type BuildOptions, buildTogether, isSlipwayError, openImageStore, type ProgressEvent, readBake, SlipwayError } from 'slipway';
import { checkStore, diskUsage, pruneStore, runImage } from 'slipway';

const [root = '', context = '', registry = ''] = process.argv.slice(2);
const settings = { registries: { 'docker.io': { mirrors: [registry] }, [registry]: { http: true } } };
const base: BuildOptions = { context: { kind: 'folder', path: context }, settings, ...(root === '' ? {} : { root }) };
const text = (dockerfile: string): BuildOptions => ({ ...base, dockerfile: { kind: 'text', text: dockerfile, filename: 'Dockerfile' } });

const events: ProgressEvent[] = [];
const { digest, stages } = await build({ ...base, tags: ['hello'], onProgress: (event) => void events.push(event) });
const steps = events.flatMap((event) => (event.type === 'vertex' && event.vertex.instruction !== undefined ? [event.vertex.name] : []));
console.log('built', digest, stages.length, steps.length > 0);

async function failureOf(options: BuildOptions): Promise<string> {
  try {
    await build(options);
    return 'none';
  } catch (error) {
    if (error instanceof BuildErrors) return \`\${error.errors.length} failures\`;
    if (isSlipwayError(error, 'EXEC_EXIT')) return \`exit \${String(error.facts['exitCode'])} line \${error.location?.range.start.line}\`;
    if (error instanceof SlipwayError) return \`\${error.code} \${error.hint ?? ''}\`;
    return (error as Error).name;
  }
}
console.log('failed', await failureOf(text('FROM busybox\\nRUN exit 3\\n')));
console.log('failed', await failureOf(text('FROM busybox\\nRUNN exit 3\\n')));
console.log('failed', await failureOf({ ...base, context: { kind: 'folder', path: '/nowhere' } }));
const abort = new AbortController();
const begun = (event: ProgressEvent): void => {
  if (event.type === 'log') abort.abort();
};
console.log('failed', await failureOf({ ...text('FROM busybox\\nRUN echo here; sleep 1000\\n'), signal: abort.signal, onProgress: begun }));
const store = openImageStore({ settings, ...(root === '' ? {} : { root }) });
const kept = await store.inspect('hello', { files: true });
console.log('kept', kept.layers.length, kept.files?.find(({ path }) => path === '/large')?.made, store.history().length);
await store[Symbol.asyncDispose]();
const files = [{ filename: 'docker-bake.hcl', text: 'target "default" { tags = ["baked"] }' }];
const { builds } = await readBake({ folder: context, files });
const { default: baked } = await buildTogether({ builds, settings, ...(root === '' ? {} : { root }) });
console.log('baked', baked?.digest === digest);
const place = root === '' ? {} : { root };
await build({ ...text('FROM busybox\\nCMD ["sh", "-c", "echo of the image; exit 4"]\\n'), tags: ['said'] });
console.log('ran', (await runImage({ ...place, image: 'said' })).exitCode);
console.log('store', (await checkStore(place)).length, (await diskUsage(place)).length > 0, (await pruneStore({ ...place, filter: ['id=none'] })).bytes);
`;

const SAID =
  /^built sha256:[0-9a-f]{64} 1 true\nfailed exit 3 line 2\nfailed DOCKERFILE_INVALID .*\nfailed CONTEXT_NOT_FOUND .*\nfailed AbortError\nkept 1 .*COPY large \/ .* 5\nbaked true\nof the image\nran 4\nstore 0 true 0\n$/;

test('packed and installed without install scripts, it builds an image that runs', { timeout: 300_000 }, async () => {
  await using rig = Rig.create();
  const home = rig.context({ 'package.json': '{"name":"user","private":true,"type":"module"}' }, 'home');
  const npm = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await command('npm', [...args, '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: home });
    assert.equal(code, 0, stdout + stderr);
    return stdout;
  };
  await npm('pack', ROOT, '--pack-destination', home);
  const tarball = readdirSync(home).find((name) => name.endsWith('.tgz')) ?? '';
  await npm('install', '--prefer-offline', join(home, tarball));
  const installed = join(home, 'node_modules/.bin/slipway');
  const env = {
    ...process.env,
    SLIPWAY_ROOT: rig.store,
    SLIPWAY_CONFIG: process.env['SLIPWAY_TEST_CONFIG'],
  };
  const slipway = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await command(installed, args, { env, cwd: home });
    assert.equal(code, 0, stdout + stderr);
    return stdout;
  };
  // Mounts, namespaces and attributes by koffi's own binary; zstd; a key of cosign's, by the packages that only then are loaded.
  const context = rig.context({ Dockerfile: 'FROM busybox\nRUN echo installed > /said\nCMD ["cat", "/said"]\n' });
  const archive = rig.path('image.tar');
  await slipway(
    'build',
    '--progress=plain',
    '-t',
    'installed',
    '-o',
    `type=oci,dest=${archive},compression=zstd,force-compression=true`,
    context,
  );
  // Another engine than the package was made with has no compiled form of the command: a build leaves one, the next start takes it.
  const dist = join(home, 'node_modules/slipway/dist');
  const forms = (): readonly string[] => readdirSync(dist).filter((name) => name.endsWith('.v8'));
  for (const name of forms()) rmSync(join(dist, name));
  await slipway('version');
  assert.deepEqual(forms(), []);
  await slipway('build', '-q', context);
  const [form = '', ...more] = forms();
  assert.deepEqual(more, []);
  const made = statSync(join(dist, form));
  await slipway('build', '-q', context);
  assert.equal(statSync(join(dist, form)).ino, made.ino, 'it was taken');
  writeFileSync(join(dist, form), 'of no engine');
  await slipway('build', '-q', context);
  assert.ok(statSync(join(dist, form)).size > 100_000, 'made anew');
  // What is loaded by name has the name of this very version: a process that outlives its installation takes nothing from the next one.
  const text = readFileSync(join(dist, `cli-${readFileSync(join(dist, 'cli.id'), 'utf8').trim()}.cjs`), 'utf8');
  const id = /-([0-9a-f]{12})\$\{/.exec(text)?.[1] ?? '';
  const threads = readdirSync(dist).filter((name) => name.includes(`-${id}.worker.`));
  assert.ok(threads.length >= 7, `${id}: ${threads.join(' ')}`);
  const [thread = ''] = threads.filter((name) => name.startsWith('layer-'));
  renameSync(join(dist, thread), join(dist, 'layer-000000000000.worker.cjs'));
  const large = rig.context({ Dockerfile: 'FROM scratch\nCOPY large /\n', large: 'large '.repeat(4 << 20) });
  const replaced = await command(installed, ['build', '-q', '-o', `type=oci,dest=${archive}`, large], { env, cwd: home });
  assert.equal(replaced.code, 1);
  assert.match(replaced.stderr, /a part of slipway is gone: .*\/layer-[0-9a-f]{12}\.worker\.cjs\n.*do the same again/s);
  renameSync(join(dist, 'layer-000000000000.worker.cjs'), join(dist, thread));
  // What a program does not catch is not buried in the code that threw it.
  rig.context({ 'careless.mjs': "import { parseOutput } from 'slipway';\nparseOutput('type=nosuch');\n" }, 'home');
  const careless = await command(process.execPath, ['careless.mjs'], { env, cwd: home });
  assert.match(careless.stderr, /exporter "nosuch" could not be found/);
  assert.ok(careless.stderr.length < 3000, careless.stderr);
  // A typed program, as its author checks it and runs it: as root, and as a user who has no subordinate ids.
  rig.context({ 'program.ts': PROGRAM }, 'home');
  const types = ['--types', 'node', '--typeRoots', join(ROOT, 'node_modules/@types')];
  const flags = ['--strict', '--module', 'nodenext', '--target', 'es2022', '--outDir', join(home, 'js'), ...types];
  const compiled = await command(join(ROOT, 'node_modules/.bin/tsc'), [...flags, join(home, 'program.ts')], { cwd: home });
  assert.equal(compiled.code, 0, compiled.stdout);
  const program = [join(home, 'js/program.js'), rig.path('library-store'), context, rig.registry];
  const ran = await command(process.execPath, program, { cwd: home });
  assert.match(ran.stdout, SAID, ran.stderr);
  const users = rig.path('user');
  mkdirSync(users);
  chownSync(users, NOBODY, NOBODY);
  chmodSync(rig.folder, 0o755);
  const asUser = ['--reuid', `${NOBODY}`, '--regid', `${NOBODY}`, '--clear-groups', 'env', `HOME=${users}`];
  const own = await command('setpriv', [...asUser, process.execPath, program[0] ?? '', '', context, rig.registry], { cwd: users });
  assert.match(own.stdout, SAID, own.stderr);
  assert.ok(existsSync(join(users, '.local/share/slipway')), 'an ordinary user’s results are in the user’s own folder');
  const npx = ['npm', 'exec', '--offline', '--prefix', home, '--', 'slipway', 'build', '--progress=plain', '-t', 'x', context];
  const config = join(users, 'config.toml'); // where the user can read it, wherever this repository is
  copyFileSync(process.env['SLIPWAY_TEST_CONFIG'] ?? '/dev/null', config);
  const byNpx = await command('setpriv', [...asUser, `SLIPWAY_CONFIG=${config}`, ...npx], { cwd: users });
  assert.equal(byNpx.code, 0, byNpx.stdout + byNpx.stderr);
  const key = join(ROOT, 'src/trust/testdata/cosign.key');
  const signed = await command(installed, ['sign', '--key', key, '127.0.0.1:9/x'], { env: { ...env, COSIGN_PASSWORD: 'pw' }, cwd: home });
  assert.match(signed.stderr, /127\.0\.0\.1:9.*cannot be reached/);
});
