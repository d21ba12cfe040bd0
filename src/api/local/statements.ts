// Attestations that frontends and scanners leave as files: predicates, and bundles of in-toto statements.

import type { Attestation, Tree } from '../../build/parts.ts';
import type { AttestationRef } from '../backend.ts';
import { readFile } from '../gateway/files.ts';
import { RpcError } from '../wire/rpc-error.ts';

/** Bytes that one statement may have. */
const MAX_STATEMENT = 64 << 20;

interface Statement {
  readonly predicateType?: unknown;
  readonly predicate?: unknown;
  readonly subject?: unknown;
}

/** What is in the tree behind an attestation. Bundles come apart. Throws what is wrong with them. */
export function readAttestation(one: AttestationRef, tree: Tree, inlineOnly: boolean): Attestation[] {
  const core = one.metadata.get('sbom-core');
  const coreName = core === undefined ? undefined : Buffer.from(core).toString();
  const made = one.kind === 'bundle' ? readBundle(one, tree, inlineOnly) : [readPredicate(one, tree, inlineOnly)];
  const isCore = ({ filename }: Attestation): boolean => coreName !== undefined && filename.split('/').at(-1)?.split('.')[0] === coreName;
  return [...made.filter(isCore), ...made.filter((attestation) => !isCore(attestation))];
}

function readPredicate(one: AttestationRef, tree: Tree, inlineOnly: boolean): Attestation {
  refuseProvenance(one.predicateType, 'set');
  const predicate = parse(readFile(tree, one.path), one.path);
  const subjects = one.subjects.filter(({ kind }) => kind === 'raw').map(({ name, digests }) => ({ name, digest: digestMap(digests) }));
  return {
    predicateType: one.predicateType,
    filename: one.path,
    inlineOnly,
    ...(subjects.length > 0 && { subjects }),
    predicate: () => Promise.resolve(predicate),
  };
}

function readBundle(one: AttestationRef, tree: Tree, inlineOnly: boolean): Attestation[] {
  const folder = one.path.split('/').filter((name) => name !== '' && name !== '.');
  return tree.list(folder.join('/')).map((name) => {
    const path = [...folder, name].join('/');
    const statement = parse(readFile(tree, path), path) as Statement;
    const type = String(statement.predicateType ?? '');
    if (one.predicateType !== '' && type !== one.predicateType)
      throw new RpcError('failedPrecondition', `bundle entry ${type} does not match required predicate type ${one.predicateType}`);
    refuseProvenance(type, 'bundle');
    const subjects = Array.isArray(statement.subject) ? (statement.subject as NonNullable<Attestation['subjects']>) : [];
    return {
      predicateType: type,
      filename: path,
      inlineOnly,
      ...(subjects.length > 0 && { subjects }),
      predicate: () => Promise.resolve(statement.predicate),
    };
  });
}

function parse(bytes: Buffer, path: string): unknown {
  if (bytes.length > MAX_STATEMENT) throw new RpcError('failedPrecondition', `${path} exceeds ${MAX_STATEMENT} bytes`);
  try {
    return JSON.parse(bytes.toString()) as unknown;
  } catch (cause) {
    throw new RpcError('failedPrecondition', `cannot decode in-toto statement ${path}: ${(cause as Error).message}`, [], { cause });
  }
}

function refuseProvenance(type: string, verb: string): void {
  if (type.startsWith('https://slsa.dev/provenance/'))
    throw new RpcError('failedPrecondition', `frontend may not ${verb} provenance attestations`);
}

function digestMap(digests: readonly string[]): Record<string, string> {
  return Object.fromEntries(digests.map((digest) => digest.split(':', 2) as [string, string]));
}
