#!/usr/bin/env node
// Bundles the product into dist/: the library as a module; each worker as a CommonJS file; the command as another, of which a module is
// evaluated when it is used, together with its compiled form. `--types` also writes the declarations that the package ships.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, transformSync } from 'esbuild';
import { compileCommand } from './compile-command.mjs';
import { filesBelow } from './files.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const dist = join(root, 'dist');
mkdirSync(dist, { recursive: true });

const id = idOfSources();
const workers = filesBelow(join(root, 'src'), (name) => name.endsWith('.worker.ts')).map((file) => ({
  in: file,
  out: `${basename(file, '.worker.ts')}-${id}.worker`,
}));
// It is the whole engine again: it shares the library's parts.
const isHelper = ({ out }) => out.startsWith('helper-');
const entryPoints = [{ in: join(root, 'src/index.ts'), out: 'index' }, ...workers.filter(isHelper)];

const version = JSON.stringify(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version);
const define = { 'process.env.SLIPWAY_VERSION': version, 'process.env.SLIPWAY_BUILD': JSON.stringify(id) };
const common = {
  bundle: true,
  platform: 'node',
  target: 'node20',
  external: ['koffi', '@bokuweb/zstd-wasm'],
  minify: true,
  keepNames: true,
  logLevel: 'warning',
};

const { metafile } = await build({
  ...common,
  metafile: true,
  entryPoints,
  outdir: dist,
  format: 'esm',
  splitting: true,
  chunkNames: '[name]-[hash]',
  // Of an error that a program does not catch, Node shows the whole line that threw it.
  lineLimit: 200,
  // Bundled CommonJS packages ask for `require`; ESM has none.
  banner: { js: "import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);" },
  define,
});

await buildPage();

const lazyBuiltins = transformSync(readFileSync(join(root, 'scripts/lazy-builtins.js'), 'utf8'), { minify: true }).code;
const commonjs = {
  ...common,
  outdir: dist,
  format: 'cjs',
  keepNames: false, // a call for every function, at every start: 6 ms of a no-op build of 110
  logOverride: { 'empty-import-meta': 'silent' }, // only runs from source ask it for more than its place
  // The place of a module, which CommonJS does not know.
  banner: {
    js: `const __place='file://'+__filename.split('/').map(encodeURIComponent).join('/');require=lazyBuiltins(require);${lazyBuiltins}`,
  },
  define: { ...define, 'import.meta.url': '__place' },
};
const threads = await build({
  ...commonjs,
  metafile: true,
  entryPoints: workers.filter((worker) => !isHelper(worker)),
  outExtension: { '.js': '.cjs' },
});
const { outputFiles } = await build({
  ...commonjs,
  entryPoints: [join(root, 'src/cli/main.ts')],
  write: false,
  supported: { 'dynamic-import': false },
});
await publishCommand(`(function(require,__filename,__dirname){${outputFiles[0].text}\n})`);
// Files of an earlier build stay for a while: a process that runs now may still load them.
const made = new Set([metafile, threads.metafile].flatMap(({ outputs }) => Object.keys(outputs)).map((path) => basename(path)));
const command = `cli-${readFileSync(join(dist, 'cli.id'), 'latin1').trim()}`;
for (const name of readdirSync(dist)) {
  if (
    /\.(js|cjs|v8)$/u.test(name) &&
    !made.has(name) &&
    !name.startsWith(command) &&
    Date.now() - statSync(join(dist, name)).mtimeMs > 600_000
  )
    rmSync(join(dist, name));
}

writeFileSync(join(dist, 'package.json'), '{"type":"module"}\n');
if (process.argv.includes('--types')) {
  execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' });
}

/** Stands for what all files are built from, in the names of those that are loaded by name (`builtFile`). */
function idOfSources() {
  const hash = createHash('sha256');
  const sources = filesBelow(join(root, 'src'), (name) => !name.endsWith('.test.ts')).sort();
  const others = ['package.json', 'package-lock.json', 'scripts/build.mjs', 'scripts/lazy-builtins.js'].map((name) => join(root, name));
  for (const file of [...sources, ...others])
    hash
      .update(`${file.slice(root.length)}\0`)
      .update(readFileSync(file))
      .update('\0');
  return hash.digest('hex').slice(0, 12);
}

/** The page of reports: one file, whose policy allows its own script and style by their digests and nothing else. */
async function buildPage() {
  const folder = join(root, 'src/insight/page');
  const bundle = async (file) =>
    (
      await build({ entryPoints: [join(folder, file)], bundle: true, write: false, minify: true, target: 'es2022', logLevel: 'warning' })
    ).outputFiles[0].text.trim();
  const [script, style] = [await bundle('main.ts'), await bundle('page.css')];
  // What would end the element that it stands in.
  if (/<\/(script|style)/i.test(script + style) || script.includes('<!--')) throw new Error('the page must not hold its own end');
  const digest = (text) => `sha256-${createHash('sha256').update(text).digest('base64')}`;
  const parts = { SCRIPT_DIGEST: digest(script), STYLE_DIGEST: digest(style), SCRIPT: script, STYLE: style };
  const template = readFileSync(join(folder, 'page.html'), 'utf8')
    .replace(/>\n\s*</g, '><')
    .replace(/\n\s*/g, ' ');
  const page = template.replace(/\s*\/\* (SCRIPT|STYLE) \*\/\s*|(SCRIPT_DIGEST|STYLE_DIGEST)/g, (_, part, name) => parts[part ?? name]);
  writeFileSync(join(dist, '.report-page.html'), page);
  renameSync(join(dist, '.report-page.html'), join(dist, 'report-page.html'));
}

/**
 * The command's file (a function of what CommonJS gives a module), and its compiled form. The engine only compares lengths: a digest in both files' names keeps a form from being
 * used with another text.
 */
async function publishCommand(code) {
  const id = createHash('sha256').update(code).digest('hex').slice(0, 16);
  const folder = mkdtempSync(join(dist, '.command-'));
  try {
    writeFileSync(join(dist, `cli-${id}.cjs`), code);
    writeFileSync(join(folder, 'id'), `${id}\n`);
    renameSync(join(folder, 'id'), join(dist, 'cli.id'));
    await compileCommand(join(root, 'bin/slipway.js'), folder);
  } catch (error) {
    console.error(`the command starts uncompiled: ${error.message}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
