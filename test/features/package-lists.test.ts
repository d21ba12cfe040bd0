// The lists of packages beside the answers of the packages' own tools: dpkg-query, go version -m, npm ls, pip list.

import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { command, Rig } from '../rig/rig.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

interface Bill {
  readonly packages: readonly {
    readonly name: string;
    readonly versionInfo: string;
    readonly externalRefs?: readonly { readonly referenceLocator: string }[];
  }[];
}

let rig: Rig;
before(() => void (rig = Rig.create()));
after(() => rig?.[Symbol.asyncDispose]());

/** Builds into a folder with a list of packages beside the files. */
async function unpack(
  name: string,
  context: string,
  flags: readonly string[] = [],
): Promise<{ readonly folder: string; readonly bill: Bill }> {
  const folder = rig.path('images', name);
  const built = await rig.slipway(['build', '--sbom=true', '-o', `type=local,dest=${folder}`, ...flags, context]);
  assert.equal(built.code, 0, built.stderr);
  const { predicate } = JSON.parse(readFileSync(join(folder, 'sbom.spdx.json'), 'utf8')) as { readonly predicate: Bill };
  return { folder, bill: predicate };
}

/** `name version` of the packages of one kind, sorted. */
function ofKind({ packages }: Bill, kind: string): readonly string[] {
  return packages
    .filter(({ externalRefs = [] }) => externalRefs.some(({ referenceLocator }) => referenceLocator.startsWith(`pkg:${kind}/`)))
    .map(({ name, versionInfo }) => `${name} ${versionInfo}`)
    .sort();
}

/** What dpkg-query says inside an image; nothing when the image has no packages. */
async function debian(folder: string): Promise<readonly string[]> {
  if (!existsSync(join(folder, 'var/lib/dpkg/status'))) return [];
  const told = await command('chroot', [folder, 'dpkg-query', '-W', '-f', '${db:Status-Status} ${Package} ${Version}\\n']);
  assert.equal(told.code, 0, told.stderr);
  return told.stdout
    .split('\n')
    .filter((line) => line.startsWith('installed '))
    .map((line) => line.slice('installed '.length))
    .sort();
}

/** What `go version -m` says of all programs of a folder, with the Go of the base: toolchains as `stdlib`, then modules. */
async function goModules(folder: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const context = rig.context(
    {
      Dockerfile: `FROM golang AS ask
RUN --mount=type=bind,from=images,target=/images go version -m /images > /answer
FROM scratch
COPY --from=ask /answer /
`,
    },
    'ask',
  );
  const asked = await rig.slipway(['build', '--build-context', `images=${folder}`, '-o', `type=local,dest=${rig.path('answer')}`, context]);
  assert.equal(asked.code, 0, asked.stderr);
  const rows = new Map<string, string[]>();
  let current: string[] = [];
  for (const line of readFileSync(rig.path('answer/answer'), 'utf8').split('\n')) {
    const program = /^\/images\/([^/]+)\/.*: (go\S+)$/.exec(line);
    if (program !== null) {
      const [, image = '', version = ''] = program;
      rows.set(image, (current = rows.get(image) ?? []));
      current.push(`stdlib ${version}`);
      continue;
    }
    const [, kind, path, version] = line.split('\t');
    if (kind === 'mod' || kind === 'dep') current.push(`${path ?? ''} ${version ?? ''}`);
    if (kind === '=>') current.splice(-1, 1, `${path ?? ''} ${version ?? ''}`);
  }
  return new Map([...rows].map(([image, list]) => [image, [...new Set(list)].sort()]));
}

/** The image of each example; a static program stands for what its compilers, 200 MB of packages, would make. */
const EXAMPLES: readonly (readonly [name: string, folder: string, target: string | undefined, kinds: readonly string[]])[] = [
  ['hello-go', 'hello-go', undefined, ['golang']],
  ['api', 'two-services', 'api', ['golang']],
  ['worker', 'two-services', 'worker', ['golang']],
  ['both', 'two-services', undefined, ['golang']],
  ['per-architecture', 'per-architecture', undefined, []],
  ['cpp-nginx', 'cpp-nginx', undefined, ['deb']],
];

test('the images of the examples: dpkg-query and go version -m', { timeout: 300_000 }, async () => {
  const program = rig.context({ binary: 'stands for a program\n' }, 'program');
  const bills = new Map<string, Bill>();
  for (const [name, folder, target] of EXAMPLES) {
    const flags = target === undefined ? [] : ['--target', target];
    if (name === 'cpp-nginx') flags.push('--build-context', `build1=${program}`, '--build-context', `build2=${program}`);
    const { folder: image, bill } = await unpack(name, join(ROOT, 'examples', folder), flags);
    bills.set(name, bill);
    const wanted = await debian(image);
    assert.deepEqual(ofKind(bill, 'deb'), wanted, name);
    if (name === 'cpp-nginx') assert.ok(wanted.some((row) => row.startsWith('nginx-light ')) && wanted.length > 80, wanted.join('\n'));
  }
  assert.deepEqual(
    readdirSync(join(ROOT, 'examples'), { withFileTypes: true })
      .flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))
      .sort(),
    [...new Set(EXAMPLES.map(([, folder]) => folder))].sort(),
  );
  const modules = await goModules(rig.path('images'));
  for (const [name, , , kinds] of EXAMPLES) {
    const bill = bills.get(name) as Bill;
    assert.deepEqual(ofKind(bill, 'golang'), modules.get(name) ?? [], name);
    // Nothing but what these tools know: no image of an example has other packages.
    const found = bill.packages.flatMap(({ externalRefs = [] }) =>
      externalRefs.map(({ referenceLocator }) => /^pkg:(\w+)/.exec(referenceLocator)?.[1]),
    );
    assert.deepEqual([...new Set(found)], kinds, name);
  }
  assert.deepEqual(
    modules.get('both')?.filter((row) => !row.startsWith('stdlib')),
    ['services (devel)'],
  );
});

interface NpmTree {
  readonly version?: string;
  readonly dependencies?: Readonly<Record<string, NpmTree>>;
}

function npmRows({ dependencies = {} }: NpmTree): string[] {
  return Object.entries(dependencies).flatMap(([name, tree]) =>
    tree.version === undefined ? [] : [`${name} ${tree.version}`, ...npmRows(tree)],
  );
}

test('a Node application with the packages that this program needs: npm ls', async () => {
  const context = rig.context({ Dockerfile: 'FROM busybox\nCOPY app /app\n' }, 'node');
  const listed = await command('npm', ['ls', '--all', '--omit=dev', '--parseable'], { cwd: ROOT });
  const folders = listed.stdout
    .trim()
    .split('\n')
    .map((folder) => relative(realpathSync(ROOT), folder));
  assert.ok(folders.length > 10, listed.stdout + listed.stderr);
  for (const file of ['package.json', 'package-lock.json', ...folders.filter(Boolean).map((folder) => `${folder}/package.json`)]) {
    mkdirSync(dirname(join(context, 'app', file)), { recursive: true });
    cpSync(join(ROOT, file), join(context, 'app', file));
  }
  const { folder, bill } = await unpack('node', context);
  const told = await command('npm', ['ls', '--all', '--omit=dev', '--json'], { cwd: join(folder, 'app') });
  const wanted = [...new Set(npmRows(JSON.parse(told.stdout) as NpmTree))].sort();
  assert.ok(
    wanted.some((row) => row.startsWith('@grpc/grpc-js ')),
    wanted.join('\n'),
  );
  assert.deepEqual(ofKind(bill, 'npm'), wanted);
});

test('a Python environment: pip list', async () => {
  const environment = join(ROOT, '.cache/moto');
  const context = rig.context({ Dockerfile: 'FROM busybox\nCOPY site-packages /opt/venv/lib/python3.11/site-packages\n' }, 'python');
  const [python = ''] = readdirSync(join(environment, 'lib'));
  const packages = join(environment, 'lib', python, 'site-packages');
  for (const name of readdirSync(packages).filter((entry) => entry.endsWith('.dist-info')))
    cpSync(join(packages, name), join(context, 'site-packages', name), { recursive: true });
  const { folder, bill } = await unpack('python', context);
  const path = join(folder, 'opt/venv/lib/python3.11/site-packages');
  const told = await command(join(environment, 'bin/python'), ['-m', 'pip', 'list', '--format=json', '--path', path]);
  const wanted = (JSON.parse(told.stdout) as readonly { readonly name: string; readonly version: string }[]).map(
    ({ name, version }) => `${name} ${version}`,
  );
  assert.ok(wanted.length > 20, told.stderr);
  assert.deepEqual(ofKind(bill, 'pypi'), wanted.sort());
});
