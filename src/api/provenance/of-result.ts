// What a build's result is made of, gathered from the requests behind it.

import type { GraphEdge, GraphVertex, Platform } from '../engine.ts';
import type { Ref } from '../gateway/ref.ts';
import { Capture, type CapturedImage } from './capture.ts';
import type { RequestNode, RequestProvenance } from './request-node.ts';

export interface ResultProvenance {
  readonly capture: Capture;
  readonly request: RequestProvenance | undefined;
}

/** What is needed to tell it. */
export interface ProvenanceWorld {
  pinOf(vertex: GraphVertex): string | undefined;
  /** An image's name without tag and digest. */
  nameOf(ref: string): string;
}

/** What is below one output. */
export function captureOf(edge: GraphEdge, pinOf: ProvenanceWorld['pinOf']): Capture {
  const capture = new Capture();
  capture.addEdge(edge, pinOf);
  return capture;
}

/**
 * Provenance of one of a build's results. Undefined when nobody knows it. `platforms` are all that the result is for, `results` all its
 * outputs: what only the others are made of is not told.
 */
export function resultProvenance(
  top: RequestNode,
  ref: Ref,
  results: ReadonlySet<Ref>,
  platforms: { readonly own: Platform; readonly all: readonly Platform[] } | undefined,
  world: ProvenanceWorld,
): ResultProvenance | undefined {
  const node = top.find(ref);
  if (node === undefined) return undefined;
  const capture = captureOf(ref.edge, (vertex) => world.pinOf(vertex));
  const request = node.provenance(capture);
  for (const edge of node.edges(results)) capture.addEdge(edge, (vertex) => world.pinOf(vertex));
  const images = node.images();
  for (const image of platforms === undefined ? images : imagesFor(images, platforms)) capture.addImage(image);
  capture.dropPinnedTwins((name) => world.nameOf(name));
  return { capture, request };
}

/** Of an image that was asked for on behalf of each platform, only this platform's. */
function imagesFor(
  images: readonly CapturedImage[],
  { own, all }: { readonly own: Platform; readonly all: readonly Platform[] },
): readonly CapturedImage[] {
  const same = (a: Platform, b: Platform | undefined): boolean => a.os === b?.os && a.architecture === b.architecture;
  const forEach = new Set(
    images
      .filter(({ ref }) => all.every((platform) => images.some((other) => other.ref === ref && same(platform, other.platform))))
      .map(({ ref }) => ref),
  );
  return images.filter(({ ref, platform }) => !forEach.has(ref) || platform === undefined || same(own, platform));
}
