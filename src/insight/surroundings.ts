// What programs expect around them: certificates, zone data, name resolution, a place for temporary files.

import { baseName } from '../base/index.ts';
import type { Entry, Tree } from '../layer/index.ts';
import { offsetOf } from './byte-search.ts';
import { fileHas } from './check-program.ts';
import { variableOf } from './command-line.ts';
import { type Cure, cureOf } from './cures.ts';
import type { LoadedFile } from './library-search.ts';
import { copyLine, copyName, type RuntimeContext, shown, whereReadable } from './runtime-context.ts';
import { fileAt, resolveInTree, treePath, withFile } from './tree-files.ts';

const CERTIFICATES = [
  'etc/ssl/certs/ca-certificates.crt',
  'etc/ssl/cert.pem',
  'etc/pki/tls/certs/ca-bundle.crt',
  'etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  'etc/ssl/ca-bundle.pem',
  'usr/local/share/certs/ca-root-nss.crt',
  'usr/lib/ssl/cert.pem',
];
const OPENSSL_NAMES = ['libcrypto.so.3', 'libcrypto.so.1.1', 'libcrypto.so'];
const TLS_LIBRARIES = /^lib(ssl|gnutls|curl|mbedtls)[.-]/;
const TLS_TEXTS = ['/etc/ssl/certs/ca-certificates.crt', 'SSL_CERT_FILE'];
/** A program of many commands: which of them runs, its texts do not say. */
const MANY_IN_ONE = 'BusyBox v';
/** Of the package that brings the zones inside the program. */
const GO_ZONES = 'time/tzdata.';
const GO_TEXT = '\xff Go buildinf:';
/** Names of functions end in NUL: `time.LoadLocationFromTZData` is in every program. */
const GO_LOADS_ZONES = 'time.LoadLocation\0';
const TEMPLATE = 'XXXXXX\0';
/** All that is asked about programs: each is read once, however many questions there are. */
const TEXTS = [...TLS_TEXTS, MANY_IN_ONE, '/tmp', TEMPLATE, GO_TEXT, GO_ZONES, GO_LOADS_ZONES];
/** Where Go's `time` looks. */
const ZONE_FOLDERS = ['usr/share/zoneinfo', 'usr/share/lib/zoneinfo', 'usr/lib/locale/TZ', 'etc/zoneinfo'];
const TEMPORARY_CALLS = ['mkstemp', 'mkdtemp', 'tmpfile', 'mkstemp64', 'tmpfile64'];

/** Certificates, zone data, nsswitch and /tmp for the programs that are started; libraries of each are what it loads. */
export function checkSurroundings(
  context: RuntimeContext,
  programs: readonly { readonly path: string; readonly loaded: readonly LoadedFile[] }[],
): void {
  if (!programs.some(({ loaded: [program] }) => program !== undefined && fileHas(context, program.entry, TEXTS).has(GO_ZONES)))
    checkTimezone(context);
  for (const { path, loaded } of programs) {
    const program = loaded[0];
    if (program === undefined) continue;
    checkCertificates(context, path, program.entry, loaded);
    checkNames(context, path, loaded);
    checkGoZones(context, path, program.entry);
    checkOwnFolders(context, path, program.entry);
    if (!usableTmp(context) && makesTemporaries(context, program)) {
      context.add({
        rule: 'tmp-missing',
        severity: 'warning',
        path: shown(path),
        message: 'it makes temporary files, and there is no /tmp that its user may write to',
        ...temporaryCure(context),
      });
    }
  }
}

/** By the calls it imports; a static program by the templates in its own text. */
function makesTemporaries(context: RuntimeContext, { elf, entry }: LoadedFile): boolean {
  if (elf.needed.length > 0 && !TEMPORARY_CALLS.some((call) => elf.mentions.has(call))) return false;
  const texts = fileHas(context, entry, TEXTS);
  if (texts.has(MANY_IN_ONE) || elf.needed.length > 0) return !texts.has(MANY_IN_ONE);
  return texts.has('/tmp') && texts.has(TEMPLATE) && !texts.has(GO_TEXT);
}

/** An empty `/tmp` of a stage: its content does not matter, so one is made by WORKDIR where that would change nothing. */
function temporaryCure(context: RuntimeContext): Cure {
  const stage = context.stages.find(({ tree }) => tree.lookup('tmp')?.kind === 'dir' && tree.list('tmp').length === 0) ?? context.stages[0];
  if (stage === undefined) return { cure: 'COPY --chmod=1777 --from=STAGE /tmp /tmp' };
  return cureOf([{ line: `COPY --chmod=1777 --from=${copyName(stage.name)} /tmp /tmp` }]);
}

/** Where a program called NAME keeps what it was installed with. */
const OWN_FOLDERS = ['etc', 'usr/share', 'usr/lib', 'var/lib', 'var/log', 'var/cache', 'run'];

/** Folders of its own name that it names, that a stage which has it has too, and that were not copied with it (`/etc/nginx`). */
function checkOwnFolders(context: RuntimeContext, path: string, program: Entry): void {
  if (!context.isOwn(program.path)) return;
  const name = baseName(path);
  const lacking = OWN_FOLDERS.map((parent) => `${parent}/${name}`).filter((folder) => resolveInTree(context.tree, folder) === undefined);
  if (!lacking.includes(`etc/${name}`)) return;
  const named = fileHas(
    context,
    program,
    lacking.map((folder) => `/${folder}/`),
  );
  if (!named.has(`/etc/${name}/`)) return;
  const stage = context.stages.find(
    ({ tree }) => fileAt(tree, program.path)?.size === program.size && resolveInTree(tree, `etc/${name}`)?.kind === 'dir',
  );
  // Perhaps it does without: only where it was installed with them is it likely that it does not.
  if (stage === undefined && context.stages.length > 0) return;
  const missing = lacking.filter(
    (folder) => named.has(`/${folder}/`) && (stage === undefined || resolveInTree(stage.tree, folder)?.kind === 'dir'),
  );
  const lines = stage === undefined ? [] : missing.map((folder) => ({ line: copyLine(stage.name, `/${folder}`, `/${folder}`) }));
  const found = stage === undefined ? [] : missing.map((folder) => context.foundAt(stage, folder));
  context.add({
    rule: 'folders-missing',
    severity: stage === undefined ? 'info' : 'warning',
    path: shown(path),
    message: `it names ${missing.map((folder) => `/${folder}`).join(', ')}: not there${stage === undefined ? '' : ', and where it was copied from they are'}`,
    ...cureOf(lines, found),
  });
}

/** A Go program that looks up zones by name, and has none of them inside. */
function checkGoZones(context: RuntimeContext, path: string, program: Entry): void {
  if (ZONE_FOLDERS.some((folder) => resolveInTree(context.tree, folder) !== undefined)) return;
  if (variableOf(context.config, 'ZONEINFO') !== undefined) return;
  const texts = fileHas(context, program, TEXTS);
  if (!texts.has(GO_LOADS_ZONES) || !texts.has(GO_TEXT) || texts.has(GO_ZONES)) return;
  const found = context.stages.flatMap((stage) =>
    resolveInTree(stage.tree, 'usr/share/zoneinfo/Etc/UTC') === undefined ? [] : [context.foundAt(stage, 'usr/share/zoneinfo')],
  );
  const install = context.install('tzdata');
  const line =
    found[0] === undefined || install !== undefined ? install : copyLine(found[0].stage, '/usr/share/zoneinfo', '/usr/share/zoneinfo');
  context.add({
    rule: 'zone-missing',
    severity: 'warning',
    path: shown(path),
    message: 'it looks up time zones by name, and /usr/share/zoneinfo is not there',
    ...(line === undefined ? { cure: 'import _ "time/tzdata" in the program' } : cureOf([{ line }], found)),
  });
}

function checkCertificates(context: RuntimeContext, path: string, program: Entry, loaded: readonly LoadedFile[]): void {
  const names = loaded.flatMap(({ elf, entry }) => [elf.soname ?? baseName(entry.path), ...elf.needed]);
  const library = names.find((name) => TLS_LIBRARIES.test(name));
  const openssl = library?.startsWith('libssl.') === true && !names.some((name) => /^lib(curl|gnutls|mbedtls)[.-]/.test(name));
  const places = openssl ? opensslPlaces(context, loaded[0] as LoadedFile) : usualPlaces(context);
  if (places.files.some((place) => (fileAt(context.tree, place)?.size ?? 0) > 0)) return;
  if (places.folders.some((place) => hasFiles(context, place, openssl ? /^[0-9a-f]{8}\.\d+$/ : /./))) return;
  if (library === undefined && !TLS_TEXTS.some((text) => fileHas(context, program, TEXTS).has(text))) return;
  const found = context.stages.flatMap((stage) => {
    const place = CERTIFICATES.find((candidate) => (fileAt(stage.tree, candidate)?.size ?? 0) > 0);
    return place === undefined ? [] : [context.foundAt(stage, place)];
  });
  const target = openssl ? (places.files.at(-1) as string) : 'etc/ssl/certs/ca-certificates.crt';
  const line = found[0] === undefined ? context.install('ca-certificates') : copyLine(found[0].stage, found[0].path, `/${target}`);
  context.add({
    rule: 'certificates-missing',
    severity: 'warning',
    path: shown(path),
    message:
      `it can speak TLS${library === undefined ? '' : ` (${library})`}, and the image has no certificates of authorities` +
      (openssl ? ` where OpenSSL looks for them (/${target})` : ''),
    ...cureOf([line === undefined ? undefined : { line }], found),
  });
}

/** Files and folders of certificates; those that variables name first. */
interface CertificatePlaces {
  readonly files: readonly string[];
  readonly folders: readonly string[];
}

function usualPlaces(context: RuntimeContext): CertificatePlaces {
  const named = namedPlaces(context);
  return { files: [...named.files, ...CERTIFICATES], folders: [...named.folders, 'etc/ssl/certs', 'etc/pki/tls/certs'] };
}

function namedPlaces({ config }: RuntimeContext): CertificatePlaces {
  const file = variableOf(config, 'SSL_CERT_FILE');
  const folder = variableOf(config, 'SSL_CERT_DIR');
  return { files: file === undefined ? [] : [treePath(file)], folders: folder === undefined ? [] : [treePath(folder)] };
}

/** OpenSSL looks into one file and one folder of hashes, both below a directory that is built into libcrypto. */
function opensslPlaces(context: RuntimeContext, program: LoadedFile): CertificatePlaces {
  const named = namedPlaces(context);
  let home = 'usr/lib/ssl';
  for (const { tree, search } of [context, ...context.stages]) {
    const text = whereReadable(() => {
      const library = OPENSSL_NAMES.map((name) => search.locate(name, program)).find((place) => place !== undefined);
      return library === undefined ? undefined : textAfter(tree, library.file.entry, 'OPENSSLDIR: "');
    });
    const folder = text === undefined ? undefined : /^(\/[\w./-]+)"/.exec(text)?.[1];
    if (folder === undefined) continue;
    home = treePath(folder);
    break;
  }
  return { files: [...named.files, `${home}/cert.pem`], folders: [...named.folders, `${home}/certs`] };
}

function textAfter(tree: Tree, entry: Entry, text: string): string | undefined {
  return withFile(tree, entry, (read, size) => {
    const at = offsetOf(read, size, Buffer.from(text));
    return at < 0 ? undefined : read(at + text.length, 256).toString('latin1');
  });
}

function hasFiles(context: RuntimeContext, folder: string, names: RegExp): boolean {
  const path = resolveInTree(context.tree, folder)?.path;
  return (
    path !== undefined &&
    context.tree.list(path).some((name) => names.test(name) && resolveInTree(context.tree, `${path}/${name}`)?.kind === 'file')
  );
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
  if (!loaded.some(({ elf, entry }) => entry !== libc.entry && (elf.mentions.has('getaddrinfo') || elf.mentions.has('gethostbyname'))))
    return;
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
