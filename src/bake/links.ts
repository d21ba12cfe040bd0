// Targets that are the context of others: `contexts = { base = "target:base" }`.

import type { Definitions, TargetDefinition } from './definition.ts';
import { mistake, nearHint } from './mistake.ts';

const LINK = 'target:';

/** Adds to `plan` what its targets link to, and gives each the rights that the targets it links to need. Returns the names added. */
export function addLinked(
  plan: Map<string, TargetDefinition>,
  definitions: Definitions,
  resolve: (name: string) => TargetDefinition,
): ReadonlySet<string> {
  const linked = new Set<string>();
  const done = new Set<string>();
  const follow = (name: string, path: readonly string[]): TargetDefinition => {
    if (done.has(name)) return plan.get(name) as TargetDefinition;
    for (const value of Object.values(plan.get(name)?.contexts ?? {})) {
      if (!value.startsWith(LINK)) continue;
      const other = value.slice(LINK.length);
      const target = plan.get(name) as TargetDefinition;
      checkCircle(target, other, [...path, name]);
      if (!plan.has(other)) {
        checkDefined(target, other, definitions);
        plan.set(other, { ...resolve(other), outputs: [{ type: 'cacheonly' }] });
        linked.add(other);
      }
      const source = follow(other, [...path, name]);
      const entitlements = [...new Set([...(target.entitlements ?? []), ...(source.entitlements ?? [])])];
      if (entitlements.length > 0) plan.set(name, { ...target, entitlements });
      checkPlatforms(target, source);
    }
    done.add(name);
    return plan.get(name) as TargetDefinition;
  };
  for (const name of [...plan.keys()]) follow(name, []);
  return linked;
}

function checkCircle({ name, location }: TargetDefinition, other: string, path: readonly string[]): void {
  if (other === name) throw mistake(`target ${name} cannot link to itself`, { hint: 'link to another target', location });
  if (!path.includes(other)) return;
  const circle = [...path.slice(path.indexOf(other)), other].join(' → ');
  throw mistake(`infinite loop from ${name} to ${other}`, { hint: `take one link out of ${circle}`, location });
}

function checkDefined({ name, location }: TargetDefinition, other: string, { targets }: Definitions): void {
  if (targets.some((target) => target.name === other)) return;
  throw mistake(`failed to find target ${other}, a context of ${name}`, {
    hint: nearHint(
      other,
      targets.map((target) => target.name),
      (near) => LINK + near,
    ),
    location,
  });
}

/** With one platform, or where it says none, a target links to whatever there is. */
function checkPlatforms(target: TargetDefinition, source: TargetDefinition): void {
  const [wanted, made] = [target.platforms ?? [], source.platforms ?? []];
  if (wanted.length < 2 || made.length < 2 || wanted.every((platform) => made.includes(platform))) return;
  throw mistake(
    `target ${source.name} can't be used by ${target.name} because its platforms [${wanted.join(' ')}] are not a subset of [${made.join(' ')}]`,
    { hint: `build ${source.name} for every platform of ${target.name}`, location: target.location },
  );
}
