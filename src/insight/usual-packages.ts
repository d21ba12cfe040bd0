// Packages that have well-known libraries and programs, for cures where no stage says which.

const PACKAGES: Readonly<Record<string, readonly [deb: string, apk: string]>> = {
  'libz.so.1': ['zlib1g', 'zlib'],
  'libssl.so.3': ['libssl3', 'libssl3'],
  'libcrypto.so.3': ['libssl3', 'libcrypto3'],
  'libstdc++.so.6': ['libstdc++6', 'libstdc++'],
  'libgcc_s.so.1': ['libgcc-s1', 'libgcc'],
  'libgomp.so.1': ['libgomp1', 'libgomp'],
  'libatomic.so.1': ['libatomic1', 'libatomic'],
  'libpq.so.5': ['libpq5', 'libpq'],
  'libsqlite3.so.0': ['libsqlite3-0', 'sqlite-libs'],
  'libxml2.so.2': ['libxml2', 'libxml2'],
  'libcurl.so.4': ['libcurl4', 'libcurl'],
  'libffi.so.8': ['libffi8', 'libffi'],
  'libbz2.so.1.0': ['libbz2-1.0', 'libbz2'],
  'liblzma.so.5': ['liblzma5', 'xz-libs'],
  'libexpat.so.1': ['libexpat1', 'libexpat'],
  'libncursesw.so.6': ['libncursesw6', 'ncurses-libs'],
  'libtinfo.so.6': ['libtinfo6', 'ncurses-libs'],
  'libreadline.so.8': ['libreadline8', 'readline'],
  'libgmp.so.10': ['libgmp10', 'gmp'],
  'libyaml-0.so.2': ['libyaml-0-2', 'yaml'],
  'libzstd.so.1': ['libzstd1', 'zstd-libs'],
  bash: ['bash', 'bash'],
  env: ['coreutils', 'coreutils'],
  python3: ['python3', 'python3'],
  python: ['python-is-python3', 'python3'],
  perl: ['perl', 'perl'],
  node: ['nodejs', 'nodejs'],
  ruby: ['ruby', 'ruby'],
  php: ['php-cli', 'php'],
  java: ['default-jre-headless', 'openjdk17-jre-headless'],
  gawk: ['gawk', 'gawk'],
  curl: ['curl', 'curl'],
};

/** The package that has a well-known library or program. */
export function usualPackage(name: string, installer: string | undefined): string | undefined {
  const row = PACKAGES[name];
  return row === undefined ? undefined : installer === 'apk' ? row[1] : installer === 'apt-get' ? row[0] : undefined;
}
