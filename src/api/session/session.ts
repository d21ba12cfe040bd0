// One client's session: the tunnelled connection over which the server asks the client for folders, credentials, secrets.

import type { Duplex } from 'node:stream';
import type { Peer } from '../peer.ts';
import { Health } from '../gen/health_pb.ts';
import { isUnimplemented, RpcChannel } from '../wire/channel.ts';
import { nativeSocket } from '../wire/native-socket.ts';
import { RpcError } from '../wire/rpc-error.ts';

/** What a client says of its session when it opens it. */
export interface SessionHeader {
  readonly id: string;
  readonly name: string;
  /** Same for builds of the same folder by the same client: what mirrors are kept by. */
  readonly sharedKey: string;
  /** Offered methods, `/package.Service/Method`. */
  readonly methods: readonly string[];
  /** Milliseconds that a health check may take, when the client says so. */
  readonly healthTimeoutMs?: number;
}

/** Reads the header's entries; names as in gRPC metadata or HTTP headers. */
export function readSessionHeader(values: (key: string) => readonly string[]): SessionHeader {
  const id = values('x-docker-expose-session-uuid')[0] ?? '';
  if (id === '') throw new RpcError('invalidArgument', 'a session without an id');
  const timeout = Number(values('x-buildkit-session-health-custom-timeout')[0]);
  return {
    id,
    name: values('x-docker-expose-session-name')[0] ?? '',
    sharedKey: values('x-docker-expose-session-sharedkey')[0] ?? '',
    // A repeated header may arrive as one, joined by commas.
    methods: values('x-docker-expose-session-grpc-method').flatMap((value) => value.split(/,\s*/)),
    ...(timeout > 0 && { healthTimeoutMs: timeout }),
  };
}

/** `grpc.health.v1`'s word for it. */
const SERVING = 1;
const HEALTH_EVERY_MS = 5000;
const HEALTH_TIMEOUT_MS = 15_000;

/** A live session. */
export class Session {
  readonly header: SessionHeader;
  /** Who opened it: not what the client says. */
  readonly peer: Peer;
  readonly channel: RpcChannel;
  readonly #methods: ReadonlySet<string>;
  readonly #timer: NodeJS.Timeout;

  constructor(header: SessionHeader, transport: Duplex, peer: Peer) {
    this.header = header;
    this.peer = peer;
    this.#methods = new Set(header.methods.map((method) => method.toLowerCase()));
    this.channel = new RpcChannel(nativeSocket(transport));
    let failures = 0;
    let checking = false;
    this.#timer = setInterval(() => {
      if (checking) return;
      checking = true;
      void this.#isHealthy().then((healthy) => {
        checking = false;
        failures = healthy ? 0 : failures + 1;
        if (failures >= 2) this.channel.close();
      });
    }, HEALTH_EVERY_MS);
    this.#timer.unref();
    this.closed.addEventListener('abort', () => clearInterval(this.#timer), { once: true });
  }

  get id(): string {
    return this.header.id;
  }

  /** Aborted when the client is gone. */
  get closed(): AbortSignal {
    return this.channel.closed;
  }

  /** Whether the client offers `/package.Service/Method`. */
  supports(method: string): boolean {
    return this.#methods.has(method.toLowerCase());
  }

  async #isHealthy(): Promise<boolean> {
    const limit = AbortSignal.timeout(this.header.healthTimeoutMs ?? HEALTH_TIMEOUT_MS);
    try {
      const answer = await this.channel.unary(Health.method.check, { service: '' }, limit);
      return answer.status === SERVING;
    } catch (error) {
      return isUnimplemented(error);
    }
  }
}
