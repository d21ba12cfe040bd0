// What programs expect around them: certificates, zone data, name resolution, a place for temporary files.

import type { Entry } from '../layer/index.ts';
import { fileHas } from './check-program.ts';
import { variableOf } from './command-line.ts';
import type { LoadedFile } from './library-search.ts';
import { copyLine, type RuntimeContext, shown, whereReadable } from './runtime-context.ts';
import { fileAt, resolveInTree, treePath } from './tree-files.ts';

const CERTIFICATES = [
  'etc/ssl/certs/ca-certificates.crt',
  'etc/ssl/cert.pem',
  'etc/pki/tls/certs/ca-bundle.crt',
  'etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  'etc/ssl/ca-bundle.pem',
  'usr/local/share/certs/ca-root-nss.crt',
  'usr/lib/ssl/cert.pem',
];
const TLS_LIBRARIES = /^lib(ssl|gnutls|curl|mbedtls)[.-]/;
const TLS_TEXTS = ['/etc/ssl/certs/ca-certificates.crt', 'SSL_CERT_FILE'];
const TEMPORARY_CALLS = ['mkstemp', 'mkdtemp', 'tmpfile', 'mkstemp64', 'tmpfile64'];

/** Certificates, zone data, nsswitch and /tmp for the programs that are started; libraries of each are what it loads. */
export function checkSurroundings(
  context: RuntimeContext,
  programs: readonly { readonly path: string; readonly loaded: readonly LoadedFile[] }[],
): void {
  checkTimezone(context);
  for (const { path, loaded } of programs) {
    const program = loaded[0];
    if (program === undefined) continue;
    checkCertificates(context, path, program.entry, loaded);
    checkNames(context, path, loaded);
    if (!usableTmp(context) && loaded.slice(0, 1).some(({ elf }) => TEMPORARY_CALLS.some((call) => elf.mentions(call)))) {
      context.add({
        rule: 'tmp-missing',
        severity: 'warning',
        path: shown(path),
        message: 'it makes temporary files, and there is no /tmp that its user may write to',
        cure: 'COPY --chmod=1777 --from=STAGE /tmp /tmp',
      });
    }
  }
}

function checkCertificates(context: RuntimeContext, path: string, program: Entry, loaded: readonly LoadedFile[]): void {
  const file = variableOf(context.config, 'SSL_CERT_FILE');
  const folder = variableOf(context.config, 'SSL_CERT_DIR');
  const places = [...(file === undefined ? [] : [treePath(file)]), ...CERTIFICATES];
  if (places.some((place) => (fileAt(context.tree, place)?.size ?? 0) > 0)) return;
  if (['etc/ssl/certs', 'etc/pki/tls/certs', ...(folder === undefined ? [] : [treePath(folder)])].some((place) => hasFiles(context, place)))
    return;
  const library = loaded.find(({ elf, entry }) => TLS_LIBRARIES.test(elf.soname ?? entry.path.slice(entry.path.lastIndexOf('/') + 1)));
  if (library === undefined && fileHas(context, program, TLS_TEXTS).size === 0) return;
  const found = context.stages.flatMap((stage) => {
    const place = CERTIFICATES.find((candidate) => (fileAt(stage.tree, candidate)?.size ?? 0) > 0);
    return place === undefined ? [] : [context.foundAt(stage, place)];
  });
  const cure =
    found[0] === undefined
      ? context.install('ca-certificates')
      : copyLine(found[0].stage, found[0].path, '/etc/ssl/certs/ca-certificates.crt');
  context.add({
    rule: 'certificates-missing',
    severity: 'warning',
    path: shown(path),
    message: `it can speak TLS${library === undefined ? '' : ` (${library.elf.soname ?? ''})`}, and the image has no certificates of authorities`,
    ...(found.length === 0 ? {} : { found }),
    ...(cure === undefined ? {} : { cure }),
  });
}

function hasFiles(context: RuntimeContext, folder: string): boolean {
  const path = resolveInTree(context.tree, folder)?.path;
  return path !== undefined && context.tree.list(path).some((name) => resolveInTree(context.tree, `${path}/${name}`)?.kind === 'file');
}

function checkTimezone(context: RuntimeContext): void {
  const zone = variableOf(context.config, 'TZ')?.replace(/^:/, '');
  // `EST5EDT`-like rules need no file.
  if (zone === undefined || zone === '' || /^(UTC|GMT)$/i.test(zone) || (!zone.includes('/') && /\d/.test(zone))) return;
  const place = zone.startsWith('/') ? treePath(zone) : `usr/share/zoneinfo/${zone}`;
  if (fileAt(context.tree, place) !== undefined) return;
  const found = context.stages.flatMap((stage) => (fileAt(stage.tree, place) === undefined ? [] : [context.foundAt(stage, place)]));
  const cure = found[0] === undefined ? context.install('tzdata') : copyLine(found[0].stage, found[0].path, found[0].path);
  context.add({
    rule: 'zone-missing',
    severity: 'warning',
    message: `TZ is ${zone}, and ${shown(place)} is not there: times come out in UTC`,
    ...(found.length === 0 ? {} : { found }),
    ...(cure === undefined ? {} : { cure }),
  });
}

/** glibc before 2.34 opens a library for each source of names; later ones have files and DNS built in. */
function checkNames(context: RuntimeContext, path: string, loaded: readonly LoadedFile[]): void {
  const libc = loaded.find(({ elf }) => elf.soname === 'libc.so.6');
  const program = loaded[0];
  if (libc === undefined || program === undefined || libc.elf.versionDefs.has('GLIBC_2.34')) return;
  if (!loaded.some(({ elf, entry }) => entry !== libc.entry && (elf.mentions('getaddrinfo') || elf.mentions('gethostbyname')))) return;
  if (context.search.locate('libnss_dns.so.2', program) !== undefined) return;
  const found = context.stages.flatMap((stage) => {
    const place = whereReadable(() => stage.search.locate('libnss_dns.so.2', program));
    return place === undefined ? [] : [context.foundAt(stage, treePath(place.path))];
  });
  const cure = found[0] === undefined ? undefined : copyLine(found[0].stage, found[0].path, found[0].path);
  context.add({
    rule: 'names-missing',
    severity: 'warning',
    path: shown(path),
    message: 'it looks up host names, and libnss_dns.so.2 of its C library is not there',
    ...(found.length === 0 ? {} : { found }),
    ...(cure === undefined ? {} : { cure }),
  });
}

function usableTmp(context: RuntimeContext): boolean {
  const place = variableOf(context.config, 'TMPDIR') ?? '/tmp';
  const entry = resolveInTree(context.tree, place);
  return entry?.kind === 'dir';
}
