// Where settings come from, and what is refused in a configuration file.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseTrustPolicy } from '../build/index.ts';
import { ParsedFlags } from './flags.ts';
import { type Configuration, loginFile, readConfiguration } from './settings.ts';
import type { World } from './world.ts';

const worldOf = (env: World['env'], cwd = '/'): World => ({ env, cwd, uid: 0 }) as unknown as World;

/** What a configuration file says. */
async function configured(text: string, files: Readonly<Record<string, string>> = {}): Promise<Configuration> {
  const folder = mkdtempSync('/tmp/slipway-settings-');
  try {
    writeFileSync(join(folder, 'config.toml'), text);
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(join(folder, name, '..'), { recursive: true });
      writeFileSync(join(folder, name), content);
    }
    const env = { SLIPWAY_CONFIG: join(folder, 'config.toml'), HOME: folder };
    return await readConfiguration(new ParsedFlags(new Map(), []), worldOf(env, join(folder, 'cwd')));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test('an empty variable is one that is not set', async () => {
  const empty = { SLIPWAY_ROOT: '', SLIPWAY_CONFIG: '', SLIPWAY_TRUST: '', SLIPWAY_RUNG: '', DOCKER_CONFIG: '', REGISTRY_AUTH_FILE: '' };
  const world = worldOf({ ...empty, HOME: '/nowhere' }, '/some/project');
  assert.equal((await readConfiguration(new ParsedFlags(new Map(), []), world)).root, '/var/lib/slipway');
  assert.equal(loginFile(world), '/nowhere/.docker/config.json');
});

test('a key of the wrong kind is refused: a trust policy without effect would let everything in', async () => {
  for (const [text, problem] of [
    ['trust = ["policy.toml"]', /trust must be text, and is a list/],
    ['trust = true', /trust must be text, and is true or false/],
    ['no-new-privileges = "true"', /no-new-privileges must be true or false, and is text/],
    ['max-parallelism = "4"', /max-parallelism must be a number, and is text/],
    ['gc = true', /gc must be a table, and is true or false/],
    ['[gc]\nmax-bytes = "10g"', /gc\.max-bytes must be a number, and is text/],
    ['[registry."r.example"]\nmirrors = "m.example"', /registry\."r\.example"\.mirrors must be a list, and is text/],
    ['[registry."r.example"]\ninsecure = "false"', /registry\."r\.example"\.insecure must be true or false, and is text/],
  ] as const) {
    await assert.rejects(configured(text), { code: 'CONFIG_INVALID', message: problem });
  }
});

test('a key that nobody reads is refused with its line: misspelt, it would keep nothing out', async () => {
  for (const [text, problem] of [
    ['# c\nno-new-privilege = true', /config\.toml:2: unknown key no-new-privilege \(did you mean no-new-privileges\?\)$/],
    ['trsut = "policy.toml"', /config\.toml:1: unknown key trsut \(did you mean trust\?\)$/],
    ['root = "/x"\n\n[gc]\nmax-byte = 1', /config\.toml:4: unknown key gc\.max-byte \(did you mean max-bytes\?\)$/],
    ['[regisrty."r.example"]\nhttp = true', /config\.toml:1: unknown key regisrty \(did you mean registry\?\)$/],
    [
      '[registry."a.example"]\nhttp = true\n[registry."r.example"] # c\nhttp = true\nmirors = []',
      /:5: unknown key registry\."r\.example"\.mirors \(did you mean mirrors\?\)$/,
    ],
    ['registry."r.example".insecrue = true', /:1: unknown key registry\."r\.example"\.insecrue \(did you mean insecure\?\)$/],
    ['registry = { "r.example" = { pem = 1 } }', /config\.toml: unknown key registry\."r\.example"\.pem$/],
    [
      '[registry."r.example"]\n[[registry."r.example".keypair]]\nkey = "k"\ncrt = "c"',
      /:4: unknown key [^ ]*keypair\.crt \(did you mean cert\?\)$/,
    ],
    ['[grpc.tls]\nkey = "k"\ncertificate = "c"', /:3: unknown key grpc\.tls\.certificate/],
    ['constructor = 1', /:1: unknown key constructor/],
    ['"__proto__" = 1', /:1: unknown key __proto__/],
  ] as const) {
    await assert.rejects(configured(text), { code: 'CONFIG_INVALID', message: problem }, text);
  }
});

test('a configuration of BuildKit’s server is taken as it is', async () => {
  const text = `debug = true
root = "/var/lib/buildkit"
insecure-entitlements = [ "network.host" ]
[log]
  format = "text"
[dns]
  nameservers=["1.1.1.1"]
[grpc]
  address = [ "tcp://0.0.0.0:1234" ]
  [grpc.tls]
    cert = "/c"
    key = "/k"
    ca = "/a"
[otel]
  socketPath = "/run/otel"
[cdi]
  disabled = true
[history]
  maxAge = 172800
[worker.oci]
  enabled = true
  [[worker.oci.gcpolicy]]
    reservedSpace = "512MB"
[registry."docker.io"]
  mirrors = ["m.example:5000", "core.example/proxy/docker.io"]
  http = true
  insecure = true
  ca=["mine.pem"]
  [[registry."docker.io".keypair]]
    key="key.pem"
    cert="cert.pem"
[frontend."dockerfile.v0"]
  enabled = true
[system]
  platformsCacheMaxAge = "1h"
`;
  assert.deepEqual((await configured(text)).settings.registries?.['docker.io']?.http, true);
});

test('paths in a configuration file are found from its folder, wherever the command is', async () => {
  const files = {
    'policy.toml': 'default = "refuse"\n',
    'cwd/policy.toml': 'default = "allow"\n',
  };
  const { root, settings } = await configured('root = "store"\ntrust = "policy.toml"\n[registry."r.example"]\nca = ["ca.pem"]\n', files);
  assert.match(root, /slipway-settings-\w+\/store$/);
  assert.deepEqual(settings.trust, parseTrustPolicy({ default: 'refuse' }, root.replace(/store$/, 'policy.toml'), String));
  assert.match(String(settings.registries?.['r.example']?.ca), /slipway-settings-\w+\/ca\.pem$/);
});
