// The part of a report about one image: its layers, its files and what the checks found.

import { type BytePath, hideLogins } from '../../base/index.ts';
import type { LayerIndex, Tree } from '../../layer/index.ts';
import { type ImageConfig, type RuntimeConfig } from '../../oci/index.ts';
import type { Finding } from '../finding.ts';
import { isSecretName } from '../leaks.ts';
import type { LayerOrigin } from '../origin.ts';
import type { PackageDatabase } from '../packages.ts';
import { fileTable } from './file-table.ts';
import type { ReportImage, ReportLayer } from './types.ts';

/** A layer as far as it is known. */
export interface DescribedLayer {
  /** Name in the store: what the tree calls it. */
  readonly id: string;
  readonly index: LayerIndex;
  /** For people. */
  readonly made: string;
  readonly origin?: LayerOrigin;
  readonly digest?: string;
  readonly stored?: number;
}

/** What an image's part is made of. */
export interface DescribedImage {
  readonly platform: string;
  readonly digest?: string;
  readonly config: ImageConfig;
  readonly tree: Tree;
  readonly layers: readonly DescribedLayer[];
  readonly packages: PackageDatabase;
  readonly findings: readonly Finding[];
}

/** Describes an image. Reads no file but the package databases. */
export function describeImage({ platform, digest, config, tree, layers, packages, findings }: DescribedImage): ReportImage {
  const files = fileTable(tree, { layers: layers.map(({ id }) => id), ownerOf: (path: BytePath) => packages.ownerOf(path) });
  const visible = layers.map(() => 0);
  for (const [index, layer] of files.layers.entries()) if (layer >= 0) visible[layer] = (visible[layer] ?? 0) + (files.sizes[index] ?? 0);
  return {
    platform,
    ...(digest === undefined ? {} : { digest }),
    ...(config.created === undefined ? {} : { created: config.created }),
    config: configLines(config.config ?? {}),
    layers: layers.map((layer, index) => describeLayer(layer, visible[index] ?? 0)),
    files,
    findings,
  };
}

function describeLayer({ index, made, origin, digest, stored }: DescribedLayer, visible: number): ReportLayer {
  const { base, stage, line, instruction, from } = origin ?? {};
  return {
    ...(digest === undefined ? {} : { digest }),
    ...(stored === undefined ? {} : { stored }),
    bytes: index.entries.reduce((sum, { size }) => sum + size, 0),
    entries: index.entries.length,
    visible,
    made,
    ...(base === undefined ? {} : { base }),
    ...(stage === undefined ? {} : { stage }),
    ...(line === undefined ? {} : { line }),
    ...(instruction === undefined ? {} : { instruction }),
    ...(from === undefined ? {} : { from }),
  };
}

/** The config as lines of a Dockerfile would say it; no values of secret-looking variables. */
function configLines({
  Env,
  Entrypoint,
  Cmd,
  User,
  WorkingDir,
  ExposedPorts,
  Volumes,
  StopSignal,
  Labels,
}: RuntimeConfig): readonly string[] {
  const one = (name: string, value: string | undefined): string[] => (value === undefined || value === '' ? [] : [`${name} ${value}`]);
  const words = (name: string, value: readonly string[] | null | undefined): string[] =>
    value === undefined || value === null || value.length === 0 ? [] : [`${name} ${JSON.stringify(value)}`];
  return [
    ...words('ENTRYPOINT', Entrypoint),
    ...words('CMD', Cmd),
    ...one('USER', User),
    ...one('WORKDIR', WorkingDir),
    ...Object.keys(ExposedPorts ?? {}).map((port) => `EXPOSE ${port}`),
    ...Object.keys(Volumes ?? {}).map((path) => `VOLUME ${path}`),
    ...one('STOPSIGNAL', StopSignal),
    ...(Env ?? []).map((entry) => {
      const name = entry.split('=', 1)[0] ?? '';
      return `ENV ${isSecretName(name) ? `${name}=…` : hideLogins(entry)}`;
    }),
    ...Object.entries(Labels ?? {}).map(([name, value]) => `LABEL ${name}=${JSON.stringify(value)}`),
  ];
}
