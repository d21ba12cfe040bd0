// Hostile Dockerfiles and contexts, built in this process: nothing of them runs, everything of them is read.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, request as httpRequest, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { isSlipwayError, quietJob } from '../../src/base/index.ts';
import { fetchFile, type HttpExchange } from '../../src/source/index.ts';
import { type Arena, assertContained, assertRefused, hostile, MARK, type Verdict } from './arena.ts';

/** Builds on a context that `fill` writes. */
function withContext(arena: Arena, dockerfile: string, fill: (context: string) => void): Promise<Verdict> {
  const path = arena.folder();
  fill(path);
  return arena.build(dockerfile, { context: { kind: 'folder', path } });
}

/** The plainest http client. */
const plainSend: HttpExchange['send'] = ({ method, url, headers, signal }) =>
  new Promise((resolve, reject) => {
    httpRequest(url, { method, headers, signal, agent: false }, (answer) => {
      resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: answer });
    })
      .once('error', reject)
      .end();
  });

async function serving<T>(listener: RequestListener, work: (address: string) => Promise<T>): Promise<T> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    return await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

hostile([
  {
    like: 'CVE-2020-10696 (buildah), CVE-2026-28406 (kaniko)',
    what: 'COPY of what climbs out of the context, or is absolute',
    run: async (arena) => {
      for (const source of [
        '../../../outside/private/key',
        `${arena.outside}/private/key`,
        '/etc/shadow',
        'a/../../../../outside/private/key',
        '/proc/self/environ',
      ]) {
        assertRefused(await arena.build(`FROM scratch\nCOPY ${source} /x\n`), 'COPY_NOT_FOUND');
      }
    },
  },
  {
    like: 'CVE-2022-4122 (podman), symlinks of a context',
    what: 'COPY of a symlink to the host, of a file through one, and of a folder with one',
    run: async (arena) => {
      const fill = (context: string): void => {
        symlinkSync(`${arena.outside}/private/key`, join(context, 'key'));
        symlinkSync(`${arena.outside}/private`, join(context, 'dir'));
        mkdirSync(join(context, 'sub'));
        symlinkSync('../../../../../../../../../etc/shadow', join(context, 'sub/shadow'));
      };
      assertRefused(await withContext(arena, 'FROM scratch\nCOPY key /x\n', fill), 'COPY_NOT_FOUND');
      assertRefused(await withContext(arena, 'FROM scratch\nCOPY dir/key /x\n', fill), 'COPY_NOT_FOUND');
      assertRefused(await withContext(arena, 'FROM scratch\nADD dir/key /x\n', fill), 'COPY_NOT_FOUND');
      assertContained(await withContext(arena, 'FROM scratch\nCOPY sub /x\n', fill), {
        'x/shadow': 'symlink ../../../../../../../../../etc/shadow',
      });
    },
  },
  {
    like: 'CVE-2022-4122 (podman), the Dockerfile',
    what: 'a Dockerfile that is a symlink to a secret of the host: its lines are in no message',
    run: async (arena) => {
      const path = arena.folder();
      symlinkSync(`${arena.outside}/private/key`, join(path, 'Dockerfile'));
      const verdict = await arena.buildAsIs({ context: { kind: 'folder', path } });
      assertRefused(verdict, 'DOCKERFILE_NOT_FOUND', /symlink that leads out/);
      if (/PRIVATE/.test(verdict.message + verdict.log)) throw new Error('the file’s content is in the message');
    },
  },
  {
    like: 'CVE-2022-4122 (podman), .containerignore',
    what: 'an ignore file that is a symlink to the host',
    run: async (arena) => {
      const verdict = await withContext(arena, 'FROM scratch\nCOPY f /f\n', (context) => {
        writeFileSync(join(context, 'f'), 'x');
        symlinkSync(`${arena.outside}/private/key`, join(context, '.dockerignore'));
      });
      assertContained(verdict, { f: 'file 644 x' });
    },
  },
  {
    like: 'CVE-2014-9356 (Docker), destinations',
    what: 'COPY, ADD and WORKDIR to what climbs above the root',
    run: async (arena) => {
      const dockerfile = `FROM scratch\nWORKDIR ../../../..\nCOPY f ../../../../tmp/${MARK}\nADD f /../../../tmp/${MARK}2\nCOPY f /a/../../../${MARK}3\n`;
      assertContained(await arena.build(dockerfile, { files: { f: 'x' } }), {
        [`tmp/${MARK}`]: 'file 644 x',
        [`tmp/${MARK}2`]: 'file 644 x',
        [`${MARK}3`]: 'file 644 x',
      });
    },
  },
  {
    like: 'CVE-2019-13139 (Docker)',
    what: 'a git address whose ref is an option of git',
    run: async (arena) => {
      for (const ref of [`--upload-pack=touch /tmp/${MARK}`, `-u/tmp/${MARK}`, `--output=/tmp/${MARK}`, `a b`, `refs/heads/x..y`]) {
        const url = `http://127.0.0.1:9/repo.git#${encodeURIComponent(ref)}`;
        assertRefused(await arena.buildAsIs({ context: { kind: 'url', url } }), ['GIT_REF', 'GIT_REF_INVALID']);
        assertRefused(await arena.build(`FROM scratch\nADD ${url} /x\n`), ['GIT_REF', 'GIT_REF_INVALID']);
      }
    },
  },
  {
    like: 'CVE-2022-24433, CVE-2022-25912 (simple-git)',
    what: 'addresses of git’s ext, fd and file transports',
    run: async (arena) => {
      for (const source of [`ext::sh -c touch% /tmp/${MARK}`, 'fd::17/foo', `file://${arena.outside}`, `file://${arena.outside}.git`]) {
        assertRefused(await arena.build(`FROM scratch\nADD ["${source}", "/x"]\n`), [
          'COPY_NOT_FOUND',
          'DOCKERFILE_INVALID',
          'GIT_REF_INVALID',
          'GIT_FAILED',
          'CONTEXT_NOT_FOUND',
        ]);
      }
      assertRefused(await arena.build('FROM base\n', { namedContexts: { base: `ext::sh -c touch% /tmp/${MARK}` } }), [
        'CONTEXT_NOT_FOUND',
        'GIT_FAILED',
        'COPY_NOT_FOUND',
      ]);
    },
  },
  {
    like: 'CVE-2017-1000117 (git)',
    what: 'an ssh address whose host is an option of ssh',
    run: async (arena) => {
      for (const host of [`-oProxyCommand=touch$IFS/tmp/${MARK}`, `-oProxyCommand=touch /tmp/${MARK}`]) {
        const url = `ssh://${host}/repo.git`;
        assertRefused(await arena.buildAsIs({ context: { kind: 'url', url } }), [
          'GIT_FAILED',
          'GIT_REF',
          'GIT_REF_INVALID',
          'SSH_AGENT_MISSING',
          'HTTP_UNREACHABLE',
          'DOCKERFILE_NOT_FOUND',
          'HTTP_ADDRESS',
        ]);
      }
    },
  },
  {
    like: 'CVE-2020-5260, CVE-2020-11008 (git)',
    what: 'an address with a newline, which would name another host to credential helpers',
    run: async (arena) => {
      const url = `http://127.0.0.1:9/x%0ahost=evil.example/repo.git`;
      assertRefused(await arena.buildAsIs({ context: { kind: 'url', url } }), ['GIT_FAILED', 'GIT_REF', 'GIT_REF_INVALID']);
    },
  },
  {
    like: 'CVE-2003-1564 (libxml2), a billion laughs',
    what: 'a variable that doubles forty times',
    run: async (arena) => {
      const dockerfile = `FROM scratch\nENV A=aaaaaaaaaaaaaaaa\n${'ENV A=$A$A\n'.repeat(40)}COPY f /f\n`;
      assertRefused(await arena.build(dockerfile, { files: { f: 'x' } }), 'DOCKERFILE_INVALID', /large|long/);
      const args = `FROM scratch\nARG A=aaaaaaaaaaaaaaaa\n${Array.from({ length: 40 }, () => 'ARG A=$A$A\n').join('')}COPY f /f\n`;
      assertRefused(await arena.build(args, { files: { f: 'x' } }), 'DOCKERFILE_INVALID', /large|long/);
    },
  },
  {
    like: 'CVE-2022-24921 (Go regexp), nesting',
    what: 'an expansion nested a hundred thousand deep',
    run: async (arena) => {
      const depth = 100_000;
      assertRefused(await arena.build(`FROM scratch\nENV A=${'${x:-'.repeat(depth)}y${'}'.repeat(depth)}\nCOPY nothing /\n`), [
        'DOCKERFILE_INVALID',
        'COPY_NOT_FOUND',
      ]);
    },
  },
  {
    like: 'CVE-2022-3517 (minimatch), CVE-2024-4067 (micromatch)',
    what: 'patterns whose matching backtracks: ignore file, --exclude, wildcard, ${x//…}',
    run: async (arena) => {
      const name = 'a'.repeat(200);
      const pattern = `${'*a'.repeat(60)}b`;
      const files = { [name]: 'x', '.dockerignore': `${pattern}\n${'**/'.repeat(80)}zz\n!${'*a'.repeat(30)}\n` };
      const dockerfile = `# syntax=docker/dockerfile:1\nFROM scratch\nARG V=${'a'.repeat(2000)}\nENV W=\${V//${'*a'.repeat(40)}b/x} X=\${V##${'*a'.repeat(40)}b}\nCOPY --exclude=${pattern} . /in/\n`;
      assertContained(await arena.build(dockerfile, { files }), { [`in/${name}`]: 'file 644 x' });
      // A wildcard that matches nothing is no mistake in BuildKit's language.
      assertContained(await arena.build(`FROM scratch\nCOPY ${pattern} /in/\n`, { files }), { [`in/${name}`]: undefined });
    },
  },
  {
    like: 'CVE-2022-30632 (Go path/filepath)',
    what: 'a wildcard of thousands of slashes and brackets',
    run: async (arena) => {
      for (const pattern of ['*/'.repeat(5000), `${'[a-z]'.repeat(5000)}`, `${'a/*/'.repeat(5000)}x`]) {
        const verdict = await arena.build(`FROM scratch\nCOPY ${pattern} /x/\n`);
        if (verdict.refused !== undefined) assertRefused(verdict, ['COPY_NOT_FOUND', 'PATH_TOO_LONG']);
      }
    },
  },
  {
    like: 'CVE-2023-2253 (distribution), ranges',
    what: 'EXPOSE of all ports there are, and of more',
    run: async (arena) => {
      assertRefused(await arena.build('FROM scratch\nEXPOSE 0-4294967295\n'), 'DOCKERFILE_INVALID');
      assertRefused(await arena.build('FROM scratch\nEXPOSE 99999999999999999999\n'), 'DOCKERFILE_INVALID');
    },
  },
  {
    like: 'CVE-2022-1708 (CRI-O), endless lines',
    what: 'a line of 8 MiB, a heredoc without end, and a hundred thousand comments',
    run: async (arena) => {
      assertRefused(await arena.build(`FROM scratch\nCOPY <<EOF /x\n${'a\n'.repeat(200_000)}`), 'DOCKERFILE_INVALID');
      assertRefused(await arena.build(`FROM scratch\nLABEL a=${'b'.repeat(8 << 20)}\n`), 'DOCKERFILE_INVALID');
      assertContained(await arena.build(`FROM scratch\n${'# x\n'.repeat(100_000)}COPY f /f\n`, { files: { f: 'x' } }), { f: 'file 644 x' });
    },
  },
  {
    like: 'CVE-2018-1002100 (kubectl cp), heredocs',
    what: 'heredocs with names that climb, and sources of another instruction',
    run: async (arena) => {
      const dockerfile = `FROM scratch\nCOPY <<"../../${MARK}" <<b /in/\nhello\n../../${MARK}\nx\nb\n`;
      const verdict = await arena.build(dockerfile);
      if (verdict.refused !== undefined) assertRefused(verdict, ['DOCKERFILE_INVALID', 'PATH_INVALID', 'COPY_NOT_FOUND']);
      else assertContained(verdict, { 'in/b': 'file 644 x\n' });
    },
  },
  {
    like: 'CVE-2021-42574 (“Trojan Source”)',
    what: 'bidirectional controls and control characters in names',
    run: async (arena) => {
      const name = 'a\u202egpj.exe\u2066';
      assertContained(await arena.build('FROM scratch\nCOPY . /in/\n', { files: { [name]: 'x', 'b\u001b[31m\u0007': 'y' } }), {});
    },
  },
  {
    like: 'CVE-2014-9358 (Docker), names of stages',
    what: 'COPY --from of numbers, paths and names that are none',
    run: async (arena) => {
      for (const from of ['-1', '4294967296', '../../etc', '/etc', '..', 'a/../../b', `${'a/'.repeat(200)}b`, 'A B']) {
        const verdict = await arena.build(`FROM scratch\nCOPY ["--from=x", "a", "b"]\nCOPY --from=${from} /x /x\n`);
        if (verdict.refused === undefined) throw new Error(`COPY --from=${from} was taken`);
      }
    },
  },
  {
    like: 'CVE-2018-1000007 (curl), CVE-2022-27774',
    what: 'ADD from a server that redirects the token’s holder to another host',
    run: async (arena) => {
      let seen: string | undefined = 'never asked';
      await serving(
        (request, response) => {
          seen = request.headers.authorization;
          response.end('file');
        },
        (other) =>
          serving(
            (_, response) => response.writeHead(302, { location: `${other}/f` }).end(),
            async (address) => {
              const secrets = [{ id: 'HTTP_AUTH_TOKEN_127.0.0.1', kind: 'value', value: Buffer.from('TOKEN') }] as const;
              assertContained(await arena.build(`FROM scratch\nADD ${address}/f /f\n`, { secrets }), { f: 'file 600 file' });
            },
          ),
      );
      if (seen !== undefined) throw new Error(`the other host got ${seen}`);
    },
  },
  {
    like: 'CVE-2018-1002207 (“Zip Slip”), names of downloads',
    what: 'ADD from addresses whose last part climbs, is empty, or is named by the server',
    run: async (arena) => {
      await serving(
        (request, response) => {
          response.writeHead(200, { 'content-disposition': `attachment; filename="../../../../tmp/${MARK}"` }).end(request.url);
        },
        async (address) => {
          for (const path of [
            '/..%2f..%2fetc%2fpasswd',
            '/a%00b',
            '/%2e%2e',
            '/',
            '/?x=../../y',
            `/${'n'.repeat(300)}`,
            '/a%0ab',
            '/a/..',
            '/%5c..%5cx',
          ]) {
            const verdict = await arena.build(`FROM scratch\nADD ${address}${path} /in/\n`);
            for (const name of Object.keys(verdict.files)) if (!/^in(\/[^/]+)?$/.test(name)) throw new Error(`${path} became ${name}`);
          }
        },
      );
    },
  },
  {
    like: 'CVE-2017-11468 (distribution)',
    what: 'ADD from a server that redirects for ever, to a file, or to a socket',
    run: async (arena) => {
      const loop: RequestListener = (request, response) => response.writeHead(302, { location: request.url ?? '/' }).end();
      await serving(loop, async (address) => assertRefused(await arena.build(`FROM scratch\nADD ${address}/f /f\n`), 'HTTP_REDIRECT'));
      for (const location of [`file://${arena.outside}/private/key`, 'ftp://127.0.0.1/x', 'data:text/plain,x', 'gopher://127.0.0.1:25/']) {
        const away: RequestListener = (_, response) => response.writeHead(302, { location }).end();
        await serving(away, async (address) => assertRefused(await arena.build(`FROM scratch\nADD ${address}/f /f\n`), 'HTTP_REDIRECT'));
      }
    },
  },
  {
    like: 'CVE-2017-11468 (distribution), files without end',
    what: 'ADD from a server that sends for ever, or announces more than any disk has',
    run: async (arena) => {
      const announced: RequestListener = (_, response) => void response.writeHead(200, { 'content-length': String(2 ** 52) }).write('x');
      await serving(announced, async (address) =>
        assertRefused(await arena.build(`FROM scratch\nADD ${address}/f /f\n`), 'HTTP_TOO_LARGE'),
      );
      const endless: RequestListener = (_, response) => {
        const timer = setInterval(() => response.write(Buffer.alloc(1 << 16)), 1);
        response.on('close', () => clearInterval(timer));
      };
      await serving(endless, async (address) => {
        const into = join(arena.folder(), 'file');
        const exchange = { send: plainSend };
        const fetched = fetchFile(exchange, { url: `${address}/f`, headers: {}, into, maxBytes: 1 << 20 }, quietJob());
        await assert.rejects(fetched, (error) => isSlipwayError(error, 'HTTP_TOO_LARGE') && !existsSync(into));
      });
    },
  },
  {
    like: 'CVE-2024-3727 (containers/image), checksums',
    what: 'checksums that are paths or of unknown kind',
    run: async (arena) => {
      await serving(
        (_, response) => response.end('file'),
        async (address) => {
          for (const checksum of ['sha256:../../x', 'md5:d41d8cd98f00b204e9800998ecf8427e', `sha256:${'0'.repeat(64)}`, 'x']) {
            assertRefused(await arena.build(`FROM scratch\nADD --checksum=${checksum} ${address}/f /f\n`), [
              'DOCKERFILE_INVALID',
              'DIGEST_INVALID',
              'HTTP_CHECKSUM',
            ]);
          }
        },
      );
    },
  },
]);
