import assert from 'node:assert/strict';
import { test } from 'node:test';
import { outputHint, type SpokenStep } from './output-hints.ts';

const ROOT: SpokenStep = { user: '', network: 'default' };
const APP: SpokenStep = { ...ROOT, user: 'app' };
const BIND: SpokenStep = { ...ROOT, mounts: [{ type: 'bind', source: '/s', dest: '/w', readonly: true }] };

/** What programs printed, and what is said of it. */
const SAID: readonly (readonly [output: string, hint: RegExp, step?: SpokenStep])[] = [
  ['/bin/sh: 1: set: Illegal option -o pipefail', /SHELL \["\/bin\/bash", "-o", "pipefail"/],
  ['/bin/sh: 1: source: not found', /write "\."/],
  ['/bin/sh: 1: Bad substitution', /written for bash/],
  ['/bin/sh: 1: Syntax error: "(" unexpected', /written for bash/],
  ['/usr/bin/env: ‘bash\\r’: No such file or directory\n/usr/bin/env: use -[v]S to pass options in shebang lines', /CRLF/],
  ['/bin/sh: 1: sudo: not found', /leave sudo out/],
  ['Reading state information...\nE: Unable to locate package hello', /apt-get update && apt-get install in one RUN/],
  ["E: Package 'python' has no installation candidate", /look for its name/],
  ['E: Failed to fetch http://mirror.example/pool/x_1_amd64.deb  404  Not Found [IP: 192.0.2.1 80]', /older than what the mirror has/],
  [
    "update-alternatives: error: error creating symbolic link '/usr/share/man/man1/java.1.gz.dpkg-tmp': No such file or directory\ndpkg: error processing package openjdk-17-jre-headless:amd64 (--configure):\nE: Sub-process /usr/bin/dpkg returned an error code (1)",
    /mkdir -p \/usr\/share\/man\/man1/,
  ],
  ['E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), are you root?', /runs as app.*above USER/, APP],
  [
    'error: externally-managed-environment\n\n× This environment is externally managed\nhint: See PEP 668 for the detailed specification.',
    /venv/,
  ],
  ['ERROR: No matching distribution found for tensorflow==1.0', /no release of tensorflow==1\.0/],
  // Who reached nobody has no lists either.
  [
    "WARNING: Retrying (Retry(total=0)) after connection broken by 'SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate in certificate chain (_ssl.c:992)'))': /simple/flask/\nERROR: Could not find a version that satisfies the requirement flask (from versions: none)\nERROR: No matching distribution found for flask",
    /who signed that certificate/,
  ],
  [
    "W: Failed to fetch http://mirror.example/dists/x/InRelease  Temporary failure resolving 'mirror.example'\nW: Some index files failed to download.\nReading package lists...\nE: Unable to locate package gcc",
    /does not reach that name/,
  ],
  [
    'WARNING: fetching https://mirror.example/main: temporary error (try again later)\nERROR: unable to select packages:\n  gcc (no such package):',
    /does not reach that name/,
  ],
  ['error: could not find `Cargo.toml` in `/src` or any parent directory', /COPY Cargo\.toml Cargo\.lock/],
  [
    "ERROR: Could not open requirements file: [Errno 2] No such file or directory: 'requirements.txt'",
    /COPY requirements\.txt \.\/ above it/,
  ],
  [
    '[ERROR] The goal you specified requires a project to execute but there is no POM in this directory (/src). Please verify',
    /COPY pom\.xml/,
  ],
  ['  this version of Cargo is older than the `2024` edition, and only supports `2015`, `2018`, and `2021` editions.', /newer tag/],
  [
    "error[E0463]: can't find crate for `std`\n  |\n  = note: the `x86_64-unknown-linux-musl` target may not be installed",
    /rustup target add x86_64-unknown-linux-musl/,
  ],
  [
    'npm ERR! The `npm ci` command can only install with an existing package-lock.json or\nnpm ERR! npm-shrinkwrap.json with',
    /COPY package\.json package-lock\.json/,
  ],
  [
    "npm error enoent Could not read package.json: Error: ENOENT: no such file or directory, open '/w/package.json'",
    /COPY package\*\.json/,
  ],
  ['pattern ./...: directory prefix . does not contain main module or its selected dependencies', /COPY go\.mod go\.sum/],
  ['m.go:2:8: no required module provides package rsc.io/quote; to add it:\n\tgo get rsc.io/quote', /no module that has rsc\.io\/quote/],
  ['error obtaining VCS status: exit status 128\n\tUse -buildvcs=false to disable VCS stamping.', /-buildvcs=false/],
  ['fatal: not a git repository (or any of the parent directories): .git', /source=\.git/],
  ['error: linker `cc` not found\n  |\n  = note: No such file or directory (os error 2)', /install gcc/],
  ['cgo: C compiler "gcc" not found: exec: "gcc": executable file not found in $PATH', /CGO_ENABLED=0/],
  [
    'a.c:1:10: fatal error: openssl/ssl.h: No such file or directory\ncompilation terminated.',
    /openssl\/ssl\.h comes with a development package/,
  ],
  ['/usr/bin/ld: cannot find -lssl: No such file or directory\ncollect2: error: ld returned 1 exit status', /no libssl:/],
  ["Package nosuch was not found in the pkg-config search path.\nPackage 'nosuch', required by 'virtual:world', not found", /no nosuch:/],
  ["./app: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38' not found (required by ./app)", /newer C library \(GLIBC_2\.38\)/],
  [
    '/app: error while loading shared libraries: libssl.so.3: cannot open shared object file: No such file or directory',
    /lacks libssl\.so\.3:/,
  ],
  ['Error loading shared library libgcc_s.so.1: No such file or directory (needed by /app)', /lacks libgcc_s\.so\.1:/],
  ['curl: (6) Could not resolve host: nosuch.example', /--network=host/],
  ["wget: bad address 'nosuch.example'", /as --network=none says/, { ...ROOT, network: 'none' }],
  ['fatal: unable to access: Could not resolve host: nosuch.example', /has the network of this machine/, { ...ROOT, network: 'host' }],
  [
    "ERROR: The certificate of 'x.example' is not trusted.\nERROR: The certificate of 'x.example' doesn't have a known issuer.",
    /ca-certificates/,
  ],
  ['urllib.error.URLError: <urlopen error [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed (_ssl.c:992)>', /ca-certificates/],
  ['git@host.example: Permission denied (publickey).\nfatal: Could not read from remote repository.', /--mount=type=ssh/, APP],
  ['Host key verification failed.\nfatal: Could not read from remote repository.', /ssh-keyscan/],
  ["fatal: could not read Username for 'https://host.example': No such device or address", /--mount=type=secret/],
  ["System has not been booted with systemd as init system (PID 1). Can't operate.\nFailed to connect to bus: Host is down", /CMD/],
  ['FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory', /max-old-space-size/],
  ['chown: invalid user: ‘app’', /^app is no account/],
  ['chown: unknown user app', /^app is no account/],
  ["touch: cannot touch '/w/x': Read-only file system", /add rw/, BIND],
  ["mkdir: cannot create directory '/app': Permission denied", /COPY --chown=app/, APP],
];

test('what a program misses is told in the words of a Dockerfile', () => {
  for (const [output, hint, step = ROOT] of SAID) assert.match(outputHint(`before\n${output}\n`, 1, step) ?? 'nothing', hint, output);
});

test('the last telling line counts', () => {
  const output =
    'curl: (6) Could not resolve host: a.example\ntrying the copy\na.c:1:10: fatal error: x.h: No such file or directory\nmake: *** [a.o] Error 1\n';
  assert.match(outputHint(output, 1, ROOT) ?? '', /x\.h/);
});

test('words that mean nothing for this step are passed over', () => {
  for (const output of [
    "mkdir: cannot create directory '/app': Permission denied",
    'are you root?',
    'touch: /x: Read-only file system',
    '',
    'make: *** [all] Error 2',
  ])
    assert.equal(outputHint(output, 1, ROOT), undefined, output);
  assert.equal(outputHint('sh: ./build.sh: Permission denied', 126, APP), undefined);
  assert.equal(outputHint('mkdir: /x: Permission denied', 1, { ...ROOT, user: '0:0' }), undefined);
});
