// Makes src/api/gen/*_pb.ts from src/api/proto/*.proto. Run it after a change of a .proto; the result is committed.
// The generator is fetched for this run only: nobody needs it to build or to test.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const work = mkdtempSync(join(tmpdir(), 'slipway-proto-'));
const run = (command, args, cwd) => execFileSync(command, args, { cwd, stdio: 'inherit' });
try {
  cpSync(join(root, 'src/api/proto'), join(work, 'proto'), { recursive: true });
  writeFileSync(join(work, 'package.json'), '{"private":true}');
  writeFileSync(join(work, 'buf.yaml'), 'version: v2\nmodules:\n  - path: proto\n');
  writeFileSync(
    join(work, 'buf.gen.yaml'),
    `version: v2\nplugins:\n  - local: ./node_modules/.bin/protoc-gen-es\n    out: ${join(root, 'src/api/gen')}\n    opt: [target=ts, import_extension=ts]\n`,
  );
  run('npm', ['install', '--silent', '@bufbuild/buf@1.75.0', '@bufbuild/protoc-gen-es@2.17.0'], work);
  run('node_modules/.bin/buf', ['generate'], work);
  run('npx', ['prettier', '--write', '--log-level', 'warn', 'src/api/gen'], root);
} finally {
  rmSync(work, { recursive: true, force: true });
}
