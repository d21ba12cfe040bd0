// A graph as the steps of a provenance predicate: LLB operations in JSON, numbered inputs first.

import { fromBytePath, hideLogin, lineRanges, type SourceText } from '../../base/index.ts';
import type { ExecSpec, FileAction, GraphEdge, GraphVertex, Owner, Platform } from '../engine.ts';
import { MOUNT_TYPE, NET_MODE, SECURITY_MODE, SHARING } from '../enums.ts';
import { encodeGraph } from '../llb/encode.ts';
import { encodeSource } from '../llb/source-id.ts';

export interface BuildSteps {
  readonly steps: readonly object[];
  /** Number of each vertex's step. */
  readonly numbers: ReadonlyMap<GraphVertex, number>;
  /** LLB digest → step. */
  readonly digestMapping: Readonly<Record<string, string>>;
}

/** All steps behind an edge, inputs before their users. */
export function buildSteps(edge: GraphEdge): BuildSteps {
  const { digests, last } = encodeGraph(edge);
  const numbers = new Map([...digests.keys()].map((vertex, index) => [vertex, index]));
  const steps: object[] = [...digests.keys()].map((vertex, index) => ({
    id: `step${index}`,
    op: operation(vertex),
    ...(vertex.inputs.length > 0 && { inputs: vertex.inputs.map((input) => `step${numbers.get(input.vertex)}:${input.output}`) }),
  }));
  steps.push({ id: `step${steps.length}`, op: { Op: {} }, inputs: [`step${numbers.get(edge.vertex)}:${edge.output}`] });
  const digestMapping = Object.fromEntries([...[...digests.values()], last].map((digest, index) => [digest, `step${index}`]));
  return { steps, numbers, digestMapping };
}

/** What a predicate tells of the steps behind an output; of a Dockerfile that was read from this machine there is no graph. */
export function describeSteps(edge: GraphEdge): {
  readonly buildConfig: object;
  readonly source: object | undefined;
  readonly numbers: ReadonlyMap<GraphVertex, number>;
} {
  const { steps, digestMapping, numbers } = buildSteps(edge);
  return { buildConfig: { llbDefinition: steps, digestMapping }, source: sourceOf(numbers, () => undefined), numbers };
}

/** The Dockerfiles behind the steps, with the graphs that they were read from, and which lines each step comes from. */
export function sourceOf(
  numbers: ReadonlyMap<GraphVertex, number>,
  definitionOf: (source: SourceText) => GraphEdge | undefined,
): object | undefined {
  const infos = new Map<string, { readonly index: number; readonly source: SourceText }>();
  const locations: Record<string, object> = {};
  for (const [vertex, number] of numbers) {
    const { location } = vertex.about;
    if (location === undefined) continue;
    const { source } = location;
    const key = `${source.filename}\0${source.text}`;
    const info = infos.get(key) ?? { index: infos.size, source };
    infos.set(key, info);
    // A folder is sent once for all the steps that use it.
    const shared = vertex.op.type === 'source' && vertex.op.source.kind === 'local';
    locations[`step${number}`] = shared
      ? {}
      : {
          locations: [
            {
              ...(info.index > 0 && { sourceIndex: info.index }),
              ranges: lineRanges(location.range).map((range) => ({ start: { line: range.start.line }, end: { line: range.end.line } })),
            },
          ],
        };
  }
  if (infos.size === 0) return undefined;
  return { locations, infos: [...infos.values()].map(({ source }) => infoOf(source, definitionOf(source))) };
}

function infoOf(source: SourceText, edge: GraphEdge | undefined): object {
  const definition = edge === undefined ? undefined : buildSteps(edge);
  return {
    filename: source.filename,
    language: 'Dockerfile',
    data: Buffer.from(source.text).toString('base64'),
    ...(definition !== undefined && { llbDefinition: definition.steps, digestMapping: definition.digestMapping }),
  };
}

function operation({ op, inputs, platform }: GraphVertex): object {
  return { Op: body(op, inputs.length), platform: platformJson(platform), constraints: {} };
}

function body(op: GraphVertex['op'], inputs: number): object {
  switch (op.type) {
    case 'source': {
      const { identifier, attrs } = encodeSource(op.source);
      delete attrs['local.session'];
      if (attrs['git.fullurl'] !== undefined) attrs['git.fullurl'] = hideLogin(attrs['git.fullurl']);
      return { source: { identifier: hideLogin(identifier), ...(Object.keys(attrs).length > 0 && { attrs }) } };
    }
    case 'exec':
      return { exec: execJson(op) };
    case 'file':
      return { file: { actions: op.actions.map(actionJson) } };
    case 'merge':
      return { merge: { inputs: Array.from({ length: inputs }, (_, input) => (input === 0 ? {} : { input })) } };
    case 'pass':
      return { passthrough: { outputs: [op.of] } };
    case 'diff':
      return { diff: { lower: { input: op.lower ?? 0 }, upper: { input: op.upper ?? 1 } } };
  }
}

/** A platform as clients read it from JSON. */
function platformJson(platform: Platform): object {
  return {
    Architecture: platform.architecture,
    OS: platform.os,
    ...(platform.variant !== undefined && { Variant: platform.variant }),
    ...(platform.osVersion !== undefined && { OSVersion: platform.osVersion }),
  };
}

/** An `ExecOp` as clients read it from JSON. */
function execJson(op: ExecSpec): object {
  return {
    meta: {
      args: op.args,
      ...(op.env.length > 0 && { env: op.env }),
      cwd: op.cwd,
      ...(op.user !== '' && { user: op.user }),
      ...(op.hostname !== undefined && { hostname: op.hostname }),
      ...(op.extraHosts !== undefined && { extraHosts: op.extraHosts.map(({ host, ip }) => ({ Host: host, IP: ip })) }),
      ...(op.ulimits !== undefined && { ulimit: op.ulimits.map(({ name, soft, hard }) => ({ Name: name, Soft: soft, Hard: hard })) }),
      ...(op.cgroupParent !== undefined && { cgroupParent: op.cgroupParent }),
      removeMountStubsRecursive: true,
    },
    mounts: op.mounts.map((mount) => ({
      ...(mount.input !== 0 && { input: mount.input }),
      ...(mount.selector !== '' && { selector: fromBytePath(mount.selector) }),
      dest: mount.dest,
      ...(mount.output !== 0 && { output: mount.output }),
      ...(mount.readonly && { readonly: true }),
      ...(mount.type !== 'bind' && { mountType: MOUNT_TYPE[mount.type] }),
      ...(mount.tmpfs !== undefined && { TmpfsOpt: mount.tmpfs.size === undefined ? {} : { size: mount.tmpfs.size } }),
      ...(mount.cache !== undefined && { cacheOpt: { ID: mount.cache.id, sharing: SHARING[mount.cache.sharing] } }),
      ...(mount.secret !== undefined && { secretOpt: ownedJson(mount.secret) }),
      ...(mount.ssh !== undefined && { SSHOpt: ownedJson(mount.ssh) }),
    })),
    ...(op.network !== 'default' && { network: NET_MODE[op.network] }),
    ...(op.security !== 'sandbox' && { security: SECURITY_MODE[op.security] }),
    ...(op.secretEnv !== undefined && {
      secretenv: op.secretEnv.map(({ id, name, optional }) => ({ ID: id, name, ...(optional && { optional }) })),
    }),
    ...(op.devices !== undefined && { cdiDevices: op.devices }),
  };
}

function ownedJson({
  id,
  uid,
  gid,
  mode,
  optional,
}: {
  readonly id: string;
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
  readonly optional: boolean;
}): object {
  return { ID: id, ...(uid !== 0 && { uid }), ...(gid !== 0 && { gid }), mode, ...(optional && { optional }) };
}

function actionJson({ input, secondaryInput, output, action }: FileAction): object {
  const base = { input, secondaryInput, output };
  const when = 'timestamp' in action && action.timestamp !== undefined ? action.timestamp * 1e9 : -1;
  switch (action.kind) {
    case 'copy':
      return {
        ...base,
        Action: {
          copy: {
            src: fromBytePath(action.src),
            dest: fromBytePath(action.dest),
            ...ownerJson(action.owner),
            ...(typeof action.mode === 'number' ? { mode: action.mode } : { mode: -1 }),
            ...(typeof action.mode === 'string' && { modeStr: action.mode }),
            ...(action.followSymlink && { followSymlink: true }),
            ...(action.dirCopyContents && { dirCopyContents: true }),
            ...(action.attemptUnpack && { attemptUnpackDockerCompatibility: true }),
            ...(action.createDestPath && { createDestPath: true }),
            ...(action.allowWildcard && { allowWildcard: true }),
            ...(action.allowEmptyWildcard && { allowEmptyWildcard: true }),
            timestamp: when,
            ...(action.includePatterns.length > 0 && { include_patterns: action.includePatterns.map(fromBytePath) }),
            ...(action.excludePatterns.length > 0 && { exclude_patterns: action.excludePatterns.map(fromBytePath) }),
            ...(action.alwaysReplaceExistingDestPaths && { alwaysReplaceExistingDestPaths: true }),
            ...(action.requiredPaths.length > 0 && { required_paths: action.requiredPaths.map(fromBytePath) }),
          },
        },
      };
    case 'mkdir':
      return {
        ...base,
        Action: {
          mkdir: {
            path: fromBytePath(action.path),
            mode: action.mode,
            ...(action.makeParents && { makeParents: true }),
            ...ownerJson(action.owner),
            timestamp: when,
          },
        },
      };
    case 'mkfile':
      return {
        ...base,
        Action: {
          mkfile: {
            path: fromBytePath(action.path),
            mode: action.mode,
            data: Buffer.from(action.data, 'latin1').toString('base64'),
            ...ownerJson(action.owner),
            timestamp: when,
          },
        },
      };
    case 'rm':
      return {
        ...base,
        Action: {
          rm: {
            path: fromBytePath(action.path),
            ...(action.allowNotFound && { allowNotFound: true }),
            ...(action.allowWildcard && { allowWildcard: true }),
          },
        },
      };
    case 'symlink':
      return {
        ...base,
        Action: {
          symlink: {
            oldpath: fromBytePath(action.target),
            newpath: fromBytePath(action.path),
            ...ownerJson(action.owner),
            timestamp: when,
          },
        },
      };
  }
}

function ownerJson(owner: Owner | undefined): object {
  if (owner === undefined) return {};
  const one = (value: NonNullable<Owner['user']>): object => ({
    User: 'id' in value ? { byId: value.id } : { byName: { name: value.name, input: value.input } },
  });
  return {
    owner: { ...(owner.user !== undefined && { user: one(owner.user) }), ...(owner.group !== undefined && { group: one(owner.group) }) },
  };
}
