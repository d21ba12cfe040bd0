// The workloads. Each prepares its files once, and has phases that run in order for every tool in every round.

import { spawnSync } from 'node:child_process';
import { appendFileSync, copyFileSync, existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeBig, makeTree } from './data.mjs';
import { layerUrls } from './registry.mjs';

/**
 * A phase: `before` is not timed, and `cold` says that it emptied a cache; `reads` and `fetches` of a workload are the folders and images
 * that every tool reads. `task` is what a tool builds (or `script` a shell command for Slipway alone, through `raw`); `floor`
 * is a shell command that does only the unavoidable, or makes one; what `without` (through `raw`) or `rest` (a shell command) takes is subtracted. `goal`: at most so much of BuildKit's wall time (of the floor's, for `raw`).
 * `peers` says who takes part beside Slipway and BuildKit.
 */
export function workloads({ data, out, registry, goImage }) {
  const folder = (name) => {
    const path = join(data, name);
    mkdirSync(path, { recursive: true });
    return path;
  };
  const file = (name, text) => {
    const path = join(folder('files'), `${name}.Dockerfile`);
    writeFileSync(path, text);
    return path;
  };
  const empty = folder('empty');
  const noop = () => `build -q -t bench/noop-slipway -f ${data}/files/noop.Dockerfile ${data}/noop`;
  // The fastest tools known for each part: GNU tar, OpenSSL's sha256, ISA-L's deflate at the level that Slipway takes (else pigz).
  const hash = '>(openssl dgst -sha256 >/dev/null)';
  const deflate = '$(command -v igzip >/dev/null && echo igzip -3 -c || (command -v pigz >/dev/null && echo pigz -4 || echo gzip -4))';
  const fast = `tar -C TREE -cf - . | tee ${hash} | ${deflate} | tee ${hash} >${out}/floor.gz`;
  const upload = `at=$(curl -fsS -i -X POST http://${registry}/v2/bench/floor/blobs/uploads/ | tr -d '\\r' | sed -n 's/^[Ll]ocation: //p'); curl -fsS -T ${out}/floor.gz "$at&digest=sha256:$(openssl dgst -sha256 -r ${out}/floor.gz | cut -d' ' -f1)"`;
  // Put aside, not removed: ext4 is slow to make files where many were removed a moment ago.
  let aside = 0;
  const fresh = (path) => {
    if (existsSync(path)) renameSync(path, `${path}.old-${(aside += 1)}`);
  };
  const reset = ({ tool }) => tool.reset();
  const oci = ({ tool }) => ({ kind: 'oci', path: join(out, `${tool.name}.tar`) });
  const ref =
    (name) =>
    ({ tool, nonce }) => ({ kind: 'push', name: `${registry}/bench/${tool.name}-${name}-${nonce}` });

  return [
    {
      name: 'noop',
      about: '40 cached instructions in 8 stages',
      peers: ['buildah'],
      prepare: () => {
        writeFileSync(join(folder('noop'), 'a'), 'a');
        file('noop', noopFile());
      },
      warm: (name) => ({
        context: join(data, 'noop'),
        file: join(data, 'files/noop.Dockerfile'),
        output: { kind: 'store', name: `bench/noop-${name}` },
      }),
      phases: [
        {
          name: 'noop',
          goal: 1,
          task: ({ tool }) => ({
            context: join(data, 'noop'),
            file: join(data, 'files/noop.Dockerfile'),
            output: { kind: 'store', name: `bench/noop-${tool.name}` },
          }),
          floor: 'node -e 0',
        },
      ],
    },
    {
      name: 'steps',
      about: '20 trivial RUN steps, cold',
      peers: ['buildah'],
      prepare: () => {},
      warm: () => ({ context: empty, file: file('base', 'FROM busybox\nRUN true\n'), output: { kind: 'store', name: 'bench/base' } }),
      phases: [
        {
          name: 'steps',
          goal: 0.25,
          task: ({ tool, nonce }) => ({
            context: empty,
            file: file(`steps-${tool.name}`, `FROM busybox\n${repeat(20, (i) => `RUN echo ${nonce}-${i} >/f`)}`),
            output: { kind: 'store', name: `bench/steps-${tool.name}` },
          }),
          floor: 'for i in $(seq 20); do unshare --mount --pid --ipc --uts --fork true; done',
        },
      ],
    },
    {
      name: 'tree',
      about: 'COPY of 50,000 files (300 MB) to a gzip OCI archive',
      reads: [join(data, 'tree')],
      peers: ['buildah'],
      prepare: () => {
        makeTree(join(data, 'tree'), 50_000, 300e6);
        file('tree', 'FROM scratch\nCOPY src /app\n');
      },
      phases: [
        ['tree cold', 0.2, reset, fast.replace('TREE', join(data, 'tree'))],
        ['tree unchanged', 0.2, undefined, `find ${join(data, 'tree')} -printf '%p %s %T@ %C@ %i\\n' >/dev/null`],
        ['tree, one file changed', 0.08, ({ nonce }) => appendFileSync(join(data, 'tree/src/d1/g1/f21.js'), `// ${nonce}\n`), undefined],
      ].map(([name, goal, before, floor]) => ({
        name,
        goal,
        before,
        cold: before === reset,
        floor,
        task: (context) => ({ context: join(data, 'tree'), file: join(data, 'files/tree.Dockerfile'), output: oci(context) }),
      })),
    },
    {
      name: 'diamond',
      about: 'six stages of one second, then one that takes from all',
      prepare: () => {},
      warm: () => ({ context: empty, file: file('base', 'FROM busybox\nRUN true\n'), output: { kind: 'store', name: 'bench/base' } }),
      phases: [
        {
          name: 'diamond',
          goal: undefined,
          task: ({ tool, nonce }) => ({
            context: empty,
            file: file(`diamond-${tool.name}`, diamondFile(nonce)),
            output: { kind: 'store', name: `bench/diamond-${tool.name}` },
          }),
          floor: 'for i in 1 2 3 4 5 6; do sleep 1 & done; wait',
        },
      ],
    },
    {
      name: 'local',
      about: '20,000 files (120 MB) copied in and exported to a folder',
      makesFiles: true,
      reads: [join(data, 'local')],
      prepare: () => {
        makeTree(join(data, 'local'), 20_000, 120e6);
        file('local', 'FROM scratch\nCOPY src /app\n');
      },
      phases: [
        ['local cold', reset],
        ['local, export alone', undefined],
      ].map(([name, before]) => ({
        name,
        goal: 0.3,
        cold: before === reset,
        before: (context) => {
          before?.(context);
          fresh(join(out, `${context.tool.name}-local`));
        },
        floor: () => {
          fresh(join(out, 'floor'));
          return `cp -a ${join(data, 'local')} ${out}/floor`;
        },
        task: ({ tool }) => ({
          context: join(data, 'local'),
          file: join(data, 'files/local.Dockerfile'),
          output: { kind: 'local', path: join(out, `${tool.name}-local`) },
        }),
      })),
    },
    {
      name: 'big',
      about: '1 GB pushed to a loopback registry',
      reads: [join(data, 'big')],
      registry: true,
      prepare: () => {
        makeBig(join(data, 'big'), 8, 128 << 20);
        file('big', 'FROM scratch\nCOPY data /data\nCOPY small /small\n');
        writeFileSync(join(data, 'big/small'), 'small\n');
      },
      phases: [
        ['big cold', 0.45, reset, `${fast.replace('TREE', join(data, 'big'))}; ${upload}`],
        [
          'big, small change',
          0.8,
          ({ nonce }) => writeFileSync(join(data, 'big/small'), `${nonce}\n`),
          `find ${join(data, 'big')} -printf '%s %T@\\n' >/dev/null; curl -fsS http://${registry}/v2/ >/dev/null`,
        ],
      ].map(([name, goal, before, floor]) => ({
        name,
        goal,
        before,
        cold: before === reset,
        floor,
        task: (context) => ({ context: join(data, 'big'), file: join(data, 'files/big.Dockerfile'), output: ref('big')(context) }),
      })),
    },
    {
      name: 'pull',
      about: 'a COPY on top of a 500 MB base, pushed beside it',
      fetches: [`${registry}/bench/base`],
      registry: true,
      prepare: () => {
        makeBig(join(data, 'base'), 4, 125 << 20, 2);
        writeFileSync(join(folder('pull'), 'a'), 'a\n');
        file('pull-base', 'FROM scratch\nCOPY data /data\n');
        file('link', `FROM ${registry}/bench/base\nCOPY --link a /x/a\n`);
        file('plain', `FROM ${registry}/bench/base\nCOPY a /x/a\n`);
      },
      once: () => ({
        context: join(data, 'base'),
        file: join(data, 'files/pull-base.Dockerfile'),
        output: { kind: 'push', name: `${registry}/bench/base` },
      }),
      phases: [
        ['pull, COPY --link', 0.1, 'link', reset],
        ['pull, plain COPY', 0.45, 'plain', reset],
        ['pull, next build', 0.6, 'plain', ({ nonce }) => writeFileSync(join(data, 'pull/a'), `${nonce}\n`)],
      ].map(([name, goal, which, before]) => ({
        name,
        goal,
        before,
        cold: before === reset,
        floor:
          which === 'plain' && before === reset
            ? () => streamBase(registry)
            : `curl -fsS http://${registry}/v2/bench/base/tags/list >/dev/null`,
        task: (context) => ({ context: join(data, 'pull'), file: join(data, `files/${which}.Dockerfile`), output: ref('pull')(context) }),
      })),
    },
    ...goWorkload({ data, folder, file, reset, registry, image: goImage }),
    bakeWorkload({ data, folder, file, reset, registry }),
    pipelineWorkload({ data, folder, file, reset, registry, ref: ref('pipeline') }),
    {
      name: 'start',
      about: 'parse and graph of 2,000 lines in 200 stages, less the same command on one line (against an empty Node)',
      own: true,
      prepare: () => {
        file('long', longFile());
        file('short', 'FROM scratch\n');
      },
      phases: [
        {
          name: 'parse 2,000 lines',
          raw: () => `build --call=outline -f ${data}/files/long.Dockerfile ${empty}`,
          without: () => `build --call=outline -f ${data}/files/short.Dockerfile ${empty}`,
          floor: 'node -e 0',
        },
      ],
    },
    {
      name: 'rescan',
      about:
        '50,000 known files looked at again: the whole command, without an empty Node, without a build of one file (against find -printf)',
      own: true,
      prepare: () => {
        makeTree(join(data, 'tree'), 50_000, 300e6);
        file('tree', 'FROM scratch\nCOPY src /app\n');
        makeTree(join(data, 'single'), 1, 10);
      },
      // What a first build read before it knew that there is much is listed closely by the second.
      warm: (_, warming) => ({
        context: join(data, warming === 0 ? 'single' : 'tree'),
        file: join(data, 'files/tree.Dockerfile'),
        output: { kind: 'cache' },
      }),
      warmings: 4,
      phases: [
        ['rescan 50,000 files', {}],
        ['rescan, less an empty Node', { rest: 'node -e 0' }],
        [
          'rescan, less a build of one file',
          { without: () => `build -q -o type=cacheonly -f ${data}/files/tree.Dockerfile ${data}/single` },
        ],
      ].map(([name, subtracted]) => ({
        name,
        raw: () => `build -q -o type=cacheonly -f ${data}/files/tree.Dockerfile ${data}/tree`,
        ...subtracted,
        floor: `find ${join(data, 'tree')} -printf '%p %s %T@ %C@ %i\n' >/dev/null`,
      })),
    },
    {
      name: 'records',
      about: 'the no-op with 5,000 more records in the store (against the same without them)',
      own: true,
      prepare: () => {
        writeFileSync(join(folder('noop'), 'a'), 'a');
        file('noop', noopFile());
        for (let part = 0; part < 10; part++) file(`records-${part}`, `FROM scratch\n${repeat(500, (i) => `WORKDIR /w${part}-${i}`)}`);
      },
      warm: (name, part) => ({
        context: part === 10 ? join(data, 'noop') : empty,
        file: join(data, part === 10 ? 'files/noop.Dockerfile' : `files/records-${part}.Dockerfile`),
        output: { kind: 'cache' },
      }),
      warmings: 11,
      phases: [
        {
          name: 'noop, 5,000 records',
          raw: noop,
          // Its store has what the first, untimed run leaves.
          floor: ({ tool }) => {
            const { SLIPWAY_CONFIG } = tool.env;
            const command = `SLIPWAY_ROOT=${data}/few-records SLIPWAY_CONFIG=${SLIPWAY_CONFIG} ${tool.raw(noop())}`;
            spawnSync('bash', ['-c', command], { stdio: 'ignore' });
            return command;
          },
        },
      ],
    },
  ];
}

/** Reads the base once, as whoever has to know what is in it must. */
async function streamBase(registry) {
  const inflate = '$(command -v igzip >/dev/null && echo igzip -d -c || echo gzip -d)';
  return (await layerUrls(`${registry}/bench/base`))
    .map((url) => `curl -fsSL ${url} | tee >(openssl dgst -sha256 >/dev/null) | ${inflate} | openssl dgst -sha256 >/dev/null`)
    .join('; ');
}

/** Services of one repository: what they have in common is built once. */
function bakeWorkload({ data, folder, file, reset, registry }) {
  const source = join(data, 'bake/src/f1');
  const bakefile = (tool) => join(data, `files/${tool}.docker-bake.hcl`);
  return {
    name: 'bake',
    about: 'eight targets of a Bake file on one stage',
    reads: [join(data, 'bake')],
    fetches: [`${registry}/library/busybox`],
    prepare: () => {
      folder('bake/src');
      for (let index = 0; index < 50; index++) writeFileSync(join(data, `bake/src/f${index}`), `source ${index}\n`.repeat(500));
      const common = 'FROM busybox AS common\nCOPY src /src\nRUN for i in $(seq 20); do cat /src/* | sha256sum >/common; done\n';
      const own = 'FROM common AS service\nARG SERVICE\nRUN echo $SERVICE >/service; sha256sum /common /service >/app\n';
      const path = file('bake', `${common}${own}FROM busybox\nCOPY --from=service /app /app\n`);
      for (const tool of ['slipway', 'buildkit']) {
        writeFileSync(
          bakefile(tool),
          `target "default" {
  matrix = { service = ["a", "b", "c", "d", "e", "f", "g", "h"] }
  name = service
  context = "${join(data, 'bake')}"
  dockerfile = "${path}"
  args = { SERVICE = service }
  network = "host"
  tags = ["bench/bake-${tool}-\${service}"]
}
`,
        );
      }
    },
    phases: [
      ['bake, cold', 0.7, reset],
      ['bake, nothing changed', 0.7, undefined],
      ['bake, one source changed', 0.7, ({ tool, nonce }) => writeFileSync(source, `${nonce} ${tool.name}\n`)],
    ].map(([name, goal, before]) => ({
      name,
      goal,
      before,
      cold: before === reset,
      task: ({ tool }) => ({ bake: bakefile(tool.name) }),
    })),
  };
}

/** Builds of a pipeline whose machines start empty: dependencies, sources, a small result, and the cache in a registry. */
function pipelineWorkload({ data, folder, file, reset, registry, ref }) {
  const source = join(data, 'pipeline/src/f1');
  return {
    name: 'pipeline',
    about: 'an empty machine each time, the cache in a registry: 10,000 files of dependencies, a step over them, the result pushed',
    reads: [join(data, 'pipeline')],
    fetches: [`${registry}/library/busybox`],
    registry: true,
    prepare: () => {
      makeTree(join(data, 'dependencies'), 10_000, 100e6);
      folder('pipeline/src');
      spawnSync('tar', ['-C', join(data, 'dependencies'), '-cf', join(data, 'pipeline/dependencies.tar'), 'src']);
      for (let index = 0; index < 20; index++) writeFileSync(join(data, `pipeline/src/f${index}`), `source ${index}\n`);
      const dependencies =
        'FROM busybox AS dependencies\nCOPY dependencies.tar /\nRUN mkdir /dependencies && tar -C /dependencies -xf /dependencies.tar\n';
      const build = 'FROM dependencies AS build\nCOPY src /src\nRUN cat /src/* /dependencies/src/d1/*/* >/app\n';
      file('pipeline', `${dependencies}${build}FROM busybox\nCOPY --from=build /app /app\n`);
    },
    phases: [
      ['pipeline, no cache yet', 0.6],
      ['pipeline, nothing changed', 0.25],
      ['pipeline, one source changed', 0.6, ({ tool, nonce }) => writeFileSync(source, `${nonce} ${tool.name}\n`)],
    ].map(([name, goal, change], index) => ({
      name,
      goal,
      cold: true,
      before: (context) => {
        reset(context);
        change?.(context);
      },
      task: (context) => ({
        context: join(data, 'pipeline'),
        file: join(data, 'files/pipeline.Dockerfile'),
        output: ref(context),
        cache: { name: `${registry}/bench/cache-${context.tool.name}-${context.nonce}`, isNew: index === 0 },
      }),
    })),
  };
}

/** Two Go programs. `image` has a Go toolchain; without one there is no such workload. */
function goWorkload({ data, folder, file, reset, registry, image }) {
  if (image === undefined) return [];
  return [
    {
      name: 'go',
      about: 'two Go programs of one module',
      fetches: [image.includes('/') ? image : `${registry}/library/${image}`],
      prepare: () => {
        const source = folder('go');
        writeFileSync(join(source, 'go.mod'), 'module bench\n\ngo 1.19\n');
        for (const name of ['one', 'two']) {
          mkdirSync(join(source, 'cmd', name), { recursive: true });
          writeFileSync(
            join(source, 'cmd', name, 'main.go'),
            `package main\n\nimport ("fmt"; "net/http")\n\nfunc main() { fmt.Println("${name}", http.StatusOK) }\n`,
          );
        }
        const stage = (name) =>
          `FROM ${image} AS ${name}\nENV CGO_ENABLED=0\nWORKDIR /src\nCOPY . .\nRUN --mount=type=cache,target=/root/.cache go build -o /${name} ./cmd/${name}\n`;
        file('go', `${stage('one')}${stage('two')}FROM scratch\nCOPY --from=one /one /\nCOPY --from=two /two /\n`);
        copyFileSync(join(source, 'cmd/one/main.go'), join(folder('files'), 'main.go'));
      },
      warm: () => ({ context: join(data, 'empty'), file: file('go-base', `FROM ${image}\nRUN true\n`), output: { kind: 'cache' } }),
      phases: [
        ['go cold', 0.9, reset],
        ['go, one source changed', 0.8, ({ nonce }) => appendFileSync(join(data, 'go/cmd/one/main.go'), `// ${nonce}\n`)],
      ].map(([name, goal, before]) => ({
        name,
        goal,
        before,
        cold: before === reset,
        task: ({ tool }) => ({
          context: join(data, 'go'),
          file: join(data, 'files/go.Dockerfile'),
          output: { kind: 'store', name: `bench/go-${tool.name}` },
        }),
      })),
    },
  ];
}

function repeat(count, line) {
  return Array.from({ length: count }, (_, index) => `${line(index)}\n`).join('');
}

export function noopFile() {
  let text = '';
  for (let stage = 0; stage < 8; stage++) {
    text += `FROM busybox AS s${stage}\n${repeat(4, (i) => `RUN echo ${stage}-${i} >/f${i}`)}`;
    text += stage === 0 ? 'COPY a /a\n' : `COPY --from=s${stage - 1} /f0 /g${stage}\n`;
  }
  return text;
}

function diamondFile(nonce) {
  const stages = [1, 2, 3, 4, 5, 6];
  const work = (i) => `FROM busybox AS s${i}\nRUN sleep 1; seq 20000 | sha256sum >/part${i}; echo ${nonce} >>/part${i}\n`;
  return `${stages.map(work).join('')}FROM busybox\n${stages.map((i) => `COPY --from=s${i} /part${i} /\n`).join('')}RUN cat /part* >/all\n`;
}

function longFile() {
  let text = '';
  for (let stage = 0; stage < 200; stage++) {
    text += `FROM ${stage % 10 === 0 ? 'scratch' : `s${stage - 1}`} AS s${stage}\n${stage === 0 ? '' : `COPY --from=s${stage - 1} /w /w\n`}ARG A${stage}=x\nENV B${stage}=\${A${stage}}-${stage} C=\${C:-d}\n`;
    text += `WORKDIR /w${stage}\n${repeat(3, (i) => `RUN --mount=type=cache,target=/c${i} make \${B${stage}} && echo ${i}`)}COPY --chown=1:1 a${stage} b /d${stage}/\nLABEL l${stage}="v \${C}"\n`;
  }
  return text;
}
