// The scope in front of the first FROM: platform arguments and global ARGs. Only FROM lines see it, and ARG in a stage.

import type { SourceRange } from '../base/index.ts';
import { type ArgInstruction, expandWord, problemRange } from '../dockerfile/index.ts';
import { formatWholePlatform, type Platform } from '../oci/index.ts';
import { Environment } from './environment.ts';
import { Fault } from './fault.ts';

/** What is known of a declared argument: for the outline. */
export interface ArgFacts {
  readonly name: string;
  /** Empty when it has none. */
  readonly value: string;
  readonly description: string | undefined;
  readonly range: SourceRange;
  /** Arguments its default refers to. */
  readonly deps: ReadonlySet<string>;
}

/** The global scope. */
export interface GlobalScope {
  readonly env: Environment;
  /** Declared ones, the platform's own not among them. */
  readonly args: ReadonlyMap<string, ArgFacts>;
}

/** Values every build has: the platform it runs on and the one it builds for, unless build args say otherwise. */
export function platformArgs(
  build: Platform,
  target: Platform,
  targetStage: string,
  buildArgs: Readonly<Record<string, string>>,
): Environment {
  const values: readonly (readonly [string, string])[] = [
    ['BUILDPLATFORM', formatWholePlatform(build)],
    ['BUILDOS', build.os],
    ['BUILDOSVERSION', build.osVersion ?? ''],
    ['BUILDARCH', build.architecture],
    ['BUILDVARIANT', build.variant ?? ''],
    ['TARGETPLATFORM', formatWholePlatform(target)],
    ['TARGETOS', target.os],
    ['TARGETOSVERSION', target.osVersion ?? ''],
    ['TARGETARCH', target.architecture],
    ['TARGETVARIANT', target.variant ?? ''],
    ['TARGETSTAGE', targetStage === '' ? 'default' : targetStage],
  ];
  return new Environment(values.map(([name, value]) => [name, buildArgs[name] ?? value]));
}

/** Evaluates the global ARGs on top of `base`. A default may refer to earlier ones. */
export function globalScope(
  base: Environment,
  instructions: readonly ArgInstruction[],
  buildArgs: Readonly<Record<string, string>>,
  escape: '\\' | '`',
): GlobalScope {
  const env = base.clone();
  const args = new Map<string, ArgFacts>();
  for (const instruction of instructions) {
    for (const declared of instruction.args) {
      const name = declared.name.text;
      let value = Object.hasOwn(buildArgs, name) ? buildArgs[name] : undefined;
      let deps = new Set<string>();
      if (value === undefined && declared.value !== undefined) {
        const expansion = expandWord(declared.value.text, (wanted) => env.get(wanted), { escape });
        if (!expansion.ok) {
          const place = { within: instruction.range, ...hintOf(expansion.problem.hint) };
          throw new Fault(expansion.problem.message, problemRange(declared.value, expansion.problem.span), place);
        }
        value = expansion.value.value;
        deps = new Set(expansion.value.used);
        // `ARG a=$a-more` depends on what the earlier one depended on.
        if (deps.delete(name)) for (const dep of args.get(name)?.deps ?? []) deps.add(dep);
      }
      if (value !== undefined) env.set(name, value);
      args.set(name, { name, value: value ?? '', description: declared.description, range: instruction.range, deps });
    }
  }
  return { env, args };
}

/** For spreading into a Fault. */
export function hintOf(hint: string | undefined): { readonly hint?: string } {
  return hint === undefined ? {} : { hint };
}

const PROXIES = ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY'];

/** Proxy variables among build args (any case), and those the client is configured with; each in both cases, as programs look for either. */
export function proxyVariables(
  buildArgs: Readonly<Record<string, string>>,
  configured: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> | undefined {
  const found: Record<string, string> = {};
  for (const source of [configured, buildArgs]) {
    for (const name of Object.keys(source).sort()) {
      const upper = name.toUpperCase();
      if (!PROXIES.includes(upper)) continue;
      found[upper] = source[name] as string;
      found[upper.toLowerCase()] = source[name] as string;
    }
  }
  return Object.keys(found).length === 0 ? undefined : found;
}
