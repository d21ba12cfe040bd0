// Which certificates are trusted and shown, for each host: the system's, SSL_CERT_FILE, /etc/docker/certs.d/<host>/, and the settings.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SecureContext } from 'node:tls';
import { errnoOf, SlipwayError } from '../base/index.ts';
import type { RegistryConfig, RegistrySettings } from './config.ts';

/** Where distributions keep their bundle of authorities (crypto/x509's list). */
const SYSTEM_BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
];
const CERTS_DIRS = ['/etc/docker/certs.d'];

/** How TLS with one host is done. */
export interface HostTls {
  readonly context: SecureContext;
  readonly verify: boolean;
}

interface TlsFiles {
  readonly ca: readonly string[];
  readonly pairs: readonly { readonly cert: string; readonly key: string }[];
}

/** Makes and keeps the TLS settings of hosts; files are read when a host is first reached by TLS. */
export class TlsStore {
  readonly #config: RegistryConfig;
  readonly #hosts = new Map<string, Promise<HostTls>>();
  #shared: Promise<SecureContext> | undefined;

  constructor(config: RegistryConfig) {
    this.#config = config;
  }

  /** Throws `REGISTRY_CONFIG_INVALID` for files that cannot be read. */
  hostTls(host: string, settings: RegistrySettings): Promise<HostTls> {
    const key = `${host} ${settings.insecure === true ? 'insecure' : ''}`;
    let known = this.#hosts.get(key);
    if (known === undefined) {
      known = this.#make(host, settings);
      this.#hosts.set(key, known);
    }
    return known;
  }

  async #make(host: string, settings: RegistrySettings): Promise<HostTls> {
    const verify = settings.insecure !== true;
    const files = this.#filesOf(host, settings);
    if (files.ca.length === 0 && files.pairs.length === 0) {
      this.#shared ??= this.#context({ ca: [], pairs: [] });
      return { context: await this.#shared, verify };
    }
    return { context: await this.#context(files), verify };
  }

  #filesOf(host: string, settings: RegistrySettings): TlsFiles {
    const folders = [...(this.#config.certsDirs ?? CERTS_DIRS).map((dir) => join(dir, host)), ...(settings.tlsconfigdir ?? [])];
    const found = folders.map(filesInFolder);
    return {
      ca: [...(settings.ca ?? []), ...found.flatMap((files) => files.ca)],
      pairs: [...(settings.keypair ?? []), ...found.flatMap((files) => files.pairs)],
    };
  }

  async #context(files: TlsFiles): Promise<SecureContext> {
    const { createSecureContext, rootCertificates } = await import('node:tls');
    const bundle = SYSTEM_BUNDLES.find((path) => existsSync(path));
    const system = bundle === undefined ? rootCertificates : [readPem(bundle)];
    const extra = [...(this.#config.certificateFiles ?? []), ...files.ca].map(readPem);
    try {
      return createSecureContext({
        ca: [...system, ...extra],
        cert: files.pairs.map((pair) => readPem(pair.cert)),
        key: files.pairs.map((pair) => readPem(pair.key)),
      });
    } catch (cause) {
      const names = [...files.ca, ...files.pairs.flatMap((pair) => [pair.cert, pair.key])].join(', ');
      throw new SlipwayError('REGISTRY_CONFIG_INVALID', `cannot use the certificates ${names}: ${(cause as Error).message}`, { cause });
    }
  }
}

function filesInFolder(folder: string): TlsFiles {
  let names: string[];
  try {
    names = readdirSync(folder).sort();
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EACCES') return { ca: [], pairs: [] };
    throw error;
  }
  const path = (name: string): string => join(folder, name);
  return {
    ca: names.filter((name) => name.endsWith('.crt')).map(path),
    pairs: names.filter((name) => name.endsWith('.cert')).map((name) => ({ cert: path(name), key: path(name.replace(/\.cert$/, '.key')) })),
  };
}

function readPem(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new SlipwayError('REGISTRY_CONFIG_INVALID', `cannot read the certificate file ${path}: ${(cause as Error).message}`, { cause });
  }
}
