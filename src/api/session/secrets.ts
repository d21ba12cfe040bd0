// Secrets and registry credentials of a client.

import { randomBytes } from 'node:crypto';
import { Auth, type FetchTokenRequest } from '../gen/filesync_pb.ts';
import { Secrets } from '../gen/secrets_pb.ts';
import { isUnimplemented } from '../wire/channel.ts';
import { isRpcError, RpcError } from '../wire/rpc-error.ts';
import { Credentials, GetSecret, GetTokenAuthority } from './methods.ts';
import type { Session } from './session.ts';

/** Bytes of a secret at most. */
const MAX_SECRET = 500 << 10;

/** The secret's value, or undefined when the client has none of that id. */
export async function getSecret(session: Session, id: string, signal: AbortSignal): Promise<Uint8Array | undefined> {
  if (!session.supports(GetSecret)) return undefined;
  try {
    const { data } = await session.channel.unary(Secrets.method.getSecret, { id }, signal);
    if (data.byteLength > MAX_SECRET) throw new RpcError('resourceExhausted', `secret ${id} is larger than ${MAX_SECRET} bytes`);
    return data;
  } catch (error) {
    if (isRpcError(error, 'notFound') || isUnimplemented(error)) return undefined;
    throw error;
  }
}

/** User name and password (or, without a name, an identity token) for a registry host; undefined: anonymous. */
export async function getCredentials(
  session: Session,
  host: string,
  signal: AbortSignal,
): Promise<{ readonly username: string; readonly secret: string } | undefined> {
  if (!session.supports(Credentials)) return undefined;
  try {
    const answer = await session.channel.unary(Auth.method.credentials, { host }, signal);
    return answer.secret === '' && answer.username === '' ? undefined : { username: answer.username, secret: answer.secret };
  } catch (error) {
    if (isUnimplemented(error)) return undefined;
    throw error;
  }
}

/** What a registry's challenge asks a token for. */
export type TokenRequest = Pick<FetchTokenRequest, 'host' | 'realm' | 'service' | 'scopes'>;

/**
 * Lets the client fetch a bearer token itself, so that its password never comes here. Undefined when the client does not offer that; the
 * credentials have to be asked for then.
 */
export async function fetchToken(
  session: Session,
  request: TokenRequest,
  signal: AbortSignal,
): Promise<{ readonly token: string; readonly expiresIn: number } | undefined> {
  if (!session.supports(GetTokenAuthority)) return undefined;
  try {
    const authority = await session.channel.unary(Auth.method.getTokenAuthority, { host: request.host, salt: randomBytes(32) }, signal);
    if (authority.publicKey.length !== 32) return undefined;
  } catch (error) {
    if (isRpcError(error, 'unavailable') || isUnimplemented(error)) return undefined;
    throw error;
  }
  const answer = await session.channel.unary(Auth.method.fetchToken, { clientId: 'buildkit-client', ...request }, signal);
  return { token: answer.token, expiresIn: Number(answer.expiresIn) || 60 };
}
