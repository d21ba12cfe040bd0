// The compiled form of the command: what the engine has compiled once it has done what users do most. A function that is not in it is
// compiled when it is first called, at every start: a no-op build whose steps and registry were not in it took 13 ms of 125 more.

import { execFile, execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';

/**
 * Makes the form of the command `bin` for this engine, by runs that each add to what the one before compiled. `work`: an empty folder.
 * Steps need a runtime and a base needs this machine's shell: a run that fails for want of them leaves out what it did not reach.
 */
export async function compileCommand(bin, work) {
  const env = {
    ...process.env,
    SLIPWAY_ROOT: join(work, 'root'),
    SLIPWAY_CONFIG: join(work, 'slipway.toml'),
    SLIPWAY_COMPILE: 'more',
  };
  writeFileSync(env.SLIPWAY_CONFIG, '');
  const run = async (...args) => {
    try {
      await promisify(execFile)(process.execPath, [bin, ...args], { env, maxBuffer: 1 << 26 });
    } catch (error) {
      console.error(`slipway ${args[0]} was compiled up to where it failed: ${error.stderr?.trim().split('\n').at(-1) ?? error.message}`);
    }
  };
  copyShell(join(work, 'base/root'));
  writeFileSync(join(work, 'base/Dockerfile'), 'FROM scratch\nCOPY root /\n');
  await run('build', '-q', '-o', `type=oci,tar=false,dest=${join(work, 'layout')}`, join(work, 'base'));
  const registry = await serveLayout(join(work, 'layout'));
  const context = join(work, 'context');
  mkdirSync(context);
  writeFileSync(join(context, 'a1'), 'a');
  const text = sample(`127.0.0.1:${registry.address().port}/base`);
  writeFileSync(join(context, 'Dockerfile'), text);
  // The engine is set up otherwise for a long file.
  writeFileSync(join(context, 'Dockerfile.long'), text.repeat(LONG));
  try {
    for (const args of [['-q'], ['-q'], ['--build-arg=V=2', '--progress=plain'], ['--call=outline']])
      await run('build', ...args, '-t', 'compiled', context);
    await run('build', '--call=outline', '-f', join(context, 'Dockerfile.long'), context);
    await run('build', '-q', '-o', `type=local,dest=${join(work, 'out')}`, context);
  } finally {
    registry.close();
  }
  // A folder of many files: looked at, remembered, looked at again, and again when a file of it changed.
  const many = join(work, 'many');
  for (let at = 0; at < MANY; at++) {
    mkdirSync(join(many, `src/d${at % 40}`), { recursive: true });
    writeFileSync(join(many, `src/d${at % 40}/f${at}`), 'a');
  }
  writeFileSync(join(many, 'Dockerfile'), 'FROM scratch\nCOPY src /app\n');
  for (let again = 0; again < 4; again++) {
    await run('build', '-q', '-o', 'type=cacheonly', many);
    if (again === 2) writeFileSync(join(many, 'src/d0/f0'), 'b');
  }
}

/** So many that what is remembered of their folder is compared by the kernel's own calls. */
const MANY = 800;

/** How many samples are a long file. */
const LONG = 40;

/** What many Dockerfiles have; also a variable that nothing sets. */
function sample(base) {
  return `ARG V=1
FROM ${base} AS tools
ARG V
ENV A=b C=\${A:-d} D=\${U:-d}
WORKDIR /w
RUN --mount=type=cache,target=/c echo $V >/w/a
COPY --chown=1:1 Dockerfile a* /d/
LABEL l="v \${A}"
FROM tools AS other
USER 1
RUN ["/bin/sh", "-c", "echo b >/d/b"]
FROM ${base}
COPY --from=tools /w /w
COPY --from=other /d/b /d/a1 /
RUN --mount=type=bind,from=tools,target=/t : </t/w/a
EXPOSE 80
ENTRYPOINT ["/bin/sh"]
CMD ["-c", ":"]
`;
}

/** This machine's shell and its libraries as a base's files. */
function copyShell(folder) {
  mkdirSync(join(folder, 'tmp'), { recursive: true });
  try {
    const libraries = execFileSync('ldd', ['/bin/sh'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    for (const path of ['/bin/sh', ...(libraries.match(/\/\S+/g) ?? [])])
      cpSync(path, join(folder, path), { recursive: true, dereference: true });
  } catch {
    // Steps will fail then.
  }
}

/** A registry that has one image under every name. */
async function serveLayout(layout) {
  const blob = (digest) => readFileSync(join(layout, 'blobs', digest.replace(':', '/')));
  const server = createServer((request, response) => {
    try {
      const [, kind, name] = /\/(manifests|blobs)\/([^/]+)$/.exec(request.url) ?? [];
      if (kind === undefined) return void response.end('{}');
      const digest = name.includes(':') ? name : JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')).manifests[0].digest;
      const bytes = blob(digest);
      const type = kind === 'blobs' ? 'application/octet-stream' : JSON.parse(bytes.toString()).mediaType;
      response.writeHead(200, { 'Content-Type': type, 'Content-Length': bytes.length, 'Docker-Content-Digest': digest });
      response.end(request.method === 'HEAD' ? undefined : bytes);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}
