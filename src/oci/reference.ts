// Image names: `registry/repository:tag@digest`, with Docker Hub's short forms (grammar of the distribution project's reference package).

import { type Digest, isDigest, SlipwayError } from '../base/index.ts';

/** A full name. At least a repository; without tag and digest it means any image there. */
export interface Reference {
  /** Host with optional port: `docker.io`, `localhost:5000`, `[::1]:5000`. */
  readonly registry: string;
  /** Path in the registry: `library/busybox`. */
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

/** The registry of names that name none. Its API answers at registry-1.docker.io. */
export const DOCKER_HUB = 'docker.io';

const IDENTIFIER = /^[a-f0-9]{64}$/;
const LABEL = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const HOST = new RegExp(`^(?:${LABEL}(?:\\.${LABEL})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`);
const PATH = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const LONGEST_REPOSITORY = 255;
/** Longer texts are refused before any pattern looks at them. */
const LONGEST_TEXT = 1024;

/** Reads a name as a user writes it; `busybox` is `docker.io/library/busybox`. Adds no tag. Throws `REFERENCE_INVALID`. */
export function parseReference(text: string): Reference {
  if (text === '') throw invalid(text, 'it is empty');
  if (text.length > LONGEST_TEXT) throw invalid(`${text.slice(0, 40)}…`, `it is longer than ${LONGEST_TEXT} characters`);
  if (IDENTIFIER.test(text))
    throw invalid(text, 'cannot specify 64-byte hexadecimal strings', 'an image is named by repository, not by its id alone');
  const scheme = /^[a-z][a-z0-9+.-]*:\/\//.exec(text)?.[0];
  if (scheme !== undefined) throw invalid(text, `a name has no ${JSON.stringify(scheme)}`, `write ${text.slice(scheme.length)}`);

  const [name, digest] = cut(text, text.indexOf('@'));
  const { registry, rest } = splitRegistry(name);
  const [repository, tag] = cut(rest, rest.indexOf(':'));
  checkRepository(text, repository);
  if (!HOST.test(registry)) throw invalid(text, `${JSON.stringify(registry)} is no registry host`);
  if (tag !== undefined && !TAG.test(tag)) throw invalid(text, `${JSON.stringify(tag)} is no tag`, tagHint(tag));
  if (digest !== undefined && !isDigest(digest))
    throw invalid(text, `${JSON.stringify(digest)} is no sha256 or sha512 digest`, 'a digest is sha256: and 64 hexadecimal digits');
  return { registry, repository, ...(tag === undefined ? {} : { tag }), ...(digest === undefined ? {} : { digest }) };
}

function tagHint(tag: string): string {
  return tag === ''
    ? 'nothing follows the colon: write a tag, or leave the colon out'
    : 'a tag has letters, digits, "_", "." and "-", at most 128';
}

/** `registry/repository`, canonical. */
export function referenceName(reference: Reference): string {
  return `${reference.registry}/${reference.repository}`;
}

/** The canonical text: `docker.io/library/busybox:latest@sha256:…`, as much of it as the reference has. */
export function formatReference(reference: Reference): string {
  return `${referenceName(reference)}${suffix(reference)}`;
}

/** As people say it: without `docker.io/` and `library/`. */
export function familiarReference(reference: Reference): string {
  if (reference.registry !== DOCKER_HUB) return formatReference(reference);
  const short = /^library\/([^/]+)$/.exec(reference.repository)?.[1] ?? reference.repository;
  return `${short}${suffix(reference)}`;
}

/** With the tag `latest` when it has neither tag nor digest. */
export function withDefaultTag(reference: Reference): Reference {
  return reference.tag === undefined && reference.digest === undefined ? { ...reference, tag: 'latest' } : reference;
}

/** Parses and formats canonically, with the default tag: the text under which an image is known. Throws `REFERENCE_INVALID`. */
export function normalizeReference(text: string): string {
  return formatReference(withDefaultTag(parseReference(text)));
}

function suffix(reference: Reference): string {
  return `${reference.tag === undefined ? '' : `:${reference.tag}`}${reference.digest === undefined ? '' : `@${reference.digest}`}`;
}

function splitRegistry(name: string): { readonly registry: string; readonly rest: string } {
  const [first, rest] = cut(name, name.indexOf('/'));
  if (rest === undefined) return { registry: DOCKER_HUB, rest: `library/${name}` };
  const isHost = first === 'localhost' || /[.:]/.test(first) || first !== first.toLowerCase();
  const registry = !isHost || first === 'index.docker.io' ? DOCKER_HUB : first;
  const path = isHost ? rest : name;
  return { registry, rest: registry === DOCKER_HUB && !path.includes('/') ? `library/${path}` : path };
}

function checkRepository(text: string, repository: string): void {
  if (PATH.test(repository) && repository.length <= LONGEST_REPOSITORY) return;
  if (repository.length > LONGEST_REPOSITORY) throw invalid(text, `repository name must not be more than ${LONGEST_REPOSITORY} characters`);
  const lower = repository.toLowerCase();
  if (PATH.test(lower))
    throw invalid(
      text,
      `repository name (${repository}) must be lowercase`,
      `write ${text.replace(repository.replace(/^library\//, ''), (part) => part.toLowerCase())}`,
    );
  throw invalid(text, `${JSON.stringify(repository)} is no repository name`);
}

function invalid(text: string, why: string, hint?: string): SlipwayError {
  const options = { facts: { reference: text }, ...(hint === undefined ? {} : { hint }) };
  return new SlipwayError('REFERENCE_INVALID', `invalid reference format: ${JSON.stringify(text)}: ${why}`, options);
}

/** Cuts at an index, dropping the character there; no second part for -1. */
function cut(text: string, index: number): readonly [string, string | undefined] {
  return index < 0 ? [text, undefined] : [text.slice(0, index), text.slice(index + 1)];
}
