// From definitions to what a call builds: names, inheritance, overrides, links.

import { type Definitions, mergeTargets, normalizeTarget, type TargetDefinition } from './definition.ts';
import { defaultGroup, matchNames, membersOf, targetName, unknownTarget } from './groups.ts';
import { addLinked } from './links.ts';
import { mistake, nearHint } from './mistake.ts';
import { allowedBy, overrideTarget } from './override-target.ts';
import { type Override, readOverrides } from './overrides.ts';
import { rebase } from './paths.ts';
import type { BakeAllowed, BakeGroup, BakePlan, BakeTarget } from './target.ts';
import { checkTarget } from './check-target.ts';

/** What `names` mean. `env` answers `--set TARGET.args.NAME` and gives SOURCE_DATE_EPOCH to targets that do not set it. */
export function makePlan(
  definitions: Definitions,
  names: readonly string[],
  overrideTexts: readonly string[],
  env: (name: string) => string | undefined,
): BakePlan {
  const asked = [...new Set((names.length === 0 ? ['default'] : names).map(targetName).flatMap((name) => matchNames(name, definitions)))];
  const overrides = readOverrides(overrideTexts, definitions, env);
  const resolver = new Resolver(definitions, overrides, asked);
  const found = asked.map((name) => membersOf(name, definitions));
  const drafts = new Map<string, TargetDefinition>();
  for (const name of found.flatMap(({ targets }) => targets)) if (!drafts.has(name)) drafts.set(name, resolver.resolve(name));
  const linked = addLinked(drafts, definitions, (name) => resolver.resolve(name));
  const targets = [...drafts.values()].map((draft) => finish(draft, env('SOURCE_DATE_EPOCH') ?? ''));
  for (const target of targets) checkTarget(target);
  return {
    groups: groupsOf(
      asked,
      found.flatMap(({ groups }) => groups),
      definitions,
    ),
    targets: new Map(targets.sort((a, b) => (a.name < b.name ? -1 : 1)).map((target) => [target.name, target])),
    linked,
    allowed: resolver.allowed(),
  };
}

/** The groups that are shown, by name. Of several of one name the first counts. */
function groupsOf(asked: readonly string[], names: readonly string[], { groups }: Definitions): readonly BakeGroup[] {
  const shown = new Map<string, BakeGroup>();
  for (const name of names) {
    const group = groups.find((one) => one.name === name);
    if (group !== undefined) shown.set(name, group);
  }
  const all = defaultGroup(asked, shown.get('default'));
  if (all !== undefined) shown.set('default', all);
  return [...shown.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Targets with what they inherit. Overrides of a target that others inherit from reach those too. */
class Resolver {
  readonly #definitions: Definitions;
  readonly #asked: readonly string[];
  readonly #overrides: ReadonlyMap<string, readonly Override[]>;
  readonly #allowed: BakeAllowed[] = [];

  /** `asked`: names of the call. */
  constructor(definitions: Definitions, overrides: ReadonlyMap<string, readonly Override[]>, asked: readonly string[]) {
    this.#definitions = definitions;
    this.#asked = asked;
    this.#overrides = overrides;
  }

  /** Throws `BAKE_TARGET_UNKNOWN`. */
  resolve(name: string): TargetDefinition {
    const target = this.#inherit(name, new Map()) as TargetDefinition;
    const { context = rebase(target.bases?.folder ?? '', '.'), dockerfile = '' } = target;
    return { ...target, name, context, dockerfile: dockerfile === '' ? 'Dockerfile' : dockerfile };
  }

  /** Undefined: the target inherits from itself, by way of others. What it says itself counts all the same. */
  #inherit(name: string, seen: Map<string, TargetDefinition | undefined>): TargetDefinition | undefined {
    if (seen.has(name)) return seen.get(name);
    seen.set(name, undefined);
    const own = this.#definitions.targets.find((target) => target.name === name);
    if (own === undefined) throw unknownTarget(name, this.#asked, this.#definitions);
    let target: TargetDefinition = { name };
    for (const parent of own.inherits ?? []) {
      this.#checkParent(parent, own);
      const inherited = this.#inherit(parent, seen);
      if (inherited !== undefined) target = mergeTargets(target, inherited);
    }
    const { inherits: _, ...merged } = mergeTargets(target, own);
    const changes = this.#overrides.get(name) ?? [];
    const changed = overrideTarget({ ...merged, name, ...(own.location === undefined ? {} : { location: own.location }) }, changes);
    if (changes.length > 0) this.#allowed.push(allowedBy(changed, changes));
    const normalized = normalizeTarget(changed);
    seen.set(name, normalized);
    return normalized;
  }

  #checkParent(parent: string, { name, location }: TargetDefinition): void {
    const names = this.#definitions.targets.map((target) => target.name);
    if (!names.includes(parent))
      throw mistake(`failed to find target ${parent}, which ${name} inherits`, { hint: nearHint(parent, names), location });
  }

  allowed(): BakeAllowed {
    return {
      read: [...new Set(this.#allowed.flatMap(({ read }) => read))],
      write: [...new Set(this.#allowed.flatMap(({ write }) => write))],
      networkHost: this.#allowed.some(({ networkHost }) => networkHost),
      securityInsecure: this.#allowed.some(({ securityInsecure }) => securityInsecure),
    };
  }
}

/** Without what only definitions have, and without empty lists. */
function finish({ inherits: _, bases: __, ...target }: TargetDefinition, epoch: string): BakeTarget {
  const { args = {} } = target;
  const dated = epoch === '' || Object.hasOwn(args, 'SOURCE_DATE_EPOCH') ? args : { ...args, SOURCE_DATE_EPOCH: epoch };
  return Object.fromEntries(
    Object.entries({ ...target, args: dated }).filter(([name, value]) => name === 'name' || !isEmpty(value)),
  ) as unknown as BakeTarget;
}

function isEmpty(value: unknown): boolean {
  if (value === undefined) return true;
  if (Array.isArray(value)) return value.length === 0;
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}
