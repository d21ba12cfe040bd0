// Hostile git repositories, served by a real `git daemon`: submodules, folders and files of a checkout that lead elsewhere.

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { runGit, serveGit } from '../rig/git-server.ts';
import { type Arena, assertContained, assertRefused, hostile, MARK, type Verdict } from './arena.ts';

const root = mkdtempSync('/tmp/slipway-repositories-');
let daemon: AsyncDisposable;
let address = '';

before(async () => {
  const served = await serveGit(root);
  daemon = served;
  address = served.address;
  repository('lib', {});
});

after(async () => {
  await daemon[Symbol.asyncDispose]();
  rmSync(root, { recursive: true, force: true });
});

/** Makes a repository; `links` are symlinks, `submodule` is written as it is, with a commit of `lib` at its path. */
function repository(
  name: string,
  {
    links = {},
    submodule,
  }: { readonly links?: Readonly<Record<string, string>>; readonly submodule?: { readonly text: string; readonly path: string } },
): string {
  const folder = join(root, name);
  mkdirSync(folder);
  runGit(folder, 'init');
  writeFileSync(join(folder, 'Dockerfile'), 'FROM scratch\nCOPY . /in/\n');
  for (const [path, target] of Object.entries(links)) symlinkSync(target, join(folder, path));
  if (submodule !== undefined) writeFileSync(join(folder, '.gitmodules'), submodule.text);
  runGit(folder, 'add', '.');
  if (submodule !== undefined) {
    runGit(folder, 'update-index', '--add', '--cacheinfo', `160000,${runGit(join(root, 'lib'), 'rev-parse', 'HEAD')},${submodule.path}`);
  }
  // By hand: `git commit` itself would refuse some of these.
  runGit(folder, 'update-ref', 'refs/heads/main', runGit(folder, 'commit-tree', '-m', name, runGit(folder, 'write-tree')));
  return name;
}

const build = (arena: Arena, name: string, fragment = ''): Promise<Verdict> =>
  arena.buildAsIs({ context: { kind: 'url', url: `${address}/${name}.git${fragment}` } });

/** Served under the name that addresses of git end in. */
const served = (name: string, parts: Parameters<typeof repository>[1]): string => {
  repository(`${name}.git`, parts);
  return name;
};

const modules = (name: string, path: string, url: string, more = ''): { text: string; path: string } => ({
  path,
  text: `[submodule "${name}"]\n\tpath = ${path}\n\turl = ${url}\n${more}`,
});

hostile([
  {
    like: 'CVE-2026-33748 (BuildKit), GHSA-49p4-px3h-rq49 (buildah)',
    what: 'a folder of the address that climbs, or goes through a symlink of the repository',
    run: async (arena) => {
      const name = served('subdir', { links: { out: arena.outside, up: '../../../../../../..' } });
      for (const folder of ['../../../../..', `out`, 'out/victim', `up${arena.outside}`, '%2e%2e/%2e%2e', '.git', '/']) {
        const verdict = await build(arena, name, `#main:${folder}`);
        if (verdict.refused !== undefined) assertRefused(verdict, ['GIT_SUBDIR', 'DOCKERFILE_NOT_FOUND', 'GIT_REF_INVALID']);
        else assertContained(verdict, { 'in/Dockerfile': 'file 644 FROM scratch\nCOPY . /in/\n', 'in/file': undefined });
      }
    },
  },
  {
    like: 'CVE-2022-39253 (git)',
    what: 'a submodule out of the file system of the machine',
    run: async (arena) => {
      for (const [index, url] of [`file://${join(root, 'lib')}`, join(root, 'lib'), `file://${arena.outside}`].entries()) {
        assertRefused(await build(arena, served(`local${index}`, { submodule: modules('s', 's', url) })), 'GIT_FAILED');
      }
    },
  },
  {
    like: 'CVE-2018-17456, CVE-2017-1000117 (git)',
    what: 'a submodule whose address is an option, or another transport’s command',
    run: async (arena) => {
      for (const [index, url] of [
        `-u./x`,
        `--upload-pack=touch /tmp/${MARK}`,
        `ext::sh -c touch% /tmp/${MARK}`,
        `ssh://-oProxyCommand=touch$IFS/tmp/${MARK}/x`,
      ].entries()) {
        assertRefused(await build(arena, served(`option${index}`, { submodule: modules('s', 's', url) })), 'GIT_FAILED');
      }
    },
  },
  {
    like: 'CVE-2018-11235, CVE-2019-1387 (git)',
    what: 'a submodule whose name or path climbs out',
    run: async (arena) => {
      for (const [index, submodule] of [
        modules('../../../../outside/victim', 's', '../lib'),
        modules('..', 's', '../lib'),
        modules('s', 's', '../lib', '[submodule "x"]\n\tpath = ../../../../../outside/victim\n\turl = ../lib\n'),
      ].entries()) {
        const verdict = await build(arena, served(`climbs${index}`, { submodule }));
        if (verdict.refused !== undefined) assertRefused(verdict, 'GIT_FAILED');
      }
    },
  },
  {
    like: 'CVE-2024-32002, CVE-2021-21300 (git)',
    what: 'a submodule whose path goes through a symlink of the repository',
    run: async (arena) => {
      const name = served('through', {
        links: { a: arena.outside },
        submodule: modules('s', 'A/modules/s', '../lib', '[core]\n\thooksPath = .\n'),
      });
      const verdict = await build(arena, name);
      if (verdict.refused !== undefined) assertRefused(verdict, 'GIT_FAILED');
    },
  },
  {
    like: 'CVE-2020-27955 (Git LFS), CVE-2024-32465 (git)',
    what: 'filters, hooks and commands that a repository configures',
    run: async (arena) => {
      const name = served('filters', {
        submodule: modules(
          's',
          's',
          '../lib',
          `\tupdate = !touch /tmp/${MARK}\n[core]\n\tfsmonitor = touch /tmp/${MARK}2\n\tsshCommand = touch /tmp/${MARK}3\n`,
        ),
      });
      const verdict = await build(arena, name);
      if (verdict.refused !== undefined) assertRefused(verdict, 'GIT_FAILED');
    },
  },
]);
