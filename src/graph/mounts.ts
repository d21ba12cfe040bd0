// RUN --mount: what is mounted, from where.

import { toBytePath } from '../base/index.ts';
import { expandWord, hasMeaning, type Mount, parseMount, type RunInstruction, type Word } from '../dockerfile/index.ts';
import type { Fault } from './fault.ts';
import type { ExecSpec, GraphEdge, MountSpec } from './op-spec.ts';
import { fault, InputList, makeEdge, reportUnset, type Step, wordFault } from './step.ts';
import type { StageState } from './stage-state.ts';
import { absolutePath, basePath, cleanPath } from './unix-path.ts';

/** A mount before the inputs of its step are counted: `spec.input` is set then. */
export interface TreeMount {
  readonly tree: GraphEdge | undefined;
  readonly spec: { -readonly [K in keyof MountSpec]: MountSpec[K] };
}

/** A mount of `tree`, or of nothing. */
export function treeMount(
  tree: GraphEdge | undefined,
  type: MountSpec['type'],
  dest: string,
  selector: string,
  readonly: boolean,
): TreeMount {
  return { tree, spec: { type, input: -1, selector, dest, output: -1, readonly } };
}

/** Mounts of one RUN. */
export interface MountPlan {
  /** Trees, caches and tmpfs. */
  readonly mounts: TreeMount[];
  /** Secrets, then ssh sockets. */
  readonly special: readonly MountSpec[];
  readonly secretEnv: NonNullable<ExecSpec['secretEnv']>;
}

/** A mount that was read, and how it was planned last where that hangs on the working folder alone. */
export interface KnownMount {
  readonly mount: Mount;
  planned?: { readonly folder: string; readonly tree: TreeMount };
}

/** Reads the mounts and finds their trees. */
export function planMounts(step: Step, instruction: RunInstruction): MountPlan {
  if (instruction.mounts.length === 0) return { mounts: [], special: NONE, secretEnv: NONE };
  const read = instruction.mounts.map((word) => readMount(step, word));
  let mounts: TreeMount[] | undefined;
  let secrets: SecretPlan | undefined;
  let sockets: MountSpec[] | undefined;
  for (let index = 0; index < read.length; index += 1) {
    const known = read[index] as KnownMount;
    const { mount } = known;
    const word = instruction.mounts[index] as Word;
    const source = step.sources[index];
    if (source !== undefined && !source.dispatched) throw laterStage(step, mount, source, word);
    if (mount.type === 'secret') planSecret(step, mount, word, (secrets ??= { files: [], variables: [] }));
    else if (mount.type === 'ssh') {
      sockets ??= [];
      sockets.push(planSocket(step, mount, word, sockets.length));
    } else {
      const planned = isAlone(mount, source) ? planAlone(step, known, word) : planTree(step, mount, source, word);
      // Mostly there is one: a list that is pushed to has room for sixteen more.
      if (mounts === undefined) mounts = [planned];
      else mounts.push(planned);
    }
  }
  const files = secrets?.files ?? NONE;
  return { mounts: mounts ?? [], special: sockets === undefined ? files : [...files, ...sockets], secretEnv: secrets?.variables ?? NONE };
}

/** Secrets of one RUN. */
interface SecretPlan {
  readonly files: MountSpec[];
  readonly variables: { readonly id: string; readonly name: string; readonly optional: boolean }[];
}

const NONE: readonly never[] = [];

/** One without variables means the same wherever it stands. */
function readMount(step: Step, word: Word): KnownMount {
  const known = step.scope.mounts.get(word.text);
  if (known !== undefined) return known;
  const read = { mount: parseAt(step, word) };
  if (!hasMeaning(word.text)) step.scope.mounts.set(word.text, read);
  return read;
}

function parseAt(step: Step, word: Word): Mount {
  const { scope, state } = step;
  const mount = parseMount(word.text, (value) => {
    if (!hasMeaning(value)) return { ok: true, value };
    const expansion = expandWord(value, (name) => state.env.get(name), { escape: scope.dockerfile.escape });
    if (!expansion.ok) return expansion;
    reportUnset(step, expansion.value.unset);
    return { ok: true, value: expansion.value.value };
  });
  if (!mount.ok) throw wordFault(step, mount.problem, word);
  return mount.value;
}

/** Nothing of the graph goes into it. */
function isAlone({ type, uid, gid, mode }: Mount, source: StageState | undefined): boolean {
  return source === undefined && type !== 'bind' && uid === undefined && gid === undefined && mode === undefined;
}

/** The same mount in the same folder is planned once: most steps of a file share theirs. */
function planAlone(step: Step, known: KnownMount, word: Word): TreeMount {
  const folder = known.mount.target.startsWith('/') ? '/' : step.state.cwd;
  if (known.planned?.folder !== folder) known.planned = { folder, tree: planTree(step, known.mount, undefined, word) };
  return known.planned.tree;
}

function laterStage(step: Step, mount: Mount, source: StageState, word: Word): Fault {
  return fault(
    step,
    `cannot mount from stage ${JSON.stringify(mount.from)} to ${JSON.stringify(mount.target)}, stage needs to be defined before current command`,
    `move the stage ${source.name} in front of ${step.state.name}`,
    { word, related: { range: source.range, message: `${source.name} begins here` } },
  );
}

function noTarget({ text }: Step): string {
  const apart = /--mount=\S+\s+(?:target|dst|destination|source|src|id|from)=/.test(text);
  return apart ? 'the options of a mount are joined by commas, without spaces' : 'say where: target=/path';
}

function rootAsTarget(step: Step, { target }: Mount, word: Word): Fault {
  return fault(step, 'invalid mount target "/"', target === '' ? noTarget(step) : 'the root is the stage itself; mount below it', { word });
}

function planTree(step: Step, mount: Mount, source: StageState | undefined, word: Word): TreeMount {
  const { state, scope } = step;
  const dest = absolutePath(state.cwd, mount.target);
  if (dest === '/') throw rootAsTarget(step, mount, word);
  const fromContext = source === undefined && mount.type === 'bind';
  let tree = mount.type === 'tmpfs' ? undefined : fromContext ? scope.buildContext() : source?.root;
  let selector = absolutePath('/', mount.source);
  if (mount.type === 'tmpfs' && selector !== '/') {
    const hint = 'a tmpfs begins empty: leave source= out, or mount what is there by type=bind';
    throw fault(step, `nothing is at ${JSON.stringify(mount.source)} in a tmpfs`, hint, { word });
  }
  if (fromContext) state.contextPaths.add(selector);
  else source?.paths.add(selector);
  if (selector === '/') {
    selector = '';
    if (mount.uid !== undefined || mount.gid !== undefined || mount.mode !== undefined) {
      tree = ownedFolder(step, mount, tree);
      selector = '/cache';
    }
  }
  const planned = treeMount(tree, mount.type, dest, toBytePath(selector), mount.readonly);
  if (mount.type === 'tmpfs') planned.spec.tmpfs = mount.size === undefined ? {} : { size: mount.size };
  if (mount.type === 'cache') {
    const id = mount.id === '' ? cleanPath(mount.target) : mount.id;
    const namespace = scope.options.cacheMountNamespace ?? scope.buildArgs['BUILDKIT_CACHE_MOUNT_NS'] ?? '';
    planned.spec.cache = { id: `${namespace}/${id}`, sharing: mount.sharing ?? 'shared' };
  }
  return planned;
}

/** An empty folder with the owner and mode that a new cache shall have. */
function ownedFolder(step: Step, mount: Mount, tree: GraphEdge | undefined): GraphEdge {
  const inputs = new InputList();
  const input = inputs.add(tree);
  return makeEdge(
    step,
    {
      type: 'file',
      actions: [
        {
          input,
          secondaryInput: -1,
          output: 0,
          action: {
            kind: 'mkdir',
            path: '/cache',
            mode: (mount.mode ?? 0o755) & 0o777,
            makeParents: false,
            owner: { user: { id: mount.uid ?? 0 }, group: { id: mount.gid ?? 0 } },
          },
        },
      ],
    },
    inputs.edges,
    '[internal] setting cache mount permissions',
  );
}

function planSecret(step: Step, mount: Mount, word: Word, { files, variables }: SecretPlan): void {
  const id = mount.source || mount.id || basePath(mount.target);
  const secrets = (step.state.outline.secrets ??= new Map());
  if (!secrets.has(id)) secrets.set(id, { name: id, required: mount.required, range: step.range });
  if (mount.env !== undefined) variables.push({ id, name: mount.env, optional: !mount.required });
  if (mount.env !== undefined && mount.target === '') return;
  const dest = absolutePath(step.state.cwd, mount.target === '' ? `/run/secrets/${basePath(id)}` : mount.target);
  if (dest === '/') throw rootAsTarget(step, mount, word);
  files.push({ ...hidden('secret', dest), secret: { id, ...idsOf(mount, 0o400), optional: !mount.required } });
}

function planSocket(step: Step, mount: Mount, word: Word, index: number): MountSpec {
  if (mount.source !== '') throw fault(step, 'ssh does not support source', 'name the socket by id=', { word });
  const id = mount.id === '' ? 'default' : mount.id;
  const ssh = (step.state.outline.ssh ??= new Map());
  if (!ssh.has(id)) ssh.set(id, { name: id, required: mount.required, range: step.range });
  const dest = mount.target === '' ? `/run/buildkit/ssh_agent.${index}` : absolutePath(step.state.cwd, mount.target);
  if (dest === '/') throw rootAsTarget(step, mount, word);
  return { ...hidden('ssh', dest), ssh: { id, ...idsOf(mount, 0o600), optional: !mount.required } };
}

function idsOf(mount: Mount, mode: number): { readonly uid: number; readonly gid: number; readonly mode: number } {
  return { uid: mount.uid ?? 0, gid: mount.gid ?? 0, mode: mount.mode ?? mode };
}

function hidden(type: 'secret' | 'ssh', dest: string): Omit<MountSpec, 'secret' | 'ssh'> {
  return { type, input: -1, selector: '', dest, output: -1, readonly: false };
}

const FROM = /from=/i;

/** The `from=` of a mount before variables are known (it takes none); undefined when there is none. */
export function mountSource(text: string): string | undefined {
  if (!FROM.test(text)) return undefined;
  let from: string | undefined;
  for (const [, quoted, plain] of text.matchAll(/(?:^|,)(?:"from=((?:[^"]|"")*)"|from=([^,]*))/gi)) {
    from = quoted?.replaceAll('""', '"') ?? plain;
  }
  return from === '' ? undefined : from;
}
