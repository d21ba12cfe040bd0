import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { checkRuntime } from './check-runtime.ts';
import { compile, configOf, PROGRAM, testFolder, treeOf } from './testing.ts';

const GREET = 'const char *greet(void) { return "hi"; }';
const MAIN = 'extern const char *greet(void); int puts(const char *); int main() { puts(greet()); return 0; }';

describe('what an image lacks', () => {
  const folder = testFolder();
  let dynamic = '';
  let relative = '';
  let fixed = '';
  let loader = '';
  let libc = '';

  before(() => {
    compile(folder, 'libgreet.so', GREET, ['-shared', '-fPIC', '-Wl,-soname,libgreet.so']);
    dynamic = compile(folder, 'dynamic', MAIN, ['-L.', '-lgreet']);
    relative = compile(folder, 'relative', MAIN, ['-L.', '-lgreet', '-Wl,-rpath,$ORIGIN/../lib/app']);
    fixed = compile(folder, 'fixed', 'int main() { return 0; }', ['-static']);
    const lines = execFileSync('ldd', [dynamic], { encoding: 'utf8', env: { LD_LIBRARY_PATH: folder } });
    loader = /(\/\S*ld-linux\S*)/.exec(lines)?.[1] as string;
    libc = /libc\.so\.6 => (\S+)/.exec(lines)?.[1] as string;
  });

  const system = (): Record<string, string> => ({
    [loader.slice(1)]: `= ${realpathSync(loader)}`,
    [libc.slice(1)]: `= ${realpathSync(libc)}`,
  });

  it('finds nothing wrong with a static program on an empty tree', () => {
    assert.deepEqual(checkRuntime(treeOf({ 'bin/app': `= ${fixed}` }), configOf({ Entrypoint: ['/bin/app'] })), []);
  });

  it('does not look for texts in a program whose texts are remembered', () => {
    const kept = new Map<string, readonly string[]>();
    const check = (): readonly string[] =>
      checkRuntime(treeOf({ 'bin/app': `= ${fixed}` }), configOf({ Cmd: ['/bin/app'] }), { texts: kept }).map(({ rule }) => rule);
    const first = check();
    assert.ok(kept.size > 0);
    assert.deepEqual(check(), first);
    // What is remembered is what counts.
    for (const name of kept.keys()) kept.set(name, ['SSL_CERT_FILE']);
    assert.deepEqual(check(), ['certificates-missing']);
  });

  it('finds nothing wrong where libraries are found through $ORIGIN', () => {
    const tree = treeOf({ ...system(), 'opt/bin/app': `= ${relative}`, 'opt/lib/app/libgreet.so': `= ${folder}/libgreet.so` });
    assert.deepEqual(checkRuntime(tree, configOf({ Cmd: ['/opt/bin/app'] })), []);
  });

  it('tells of a Java or Node that was copied without the rest of it', () => {
    const part = '/usr/share/nodejs/cjs-module-lexer/lexer.js';
    compile(folder, 'libjli.so', GREET, ['-shared', '-fPIC', '-Wl,-soname,libjli.so']);
    compile(folder, 'libnode.so.1', `const char part[] = "${part}"; ${GREET}`, ['-shared', '-fPIC', '-Wl,-soname,libnode.so.1']);
    const rpath = ['-L.', '-Wl,-rpath,$ORIGIN/../lib:$ORIGIN/../lib/jli'];
    const java = compile(folder, 'java', MAIN, [...rpath, '-ljli']);
    const node = compile(folder, 'node', MAIN, [...rpath, '-l:libnode.so.1']);
    const rules = (files: Readonly<Record<string, string>>, ...Cmd: readonly string[]): readonly string[] =>
      checkRuntime(treeOf({ ...system(), ...files }), configOf({ Cmd })).map(({ rule, severity }) => `${severity} ${rule}`);
    const jre = { 'j/bin/java': `= ${java}`, 'j/lib/libjli.so': `= ${folder}/libjli.so` };
    assert.deepEqual(rules(jre, '/j/bin/java', '-version'), ['error runtime-incomplete']);
    assert.deepEqual(rules({ ...jre, 'j/lib/libjava.so': 'x' }, '/j/bin/java', '-version'), []);
    assert.deepEqual(rules({ ...jre, 'j/jre/lib/amd64/libjava.so': 'x' }, '/j/bin/java', '-version'), []);
    const debian = { 'n/bin/node': `= ${node}`, 'n/lib/libnode.so.1': `= ${folder}/libnode.so.1` };
    assert.deepEqual(rules(debian, '/n/bin/node', '-e', '1'), ['error runtime-incomplete']);
    assert.deepEqual(rules({ ...debian, [part.slice(1)]: 'x' }, '/n/bin/node', '-e', '1'), []);

    // What the stage has tells too, and what helps: not another Java, beside which the copied one would be started still.
    const stages = [
      { name: 'build', tree: treeOf({ ...system(), ...debian, ...jre, 'j/lib/libjava.so': 'x', 'bin/java': '-> ../j/bin/java' }) },
    ];
    const cures = (files: Readonly<Record<string, string>>, ...Cmd: readonly string[]): readonly (string | undefined)[] =>
      checkRuntime(treeOf({ ...system(), ...files }), configOf({ Cmd }), { stages })
        .filter(({ rule }) => rule === 'runtime-incomplete')
        .map(({ cure }) => cure);
    assert.deepEqual(cures({ 'n/bin/node': `= ${node}` }, '/n/bin/node').length, 1);
    assert.deepEqual(cures(jre, '/j/bin/java'), ['copy all of /j from build, and start its bin/java']);
  });

  it('tells of a missing library, where it is, and the line that brings it', () => {
    const tree = treeOf({ ...system(), 'bin/app': `= ${dynamic}` });
    const build = treeOf({ ...system(), 'usr/local/lib/libgreet.so': `= ${folder}/libgreet.so` });
    const [finding, ...others] = checkRuntime(tree, configOf({ Entrypoint: ['/bin/app'] }), { stages: [{ name: 'build', tree: build }] });
    assert.deepEqual(others, []);
    assert.equal(finding?.rule, 'library-missing');
    assert.equal(finding?.path, '/bin/app');
    assert.deepEqual(finding?.found, [{ stage: 'build', path: '/usr/local/lib/libgreet.so' }]);
    assert.match(finding?.cure ?? '', /^COPY --from=build \/usr\/local\/lib\/libgreet\.so \/\S+\/libgreet\.so$/);
  });

  it('tells of folders of a program’s own name that the stage has which it was copied from', () => {
    const tool = compile(
      folder,
      'tool',
      'const char *at[] = {"/etc/tool/tool.conf", "/var/lib/tool/state"}; int main() { return *at[1]; }',
      ['-static'],
    );
    const image = treeOf({ 'bin/tool': `= ${tool}` });
    const config = configOf({ Cmd: ['tool'] });
    const beside = treeOf({ 'bin/tool': `= ${tool}`, 'etc/tool/tool.conf': 'x', 'var/lib/tool/': '', 'var/log/tool/': '' });
    const [finding, ...others] = checkRuntime(image, config, { stages: [{ name: 'web', tree: beside }] });
    assert.deepEqual([finding?.rule, finding?.severity, others], ['folders-missing', 'warning', []]);
    assert.deepEqual(
      finding?.edits?.map(({ line }) => line),
      ['COPY --from=web /etc/tool /etc/tool', 'COPY --from=web /var/lib/tool /var/lib/tool'],
    );
    // Compiled there, not installed: nothing tells that it needs them.
    assert.deepEqual(checkRuntime(image, config, { stages: [{ name: 'build', tree: treeOf({ 'bin/tool': `= ${tool}` }) }] }), []);
    assert.deepEqual(
      checkRuntime(image, config).map(({ severity }) => severity),
      ['info'],
    );
    assert.deepEqual(checkRuntime(treeOf({ 'bin/tool': `= ${tool}`, 'etc/tool/tool.conf': 'x' }), config), []);
  });

  it('does not take what one command of many does for what all of them do', () => {
    const texts = '/tmp/%sXXXXXX';
    const made = compile(folder, 'one', `int main() { static char t[] = "${texts}"; return t[1]; }`, ['-static']);
    assert.deepEqual(
      checkRuntime(treeOf({ 'bin/one': `= ${made}` }), configOf({ Cmd: ['one'] })).map(({ rule }) => rule),
      ['tmp-missing'],
    );
    assert.deepEqual(checkRuntime(treeOf({ 'bin/busybox': '= /usr/bin/busybox' }), configOf({ Cmd: ['busybox', 'cat', '/x'] })), []);
  });

  it('tells of a library that lies where ldconfig looks, in an image whose cache does not know it', () => {
    const image = (more: Record<string, string>): ReturnType<typeof treeOf> =>
      treeOf({
        ...system(),
        'usr/local/bin/app': `= ${dynamic}`,
        'usr/local/lib/libgreet.so': `= ${folder}/libgreet.so`,
        'etc/ld.so.conf.d/libc.conf': '# usual\n/usr/local/lib\n',
        ...more,
      });
    const stages = [{ name: 'build', tree: treeOf({ ...system(), 'usr/local/lib/libgreet.so': `= ${folder}/libgreet.so` }) }];
    const told = (tree: ReturnType<typeof treeOf>): unknown =>
      checkRuntime(tree, configOf({ Cmd: ['/usr/local/bin/app'] }), { stages }).map(({ rule, message, edits }) => [rule, message, edits]);
    const message = "it needs libgreet.so, which its loader does not find: /usr/local/lib/libgreet.so is not in the loader's cache";
    assert.deepEqual(told(image({ 'sbin/ldconfig': 'x' })), [['library-missing', message, [{ line: 'RUN ldconfig' }]]]);
    assert.deepEqual(told(image({})), [['library-missing', message, [{ line: 'ENV LD_LIBRARY_PATH=/usr/local/lib' }]]]);
  });

  it('suggests the name that was meant', () => {
    const [finding] = checkRuntime(treeOf({ 'app/start.sh': 'x' }), configOf({ Cmd: ['/app/strat.sh'] }));
    assert.equal(finding?.message, 'the command /app/strat.sh is not there: did you mean /app/start.sh?');
  });

  it('counts LD_LIBRARY_PATH of the image', () => {
    const tree = treeOf({ ...system(), 'bin/app': `= ${dynamic}`, 'srv/libgreet.so': `= ${folder}/libgreet.so` });
    assert.deepEqual(checkRuntime(tree, configOf({ Entrypoint: ['/bin/app'], Env: ['LD_LIBRARY_PATH=/srv'] })), []);
  });

  it('tells of the loader and of all libraries on an empty base', () => {
    const build = treeOf({ ...system(), 'usr/lib/libgreet.so': `= ${folder}/libgreet.so` });
    const found = checkRuntime(treeOf({ 'bin/app': `= ${dynamic}` }), configOf({ Entrypoint: ['/bin/app'] }), {
      stages: [{ name: 'b', tree: build }],
    });
    assert.deepEqual(found.map(({ rule }) => rule).sort(), ['library-missing', 'library-missing', 'loader-missing']);
    assert.ok(found.every(({ cure }) => cure?.startsWith('COPY --from=b ')));
  });

  it('tells of versions that the C library of the image lacks', () => {
    const script = compile(folder, 'libv.so', 'int f(void) { return 1; }', [
      '-shared',
      '-fPIC',
      '-Wl,-soname,libv.so',
      versions('V_1.2; V_2.0', 'V_2.0'),
    ]);
    const program = compile(folder, 'versioned', 'extern int f(void); int main() { return f(); }', ['-L.', '-l:libv.so']);
    compile(folder, 'old.so', 'int f(void) { return 1; }', ['-shared', '-fPIC', '-Wl,-soname,libv.so', versions('V_1.2', 'V_1.2')]);
    const good = treeOf({ ...system(), 'bin/app': `= ${program}`, 'lib/libv.so': `= ${script}` });
    assert.deepEqual(checkRuntime(good, configOf({ Cmd: ['/bin/app'] })), []);
    const bad = treeOf({ ...system(), 'bin/app': `= ${program}`, 'lib/libv.so': `= ${folder}/old.so` });
    const [finding] = checkRuntime(bad, configOf({ Cmd: ['/bin/app'] }));
    assert.equal(finding?.rule, 'version-missing');
    assert.match(finding?.message ?? '', /V_2\.0 .*V_1\.2 is there/);
  });

  it('reads names at the end of a long string table, as in the program of Node', () => {
    // The linker writes the names of own symbols before those of versions: 90,000 of 60 bytes are more than five mebibytes.
    const symbols = Array.from(
      { length: 90_000 },
      (_, at) => `.globl n_${String(at).padStart(58, '0')}\nn_${String(at).padStart(58, '0')}:`,
    );
    const script = compile(folder, 'libw.so', 'int f(void) { return 1; }', [
      '-shared',
      '-fPIC',
      '-Wl,-soname,libv.so',
      versions('W_1.0; W_2.0', 'W_2.0'),
    ]);
    writeFileSync(join(folder, 'many.s'), `.data\n${symbols.join('\n')}\n.long 0\n.section .note.GNU-stack,"",@progbits\n`);
    const program = compile(folder, 'many', 'extern int f(void); int main() { return f(); }', ['many.s', '-rdynamic', '-L.', '-l:libw.so']);
    assert.deepEqual(
      checkRuntime(treeOf({ ...system(), 'bin/app': `= ${program}`, 'lib/libv.so': `= ${script}` }), configOf({ Cmd: ['/bin/app'] })),
      [],
    );
    const old = treeOf({ ...system(), 'bin/app': `= ${program}`, 'lib/libv.so': `= ${folder}/old.so` });
    const messages = checkRuntime(old, configOf({ Cmd: ['/bin/app'] })).map(({ message }) => message);
    assert.equal(messages.length, 1);
    assert.match(messages[0] ?? '', /W_2\.0 /);
  });

  /** A version script: `f` in the last version. */
  function versions(list: string, last: string): string {
    const text = list
      .split('; ')
      .map((name) => `${name} { ${name === last ? 'global: f; local: *;' : ''} };`)
      .join('\n');
    const file = `${folder}/${last}.map`;
    writeFileSync(file, text);
    return `-Wl,--version-script,${file}`;
  }

  it('tells of libraries of another machine, and of programs for another one', () => {
    const foreign = Buffer.from(readFileSync(fixed));
    foreign.writeUInt16LE(243, 18);
    const [finding] = checkRuntime(treeOf({ 'bin/app': foreign }), configOf({ Cmd: ['/bin/app'] }));
    assert.equal(finding?.rule, 'architecture');
    assert.match(finding?.message ?? '', /riscv64/);
  });

  it('is not led astray by broken files', () => {
    const good = readFileSync(dynamic);
    for (let seed = 1; seed <= 60; seed += 1) {
      const bad = Buffer.from(good.subarray(0, 4096 + ((seed * 977) % 8192)));
      for (let index = 0; index < 40; index += 1) bad[4 + ((seed * 7919 + index * index * 31) % 1020)] = (seed * 131 + index * 17) & 0xff;
      checkRuntime(treeOf({ 'bin/app': bad }), configOf({ Cmd: ['/bin/app'] }));
    }
    const looping = treeOf({ 'bin/app': '-> app', a: '-> b', b: '-> a', 'lib/libx.so': '-> libx.so' });
    assert.equal(checkRuntime(looping, configOf({ Cmd: ['app'], WorkingDir: '/a' }))[0]?.rule, 'program-missing');
  });
});

describe('what an image starts', () => {
  const rules = (files: Readonly<Record<string, string | Buffer>>, config: Parameters<typeof configOf>[0]): string[] =>
    checkRuntime(treeOf(files), configOf(config)).map(({ rule, severity }) => `${severity} ${rule}`);

  it('wants a shell for the shell form', () => {
    assert.deepEqual(rules({ 'bin/app': '#!/bin/none' }, { Cmd: ['/bin/sh', '-c', 'app --x'] }), [
      'error interpreter-missing',
      'error shell-missing',
    ]);
  });

  it('looks through env and wrappers', () => {
    assert.deepEqual(rules({ 'usr/bin/env': PROGRAM, 'srv/bin/run': '#!/usr/bin/env -S python3 -u\n' }, { Cmd: ['/srv/bin/run'] }), [
      'error interpreter-missing',
    ]);
    assert.deepEqual(rules({ 'bin/tini': PROGRAM }, { Entrypoint: ['/bin/tini', '--'], Cmd: ['/srv/app'] }), ['error program-missing']);
  });

  it('takes no value of an option of theirs for the program', () => {
    const files = {
      'bin/app': PROGRAM,
      ...Object.fromEntries(['nice', 'tini', 'stdbuf', 'env', 'dumb-init'].map((name) => [`bin/${name}`, PROGRAM])),
    };
    for (const command of [
      ...[
        'nice -n 5',
        'nice -5',
        'nice --adjustment 5',
        'stdbuf -o L -eL',
        'tini -s -p SIGTERM',
        'tini',
        'tini -g --',
        'dumb-init -r 15:3',
      ],
      ...['env -u A B=c', 'env -', 'env -i -C /', 'env -S', 'nice -n 5 env A=b'],
    ])
      assert.deepEqual(rules(files, { Cmd: [...command.split(' '), 'app'] }), [], command);
    assert.deepEqual(rules(files, { Cmd: ['env', '-S', 'app --flag'] }), []);
    assert.deepEqual(rules(files, { Cmd: ['nice', '-n', '5', 'other'] }), ['error program-missing']);
  });

  it('wants execute permission, a known user, and open directories', () => {
    assert.deepEqual(rules({ 'srv/app': PROGRAM }, { Cmd: ['/srv/app'] }), ['error not-executable']);
    assert.deepEqual(rules({ 'bin/app': PROGRAM }, { Cmd: ['app'], User: 'web' }), ['error user-unknown']);
    assert.deepEqual(rules({ 'bin/app': PROGRAM, 'etc/passwd': 'web:x:5:5::/:/bin/sh\n' }, { Cmd: ['app'], User: 'web' }), []);
    assert.deepEqual(rules({ 'bin/app': PROGRAM, 'etc/passwd': 'web:x:5:5::/:/bin/sh\n' }, { Cmd: ['app'], User: 'web:staff' }), [
      'error user-unknown',
    ]);
  });

  it('checks scripts of node and python, and versions', () => {
    const node = { 'usr/local/bin/node': PROGRAM, 'usr/local/include/node/node_version.h': '#define NODE_MAJOR_VERSION 18\n' };
    assert.deepEqual(rules(node, { Cmd: ['node', 'server.js'], WorkingDir: '/app' }), ['error script-missing']);
    const app = { ...node, 'app/server.js': '', 'app/package.json': '{"engines":{"node":">=20"}}' };
    assert.deepEqual(rules(app, { Cmd: ['node', 'server.js'], WorkingDir: '/app' }), ['warning runtime-version']);
    const python = { 'usr/local/bin/python3': '-> python3.12', 'usr/local/bin/python3.12': PROGRAM, 'usr/local/lib/python3.12/os.py': 'x' };
    const packages = { ...python, 'app/x.py': '', 'usr/local/lib/python3.11/site-packages/flask/a.py': '' };
    assert.deepEqual(rules(python, { Cmd: ['python3', '/x.py'] }), ['error script-missing']);
    assert.deepEqual(rules(packages, { Cmd: ['python3', '/app/x.py'] }), ['warning runtime-version']);
  });

  it('misses certificates and zones', () => {
    const files = { 'bin/app': '\x7fELF /etc/ssl/certs/ca-certificates.crt' };
    assert.deepEqual(rules(files, { Env: ['TZ=Europe/Rome'] }), ['warning zone-missing']);
  });
});
