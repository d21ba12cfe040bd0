// Files of a call to definitions: which syntax each has, and how they come together.

import { isSlipwayError } from '../base/index.ts';
import { parseGoBool } from '../dockerfile/index.ts';
import { type BlockSchema, type Body, functions, parseHcl, parseHclJson } from '../hcl/index.ts';
import { defineBlocks } from './blocks/define.ts';
import { defineProject, isProject } from './compose/define.ts';
import type { ComposeWorld } from './compose/sections.ts';
import type { Definitions } from './definition.ts';
import { mergeByName } from './definition.ts';
import { rebaseContexts } from './paths.ts';
import { makePlan } from './plan.ts';
import type { BakeFile, BakeListed, BakeOptions, BakeSource } from './target.ts';

/** Which names are blocks in JSON, and how many names each has. */
const SCHEMA: BlockSchema = new Map([
  ['target', { labels: 1 }],
  ['group', { labels: 1 }],
  ['variable', { labels: 1, blocks: new Map([['validation', { labels: 0 }]]) }],
  ['function', { labels: 1 }],
]);

/**
 * Reads files in the order of the call; later ones stand on top of earlier ones, and all that have blocks on top of Compose files. Throws
 * `BAKE_INVALID` and `HCL_INVALID`, with the place.
 */
export function parseBake(files: readonly BakeSource[], options: BakeOptions): BakeFile {
  const env = environmentOf(options);
  const world: ComposeWorld = { env, homeFolder: options.homeFolder, readFile: options.readFile };
  const { compose, bodies } = sortFiles(files, world);
  const relative = wantsFileRelative(options);
  const folders = new Map(files.map(({ filename, folder = '' }) => [filename, folder]));
  const project = compose.length === 0 ? NOTHING : withFolder(defineProject(compose, world), relative ? compose[0]?.folder : undefined);
  const blocks = defineBlocks(
    bodies,
    { ...project, targets: mergeByName(project.targets) },
    {
      builtins: new Map([
        ['BAKE_CMD_CONTEXT', options.commandContext],
        ['BAKE_LOCAL_PLATFORM', options.localPlatform],
      ]),
      functions: functions({ now: options.now, homeFolder: () => options.homeFolder, random: options.random }),
      lookup: env,
      folderOf: relative ? (filename) => folders.get(filename) ?? '' : undefined,
    },
  );
  const definitions = relative ? rebaseContexts(blocks) : blocks;
  return {
    targets: listed(definitions),
    variables: blocks.variables,
    warnings: blocks.warnings,
    plan: (names, overrides = []) =>
      makePlan(definitions, names, overrides, (name) => (Object.hasOwn(options.env, name) ? options.env[name] : undefined)),
  };
}

const NOTHING: Definitions = { targets: [], groups: [] };

/** `--var`, then the environment, unless that is not to be looked at. */
function environmentOf({ env, variables = {} }: BakeOptions): (name: string) => string | undefined {
  const looked = parseGoBool(env['BUILDX_BAKE_DISABLE_VARS_ENV_LOOKUP'] ?? '') !== true;
  return (name) => (Object.hasOwn(variables, name) ? variables[name] : looked && Object.hasOwn(env, name) ? env[name] : undefined);
}

function wantsFileRelative({ env }: BakeOptions): boolean {
  return parseGoBool((env['BUILDX_BAKE_FILE_RELATIVE_PATHS'] ?? '').trim()) === true;
}

/** In a project all paths start where its first file is. */
function withFolder(project: Definitions, folder: string | undefined): Definitions {
  if (folder === undefined) return project;
  const targets = project.targets.map((target) => ({
    ...target,
    bases: {
      folder,
      ...(target.context === undefined ? {} : { context: folder }),
      contexts: Object.fromEntries(Object.keys(target.contexts ?? {}).map((name) => [name, folder])),
    },
  }));
  return { ...project, targets };
}

/** By the ending of the name. Other names are tried as Compose, then as HCL, then as JSON. */
function sortFiles(files: readonly BakeSource[], world: ComposeWorld): { compose: readonly BakeSource[]; bodies: readonly Body[] } {
  const compose: BakeSource[] = [];
  const bodies: Body[] = [];
  for (const file of files) {
    const name = file.filename.toLowerCase();
    if (name.endsWith('.yml') || name.endsWith('.yaml')) compose.push(file);
    else if (file.filename.endsWith('.json')) bodies.push(parseHclJson(file, SCHEMA));
    else if (file.filename.endsWith('.hcl')) bodies.push(parseHcl(file));
    else if (isProject(file, world)) compose.push(file);
    else bodies.push(parseUnnamed(file));
  }
  return { compose, bodies };
}

/** Where it is neither, the mistakes that it has as HCL are told. */
function parseUnnamed(file: BakeSource): Body {
  try {
    return parseHcl(file);
  } catch (error) {
    if (!isSlipwayError(error)) throw error;
    try {
      return parseHclJson(file, SCHEMA);
    } catch {
      throw error;
    }
  }
}

function listed({ targets, groups }: Definitions): readonly BakeListed[] {
  const all: BakeListed[] = [
    ...targets.map(({ name, description }) => ({ name, ...(description === undefined ? {} : { description }) })),
    ...groups.map(({ name, description, targets: group = [] }) => ({ name, ...(description === undefined ? {} : { description }), group })),
  ];
  return all.sort((a, b) => (a.name < b.name ? -1 : 1));
}
