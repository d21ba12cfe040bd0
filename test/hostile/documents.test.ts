// Hostile manifests, indexes and configs of base images.

import { mkdirSync, readFileSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { digestOf } from '../../src/base/index.ts';
import { OCI } from '../../src/oci/index.ts';
import { type Arena, assertContained, assertRefused, hostile, MARK, type Verdict } from './arena.ts';
import { type LayoutFaults, writeLayout } from './layouts.ts';
import { craft } from './tar-crafter.ts';

let made = 0;
/** A sound layer; each time another one, so that no case finds the last one's in the store. */
const ok = (): { blob: Buffer } => ({ blob: craft([{ name: 'f', data: 'ok' }, { name: `n${(made += 1)}` }]) });
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

function from(arena: Arena, faults: LayoutFaults, rest = '', change: (folder: string) => void = () => {}): Promise<Verdict> {
  const folder = join(arena.folder(), 'layout');
  mkdirSync(folder);
  const base = writeLayout(folder, { layers: [ok()], ...faults });
  change(folder);
  return arena.build(`FROM base\n${rest}`, { namedContexts: { base } });
}

/** A chain of `depth` indexes, the last naming `last`. */
function nested(folder: string, depth: number): void {
  const read = JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8')) as { manifests: readonly object[] };
  let entry = read.manifests[0] as Record<string, unknown>;
  for (let level = 0; level < depth; level += 1) {
    const bytes = json({
      schemaVersion: 2,
      mediaType: OCI.index,
      manifests: [{ ...entry, platform: { os: 'linux', architecture: 'amd64' } }],
    });
    writeFileSync(join(folder, 'blobs/sha256', digestOf(bytes).slice(7)), bytes);
    entry = { mediaType: OCI.index, digest: digestOf(bytes), size: bytes.length };
  }
  const annotations = { 'org.opencontainers.image.ref.name': 'latest' };
  writeFileSync(join(folder, 'index.json'), json({ schemaVersion: 2, mediaType: OCI.index, manifests: [{ ...entry, annotations }] }));
}

hostile([
  {
    like: 'CVE-2021-41190 (OCI distribution spec)',
    what: 'a manifest that can also be read as an index',
    run: async (arena) => assertRefused(await from(arena, { manifest: { manifests: [] } }), 'OCI_DOCUMENT_AMBIGUOUS'),
  },
  {
    like: 'CVE-2021-41190, GHSA-mc8v-mgrf-8f4m',
    what: 'a manifest that calls itself something else than its descriptor does',
    run: async (arena) => assertRefused(await from(arena, { manifest: { mediaType: OCI.index } }), 'OCI_DOCUMENT_AMBIGUOUS'),
  },
  {
    like: 'CVE-2022-30635 (Go), nesting without end',
    what: 'indexes in indexes in indexes',
    run: async (arena) => {
      assertRefused(await from(arena, {}, '', (folder) => nested(folder, 60)), 'OCI_INDEX_INVALID');
    },
  },
  {
    like: 'CVE-2023-25153 (containerd)',
    what: 'a manifest of megabytes',
    run: async (arena) => {
      const annotations = { x: 'a'.repeat(5 << 20) };
      assertRefused(await from(arena, { manifest: { annotations } }), 'OCI_DOCUMENT_TOO_LARGE');
    },
  },
  {
    like: 'CVE-2023-25153 (containerd), the config',
    what: 'a config of 17 MiB',
    run: async (arena) =>
      assertRefused(await from(arena, { config: { author: 'a'.repeat(17 << 20) } }), ['OCI_DOCUMENT_TOO_LARGE', 'BLOB_TOO_LARGE']),
  },
  {
    like: 'CVE-2022-28131 (Go encoding/xml), deep JSON',
    what: 'a config of a million brackets',
    run: async (arena) => {
      const rawConfig = Buffer.from(`{"x":${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}}`);
      assertRefused(await from(arena, { rawConfig }), ['OCI_DOCUMENT_INVALID', 'IMAGE_CONFIG_INVALID']);
    },
  },
  {
    like: 'CVE-2021-21285 (Docker)',
    what: 'a manifest with wrong types everywhere',
    run: async (arena) => {
      for (const manifest of [
        { layers: 'x' },
        { layers: [null] },
        { layers: [[]] },
        { config: 5 },
        { config: null },
        { layers: { length: 3 } },
      ]) {
        assertRefused(await from(arena, { manifest }), 'OCI_DOCUMENT_INVALID');
      }
    },
  },
  {
    like: 'CVE-2021-21285 (Docker), numbers that are none',
    what: 'sizes that are negative, broken, or beyond what is exact',
    run: async (arena) => {
      for (const size of [-1, 1.5, 1e300, '5', null]) {
        assertRefused(await from(arena, { layers: [{ ...ok(), facts: { size } }] }), 'OCI_DOCUMENT_INVALID');
      }
    },
  },
  {
    like: 'CVE-2018-16487 (lodash), __proto__',
    what: 'a config with members that are everything’s',
    run: async (arena) => {
      const config = JSON.parse(
        '{"config":{"Labels":{"__proto__":"x","constructor":"y"},"Env":["__proto__=x","PATH=/bin"]},"__proto__":{"polluted":true}}',
      ) as object;
      const rawConfig = undefined;
      assertContained(
        await from(
          arena,
          { config: config as Record<string, unknown>, ...(rawConfig === undefined ? {} : { rawConfig }) },
          'ENV A=${constructor}-${__proto__}\n',
        ),
        { f: 'file 644 ok' },
      );
      if ('polluted' in {}) throw new Error('a prototype was changed');
    },
  },
  {
    like: 'CVE-2014-8179 (Docker), schema 1',
    what: 'a manifest of schema version 1, whose layers have no digest of their own',
    run: async (arena) => {
      const rawManifest = json({ schemaVersion: 1, name: 'x', tag: 'latest', architecture: 'amd64', fsLayers: [], history: [] });
      assertRefused(await from(arena, { rawManifest }), ['OCI_SCHEMA_UNSUPPORTED', 'OCI_DOCUMENT_AMBIGUOUS']);
    },
  },
  {
    like: 'CVE-2025-24882 (regclient)',
    what: 'a manifest whose bytes are not those of its digest',
    run: async (arena) => {
      const verdict = await from(arena, {}, '', (folder) => {
        const { manifests } = JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8')) as { manifests: readonly { digest: string }[] };
        writeFileSync(join(folder, 'blobs/sha256', (manifests[0]?.digest ?? '').slice(7)), '{"schemaVersion":2}');
      });
      assertRefused(verdict, 'BLOB_DIGEST_MISMATCH');
    },
  },
  {
    like: 'CVE-2022-4122 (podman)',
    what: 'a blob of a layout that is a symlink to a file of the host',
    run: async (arena) => {
      const layer = ok();
      const verdict = await from(arena, { layers: [layer] }, '', (folder) => {
        const path = join(folder, 'blobs/sha256', digestOf(layer.blob).slice(7));
        unlinkSync(path);
        symlinkSync(`${arena.outside}/private/key`, path);
      });
      assertRefused(verdict, ['BLOB_DIGEST_MISMATCH', 'BLOB_SIZE_MISMATCH', 'BLOB_TRUNCATED']);
    },
  },
  {
    like: 'CVE-2024-3727 (containers/image), names of layouts',
    what: 'a config whose digest is a path',
    run: async (arena) => {
      const config = { mediaType: OCI.config, digest: 'sha256:../../../../../etc/passwd', size: 10 };
      assertRefused(await from(arena, { manifest: { config } }), ['OCI_DOCUMENT_INVALID', 'DIGEST_INVALID']);
    },
  },
  {
    like: 'CVE-2014-8178 (Docker), counts that differ',
    what: 'a config with more DiffIDs than there are layers, and fewer',
    run: async (arena) => {
      for (const ids of [[], [digestOf('a'), digestOf('b')]]) {
        assertRefused(await from(arena, { config: { rootfs: { type: 'layers', diff_ids: ids } } }), ['IMAGE_CONFIG_INVALID']);
      }
    },
  },
  {
    like: 'CVE-2022-4122 (podman), triggers of a base',
    what: 'ONBUILD that copies from the host, climbs, or loops',
    run: async (arena) => {
      const build = (trigger: string): Promise<Verdict> => from(arena, { config: { config: { OnBuild: [trigger] } } });
      assertRefused(await build('FROM base'), 'DOCKERFILE_INVALID');
      assertRefused(await build('COPY ../../../../outside/private/key /key'), 'COPY_NOT_FOUND');
      assertRefused(await build(`COPY ${arena.outside}/private/key /key`), 'COPY_NOT_FOUND');
      assertRefused(await build('COPY <<EOF /x\nhidden\nEOF\nCOPY a b'), ['DOCKERFILE_INVALID', 'COPY_NOT_FOUND']);
      assertRefused(await build(`RUN a\nRUN touch /${MARK}`), [
        'DOCKERFILE_INVALID',
        'RUNG_UNAVAILABLE',
        'EXEC_EXIT',
        'EXEC_START',
        'RUNTIME_MISSING',
      ]);
      assertRefused(await build('NOSUCH x'), 'DOCKERFILE_INVALID');
    },
  },
  {
    like: 'CVE-2023-46737 (cosign), without end',
    what: 'two thousand triggers',
    run: async (arena) => {
      const OnBuild = Array.from({ length: 2000 }, (_, index) => `LABEL l${index}=x`);
      assertContained(await from(arena, { config: { config: { OnBuild } } }), { f: 'file 644 ok' });
    },
  },
  {
    like: 'CVE-2022-0811 (CRI-O)',
    what: 'variables of a base with newlines, without names, and millions of bytes long',
    run: async (arena) => {
      const Env = ['=x', 'A', 'B=1\nLD_PRELOAD=/evil', `C=${'c'.repeat(3_000_000)}`, 'PATH=/bin'];
      assertContained(await from(arena, { config: { config: { Env } } }, 'ENV D=$C\nLABEL l=$B\n'), { f: 'file 644 ok' });
    },
  },
  {
    like: 'CVE-2023-2253 (distribution)',
    what: 'a hundred thousand entries, all of the wanted name',
    run: async (arena) => {
      const verdict = await from(arena, {}, '', (folder) => {
        const { manifests } = JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8')) as { manifests: readonly object[] };
        const many = Array.from({ length: 100_000 }, () => manifests[0]);
        writeFileSync(join(folder, 'index.json'), json({ schemaVersion: 2, mediaType: OCI.index, manifests: many }));
      });
      assertRefused(verdict, ['OCI_DOCUMENT_TOO_LARGE', 'OCI_LAYOUT_IMAGE_UNKNOWN']);
    },
  },
]);
