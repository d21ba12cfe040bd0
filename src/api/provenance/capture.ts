// What went into a result: sources with what they were when they were used, secrets, sockets, network.

import { hideLogin } from '../../base/index.ts';
import type { GraphEdge, GraphVertex, Platform, SourceSpec } from '../engine.ts';

export interface CapturedImage {
  readonly ref: string;
  readonly platform: Platform | undefined;
  readonly digest: string | undefined;
  /** From a layout of the client's, not a registry. */
  readonly local: boolean;
}

export interface CapturedUse {
  readonly id: string;
  readonly optional: boolean;
}

/** Gathered over one or more outputs. */
export class Capture {
  readonly images: CapturedImage[] = [];
  /** `url#ref` without credentials → commit. */
  readonly git = new Map<string, string>();
  /** URL without credentials → digest. */
  readonly http = new Map<string, string>();
  readonly locals = new Set<string>();
  readonly secrets = new Map<string, CapturedUse>();
  readonly ssh = new Map<string, CapturedUse>();
  networkAccess = false;
  readonly #seen = new Set<GraphVertex>();

  /** Takes in everything below an output. `pinOf` says what a source turned out to be; undefined: it is not known. */
  addEdge(edge: GraphEdge, pinOf: (vertex: GraphVertex) => string | undefined): void {
    const stack = [edge.vertex];
    for (let vertex = stack.pop(); vertex !== undefined; vertex = stack.pop()) {
      if (this.#seen.has(vertex)) continue;
      this.#seen.add(vertex);
      this.#addVertex(vertex, pinOf);
      for (const input of vertex.inputs) stack.push(input.vertex);
    }
  }

  addImage(image: CapturedImage): void {
    const same = this.images.some(
      (known) =>
        known.ref === image.ref && known.local === image.local && JSON.stringify(known.platform) === JSON.stringify(image.platform),
    );
    if (!same) this.images.push(image);
  }

  /** A base is named by tag where it was resolved, and by digest where it was used: the tag says more. */
  dropPinnedTwins(nameOf: (ref: string) => string): void {
    const named = new Set(this.images.filter(({ ref }) => !ref.includes('@')).map(({ ref }) => nameOf(ref)));
    const kept = this.images.filter(({ ref }) => !ref.includes('@') || !named.has(nameOf(ref)));
    this.images.splice(0, this.images.length, ...kept);
  }

  #addVertex(vertex: GraphVertex, pinOf: (vertex: GraphVertex) => string | undefined): void {
    const { op } = vertex;
    if (op.type === 'source') this.#addSource(op.source, pinOf(vertex));
    else if (op.type === 'exec') {
      for (const mount of op.mounts) {
        if (mount.secret !== undefined) use(this.secrets, mount.secret.id, mount.secret.optional);
        if (mount.ssh !== undefined) use(this.ssh, mount.ssh.id === '' ? 'default' : mount.ssh.id, mount.ssh.optional);
      }
      for (const { id, optional } of op.secretEnv ?? []) use(this.secrets, id, optional);
      if (op.network !== 'none') this.networkAccess = true;
    }
  }

  #addSource(source: SourceSpec['source'], pin: string | undefined): void {
    switch (source.kind) {
      case 'image':
        this.addImage({ ref: source.ref, platform: source.platform, digest: pin, local: false });
        return;
      case 'oci-layout':
        this.addImage({ ref: source.ref, platform: source.platform, digest: pin, local: true });
        return;
      case 'git':
        this.git.set(hideLogin(`${source.remote}${source.ref === undefined ? '' : `#${source.ref}`}`), pin ?? '');
        if (/^https?:/.test(source.remote)) {
          use(this.secrets, source.authTokenSecret ?? 'GIT_AUTH_TOKEN', true);
          use(this.secrets, source.authHeaderSecret ?? 'GIT_AUTH_HEADER', true);
        }
        if (source.mountSshSock !== undefined) use(this.ssh, source.mountSshSock, true);
        return;
      case 'http':
        this.http.set(hideLogin(source.url), pin ?? '');
        return;
      case 'local':
        this.locals.add(source.name);
    }
  }
}

function use(uses: Map<string, CapturedUse>, id: string, optional: boolean): void {
  const known = uses.get(id);
  uses.set(id, { id, optional: known === undefined ? optional : known.optional && optional });
}
