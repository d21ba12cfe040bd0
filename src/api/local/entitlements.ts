// What a build may do beyond the ordinary: only what both the client asks for and the server's configuration allows.

import { RpcError } from '../wire/rpc-error.ts';

const KNOWN = ['network.host', 'security.insecure', 'device'] as const;

/** The entitlements granted. Throws for one that is unknown or not allowed here. */
export function checkEntitlements(wanted: readonly string[], allowed: readonly string[]): ReadonlySet<string> {
  const granted = new Set<string>();
  for (const text of wanted) {
    const name = text.split('=', 1)[0] as string;
    if (!(KNOWN as readonly string[]).includes(name)) throw new RpcError('invalidArgument', `unknown entitlement ${text}`);
    if (name !== 'device' && !allowed.includes(name))
      throw new RpcError('permissionDenied', `granting entitlement ${name} is not allowed by build daemon configuration`);
    granted.add(text);
    granted.add(name);
  }
  return granted;
}

/** Throws when a vertex needs what was not granted. */
export function checkVertex(
  op: {
    readonly type: string;
    readonly network?: string;
    readonly security?: string;
    readonly devices?: readonly { readonly name: string }[];
  },
  granted: ReadonlySet<string>,
): void {
  if (op.type !== 'exec') return;
  if (op.network === 'host' && !granted.has('network.host')) throw new RpcError('permissionDenied', 'network.host is not allowed');
  if (op.security === 'insecure' && !granted.has('security.insecure'))
    throw new RpcError('permissionDenied', 'security.insecure is not allowed');
}
