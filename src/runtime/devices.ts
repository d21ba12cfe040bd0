// Devices of the machine in a step: by path, or by CDI name (Container Device Interface) from the machine's specs.

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { SlipwayError } from '../base/index.ts';
import { deviceMajor, deviceMinor } from '../sys/index.ts';
import type { OciDevice, OciMount } from './oci-config.ts';
import type { DeviceRequest } from './process-spec.ts';

/** What devices add to a container. */
export interface DeviceEdits {
  readonly devices: readonly OciDevice[];
  readonly mounts: readonly OciMount[];
  readonly env: readonly string[];
}

/** Given to insecure steps, as BuildKit does: the kernel's log, fuse, kvm, tun and loop devices, as far as the machine has them. */
const INSECURE = [
  '/dev/kmsg',
  '/dev/cuse',
  '/dev/fuse',
  '/dev/kvm',
  '/dev/net/tun',
  '/dev/loop-control',
  ...Array.from({ length: 8 }, (_, index) => `/dev/loop${index}`),
];

/** Resolves requests. Throws `DEVICE_UNKNOWN` for one that is not optional and not there. */
export function deviceEdits(
  requests: readonly DeviceRequest[],
  insecure: boolean,
  cdiFolders: readonly string[] = CDI_FOLDERS,
): DeviceEdits {
  const edits = requests.map((request) => requestEdits(request, cdiFolders));
  const extra = insecure ? INSECURE.flatMap((path) => hostDevice(path) ?? []) : [];
  const devices = new Map([...extra, ...edits.flatMap((edit) => edit.devices)].map((device) => [device.path, device]));
  return { devices: [...devices.values()], mounts: edits.flatMap((edit) => edit.mounts), env: edits.flatMap((edit) => edit.env) };
}

const CDI_FOLDERS = ['/etc/cdi', '/var/run/cdi'];
const NONE: DeviceEdits = { devices: [], mounts: [], env: [] };

function requestEdits(request: DeviceRequest, cdiFolders: readonly string[]): DeviceEdits {
  if (request.name.startsWith('/dev/')) {
    const device = hostDevice(request.name);
    if (device !== undefined) return { ...NONE, devices: [device] };
  } else {
    const found = cdiEdits(request.name, cdiFolders);
    if (found !== undefined) return found;
  }
  if (request.optional) return NONE;
  throw new SlipwayError('DEVICE_UNKNOWN', `no such device on this machine: ${request.name}`, {
    hint: `a device is a path (/dev/fuse) or a CDI name that a JSON file in ${cdiFolders.join(' or ')} describes`,
  });
}

function hostDevice(path: string, containerPath = path): OciDevice | undefined {
  try {
    const stat = statSync(path);
    const type = stat.isCharacterDevice() ? 'c' : stat.isBlockDevice() ? 'b' : undefined;
    if (type === undefined) return undefined;
    return { path: containerPath, type, major: deviceMajor(stat.rdev), minor: deviceMinor(stat.rdev), fileMode: stat.mode & 0o777 };
  } catch {
    return undefined;
  }
}

interface CdiEdits {
  readonly env?: readonly string[];
  readonly deviceNodes?: readonly { readonly path: string; readonly hostPath?: string }[];
  readonly mounts?: readonly { readonly hostPath: string; readonly containerPath: string; readonly options?: readonly string[] }[];
}

interface CdiSpec {
  readonly kind?: string;
  readonly containerEdits?: CdiEdits;
  readonly devices?: readonly { readonly name: string; readonly containerEdits?: CdiEdits }[];
}

/** `vendor.com/class=name`, or `vendor.com/class` for its first device. Later folders win. */
function cdiEdits(name: string, folders: readonly string[]): DeviceEdits | undefined {
  const [kind, wanted] = name.split('=');
  for (const spec of [...folders].reverse().flatMap(readSpecs)) {
    if (spec.kind !== kind) continue;
    const device = wanted === undefined ? spec.devices?.[0] : spec.devices?.find((each) => each.name === wanted);
    if (device === undefined) continue;
    const parts = [spec.containerEdits ?? {}, device.containerEdits ?? {}];
    return {
      env: parts.flatMap((part) => part.env ?? []),
      devices: parts.flatMap((part) => (part.deviceNodes ?? []).flatMap((node) => hostDevice(node.hostPath ?? node.path, node.path) ?? [])),
      mounts: parts.flatMap((part) =>
        (part.mounts ?? []).map((mount) => ({
          destination: mount.containerPath,
          type: 'bind',
          source: mount.hostPath,
          options: ['rbind', ...(mount.options ?? ['ro'])],
        })),
      ),
    };
  }
  return undefined;
}

function readSpecs(folder: string): readonly CdiSpec[] {
  let names: readonly string[];
  try {
    names = readdirSync(folder).filter((name) => name.endsWith('.json'));
  } catch {
    return [];
  }
  return names.flatMap((name) => {
    try {
      return [JSON.parse(readFileSync(join(folder, name), 'utf8')) as CdiSpec];
    } catch {
      return [];
    }
  });
}
