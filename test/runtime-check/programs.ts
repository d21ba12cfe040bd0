// Programs that are really compiled or installed in a build stage and then copied onto other bases. Each prints `ok` when it works.

/** One row of the comparison. */
export interface Program {
  readonly name: string;
  /** The stages before the image; what is copied is in the one called `build`. */
  readonly build: string;
  /** Instructions of the image, after its FROM. */
  readonly image: string;
  /** Part of `npm test`. */
  readonly short?: true;
}

const apt = (packages: string, from = 'debian:bookworm'): string =>
  `FROM ${from} AS build\nRUN apt-get update && apt-get install -y --no-install-recommends ${packages}\nWORKDIR /src\n`;

const C = apt('gcc g++ libc6-dev zlib1g-dev libssl-dev libpng-dev musl-tools libgomp1');
const GO = 'FROM golang AS build\nWORKDIR /src\n';
const CGO = apt('golang-go gcc libc6-dev');
const RUST = apt('rustc gcc libc6-dev');
const PYTHON = apt('python3 python3-venv python3-dev gcc libc6-dev zlib1g-dev');
const NODE = apt('nodejs');
const JAVA = apt('default-jdk-headless binutils').replace('RUN ', 'RUN mkdir -p /usr/share/man/man1 && ');
const SHELLS = apt('bash perl gawk');

const file = (name: string, text: string): string => `COPY <<'EOF' ${name}\n${text}\nEOF\n`;
const run = (command: string): string => `RUN ${command}\n`;
const go = (text: string): string => file('go.mod', 'module app\n\ngo 1.19') + file('main.go', `package main\n\n${text}`);

const HELLO = file('app.c', '#include <stdio.h>\nint main(void) { puts("ok"); return 0; }');
const PARTS =
  file('part.c', 'const char *part(void) { return "ok"; }') +
  file('app.c', '#include <stdio.h>\nconst char *part(void);\nint main(void) { puts(part()); return 0; }') +
  run('gcc -shared -fPIC -Wl,-soname,libpart.so.1 -o libpart.so.1 part.c && ln -s libpart.so.1 libpart.so');
const CHAIN =
  file('low.c', 'const char *low(void) { return "ok"; }') +
  file('high.c', 'const char *low(void);\nconst char *high(void) { return low(); }') +
  file('app.c', '#include <stdio.h>\nconst char *high(void);\nint main(void) { puts(high()); return 0; }') +
  run(
    'gcc -shared -fPIC -Wl,-soname,liblow.so -o liblow.so low.c && gcc -shared -fPIC -Wl,-soname,libhigh.so -o libhigh.so high.c -L. -llow',
  );
const ZLIB = file(
  'app.c',
  '#include <stdio.h>\n#include <zlib.h>\nint main(void) { if (crc32(0, (void *)"a", 1) != 0xe8b7be43) return 1; puts("ok"); return 0; }',
);
const DLOPEN = (name: string, otherwise: string): string =>
  file(
    'app.c',
    `#include <stdio.h>\n#include <dlfcn.h>\nint main(void) { if (!dlopen("${name}", RTLD_NOW)) { ${otherwise} } puts("ok"); return 0; }`,
  );
const APP = 'COPY --from=build /src/app /app\n';
const ENTRY = 'ENTRYPOINT ["/app"]\n';

export const PROGRAMS: readonly Program[] = [
  // C
  { name: 'c-static', short: true, build: C + HELLO + run('gcc -static -o app app.c'), image: APP + ENTRY },
  { name: 'c-static-pie', build: C + HELLO + run('gcc -static-pie -o app app.c'), image: APP + ENTRY },
  { name: 'c-dynamic', short: true, build: C + HELLO + run('gcc -o app app.c'), image: APP + ENTRY },
  { name: 'c-zlib', short: true, build: C + ZLIB + run('gcc -o app app.c -lz'), image: APP + ENTRY },
  { name: 'c-zlib-static', build: C + ZLIB + run('gcc -static -o app app.c -lz'), image: APP + ENTRY },
  {
    name: 'c-png',
    build:
      C +
      file('app.c', '#include <stdio.h>\n#include <png.h>\nint main(void) { return png_access_version_number() == 0 || puts("ok") < 0; }') +
      run('gcc -o app app.c -lpng'),
    image: APP + ENTRY,
  },
  {
    name: 'c-rpath',
    build: C + PARTS + run('gcc -o app app.c -L. -lpart -Wl,--disable-new-dtags,-rpath,/opt/app/lib'),
    image: `${APP}COPY --from=build /src/libpart.so.1 /opt/app/lib/\n${ENTRY}`,
  },
  {
    name: 'c-rpath-elsewhere',
    build: C + PARTS + run('gcc -o app app.c -L. -lpart -Wl,--disable-new-dtags,-rpath,/opt/app/lib'),
    image: `${APP}COPY --from=build /src/libpart.so.1 /opt/lib/\n${ENTRY}`,
  },
  {
    name: 'c-origin',
    short: true,
    build: C + PARTS + run("gcc -o app app.c -L. -lpart '-Wl,-rpath,$ORIGIN/../lib'"),
    image: 'COPY --from=build /src/app /srv/bin/app\nCOPY --from=build /src/libpart.so.1 /srv/lib/\nENTRYPOINT ["/srv/bin/app"]\n',
  },
  {
    name: 'c-origin-link',
    build: C + PARTS + run("gcc -o app app.c -L. -lpart '-Wl,-rpath,$ORIGIN/../lib' && mkdir out && ln -s ../srv/bin/app out/app"),
    image:
      'COPY --from=build /src/app /srv/bin/app\nCOPY --from=build /src/libpart.so.1 /srv/lib/\nCOPY --from=build /src/out /bin2\nENTRYPOINT ["/bin2/app"]\n',
  },
  {
    name: 'c-origin-missing',
    build: C + PARTS + run("gcc -o app app.c -L. -lpart '-Wl,-rpath,$ORIGIN/../lib'"),
    image: 'COPY --from=build /src/app /srv/bin/app\nENTRYPOINT ["/srv/bin/app"]\n',
  },
  {
    name: 'c-runpath-indirect',
    build: C + CHAIN + run('gcc -o app app.c -L. -lhigh -Wl,--enable-new-dtags,-rpath,/opt/lib,-rpath-link,.'),
    image: `${APP}COPY --from=build /src/libhigh.so /src/liblow.so /opt/lib/\n${ENTRY}`,
  },
  {
    name: 'c-rpath-indirect',
    build: C + CHAIN + run('gcc -o app app.c -L. -lhigh -Wl,--disable-new-dtags,-rpath,/opt/lib,-rpath-link,.'),
    image: `${APP}COPY --from=build /src/libhigh.so /src/liblow.so /opt/lib/\n${ENTRY}`,
  },
  {
    name: 'c-library-path',
    build: C + PARTS + run('gcc -o app app.c -L. -lpart'),
    image: `${APP}COPY --from=build /src/libpart.so.1 /opt/lib/\nENV LD_LIBRARY_PATH=/opt/lib\n${ENTRY}`,
  },
  {
    name: 'c-dlopen',
    short: true,
    build: C + DLOPEN('libz.so.1', 'puts(dlerror()); return 1;') + run('gcc -o app app.c'),
    image: APP + ENTRY,
  },
  { name: 'c-dlopen-optional', build: C + DLOPEN('libz.so.1', '') + run('gcc -o app app.c'), image: APP + ENTRY },
  {
    name: 'c-plugin',
    build:
      C +
      DLOPEN('/opt/app/plugin.so', 'puts(dlerror()); return 1;') +
      run('gcc -o app app.c') +
      file('plugin.c', '#include <zlib.h>\nint plugin(void) { return crc32(0, 0, 0); }') +
      run('gcc -shared -fPIC -o plugin.so plugin.c -lz'),
    image: `${APP}COPY --from=build /src/plugin.so /opt/app/plugin.so\n${ENTRY}`,
  },
  {
    name: 'c-openssl',
    build:
      C +
      file(
        'app.c',
        [
          '#include <stdio.h>',
          '#include <openssl/ssl.h>',
          'int main(void) {',
          '  SSL_CTX *context = SSL_CTX_new(TLS_client_method());',
          '  if (!context || !SSL_CTX_set_default_verify_paths(context)) return 1;',
          '  BIO *in = BIO_new_file("/root.pem", "r");',
          '  X509 *one = in ? PEM_read_bio_X509(in, 0, 0, 0) : 0;',
          '  X509_STORE_CTX *check = X509_STORE_CTX_new();',
          '  if (!one || !X509_STORE_CTX_init(check, SSL_CTX_get_cert_store(context), one, 0)) return 2;',
          '  if (X509_verify_cert(check) != 1) { puts("no authorities"); return 3; }',
          '  puts("ok");',
          '  return 0;',
          '}',
        ].join('\n'),
      ) +
      run('gcc -o app app.c -lssl -lcrypto && sed "/END CERT/q" /etc/ssl/certs/ca-certificates.crt > root.pem'),
    image: `${APP}COPY --from=build /src/root.pem /root.pem\n${ENTRY}`,
  },
  {
    name: 'c-zone',
    build:
      C +
      file(
        'app.c',
        '#include <stdio.h>\n#include <time.h>\nint main(void) { time_t at = 1700000000; puts(localtime(&at)->tm_gmtoff == 3600 ? "ok" : "utc"); return localtime(&at)->tm_gmtoff != 3600; }',
      ) +
      run('gcc -static -o app app.c'),
    image: `${APP}ENV TZ=Europe/Rome\n${ENTRY}`,
  },
  {
    name: 'c-temporary',
    build:
      C +
      file(
        'app.c',
        '#include <stdio.h>\n#include <stdlib.h>\nint main(void) { char name[] = "/tmp/xXXXXXX"; if (mkstemp(name) < 0) { perror(name); return 1; } puts("ok"); return 0; }',
      ) +
      run('gcc -static -o app app.c'),
    image: APP + ENTRY,
  },
  {
    name: 'c-account',
    build:
      C +
      file('app.c', '#include <stdio.h>\n#include <pwd.h>\nint main(void) { getpwuid(0); puts("ok"); return 0; }') +
      run('gcc -o app app.c'),
    image: APP + ENTRY,
  },
  {
    name: 'c-of-newer',
    build:
      apt('gcc libc6-dev', 'debian:trixie') +
      file(
        'app.c',
        '#include <stdio.h>\n#include <string.h>\n#include <stdlib.h>\nint main(int n, char **a) { char to[8]; strlcpy(to, "ok", sizeof to); printf("%s\\n", to + strtol("0", 0, 0)); return 0; }',
      ) +
      run('gcc -o app app.c'),
    image: APP + ENTRY,
  },
  { name: 'c-of-older', build: apt('gcc libc6-dev', 'debian:bullseye') + HELLO + run('gcc -o app app.c'), image: APP + ENTRY },
  {
    name: 'c-setuid',
    build:
      C +
      file(
        'app.c',
        '#include <stdio.h>\n#include <unistd.h>\nint main(void) { if (geteuid() != 0) { puts("not root"); return 1; } execl("/inner", "inner", (char *)0); perror("inner"); return 1; }',
      ) +
      file('inner.c', '#include <stdio.h>\n#include <zlib.h>\nint main(void) { crc32(0, 0, 0); puts("ok"); return 0; }') +
      run('gcc -static -o app app.c && chmod 4755 app && gcc -o inner inner.c -lz'),
    image: `COPY --from=build /src/app /src/inner /\nUSER 1000\n${ENTRY}`,
  },
  // C++
  {
    name: 'cpp-dynamic',
    short: true,
    build: C + file('app.cpp', '#include <iostream>\nint main() { std::cout << "ok" << std::endl; }') + run('g++ -o app app.cpp'),
    image: APP + ENTRY,
  },
  {
    name: 'cpp-static',
    build: C + file('app.cpp', '#include <iostream>\nint main() { std::cout << "ok" << std::endl; }') + run('g++ -static -o app app.cpp'),
    image: APP + ENTRY,
  },
  {
    name: 'cpp-own-runtime',
    build:
      C +
      file('app.cpp', '#include <iostream>\nint main() { std::cout << "ok" << std::endl; }') +
      run('g++ -static-libstdc++ -static-libgcc -o app app.cpp'),
    image: APP + ENTRY,
  },
  {
    name: 'cpp-openmp',
    build:
      C +
      file(
        'app.cpp',
        '#include <cstdio>\n#include <omp.h>\nint main() { int n = 0;\n#pragma omp parallel reduction(+:n)\n  n += 1;\n  return n > 0 && puts("ok") >= 0 ? 0 : 1; }',
      ) +
      run('g++ -fopenmp -o app app.cpp'),
    image: APP + ENTRY,
  },
  // musl
  { name: 'musl-static', build: C + HELLO + run('musl-gcc -static -o app app.c'), image: APP + ENTRY },
  { name: 'musl-dynamic', short: true, build: C + HELLO + run('musl-gcc -o app app.c'), image: APP + ENTRY },
  {
    name: 'musl-library',
    build:
      C +
      file('part.c', 'const char *part(void) { return "ok"; }') +
      file('app.c', '#include <stdio.h>\nconst char *part(void);\nint main(void) { puts(part()); return 0; }') +
      run("musl-gcc -shared -fPIC -o libpart.so part.c && musl-gcc -o app app.c -L. -lpart '-Wl,-rpath,$ORIGIN/lib'"),
    image: `${APP}COPY --from=build /src/libpart.so /lib/\n${ENTRY}`,
  },
  // Go
  {
    name: 'go-static',
    short: true,
    build: GO + go('import "os"\n\nfunc main() { os.Stdout.WriteString("ok\\n") }') + run('CGO_ENABLED=0 go build -o app .'),
    image: APP + ENTRY,
  },
  {
    name: 'go-cgo',

    build:
      CGO +
      go('// #include <stdlib.h>\nimport "C"\nimport "fmt"\n\nfunc main() { C.abs(1); fmt.Println("ok") }') +
      run('go build -o app .'),
    image: APP + ENTRY,
  },
  {
    name: 'go-cgo-static',
    build:
      CGO +
      go('// #include <stdlib.h>\nimport "C"\nimport "fmt"\n\nfunc main() { C.abs(1); fmt.Println("ok") }') +
      run('go build -ldflags "-linkmode external -extldflags -static" -o app .'),
    image: APP + ENTRY,
  },
  {
    name: 'go-names',
    build:
      CGO +
      go(
        'import (\n\t"fmt"\n\t"net"\n\t"os"\n)\n\nfunc main() {\n\tif _, err := net.LookupHost("127.0.0.1"); err != nil {\n\t\tfmt.Println(err)\n\t\tos.Exit(1)\n\t}\n\tfmt.Println("ok")\n}',
      ) +
      run('go build -o app .'),
    image: APP + ENTRY,
  },
  {
    name: 'go-tls',
    short: true,
    build:
      GO +
      run('sed "/END CERT/q" /etc/ssl/certs/ca-certificates.crt > root.pem') +
      go(
        'import (\n\t"crypto/x509"\n\t_ "embed"\n\t"encoding/pem"\n\t"fmt"\n\t"os"\n)\n\n//go:embed root.pem\nvar root []byte\n\nfunc main() {\n\tblock, _ := pem.Decode(root)\n\tone, err := x509.ParseCertificate(block.Bytes)\n\tif err == nil {\n\t\t_, err = one.Verify(x509.VerifyOptions{})\n\t}\n\tif err != nil {\n\t\tfmt.Println(err)\n\t\tos.Exit(1)\n\t}\n\tfmt.Println("ok")\n}',
      ) +
      run('CGO_ENABLED=0 go build -o app .'),
    image: APP + ENTRY,
  },
  {
    name: 'go-server',
    build:
      GO +
      go(
        'import (\n\t"fmt"\n\t"net"\n\t"net/http"\n)\n\nfunc main() {\n\tlistener, err := net.Listen("tcp", "127.0.0.1:0")\n\tif err != nil {\n\t\tpanic(err)\n\t}\n\tgo http.Serve(listener, http.NotFoundHandler())\n\tif _, err := http.Get("http://" + listener.Addr().String()); err != nil {\n\t\tpanic(err)\n\t}\n\tfmt.Println("ok")\n}',
      ) +
      run('CGO_ENABLED=0 go build -o app .'),
    image: APP + ENTRY,
  },
  {
    name: 'go-zone',
    build:
      GO +
      go(
        'import (\n\t"fmt"\n\t"time"\n)\n\nfunc main() {\n\tif _, err := time.LoadLocation("Europe/Rome"); err != nil {\n\t\tpanic(err)\n\t}\n\tfmt.Println("ok")\n}',
      ) +
      run('CGO_ENABLED=0 go build -o app .'),
    image: APP + ENTRY,
  },
  {
    name: 'go-zone-inside',
    build:
      GO +
      go(
        'import (\n\t"fmt"\n\t"time"\n\t_ "time/tzdata"\n)\n\nfunc main() {\n\tif _, err := time.LoadLocation("Europe/Rome"); err != nil {\n\t\tpanic(err)\n\t}\n\tfmt.Println("ok")\n}',
      ) +
      run('CGO_ENABLED=0 go build -o app .'),
    image: `${APP}ENV TZ=Europe/Rome\n${ENTRY}`,
  },
  // Rust
  { name: 'rust-dynamic', build: RUST + file('app.rs', 'fn main() { println!("ok"); }') + run('rustc -o app app.rs'), image: APP + ENTRY },
  {
    name: 'rust-static',
    build: RUST + file('app.rs', 'fn main() { println!("ok"); }') + run('rustc -C target-feature=+crt-static -o app app.rs'),
    image: APP + ENTRY,
  },
  {
    name: 'rust-shared-std',
    build: RUST + file('app.rs', 'fn main() { println!("ok"); }') + run('rustc -C prefer-dynamic -o app app.rs'),
    image: APP + ENTRY,
  },
  // Python
  {
    name: 'python-script',

    build: PYTHON + file('app', '#!/usr/bin/env python3\nprint("ok")') + run('chmod +x app'),
    image: APP + ENTRY,
  },
  { name: 'python-direct', build: PYTHON + file('app', '#!/usr/bin/python3\nprint("ok")') + run('chmod +x app'), image: APP + ENTRY },
  {
    name: 'python-module',
    build: PYTHON + file('tool/__main__.py', 'print("ok")'),
    image: 'WORKDIR /srv\nCOPY --from=build /src/tool tool\nCMD ["python3", "-m", "tool"]\n',
  },
  {
    name: 'python-extension',
    build:
      PYTHON +
      file(
        'fast.c',
        '#include <Python.h>\n#include <zlib.h>\nstatic PyObject *f(PyObject *s, PyObject *a) { return PyLong_FromLong(crc32(0, 0, 0)); }\nstatic PyMethodDef m[] = {{"f", f, METH_NOARGS, 0}, {0}};\nstatic struct PyModuleDef d = {PyModuleDef_HEAD_INIT, "fast", 0, -1, m};\nPyMODINIT_FUNC PyInit_fast(void) { return PyModule_Create(&d); }',
      ) +
      file('app.py', 'import fast\nfast.f()\nprint("ok")') +
      run('gcc -shared -fPIC $(python3-config --includes) -o fast$(python3-config --extension-suffix) fast.c -lz'),
    image: 'COPY --from=build /src/app.py /src/fast.*.so /srv/\nCMD ["python3", "/srv/app.py"]\n',
  },
  {
    name: 'python-venv',
    build:
      PYTHON + run('python3 -m venv --without-pip /opt/venv') + file('app.py', 'import sys\nassert sys.prefix == "/opt/venv"\nprint("ok")'),
    image: 'COPY --from=build /opt/venv /opt/venv\nCOPY --from=build /src/app.py /app.py\nCMD ["/opt/venv/bin/python", "/app.py"]\n',
  },
  // Node
  {
    name: 'node-script',
    build: NODE + file('server.js', 'console.log("ok");'),
    image: 'WORKDIR /srv\nCOPY --from=build /src/server.js .\nCMD ["node", "server.js"]\n',
  },
  {
    name: 'node-env',
    build: NODE + file('app', '#!/usr/bin/env node\nrequire("./part.js");') + file('part.js', 'console.log("ok");') + run('chmod +x app'),
    image: 'COPY --from=build /src/app /src/part.js /srv/\nCMD ["/srv/app"]\n',
  },
  // Java
  {
    name: 'java-jar',
    build:
      JAVA +
      file('App.java', 'public class App { public static void main(String[] args) { System.out.println("ok"); } }') +
      run('javac App.java && jar cfe app.jar App App.class'),
    image: 'COPY --from=build /src/app.jar /srv/app.jar\nCMD ["java", "-jar", "/srv/app.jar"]\n',
  },
  {
    name: 'java-jlink',
    build:
      JAVA +
      file('App.java', 'public class App { public static void main(String[] args) { System.out.println("ok"); } }') +
      run('javac App.java && jar cfe app.jar App App.class && jlink --add-modules java.base --strip-debug --output /opt/java'),
    image:
      'COPY --from=build /opt/java /opt/java\nCOPY --from=build /src/app.jar /srv/app.jar\nCMD ["/opt/java/bin/java", "-jar", "/srv/app.jar"]\n',
  },
  // Scripts
  { name: 'sh-script', short: true, build: SHELLS + file('app', '#!/bin/sh\necho ok') + run('chmod +x app'), image: APP + ENTRY },
  {
    name: 'sh-words',
    build:
      SHELLS +
      file('app', '#!/bin/sh\nset -e\nname=$(gawk \'BEGIN { print "ok" }\' < /dev/null)\ngawk "BEGIN { print \\"$name\\" }"') +
      run('chmod +x app'),
    image: APP + ENTRY,
  },
  {
    name: 'bash-script',
    build: SHELLS + file('app', '#!/bin/bash\nwords=(ok)\necho "${words[0]}"') + run('chmod +x app'),
    image: APP + ENTRY,
  },
  {
    name: 'bash-env',
    build: SHELLS + file('app', '#!/usr/bin/env bash\nwords=(ok)\necho "${words[0]}"') + run('chmod +x app'),
    image: APP + ENTRY,
  },
  { name: 'perl-script', build: SHELLS + file('app', '#!/usr/bin/perl\nprint "ok\\n";') + run('chmod +x app'), image: APP + ENTRY },
  { name: 'sh-line-ends', build: SHELLS + run("printf '#!/bin/sh\\r\\necho ok\\r\\n' > app && chmod +x app"), image: APP + ENTRY },
  { name: 'sh-no-first-line', build: SHELLS + file('app', 'echo ok') + run('chmod +x app'), image: APP + ENTRY },
  {
    name: 'sh-then-program',
    build: C + HELLO + run('gcc -o app app.c') + file('start', '#!/bin/sh\nset -e\nexec /app "$@"') + run('chmod +x start'),
    image: `COPY --from=build /src/app /src/start /\nENTRYPOINT ["/start"]\n`,
  },
  // How it is started, and by whom
  { name: 'shell-form', short: true, build: C + HELLO + run('gcc -static -o app app.c'), image: `${APP}ENTRYPOINT /app\n` },
  { name: 'shell-form-words', build: C + HELLO + run('gcc -static -o app app.c'), image: `${APP}CMD /app && echo "done $HOME"\n` },
  { name: 'health-shell', build: C + HELLO + run('gcc -static -o app app.c'), image: `${APP}HEALTHCHECK CMD /app || exit 1\n${ENTRY}` },
  {
    name: 'health-program',
    build: apt('gcc libc6-dev gawk') + HELLO + run('gcc -static -o app app.c'),
    image: `${APP}HEALTHCHECK CMD ["gawk", "BEGIN { exit 0 }"]\n${ENTRY}`,
  },
  {
    name: 'on-path',
    build: C + HELLO + run('gcc -static -o app app.c'),
    image: 'COPY --from=build /src/app /srv/bin/app\nENV PATH=/srv/bin:/bin\nCMD ["app"]\n',
  },
  {
    name: 'not-on-path',
    build: C + HELLO + run('gcc -static -o app app.c && cp app /usr/local/bin/app'),
    image: 'COPY --from=build /src/app /srv/bin/app\nCMD ["app"]\n',
  },
  {
    name: 'relative',
    build: C + HELLO + run('gcc -static -o app app.c'),
    image: 'WORKDIR /srv\nCOPY --from=build /src/app .\nCMD ["./app"]\n',
  },
  {
    name: 'relative-elsewhere',
    build: C + HELLO + run('gcc -static -o app app.c'),
    image: 'WORKDIR /srv\nCOPY --from=build /src/app .\nWORKDIR /\nCMD ["./app"]\n',
  },
  { name: 'user-unknown', short: true, build: C + HELLO + run('gcc -static -o app app.c'), image: `${APP}USER app\n${ENTRY}` },
  { name: 'user-number', build: C + HELLO + run('gcc -static -o app app.c'), image: `${APP}USER 1000:1000\n${ENTRY}` },
  { name: 'user-of-base', build: C + HELLO + run('gcc -static -o app app.c'), image: `${APP}USER www-data\n${ENTRY}` },
  { name: 'mode-none', build: C + HELLO + run('gcc -static -o app app.c'), image: `COPY --from=build --chmod=644 /src/app /app\n${ENTRY}` },
  {
    name: 'mode-private',
    build: C + HELLO + run('gcc -static -o app app.c'),
    image: `COPY --from=build --chmod=700 /src/app /app\nUSER 1000\n${ENTRY}`,
  },
  {
    name: 'folder-private',
    build: C + HELLO + run('gcc -static -o app app.c && mkdir -m 700 out && cp app out/'),
    image: `COPY --from=build /src/out /srv\nUSER 1000\nCMD ["/srv/app"]\n`,
  },
  {
    name: 'workdir-private',
    build: C + HELLO + run('gcc -static -o app app.c && mkdir -m 700 out'),
    image: `${APP}COPY --from=build /src/out /srv\nWORKDIR /srv\nUSER 1000\n${ENTRY}`,
  },
  { name: 'script-private', build: SHELLS + file('app', '#!/bin/sh\necho ok') + run('chmod 711 app'), image: `${APP}USER 1000\n${ENTRY}` },
];
