// Containers that a frontend runs processes in (`NewContainer`, `ExecProcess`), for debuggers and frontends that ask programs.

import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Build } from '../control/build.ts';
import type { Tree } from '../engine.ts';
import type { ExecMessage, ExecMessageSchema, NewContainerRequest } from '../gen/gateway_pb.ts';
import { RpcError } from '../wire/rpc-error.ts';
import type { RpcCall } from '../wire/service.ts';
import type { Ref } from './ref.ts';

export class Containers implements AsyncDisposable {
  readonly #containers = new Map<string, NewContainerRequest>();
  readonly #build: Build;
  readonly #ref: (id: string) => Ref;

  constructor(build: Build, ref: (id: string) => Ref) {
    this.#build = build;
    this.#ref = ref;
  }

  async open(request: NewContainerRequest): Promise<object> {
    if (this.#containers.has(request.containerId)) throw new RpcError('alreadyExists', `Container ${request.containerId} already exists`);
    this.#containers.set(request.containerId, request);
    return {};
  }

  async release(id: string): Promise<object> {
    if (!this.#containers.delete(id)) throw new RpcError('notFound', `container details for ${id} not found`);
    return {};
  }

  /** Files of one of the container's mounts. */
  async tree(id: string, mount: number): Promise<Tree> {
    const found = this.#containers.get(id)?.mounts[mount];
    if (found === undefined) throw new RpcError('notFound', `container details for ${id}@${mount} not found`);
    return this.#build.engine.tree(found.resultId === '' ? undefined : this.#ref(found.resultId).edge);
  }

  async *exec(_requests: AsyncIterable<ExecMessage>, _call: RpcCall): AsyncGenerator<MessageInitShape<typeof ExecMessageSchema>> {
    throw new RpcError('unimplemented', 'processes in containers of a frontend are not supported yet');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#containers.clear();
  }
}
