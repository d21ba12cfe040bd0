// Containers that a frontend runs processes in (`NewContainer`, `ExecProcess`), for debuggers and frontends that ask programs.

import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Build } from '../control/build.ts';
import type { Container, Tree } from '../engine.ts';
import type { ExecMessage, ExecMessageSchema, NewContainerRequest } from '../gen/gateway_pb.ts';
import { decodeMount, decodeNetwork } from '../llb/decode-exec.ts';
import { RpcError } from '../wire/rpc-error.ts';
import type { RpcCall } from '../wire/service.ts';
import { runProcesses } from './processes.ts';
import type { Ref } from './ref.ts';

interface OpenContainer {
  readonly request: NewContainerRequest;
  readonly container: Container;
}

/** By the id that the frontend chose. Disposing ends what runs in them. */
export class Containers implements AsyncDisposable {
  readonly #containers = new Map<string, OpenContainer>();
  readonly #build: Build;
  readonly #ref: (id: string) => Ref;

  constructor(build: Build, ref: (id: string) => Ref) {
    this.#build = build;
    this.#ref = ref;
  }

  async open(request: NewContainerRequest): Promise<object> {
    const { containerId: id } = request;
    if (this.#containers.has(id)) throw new RpcError('alreadyExists', `Container ${id} already exists`);
    const inputs = request.mounts.flatMap((mount) => (mount.resultId === '' ? [] : [this.#ref(mount.resultId).edge]));
    let next = 0;
    const mounts = request.mounts.map((mount) => {
      const place = mount.resultId === '' ? -1 : next++;
      return decodeMount(mount, () => place);
    });
    const root = mounts.filter(({ dest }) => dest === '/');
    if (root.length !== 1) throw new RpcError('invalidArgument', `container ${id} needs one mount at /, it has ${root.length}`);
    const container = await this.#build.engine.container(
      id,
      {
        mounts: [...root, ...mounts.filter(({ dest }) => dest !== '/')],
        network: decodeNetwork(request.network),
        ...(request.hostname !== '' && { hostname: request.hostname }),
        ...(request.extraHosts.length > 0 && { extraHosts: request.extraHosts.map(({ host, ip }) => ({ host, ip })) }),
      },
      inputs,
    );
    if (this.#containers.has(id)) {
      await container[Symbol.asyncDispose]();
      throw new RpcError('alreadyExists', `Container ${id} already exists`);
    }
    this.#containers.set(id, { request, container });
    return {};
  }

  async release(id: string): Promise<object> {
    const { container } = this.#find(id);
    this.#containers.delete(id);
    await container[Symbol.asyncDispose]();
    return {};
  }

  /** Files of one of the container's mounts, as they were when it was made. */
  async tree(id: string, mount: number): Promise<Tree> {
    const found = this.#containers.get(id)?.request.mounts[mount];
    if (found === undefined) throw new RpcError('notFound', `container details for ${id}@${mount} not found`);
    return this.#build.engine.tree(found.resultId === '' ? undefined : this.#ref(found.resultId).edge);
  }

  /** Processes of one call: started, fed and told about as its messages say. */
  exec(requests: AsyncIterable<ExecMessage>, call: RpcCall): AsyncGenerator<MessageInitShape<typeof ExecMessageSchema>> {
    return runProcesses(
      requests,
      async (id, process) => {
        this.#build.engine.checkProcess(process);
        return this.#find(id).container.start(process);
      },
      call.signal,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const open = [...this.#containers.values()];
    this.#containers.clear();
    await Promise.all(open.map(({ container }) => container[Symbol.asyncDispose]()));
  }

  #find(id: string): OpenContainer {
    const found = this.#containers.get(id);
    if (found === undefined) throw new RpcError('notFound', `container "${id}" previously released or not created`);
    return found;
  }
}
