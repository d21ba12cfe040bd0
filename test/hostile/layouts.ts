// Images as a stranger serves them: an OCI layout with any layers, config and manifest.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { digestOf } from '../../src/base/index.ts';
import { LAYOUT_CONTENT, OCI } from '../../src/oci/index.ts';

type Json = Readonly<Record<string, unknown>>;

/** What of the image is not as it should be; everything else is sound. */
export interface LayoutFaults {
  /** Blobs as they are stored; their tars (uncompressed) if they are something else. */
  readonly layers?: readonly { readonly blob: Uint8Array; readonly tar?: Uint8Array; readonly mediaType?: string; readonly facts?: Json }[];
  /** Over the config. */
  readonly config?: Json;
  /** Over the manifest. */
  readonly manifest?: Json;
  /** Over the entry of index.json. */
  readonly entry?: Json;
  /** Instead of the manifest's bytes. */
  readonly rawManifest?: Uint8Array;
  /** Instead of the config's bytes. */
  readonly rawConfig?: Uint8Array;
}

/** Writes the layout; it is `oci-layout://FOLDER:latest`. */
export function writeLayout(folder: string, faults: LayoutFaults = {}): string {
  const { layers = [] } = faults;
  mkdirSync(join(folder, 'blobs/sha256'), { recursive: true });
  const put = (bytes: Uint8Array): { digest: string; size: number } => {
    const digest = digestOf(bytes);
    writeFileSync(join(folder, 'blobs/sha256', digest.slice(7)), bytes);
    return { digest, size: bytes.length };
  };
  const config = put(
    faults.rawConfig ??
      Buffer.from(
        JSON.stringify({
          os: 'linux',
          architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
          config: {},
          rootfs: { type: 'layers', diff_ids: layers.map(({ blob, tar }) => digestOf(tar ?? blob)) },
          ...faults.config,
        }),
      ),
  );
  const manifest = put(
    faults.rawManifest ??
      Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          mediaType: OCI.manifest,
          config: { mediaType: OCI.config, ...config },
          layers: layers.map(({ blob, mediaType, facts }) => ({ mediaType: mediaType ?? OCI.layer, ...put(blob), ...facts })),
          ...faults.manifest,
        }),
      ),
  );
  const entry = { mediaType: OCI.manifest, ...manifest, annotations: { 'org.opencontainers.image.ref.name': 'latest' }, ...faults.entry };
  writeFileSync(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, mediaType: OCI.index, manifests: [entry] }));
  writeFileSync(join(folder, 'oci-layout'), LAYOUT_CONTENT);
  return `oci-layout://${folder}:latest`;
}
