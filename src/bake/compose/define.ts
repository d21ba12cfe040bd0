// Compose files: what there is to build in a project.

import { isSlipwayError, type SourceText } from '../../base/index.ts';
import type { Definitions, TargetDefinition } from '../definition.ts';
import { targetName } from '../groups.ts';
import { mistake, nearHint } from '../mistake.ts';
import { checkProject } from './check.ts';
import { parseDotenv } from './dotenv.ts';
import type { Lookup } from './interpolate.ts';
import { loadProject, projectName } from './project.ts';
import { type ComposeWorld, fileText, type Project } from './sections.ts';
import { targetOfService } from './service.ts';
import { type Mapping, member, type Node } from './tree.ts';
import { pairsAt, textAt } from './values.ts';

/** Targets of services that have a `build` section, and a group `default` of all of them. `env` is that of the call, without `.env`. */
export function defineProject(files: readonly SourceText[], world: ComposeWorld): Definitions {
  const env = withProjectName(files, withDotenv(world));
  // Each file must make sense alone, as far as form goes; only together do they have to be complete.
  if (files.length > 1) for (const file of files) loadChecked([file], { ...world, env });
  const project = loadChecked(files, { ...world, env });
  checkConsistency(project);
  if (project.services.entries.size === 0) return { targets: [], groups: [] };
  const targets: TargetDefinition[] = [];
  for (const [name, service] of project.services.entries) {
    if (member(service, 'build') === undefined) continue;
    targets.push(targetOfService(name, service, project, serviceLookup(service, { ...world, env })));
  }
  const names = targets.map(({ name }) => name);
  return { targets, groups: [{ name: 'default', targets: names.length === 0 ? undefined : names }] };
}

function loadChecked(files: readonly SourceText[], world: ComposeWorld): Project {
  const project = loadProject(files, world);
  if (project.services.entries.size === 0 && project.secrets.entries.size === 0) {
    throw mistake('empty compose file', { hint: 'write services: and what is to be built', location: project.services.at });
  }
  checkProject(project);
  return project;
}

/** The environment, and what the `.env` of the working directory adds to it. */
function withDotenv({ env, readFile }: ComposeWorld): Lookup {
  const text = readFile('.env');
  if (text === undefined) return env;
  const file = parseDotenv({ filename: '.env', text }, env);
  return (name) => env(name) ?? file.get(name);
}

function withProjectName(files: readonly SourceText[], env: Lookup): Lookup {
  const name = projectName(files, env);
  return (asked) => (asked === 'COMPOSE_PROJECT_NAME' ? name : env(asked));
}

/** Whether this is a Compose file: what a file without a telling name is asked first. */
export function isProject(file: SourceText, world: ComposeWorld): boolean {
  try {
    loadChecked([file], { ...world, env: withDotenv(world) });
    return true;
  } catch (error) {
    if (isSlipwayError(error)) return false;
    throw error;
  }
}

/** Variables that a service gives to arguments without a value: its own, those of its files, those of the project. */
function serviceLookup(service: Node, world: ComposeWorld): Lookup {
  const own = pairsAt(member(service, 'environment')) ?? new Map<string, string | undefined>();
  const ownValue: Lookup = (name) => own.get(name) ?? (own.has(name) ? world.env(name) : undefined);
  const found = new Map<string, string>();
  for (const { path, required, node } of envFiles(member(service, 'env_file'))) {
    const text = required ? fileText(path, node, world) : world.readFile(path);
    if (text === undefined) continue;
    for (const [name, value] of parseDotenv({ filename: path, text }, (name) => world.env(name) ?? ownValue(name))) found.set(name, value);
  }
  return (name) => ownValue(name) ?? found.get(name) ?? world.env(name);
}

interface EnvFile {
  readonly path: string;
  readonly required: boolean;
  readonly node: Node;
}

function envFiles(node: Node | undefined): readonly EnvFile[] {
  if (node === undefined) return [];
  return (node.kind === 'list' ? node.items : [node]).flatMap((item) => {
    const path = textAt(item) ?? textAt(member(item, 'path'));
    const format = textAt(member(item, 'format')) ?? '';
    if (format !== '')
      throw mistake(`unsupported env_file format ${JSON.stringify(format)}`, { hint: 'leave format away', location: item.at });
    return path === undefined ? [] : [{ path, required: textAt(member(item, 'required')) !== 'false', node: item }];
  });
}

/** What the specification asks for beyond the form of each key. */
function checkConsistency({ services, secrets }: Project): void {
  for (const [name, service] of services.entries) {
    const [build, image] = [member(service, 'build'), textAt(member(service, 'image'))];
    if (build === undefined) {
      if (image !== undefined && image !== '') continue;
      throw mistake(`service "${name}" has neither an image nor a build context specified`, {
        hint: 'write image: or build:',
        location: service.at,
      });
    }
    checkBuild(name, build as Mapping, services, secrets);
  }
  for (const [name, secret] of secrets.entries) checkSecret(name, secret);
}

function checkBuild(name: string, build: Mapping, services: Mapping, secrets: Mapping): void {
  const inline = member(build, 'dockerfile_inline');
  if (inline !== undefined && textAt(inline) !== '' && (textAt(member(build, 'dockerfile')) ?? '') !== '') {
    throw mistake(`service "${name}" declares mutually exclusive dockerfile and dockerfile_inline`, {
      hint: 'keep one of them',
      location: inline.at,
    });
  }
  for (const [context, value] of pairsAt(member(build, 'additional_contexts')) ?? []) {
    const other = /^service:([^]*)$/.exec(value ?? '')?.[1];
    if (other === undefined) continue;
    const location = (member(build, 'additional_contexts') as Node).at;
    const service = services.entries.get(other);
    if (service === undefined) {
      throw mistake(`service "${name}" declares unknown service "${other}" as additional contexts ${context}`, {
        hint: nearHint(other, services.entries.keys()),
        location,
      });
    }
    if (member(service, 'build') === undefined) {
      throw mistake(`service "${name}" declares non-buildable service "${other}" as additional contexts ${context}`, {
        hint: `give ${targetName(other)} a build section`,
        location,
      });
    }
  }
  const list = member(build, 'secrets');
  for (const item of list?.kind === 'list' ? list.items : []) {
    const id = textAt(item) ?? textAt(member(item, 'source')) ?? '';
    if (secrets.entries.has(id)) continue;
    throw mistake(`service "${name}" refers to undefined build secret ${id}`, {
      hint: nearHint(id, secrets.entries.keys()) ?? 'define it below secrets:',
      location: item.at,
    });
  }
}

function checkSecret(name: string, secret: Node): void {
  const external = member(secret, 'external');
  if (external?.kind === 'map' || textAt(external) === 'true') return;
  if ((textAt(member(secret, 'file')) ?? '') !== '' || (textAt(member(secret, 'environment')) ?? '') !== '') return;
  throw mistake(`secret "${name}" must declare either file or environment`, {
    hint: 'write file: or environment: below the name',
    location: secret.at,
  });
}
