// A Compose project as far as building goes: documents merged, with what they include and extend. Still a tree.

import type { SourceLocation, SourceText } from '../../base/index.ts';
import { mistake } from '../mistake.ts';
import { parseDotenv } from './dotenv.ts';
import { extendServices } from './extend.ts';
import { interpolate, type Lookup } from './interpolate.ts';
import { mergeSections, mergeService } from './merge.ts';
import { joinPath, resolvePaths } from './resolve-paths.ts';
import { type ComposeWorld, fileText, folderOf, type Project, sectionsOf } from './sections.ts';
import { type Mapping, member, type Node, parseYaml, textNode, textOf } from './tree.ts';

/** What one round of loading works on: the files of the call, or those that one `include` names. */
interface Round extends ComposeWorld {
  /** Where relative paths start. */
  readonly folder: string;
  /** Files on the way here: one that includes itself would never end. */
  readonly included: readonly string[];
}

/** Loads the files of a call. Throws `BAKE_INVALID`. */
export function loadProject(files: readonly SourceText[], world: ComposeWorld): Project {
  return loadFiles(files, { ...world, folder: '', included: [] });
}

/** What `COMPOSE_PROJECT_NAME` stands for: the last name that a file gives, else that of the environment. */
export function projectName(files: readonly SourceText[], env: Lookup): string {
  const given = files.flatMap(parseYaml).flatMap((document) => texts(member(document, 'name')));
  const name = interpolate(textNode(given.filter((text) => text !== '').at(-1) ?? '', startOf(files[0] as SourceText)), env);
  return (name.kind === 'scalar' ? textOf(name) : '') || env('COMPOSE_PROJECT_NAME') || 'bake';
}

function loadFiles(files: readonly SourceText[], round: Round): Project {
  let project: Project | undefined;
  for (const file of files) {
    for (const document of parseYaml(file)) {
      const sections = sectionsOf(interpolate(document, round.env) as Mapping);
      const whole = extendServices(included(document, sections, file, round), file, round);
      project = project === undefined ? whole : merge(project, whole);
    }
  }
  if (project === undefined) {
    const source = files[0] as SourceText;
    throw mistake('empty compose file', { hint: 'write services: and what is to be built', location: startOf(source) });
  }
  return resolvePaths(withoutResets(project), round);
}

function startOf(source: SourceText): SourceLocation {
  return { source, range: { start: { line: 1, column: 0 }, end: { line: 1, column: 0 } } };
}

function merge(base: Project, later: Project): Project {
  return {
    services: mergeSections(base.services, later.services, 'services'),
    secrets: mergeSections(base.secrets, later.secrets, 'secrets'),
  };
}

/** What `!reset` marks goes, also where there was nothing to take away. */
function withoutResets({ services, secrets }: Project): Project {
  const strip = (node: Node): Node => {
    if (node.kind !== 'map') return node;
    return {
      ...node,
      entries: new Map([...node.entries].filter(([, value]) => value.tag !== 'reset').map(([name, value]) => [name, strip(value)])),
    };
  };
  return { services: strip(services) as Mapping, secrets: strip(secrets) as Mapping };
}

/** The document's own sections on top of those of the projects that it includes. */
function included(document: Mapping, own: Project, file: SourceText, round: Round): Project {
  const list = document.entries.get('include');
  if (list === undefined || (list.kind === 'scalar' && list.value === null)) return own;
  if (list.kind !== 'list') throw mistake('include must be a list', { hint: 'write include: and - path.yaml below it', location: list.at });
  let project = own;
  for (const item of list.items) {
    const imported = loadIncluded(interpolate(item, round.env), { ...round, included: [...round.included, file.filename] });
    project = { services: beneath(imported.services, project.services), secrets: beneath(imported.secrets, project.secrets) };
  }
  return project;
}

function beneath(imported: Mapping, own: Mapping): Mapping {
  const entries = new Map(own.entries);
  for (const [name, node] of imported.entries) {
    const mine = entries.get(name);
    entries.set(name, mine === undefined ? node : mergeService(node, mine));
  }
  return { ...own, entries };
}

/** One entry: a path, or paths with the folder and the variables of that project. */
function loadIncluded(item: Node, round: Round): Project {
  const paths = texts(item.kind === 'map' ? member(item, 'path') : item);
  if (paths.length === 0) throw mistake('include needs a path', { hint: 'write path: and the name of a Compose file', location: item.at });
  const files = paths.map((path) => joinPath(round.folder, path));
  const [main = ''] = files;
  if (round.included.includes(main))
    throw mistake(`include cycle: ${[...round.included, main].join(' → ')}`, { hint: 'take one include out', location: item.at });
  const [folder] = texts(member(item, 'project_directory'));
  const projectFolder = folder === undefined ? folderOf(main) : joinPath(round.folder, folder);
  const named = texts(member(item, 'env_file')).filter((path) => path !== '/dev/null');
  const env = withEnvFiles(named.length > 0 ? named.map((path) => joinPath(round.folder, path)) : undefined, projectFolder, item, round);
  return loadFiles(
    files.map((path) => ({ filename: path, text: fileText(path, item, round) })),
    { ...round, env, folder: projectFolder },
  );
}

function texts(node: Node | undefined): readonly string[] {
  if (node === undefined) return [];
  const items = node.kind === 'list' ? node.items : [node];
  return items.flatMap((item) => (item.kind === 'scalar' && typeof item.value === 'string' ? [item.value] : []));
}

/** The environment of an included project: what the outer one has, then its files, or its own `.env`. */
function withEnvFiles(files: readonly string[] | undefined, folder: string, node: Node, round: Round): Lookup {
  const found = new Map<string, string>();
  const lookup: Lookup = (name) => round.env(name) ?? found.get(name);
  for (const path of files ?? [joinPath(folder, '.env')]) {
    const text = files === undefined ? round.readFile(path) : fileText(path, node, round);
    if (text === undefined) continue;
    for (const [name, value] of parseDotenv({ filename: path, text }, lookup)) found.set(name, value);
  }
  return lookup;
}
