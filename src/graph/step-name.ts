// Names of steps as BuildKit's users know them: `[build 2/5] RUN make`, `[linux/amd64->arm64 build 1/3] FROM …`.

import { hideLogins, isSlipwayError } from '../base/index.ts';
import { expandText, hasMeaning, looksSecret } from '../dockerfile/index.ts';
import { formatPlatform, normalizePlatform, parsePlatform, type Platform } from '../oci/index.ts';
import type { Environment } from './environment.ts';

/** Counts the steps of a stage. */
export interface StepCounter {
  /** How a name says the stage; empty when the file has only one. */
  stage: string;
  /** Names say the platform. */
  readonly withPlatform: boolean;
  total: number;
  done: number;
}

/** The next step's name, for a step that no variables count for. */
export function nextStepName(counter: StepCounter, text: string, platform: Platform): string {
  if (counter.total > 0) counter.done += 1;
  return stepName(counter, counter.done, text, platform, undefined);
}

/** The name of the step with a number. `env` says what the stage builds for. */
export function stepName(counter: StepCounter, number: number, text: string, platform: Platform, env: Environment | undefined): string {
  if (counter.total === 0) return text;
  const where = counter.withPlatform ? `${formatPlatform(platform)}${crossSuffix(platform, env)} ` : '';
  const stage = counter.stage === '' ? '' : `${counter.stage} `;
  const count = String(number).padStart(String(counter.total).length);
  return `[${where}${stage}${count}/${counter.total}] ${text}`;
}

/** An instruction's text with its variables' values, keyword in capitals. Names go into logs: values that look secret do not. */
export function instructionName(
  text: string,
  env: Environment,
  escape: '\\' | '`',
  options: { readonly keepQuotes?: boolean; readonly keepUnset?: boolean; readonly masked?: ReadonlySet<string> | undefined } = {},
): string {
  const lookup = (name: string): string | undefined => {
    const value = env.get(name);
    const secret = options.masked?.has(name) === true || (value !== undefined && value !== '' && looksSecret(name));
    return secret ? '****' : value;
  };
  const { keepQuotes = false, keepUnset = false } = options;
  const expanded = hasMeaning(text) ? expandText(text, lookup, { escape, keepQuotes, keepUnset }) : undefined;
  const shown = hideLogins(expanded?.ok === true ? expanded.value : text);
  const space = shown.indexOf(' ');
  const keyword = space < 0 ? shown : shown.slice(0, space);
  const upper = keyword.toUpperCase();
  return keyword === upper ? shown : upper + shown.slice(keyword.length);
}

/** `->arm64`: what a stage that runs on `base` makes things for, as its `TARGET…` arguments say. */
function crossSuffix(base: Platform, env: Environment | undefined): string {
  const target = env === undefined ? undefined : targetOf(env);
  if (target === undefined) return '';
  const wanted = normalizePlatform({ ...target, os: target.os || base.os, architecture: target.architecture || base.architecture });
  if (wanted.os !== base.os) return `->${formatPlatform(wanted)}`;
  if (wanted.architecture === base.architecture) return '';
  return `->${wanted.architecture}${wanted.variant === undefined ? '' : `/${wanted.variant}`}`;
}

function targetOf(env: Environment): Platform | undefined {
  const platform = env.get('TARGETPLATFORM');
  if (platform !== undefined) {
    try {
      return parsePlatform(platform);
    } catch (error) {
      if (!isSlipwayError(error)) throw error; // a build arg may say anything; it is only for the name here
    }
  }
  const os = env.get('TARGETOS');
  const architecture = env.get('TARGETARCH');
  const variant = env.get('TARGETVARIANT');
  if (os === undefined && architecture === undefined && variant === undefined) return undefined;
  return { os: os ?? '', architecture: architecture ?? '', ...(variant === undefined || variant === '' ? {} : { variant }) };
}
