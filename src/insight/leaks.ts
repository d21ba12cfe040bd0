// Keys, tokens and passwords: by the names of files, by what is written in them, in config and history. Values are never shown.

import type { BytePath } from '../base/index.ts';
import type { ImageConfig } from '../oci/index.ts';
import type { Finding } from './finding.ts';

/** What a file seems to hold. */
export interface Leak {
  readonly message: string;
  readonly certain: boolean;
}

const NAMES: readonly (readonly [RegExp, string])[] = [
  [/(^|\/)id_(rsa|dsa|ecdsa|ed25519)$/, 'a private SSH key'],
  [/(^|\/)\.netrc$/, 'passwords of hosts'],
  [/(^|\/)\.git-credentials$/, 'passwords of git'],
  [/(^|\/)\.aws\/credentials$/, 'keys of AWS'],
  [/(^|\/)\.pypirc$/, 'tokens of a package index'],
  [/\.(p12|pfx|keystore)$/, 'a store of keys'],
];

const TEXTS: readonly (readonly [RegExp, string, certain: boolean])[] = [
  // In JSON the ends of its lines are written `\n`.
  [
    /-----BEGIN (?:RSA |EC |DSA |OPENSSH |ENCRYPTED )?PRIVATE KEY-----(?:\s|\\[nr])+(?:[A-Za-z-]{1,40}: [^\n]{0,200}\n\s*){0,10}[A-Za-z0-9+/=]{20}/,
    'a private key',
    true,
  ],
  [/-----BEGIN PGP PRIVATE KEY BLOCK-----\s+(?:[A-Za-z-]{1,40}: [^\n]{0,200}\n\s*){0,10}[A-Za-z0-9+/=]{20}/, 'a private key of PGP', true],
  [/\bclient-key-data"?\s*:\s*"?LS0tLS1CRUdJTi/, 'a private key for Kubernetes', true],
  [/\bAKIA[0-9A-Z]{16}\b/, 'an access key of AWS', true],
  [/\bgh[pousr]_[A-Za-z0-9]{36}\b|\bgithub_pat_\w{60,}/, 'a token of GitHub', true],
  [/\bglpat-[\w-]{20}\b/, 'a token of GitLab', true],
  [/\bxox[abprs]-[\w-]{20,}/, 'a token of Slack', true],
  [/\/\/[^\s]{1,300}\/:_authToken=[^\s$]{8,}|\bnpm_[A-Za-z0-9]{36}\b/, 'a token of npm', true],
  [/\bpypi-AgEIcHlwaS5vcmc[\w-]{50,}/, 'a token of PyPI', true],
  [/\b[rs]k_live_[A-Za-z0-9]{20,}/, 'a key of Stripe', true],
  [/"auth"\s*:\s*"[A-Za-z0-9+/=]{12,}"/, 'logins of registries', true],
];

const SECRET_NAME =
  /(^|_)(PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|CREDENTIALS?)($|_(?!FILE|PATH|URL|DIR|ID$|NAME))|(PASSWORD|PASSWD|_PWD)$/i;

/** Last words of names that say something about a secret: `TOKEN_EXPIRE_MINUTES`, `SECRET_BACKEND`. */
const ABOUT_SECRETS = new RegExp(
  `_(?:${[
    'AGE|ALGO(?:RITHM)?|ARN|AUDIENCE|BACKEND|CLASS|COOKIE|COUNT|DAYS|DRIVER|ENABLED|ENDPOINT|ENGINE|EXPIR(?:E|ES|Y|ATION)|FIELD|FORMAT|HEADER|HOST|HOURS',
    'ISSUER|LEN|LENGTH|LIFETIME|LOCATION|MANAGER|MAX|MIN|MINUTES|MODE|PARAM|POLICY|PORT|PREFIX|PROVIDER|REGION|REQUIRED|ROLE|SCOPE|SECONDS|SIZE|SOURCE',
    'STORE|SUFFIX|TIMEOUT|TTL|TYPE|VERSION',
  ].join('|')})$`,
  'i',
);

/** What a file is by its name; undefined: nothing to hide. */
export function secretName(path: BytePath): Leak | undefined {
  const row = NAMES.find(([name]) => name.test(path));
  return row === undefined ? undefined : { message: `it looks like ${row[1]}`, certain: /id_|credentials|\.netrc/.test(path) };
}

/** What is written in a file. */
export function secretIn(path: BytePath, text: string): Leak | undefined {
  for (const [pattern, what, certain] of TEXTS) if (pattern.test(text)) return { message: `${what} is in it`, certain };
  if (/(^|\/)\.env(\.[\w-]+)?$/.test(path) && !/example|sample|template/.test(path)) {
    const names = text.split('\n').flatMap((line) => /^\s*(?:export\s+)?([A-Za-z_]\w*)=\S/.exec(line)?.[1] ?? []);
    const secret = names.find((name) => isSecretName(name) && !ABOUT_SECRETS.test(name));
    if (secret !== undefined) return { message: `${secret} is set in it`, certain: false };
  }
  return undefined;
}

/** Credentials in variables and in what history says of the instructions. */
export function configSecrets({ config, history = [] }: ImageConfig): readonly Finding[] {
  const findings: Finding[] = [];
  const cure = 'mount it where it is needed: RUN --mount=type=secret,id=…';
  for (const entry of config?.Env ?? []) {
    const equals = entry.indexOf('=');
    const [name, value] = [entry.slice(0, equals), entry.slice(equals + 1)];
    if (!isSecret(name, value)) continue;
    findings.push({
      rule: 'secret-in-config',
      severity: 'error',
      message: `the variable ${name} is in the image's config, for everybody who pulls it`,
      cure,
    });
  }
  for (const { created_by: text = '' } of history) {
    const name = secretInStep(text) ?? TEXTS.find(([pattern]) => pattern.test(text))?.[1];
    if (name === undefined) continue;
    const instruction = text.split(/\s/, 1)[0] ?? '';
    findings.push({
      rule: 'secret-in-history',
      severity: 'error',
      message: `${name} stands in the image's history (${instruction}), for everybody who pulls it`,
      cure,
    });
  }
  return findings;
}

/** Whether a variable of this name holds what nobody should see. */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name);
}

/** The variable that an instruction of the history gives a secret to: by an argument, or as the shell was told to. */
function secretInStep(text: string): string | undefined {
  const count = Number(/^RUN \|(\d+) /.exec(text)?.[1] ?? 0);
  if (count === 0 && !text.startsWith('ARG ')) return undefined;
  const given = [...text.matchAll(/\b([A-Za-z_]\w*)=(\S*)/g)];
  return given.find(([, name = '', value = ''], index) => {
    // The arguments come first, as they are; what the shell is told may be worked out there: `TOKEN="$(cat /run/secrets/token)"`.
    const isArgument = count === 0 || index < count;
    return isArgument ? isSecret(name, value) : !/[$`]/.test(value) && isSecret(name, value.replace(/^["'\\]+|["'\\;]+$/g, ''));
  })?.[1];
}

function isSecret(name: string, value: string): boolean {
  if (PASSWORD_IN_ADDRESS.test(value)) return true;
  const saysNothing = /^(\/|\$|<|true$|false$|none$|\*+$|changeme$)/i.test(value);
  return isSecretName(name) && !ABOUT_SECRETS.test(name) && value.length >= 4 && !saysNothing;
}

/** `postgres://user:password@host/`; not where a variable stands for it. */
const PASSWORD_IN_ADDRESS = /^["']?[a-z][a-z0-9+.-]{0,30}:\/\/[^\s/:@]{0,200}:(?![$<*{])[^\s/@]{1,200}@/i;
