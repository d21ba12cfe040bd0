// Platforms: text to platform and back, canonical forms, and which platform can run which (as containerd's platforms package decides).

import { SlipwayError, suggest } from '../base/index.ts';
import type { Descriptor, ImageConfig, Platform } from './types.ts';

const SYSTEMS = new Set(
  'aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris windows zos'.split(' '),
);
const ARCHITECTURES = new Set(
  (
    '386 amd64 amd64p32 arm armbe arm64 arm64be ppc64 ppc64le loong64 mips mipsle mips64 mips64le mips64p32 mips64p32le ppc riscv ' +
    'riscv64 s390 s390x sparc sparc64 wasm'
  ).split(' '),
);
const NODE_ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386', mipsel: 'mipsle', ppc64: 'ppc64le' };
const COMPONENT = /^[A-Za-z0-9_.-]+$/;
const SYSTEM = /^([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.%-]*)((?:\+[A-Za-z0-9_.%-]+)*)\))?$/;

/** What images usually mean when nobody says. */
const LINUX_AMD64: Platform = { os: 'linux', architecture: 'amd64' };

/** The platform of a Node process (`process.platform`, `process.arch`) in Go's words. */
export function nodePlatform(platform: string, arch: string): Platform {
  const os = platform === 'win32' ? 'windows' : platform === 'sunos' ? 'solaris' : platform;
  return { os, architecture: NODE_ARCHITECTURES[arch] ?? arch };
}

/**
 * Reads `os[(version+feature…)]/arch[/variant]`, or one of os and arch alone; `host` gives the missing half.
 * Throws `PLATFORM_INVALID`.
 */
export function parsePlatform(text: string, host: Platform = LINUX_AMD64): Platform {
  const parts = text.split('/');
  const [first = '', second, third] = parts;
  if (text.includes('*')) throw invalid(text, 'wildcards are not supported');
  const system = SYSTEM.exec(first);
  if (system === null) throw invalid(text, `${JSON.stringify(first)} is no operating system or architecture`);
  const wrong = parts.slice(1).find((part) => !COMPONENT.test(part));
  if (wrong !== undefined) throw invalid(text, `${JSON.stringify(wrong)} is no valid component`);
  if (parts.length > 3) throw invalid(text, 'it has more than three components');

  const os = normalizeSystem(system[1] ?? '');
  const options = systemOptions(text, system[2] ?? '', system[3] ?? '');
  if (third !== undefined) {
    const machine = normalizeMachine(second ?? '', third);
    return compact(os, machine.architecture, machine.architecture === 'arm64' ? (machine.variant ?? 'v8') : machine.variant, options);
  }
  if (second !== undefined) {
    const machine = shortMachine(second);
    return compact(os, machine.architecture, machine.variant, options);
  }
  if (SYSTEMS.has(os)) return compact(os, host.architecture, host.variant, options);
  const machine = shortMachine(first);
  if (ARCHITECTURES.has(machine.architecture)) return compact(host.os, machine.architecture, machine.variant, {});
  throw invalid(text, 'unknown operating system or architecture');
}

/** `os/arch[/variant]`, `unknown` without an operating system. Versions and features are left out. */
export function formatPlatform(platform: Platform): string {
  if (platform.os === '') return 'unknown';
  return [platform.os, platform.architecture, platform.variant].filter((part) => part !== undefined && part !== '').join('/');
}

/** `os[(version+feature…)]/arch[/variant]`: all that tells platforms apart, as `parsePlatform` reads it. */
export function formatWholePlatform(platform: Platform): string {
  const encode = (part: string): string => part.replace(/[^A-Za-z0-9_.-]/g, (char) => encodeURIComponent(char));
  const options = [encode(platform.osVersion ?? ''), ...(platform.osFeatures ?? []).map(encode)].join('+');
  return formatPlatform(options === '' ? platform : { ...platform, os: `${platform.os}(${options})` });
}

/** The canonical form: `Linux/x86_64` is `linux/amd64`, `linux/arm64/v8` is `linux/arm64`, `linux/arm` is `linux/arm/v7`. */
export function normalizePlatform(platform: Platform): Platform {
  const machine = normalizeMachine(platform.architecture, platform.variant ?? '');
  return compact(normalizeSystem(platform.os), machine.architecture, machine.variant, {
    ...(platform.osVersion === undefined ? {} : { osVersion: platform.osVersion }),
    ...(platform.osFeatures === undefined ? {} : { osFeatures: [...new Set(platform.osFeatures)].sort() }),
  });
}

/** How well `offered` runs where `wanted` is asked for: 0 is exact, larger is a fallback (arm/v6 for v7, 386 for amd64), undefined not at all. */
export function matchPlatform(wanted: Platform, offered: Platform): number | undefined {
  const have = normalizePlatform(offered);
  const index = fallbacks(normalizePlatform(wanted)).findIndex((candidate) => matches(candidate, have));
  return index < 0 ? undefined : index;
}

/** The best of an index's manifests, first come among equals; undefined when none fits. Attestations (`unknown/unknown`) never do. */
export function selectPlatform(manifests: readonly Descriptor[], wanted: Platform): Descriptor | undefined {
  let best: { descriptor: Descriptor; rank: number; features: number } | undefined;
  for (const descriptor of manifests) {
    if (descriptor.platform === undefined) continue;
    const rank = matchPlatform(wanted, descriptor.platform);
    if (rank === undefined) continue;
    const features = descriptor.platform.osFeatures?.length ?? 0;
    if (best === undefined || rank < best.rank || (rank === best.rank && features > best.features)) best = { descriptor, rank, features };
  }
  return best?.descriptor;
}

/** The platform an image config names. */
export function platformOfConfig(config: ImageConfig): Platform {
  return compact(config.os, config.architecture, config.variant, {
    ...(config['os.version'] === undefined ? {} : { osVersion: config['os.version'] }),
    ...(config['os.features'] === undefined ? {} : { osFeatures: config['os.features'] }),
  });
}

function invalid(text: string, why: string): SlipwayError {
  const known = [...SYSTEMS].flatMap((os) => (os === 'linux' ? [...ARCHITECTURES].map((arch) => `linux/${arch}`) : []));
  const near = suggest(text, [...known, 'linux/arm/v7', 'linux/arm/v6', 'linux/arm64/v8']);
  const hint = near === undefined ? 'a platform is os/arch[/variant], as in linux/amd64 or linux/arm/v7' : `did you mean ${near}?`;
  return new SlipwayError('PLATFORM_INVALID', `invalid platform ${JSON.stringify(text)}: ${why}`, { hint, facts: { platform: text } });
}

type SystemOptions = Pick<Platform, 'osVersion' | 'osFeatures'>;

function systemOptions(text: string, version: string, features: string): SystemOptions {
  const decode = (option: string): string => {
    try {
      return decodeURIComponent(option);
    } catch (cause) {
      throw new SlipwayError('PLATFORM_INVALID', `invalid platform ${JSON.stringify(text)}: ${JSON.stringify(option)} is badly escaped`, {
        cause,
      });
    }
  };
  const names = features.split('+').filter((name) => name !== '');
  return {
    ...(version === '' ? {} : { osVersion: decode(version) }),
    ...(names.length === 0 ? {} : { osFeatures: names.map(decode) }),
  };
}

function compact(os: string, architecture: string, variant: string | undefined, options: SystemOptions): Platform {
  return { os, architecture, ...(variant === undefined || variant === '' ? {} : { variant }), ...options };
}

function normalizeSystem(os: string): string {
  const lower = os.toLowerCase();
  return lower === 'macos' ? 'darwin' : lower;
}

interface Machine {
  readonly architecture: string;
  readonly variant?: string;
}

/** As written without a variant: arm means v7 and leaves it unsaid. */
function shortMachine(architecture: string): Machine {
  const machine = normalizeMachine(architecture, '');
  return machine.architecture === 'arm' && machine.variant === 'v7' ? { architecture: 'arm' } : machine;
}

function normalizeMachine(rawArchitecture: string, rawVariant: string): Machine {
  const architecture = rawArchitecture.toLowerCase();
  const variant = rawVariant.toLowerCase();
  switch (architecture) {
    case 'i386':
      return { architecture: '386' };
    case 'x86_64':
    case 'x86-64':
    case 'amd64':
      return machineOf('amd64', variant === 'v1' ? '' : variant);
    case 'aarch64':
    case 'arm64':
      if (['8', 'v8', 'v8.0'].includes(variant)) return { architecture: 'arm64' };
      return machineOf('arm64', ['9', '9.0', 'v9.0'].includes(variant) ? 'v9' : variant);
    case 'armhf':
      return { architecture: 'arm', variant: 'v7' };
    case 'armel':
      return { architecture: 'arm', variant: 'v6' };
    case 'arm':
      if (variant === '' || variant === '7') return { architecture: 'arm', variant: 'v7' };
      return machineOf('arm', ['5', '6', '8'].includes(variant) ? `v${variant}` : variant);
    default:
      return machineOf(architecture, variant);
  }
}

function machineOf(architecture: string, variant: string): Machine {
  return variant === '' ? { architecture } : { architecture, variant };
}

/** What may stand for a normalised platform, best first. */
function fallbacks(wanted: Platform): readonly Platform[] {
  const as = (architecture: string, variant?: string): Platform => {
    const { variant: _, ...rest } = { ...wanted, architecture };
    return normalizePlatform(variant === undefined ? rest : { ...rest, variant });
  };
  switch (wanted.architecture) {
    case 'amd64':
      return [wanted, ...below(numberOf(wanted.variant), 1).map((level) => as('amd64', `v${level}`)), as('386')];
    case 'arm':
      return [wanted, ...below(numberOf(wanted.variant), 5).map((level) => as('arm', `v${level}`))];
    case 'arm64': {
      const versions = arm64Versions(wanted.variant ?? 'v8');
      if (versions.length === 0) return [wanted];
      return [...versions.map((version) => as('arm64', version)), ...below(9, 5).map((level) => as('arm', `v${level}`))];
    }
    default:
      return [wanted];
  }
}

/** v9.x runs v9.0…x and v8.0…x+5 (Arm architecture reference: v9.0 contains v8.5). Empty for names we do not know. */
function arm64Versions(variant: string): readonly string[] {
  const match = /^v([89])(?:\.([0-9]))?$/.exec(variant);
  if (match === null) return [];
  const major = Number(match[1]);
  const minor = Number(match[2] ?? 0);
  const eights = (top: number): string[] => below(top + 1, 0).map((level) => `v8.${level}`);
  if (major === 8) return eights(minor);
  return [...below(minor + 1, 0).map((level) => `v9.${level}`), ...eights(Math.min(minor + 5, 9))];
}

/** `from - 1` down to `to`. */
function below(from: number, to: number): readonly number[] {
  return Array.from({ length: Math.max(0, from - to) }, (_, index) => from - 1 - index);
}

function numberOf(variant: string | undefined): number {
  const match = /^v?([0-9]+)$/.exec(variant ?? '');
  return match === null ? 0 : Math.min(Number(match[1]), 99);
}

function matches(candidate: Platform, have: Platform): boolean {
  if (candidate.os !== have.os || candidate.architecture !== have.architecture) return false;
  if ((candidate.variant ?? '') !== (have.variant ?? '')) return false;
  if (candidate.os === 'windows') return sameWindowsBuild(candidate.osVersion, have.osVersion);
  return (have.osFeatures ?? []).every((feature) => candidate.osFeatures?.includes(feature) === true);
}

/** Windows containers need the same major.minor.build; an unsaid version takes any. */
function sameWindowsBuild(wanted: string | undefined, have: string | undefined): boolean {
  if (wanted === undefined || wanted === '' || have === undefined || have === '') return true;
  const build = (version: string): string => version.split('.').slice(0, 3).join('.');
  return build(wanted) === build(have);
}
