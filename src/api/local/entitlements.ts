// What a build may do beyond the ordinary: only what both the client asks for and the server's configuration allows.

import type { ExecSpec, GraphEdge, GraphVertex, OpSpec } from '../engine.ts';
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
    // `device=name` grants one device, `device` alone all of them.
    granted.add(text);
  }
  return granted;
}

/** Looks through graphs for steps that need what was not granted. One object per build: each vertex is looked at once. */
export class EntitlementGate {
  readonly #granted: ReadonlySet<string>;
  readonly #seen = new WeakSet<GraphVertex>();

  constructor(granted: ReadonlySet<string>) {
    this.#granted = granted;
  }

  /** Throws PermissionDenied. */
  check(edges: readonly GraphEdge[]): void {
    const stack = edges.map(({ vertex }) => vertex);
    for (let vertex = stack.pop(); vertex !== undefined; vertex = stack.pop()) {
      if (this.#seen.has(vertex)) continue;
      this.#seen.add(vertex);
      this.#checkOp(vertex.op);
      for (const input of vertex.inputs) stack.push(input.vertex);
    }
  }

  /** Throws PermissionDenied when a process must not have what it asks for. */
  checkProcess({ network, security }: Pick<ExecSpec, 'network' | 'security'>): void {
    if (network === 'host') this.#need('network.host');
    if (security === 'insecure') this.#need('security.insecure');
  }

  #checkOp(op: OpSpec): void {
    if (op.type !== 'exec') return;
    this.checkProcess(op);
    for (const { name, optional } of op.devices ?? []) {
      if (optional || this.#granted.has('device') || this.#granted.has(`device=${name}`)) continue;
      throw new RpcError('permissionDenied', `device ${name} is requested by the build but not allowed`);
    }
  }

  #need(name: string): void {
    if (!this.#granted.has(name)) throw new RpcError('permissionDenied', `${name} is not allowed`);
  }
}
