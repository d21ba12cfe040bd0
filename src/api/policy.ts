// Source policies: rules of the client that allow, deny or replace what a build takes in.

import { create } from '@bufbuild/protobuf';
import { compileGoPattern, type GoPattern } from '../base/index.ts';
import { nameOf, POLICY_ACTION, POLICY_CONDITION, POLICY_MATCH } from './enums.ts';
import { type SourceOp, SourceOpSchema } from './gen/llb_pb.ts';
import type { Policy, Rule, Selector } from './gen/policy_pb.ts';
import { RpcError } from './wire/rpc-error.ts';

/** Of an address that rules are asked about, characters. */
const MAX_IDENTIFIER = 4096;
/** Replacements of one source after which rules are taken to go round in circles. */
const MAX_REPLACEMENTS = 20;

/** Refuses rules that say nothing of what they are about: nothing would come of a denial that matches no source. */
export function checkPolicies(policies: readonly Policy[]): void {
  for (const { rules } of policies) {
    for (const { action, selector, updates } of rules) {
      if (selector === undefined) throw new RpcError('invalidArgument', 'invalid nil selector in policy');
      if (nameOf(POLICY_ACTION, action) === undefined)
        throw new RpcError('invalidArgument', `source policy: rule ${action} ${selector.identifier}: unknown type`);
      if (action === POLICY_ACTION.convert && updates === undefined)
        throw new RpcError('invalidArgument', `missing destination for convert rule of ${selector.identifier}`);
    }
  }
}

/** The source after all rules. Rejects one that they deny. Of allow and deny rules of one policy the last that matches counts. */
export function applyPolicies(policies: readonly Policy[], source: SourceOp): SourceOp {
  let current = source;
  for (let count = 0; ; count += 1) {
    if (count > MAX_REPLACEMENTS) throw new RpcError('failedPrecondition', 'too many mutations on a single source: too many operations');
    if (policies.length > 0 && current.identifier.length > MAX_IDENTIFIER)
      throw new RpcError('invalidArgument', `a source of ${current.identifier.length} characters, more than ${MAX_IDENTIFIER}`);
    const next = applyOnce(policies, current);
    if (next === undefined) return current;
    current = next;
  }
}

/** The replaced source, or undefined when no rule changes it. */
function applyOnce(policies: readonly Policy[], source: SourceOp): SourceOp | undefined {
  for (const policy of policies) {
    let denied = false;
    for (const rule of policy.rules) {
      const matched = rule.selector === undefined ? undefined : match(rule.selector, source);
      if (matched === undefined) continue;
      if (rule.action === POLICY_ACTION.allow) denied = false;
      else if (rule.action === POLICY_ACTION.deny) denied = true;
      else if (rule.action === POLICY_ACTION.convert) {
        const changed = convert(rule, source, matched);
        if (changed !== undefined) return changed;
      } else throw new RpcError('invalidArgument', `source policy: unknown action ${rule.action}`);
    }
    if (denied) throw new RpcError('unknown', `source ${JSON.stringify(source.identifier)} denied by policy: source denied by policy`);
  }
  return undefined;
}

/** What `$1`, `$2`, … of the selector stand for; undefined: no match. */
function match(selector: Selector, source: SourceOp): readonly string[] | undefined {
  for (const { key, value, condition } of selector.constraints) {
    const actual = source.attrs[key] ?? '';
    const holds =
      condition === POLICY_CONDITION.equal
        ? actual === value
        : condition === POLICY_CONDITION.notEqual
          ? actual !== value
          : pattern(value)(actual) !== undefined;
    if (!holds) return undefined;
  }
  if (selector.identifier === source.identifier) return [source.identifier];
  if (selector.matchType === POLICY_MATCH.exact) return undefined;
  if (selector.matchType === POLICY_MATCH.regex) return pattern(selector.identifier)(source.identifier);
  if (selector.identifier.includes('**')) throw new RpcError('invalidArgument', 'invalid wildcard: "**"');
  const wildcard = selector.identifier.replace(/[\\^$.+?()[\]{}|]/g, '\\$&').replaceAll('*', '(.*)');
  return pattern(`^${wildcard}$`)(source.identifier);
}

function pattern(text: string): GoPattern {
  try {
    return compileGoPattern(text);
  } catch (error) {
    throw new RpcError('invalidArgument', `invalid regex ${JSON.stringify(text)}: ${(error as Error).message}`);
  }
}

function convert(rule: Rule, source: SourceOp, matched: readonly string[]): SourceOp | undefined {
  if (rule.updates === undefined) throw new RpcError('invalidArgument', 'missing updates for a convert rule');
  const literal = rule.selector?.matchType === POLICY_MATCH.exact;
  const template = rule.updates.identifier === '' ? source.identifier : rule.updates.identifier;
  const identifier = literal
    ? template
    : template.replace(/\$(?:\{(\d+)\}|(\d+))/g, (_, a?: string, b?: string) => matched[Number(a ?? b)] ?? '');
  const attrs = { ...source.attrs, ...rule.updates.attrs };
  const same = identifier === source.identifier && Object.entries(attrs).every(([key, value]) => source.attrs[key] === value);
  return same ? undefined : create(SourceOpSchema, { identifier, attrs });
}
