// The Control service.

import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { quietJob } from '../../base/index.ts';
import type { UsageFacts } from '../backend.ts';
import type { Control, UsageRecordSchema } from '../gen/control_pb.ts';
import type { Peer } from '../peer.ts';
import { readSessionHeader } from '../session/session.ts';
import { isRpcError } from '../wire/rpc-error.ts';
import type { Handlers, RawHandler } from '../wire/service.ts';
import { tunnelOf } from '../wire/tunnel.ts';
import { readSpool } from './spool.ts';
import { solve, type SolveHost } from './solver.ts';
import { buildkitVersion, workerRecord } from './worker.ts';

/** Clients correct their clocks by it; they want it before the first message. */
function timeHeader(now: Date): Record<string, string> {
  return { 'buildkit-current-timestamp': now.toISOString() };
}

/** `moby.buildkit.v1.Control`, call by call. */
export function controlHandlers(host: SolveHost): Handlers<typeof Control> {
  const { backend, history, running, undertakings } = host;
  return {
    info: async () => ({ buildkitVersion: buildkitVersion(backend) }),
    listWorkers: async () => ({ record: [workerRecord(backend)] }),
    solve: async (request, call) => ({
      exporterResponse: await undertakings.run(call.signal, (signal) => solve(request, host, signal)),
    }),
    status: async function* (request, call) {
      call.sendHeader(timeHeader(backend.now()));
      const record = running.has(request.ref) ? undefined : history.find(request.ref);
      const log = record?.logs === undefined ? undefined : history.blobs.find(record.logs.digest);
      if (log !== undefined) {
        yield* readSpool(log.path);
        return;
      }
      const build = await running.get(request.ref, call.signal);
      yield* build.spool.read(call.signal);
    },
    diskUsage: async (request) => ({
      record: (await backend.usage(request.filter)).map(usageMessage),
    }),
    prune: async function* (request, call) {
      const removed: UsageFacts[] = [];
      await backend.prune(
        {
          filter: request.filter,
          all: request.all,
          keepMs: Number(request.keepDuration / 1_000_000n),
          reservedBytes: Number(request.reservedSpace),
          maxBytes: Number(request.maxUsedSpace),
          minFreeBytes: Number(request.minFreeSpace),
        },
        (one) => removed.push(one),
        { ...quietJob(call.signal), now: backend.now },
      );
      yield* removed.map(usageMessage);
    },
    listenBuildHistory: async function* (request, call) {
      call.sendHeader(timeHeader(backend.now()));
      yield* history.listen(request, call.signal);
    },
    updateBuildHistory: async (request) => {
      if (request.delete) history.delete(request.ref);
      else if (!request.finalize) history.update(request.ref, (record) => (record.pinned = request.pinned));
      else if (history.find(request.ref) === undefined && !running.has(request.ref)) history.update(request.ref, () => {});
      return {};
    },
  };
}

/** `Control.Session` of the connections of `peer`: the tunnel stays bytes. */
export function sessionHandler(host: SolveHost, peer: Peer): RawHandler {
  return (call) => {
    try {
      const header = readSessionHeader((key) => call.metadata.get(key).map((value) => value.toString()));
      const session = host.sessions.open(header, tunnelOf(call), peer);
      session.closed.addEventListener('abort', () => call.end(), { once: true });
    } catch (error) {
      call.emit('error', Object.assign(new Error(isRpcError(error) ? error.message : 'session refused'), { code: 3 }));
    }
  };
}

function usageMessage(one: UsageFacts): MessageInitShape<typeof UsageRecordSchema> {
  return {
    id: one.id,
    mutable: one.mutable,
    inUse: one.inUse,
    shared: one.shared,
    size: BigInt(Math.round(one.bytes)),
    parents: [...one.parents],
    createdAt: timestampFromMs(Math.round(one.createdAt)),
    ...(one.lastUsedAt !== undefined && { lastUsedAt: timestampFromMs(Math.round(one.lastUsedAt)) }),
    usageCount: BigInt(one.usageCount),
    description: one.description,
    recordType: one.recordType,
  };
}
