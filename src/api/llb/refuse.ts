// What a client's definition may not say.

import { type BytePath, toBytePath } from '../../base/index.ts';
import { RpcError } from '../wire/rpc-error.ts';

/** The answer to a definition that is wrong: InvalidArgument. */
export function refuse(message: string): RpcError {
  return new RpcError('invalidArgument', message);
}

/** A path of a client; it may be relative, and lead up: whoever uses it keeps it inside. Throws InvalidArgument. */
export function decodePath(text: string): BytePath {
  if (text.includes('\0')) throw refuse(`a path with a zero byte: ${JSON.stringify(text)}`);
  return toBytePath(text);
}
