// The script part of every recipe in docs/ci, taken out of the file and run as it is where the recipe says that it runs: it logs in, builds, gates,
// pushes and fills the cache, and a second machine finds every step cached.

import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { copyProduct, openPlace, type PlaceName } from '../rig/places.ts';
import { type RealRegistry, startRealRegistry, TEST_LOGIN } from '../rig/real-registry.ts';

const RECIPES = join(import.meta.dirname, '../../docs/ci');

interface Recipe {
  readonly file: string;
  readonly place: PlaceName;
  /** Beginning of the line before each part of the script. */
  readonly script: RegExp;
  /** What the system, or the user in the recipe, sets. */
  readonly env: (site: Site) => Readonly<Record<string, string>>;
  /** Names among those of `env` that the system sets; the others must stand in the file. */
  readonly given: readonly string[];
}

/** What a run of a recipe has around it. */
interface Site {
  readonly registry: string;
  readonly folder: string;
  readonly context: string;
}

const LOGIN = TEST_LOGIN.username;

const YAML_BLOCK = /^ *(?:- )?(?:run|script|args|-): ?\|$|^ *- \|$/;

const ALL: readonly Recipe[] = [
  {
    file: 'github-actions.yml',
    place: 'root-overlay',
    script: YAML_BLOCK,
    given: ['GITHUB_ACTOR', 'GITHUB_REPOSITORY', 'GITHUB_SHA'],
    env: ({ registry }) => ({
      TOKEN: TEST_LOGIN.password,
      REGISTRY: registry,
      GITHUB_ACTOR: LOGIN,
      GITHUB_REPOSITORY: 'Team/GitHub-App',
      GITHUB_SHA: '1a2b3c',
    }),
  },
  {
    file: 'gitlab-ci.yml',
    place: 'container-chroot',
    script: YAML_BLOCK,
    given: ['CI_REGISTRY', 'CI_REGISTRY_USER', 'CI_REGISTRY_PASSWORD', 'CI_REGISTRY_IMAGE', 'CI_COMMIT_SHA'],
    env: ({ registry }) => ({
      CI_REGISTRY: registry,
      CI_REGISTRY_USER: LOGIN,
      CI_REGISTRY_PASSWORD: TEST_LOGIN.password,
      CI_REGISTRY_IMAGE: `${registry}/team/gitlab`,
      CI_COMMIT_SHA: '1a2b3c',
    }),
  },
  {
    file: 'kubernetes-job.yaml',
    place: 'container-restricted',
    script: YAML_BLOCK,
    given: [],
    env: ({ registry, folder, context }) => ({
      CONTEXT: context,
      IMAGE: `${registry}/team/kubernetes:1`,
      CACHE: `${registry}/team/kubernetes:cache`,
      DOCKER_CONFIG: join(folder, 'docker'),
    }),
  },
  {
    file: 'Jenkinsfile',
    place: 'rootless-subid',
    script: /^ *sh '''$/,
    given: ['GIT_COMMIT'],
    env: ({ registry }) => ({
      REGISTRY: registry,
      IMAGE: `${registry}/team/jenkins`,
      USERNAME: LOGIN,
      PASSWORD: TEST_LOGIN.password,
      GIT_COMMIT: '1a2b3c',
    }),
  },
  {
    file: 'tekton-task.yaml',
    place: 'container-restricted',
    script: YAML_BLOCK,
    given: [],
    env: ({ registry, folder }) => ({
      IMAGE: `${registry}/team/tekton:1`,
      CACHE: `${registry}/team/tekton:cache`,
      GATE: 'test',
      RESULT: join(folder, 'result'),
      DOCKER_CONFIG: join(folder, 'docker'),
    }),
  },
  {
    file: 'docker-container.sh',
    place: 'container-chroot',
    script: /sh -euc '$/,
    given: [],
    env: ({ registry, folder }) => ({
      IMAGE: `${registry}/team/docker:1`,
      CACHE: `${registry}/team/docker:cache`,
      DOCKER_CONFIG: join(folder, 'docker'),
    }),
  },
];

let below = '';
let product = '';
let registry: RealRegistry;

before(async () => {
  below = mkdtempSync('/tmp/slipway-recipes-');
  chmodSync(below, 0o755);
  product = copyProduct(join(below, 'product'));
  registry = await startRealRegistry({ auth: true });
});
after(async () => {
  await registry[Symbol.asyncDispose]();
  rmSync(below, { recursive: true, force: true });
});

test('every recipe is tested', () => {
  const files = readdirSync(RECIPES).filter((name) => !/^README\.md$|\.Dockerfile$/.test(name));
  assert.deepEqual(files.sort(), ALL.map(({ file }) => file).sort());
  const readme = readFileSync(join(RECIPES, 'README.md'), 'utf8');
  for (const { file, place } of ALL) assert.match(readme, new RegExp(`\\(${file}\\) \\| \`${place}\``), file);
});

for (const recipe of ALL) {
  test(`${recipe.file} on ${recipe.place}`, async () => {
    const text = readFileSync(join(RECIPES, recipe.file), 'utf8');
    await using place = openPlace(recipe.place, product, below);
    const context = join(place.folder, 'context');
    makeContext(context);
    const site = { registry: registry.address, folder: place.folder, context };
    const env = recipe.env(site);
    for (const name of Object.keys(env))
      if (!recipe.given.includes(name)) assert.match(text, new RegExp(`\\b${name}\\b`), `${name} is not set`);
    makeTools(place.folder);
    // Folders of the recipe's own container, which the place has in its folder.
    const script = scriptOf(text, recipe.script).replaceAll(/(?<=[ "'])\/(store|docker|workspace)\b/g, `${place.folder}/$1`);
    for (const machine of ['first', 'second']) {
      const outcome = await place.start('/bin/sh', ['-euc', script], {
        cwd: context,
        env: {
          ...env,
          PATH: `${place.folder}/bin:${process.env['PATH'] ?? ''}`,
          SLIPWAY_ROOT: join(place.folder, machine),
          HOME: join(place.folder, 'home'),
        },
      }).ended;
      const said = outcome.stdout + outcome.stderr;
      assert.equal(outcome.code, 0, said);
      assert.match(said, new RegExp(`^ \\* ${recipe.place}: `, 'm'));
      const executed = [...said.matchAll(/^#\d+ \[.*\] RUN .*\n#\d+ (\w+)/gm)].map(([, state]) => state);
      if (env['RESULT'] !== undefined) assert.match(readFileSync(env['RESULT'], 'utf8'), /^sha256:[0-9a-f]{64}$/);
      if (machine === 'second') assert.ok(executed.length > 0 && executed.every((state) => state === 'CACHED'), said);
    }
  });
}

/** The blocks of text that follow a line and are indented more than it, one after the other, as the shell gets them. */
function scriptOf(text: string, begin: RegExp): string {
  const lines = text.split('\n');
  const indent = (line: string): number => line.length - line.trimStart().length;
  const parts = lines.flatMap((line, at) => {
    if (!begin.test(line)) return [];
    const rest = lines.slice(at + 1);
    const end = rest.findIndex((each) => each.trim() !== '' && indent(each) <= indent(line));
    const block = rest.slice(0, end < 0 ? rest.length : end);
    const margin = Math.min(...block.filter((each) => each.trim() !== '').map(indent));
    return block.map((each) => each.slice(margin));
  });
  assert.ok(parts.length > 3, 'no script was found');
  // Groovy reads two backslashes as one.
  return parts.join('\n').replaceAll('\\\\\n', '\\\n');
}

function makeContext(folder: string): void {
  mkdirSync(folder, { mode: 0o777 });
  chmodSync(folder, 0o777);
  writeFileSync(
    join(folder, 'Dockerfile'),
    'FROM busybox AS build\nCOPY text /text\nRUN cat /text > /program\nFROM build AS test\nRUN grep text /program\nFROM scratch\nCOPY --from=build /program /program\n',
  );
  writeFileSync(join(folder, 'text'), 'text\n');
}

/** What a runner has: the product installed, and programs that install it or raise rights, which here have nothing to do. */
function makeTools(folder: string): void {
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  const tool = (name: string, script: string): void => writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  tool('slipway', `exec '${process.execPath}' '${product}' "$@"`);
  tool('npm', 'case "$*" in "install "*slipway) ;; *) echo "npm: what is $*?" >&2; exit 1 ;; esac');
  tool('apt-get', 'case "$*" in update* | install*) ;; *) echo "apt-get: what is $*?" >&2; exit 1 ;; esac');
  tool('sudo', '[ "$1" = -E ] && shift\nexec "$@"');
  mkdirSync(join(folder, 'docker'));
  const auth = Buffer.from(`${TEST_LOGIN.username}:${TEST_LOGIN.password}`).toString('base64');
  writeFileSync(join(folder, 'docker/config.json'), JSON.stringify({ auths: { [registry.address]: { auth } } }));
  chmodSync(join(folder, 'docker/config.json'), 0o644);
  mkdirSync(join(folder, 'store'));
}
