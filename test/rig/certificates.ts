// Certificates for tests, of elliptic curves and good for two days.

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** Where a certificate and its key are. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
const DAYS = ['-days', '2'];

/** Files of a certificate called `name`. */
const filesOf = (folder: string, name: string): Certificate => ({ cert: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) });

const hosts = (names: readonly string[]): readonly string[] => ['-subj', `/CN=${names[0] ?? ''}`, ...alternatives(names)];

function alternatives(names: readonly string[]): readonly string[] {
  const all = names.map((name) => `${/^[\d.]+$/.test(name) ? 'IP' : 'DNS'}:${name}`);
  return ['-addext', `subjectAltName=${all.join(',')}`];
}

function openssl(...args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: 'ignore' });
}

/** A certificate that vouches for itself, for an authority or for the servers called `names`. */
export function selfSigned(folder: string, name: string, names: readonly string[] = []): Certificate {
  const { cert, key } = filesOf(folder, name);
  const subject = names.length === 0 ? ['-subj', `/CN=${name}`] : hosts(names);
  openssl('req', '-x509', ...NEW_KEY, ...DAYS, ...subject, '-keyout', key, '-out', cert);
  return { cert, key };
}

/** One for `names` that `authority` vouches for. */
export function signedBy(authority: Certificate, folder: string, name: string, names: readonly string[]): Certificate {
  const { cert, key } = filesOf(folder, name);
  const request = join(folder, `${name}.csr`);
  openssl('req', ...NEW_KEY, ...hosts(names), '-keyout', key, '-out', request);
  const by = ['-CA', authority.cert, '-CAkey', authority.key, '-CAcreateserial'];
  openssl('x509', '-req', '-in', request, ...by, ...DAYS, '-copy_extensions', 'copy', '-out', cert);
  return { cert, key };
}
