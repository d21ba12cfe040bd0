// `/images/…`: what this store keeps under names.

import type { ImageFacts } from '../backend.ts';
import { sendJson, type DockerCall } from './call.ts';
import { filterImages } from './image-filter.ts';

/** `GET /images/json`. Rejects with InvalidArgument for a filter that there is not. */
export async function listImages(call: DockerCall): Promise<void> {
  const images = filterImages(await call.host.backend.images(), call.query.get('filters'));
  sendJson(
    call,
    200,
    images.map((image) => ({
      Id: image.id,
      RepoTags: image.names,
      RepoDigests: image.names.map((name) => `${name.replace(/:[^/:]*$/, '')}@${image.digest}`),
      Created: Math.floor(image.createdAt / 1000),
      Size: image.bytes,
      VirtualSize: image.bytes,
      SharedSize: -1,
      Containers: -1,
      ParentId: '',
      Labels: image.config?.config?.Labels ?? null,
    })),
  );
}

/** `GET /images/NAME/json`. Rejects with NotFound. */
export async function inspectImage(call: DockerCall, name: string): Promise<void> {
  const image: ImageFacts = await call.host.backend.image(name);
  const { config } = image;
  sendJson(call, 200, {
    Id: image.id,
    RepoTags: image.names,
    RepoDigests: image.names.map((one) => `${one.replace(/:[^/:]*$/, '')}@${image.digest}`),
    Parent: '',
    Comment: '',
    Created: config?.created ?? new Date(image.createdAt).toISOString(),
    DockerVersion: '',
    Author: config?.author ?? '',
    Config: config?.config ?? {},
    Architecture: config?.architecture ?? '',
    Os: config?.os ?? 'linux',
    Size: image.bytes,
    VirtualSize: image.bytes,
    RootFS: { Type: 'layers', Layers: config?.rootfs.diff_ids ?? [] },
    Metadata: { LastTagTime: new Date(image.createdAt).toISOString() },
    Descriptor: { mediaType: image.mediaType, digest: image.digest, size: image.size },
  });
}

/** `POST /images/NAME/tag`. */
export async function tagImage(call: DockerCall, name: string): Promise<void> {
  const repository = call.query.get('repo') ?? '';
  const tag = call.query.get('tag') ?? '';
  await call.host.backend.tagImage(name, tag === '' ? repository : `${repository}:${tag}`);
  call.response.writeHead(201).end();
}

/** `DELETE /images/NAME`. */
export async function removeImage(call: DockerCall, name: string): Promise<void> {
  await call.host.backend.removeImage(name);
  // Without tag or digest it was the latest.
  sendJson(call, 200, [{ Untagged: /:[^/]+$/.test(name) ? name : `${name}:latest` }]);
}

/** Docker's client sends its credentials with the request. */
export async function pushImage(call: DockerCall, name: string): Promise<void> {
  const tag = call.query.get('tag') ?? '';
  const full = tag === '' ? name : `${name}:${tag}`;
  const header = call.request.headers['x-registry-auth'];
  const { response } = call;
  response.writeHead(200, { 'content-type': 'application/json' });
  const say = (line: object): void => void response.write(`${JSON.stringify(line)}\r\n`);
  try {
    say({ status: `The push refers to repository [${name}]` });
    const auth = readAuth(typeof header === 'string' ? header : '');
    const { digest } = await call.host.backend.pushImage(full, { peer: call.peer, auth }, call.signal);
    say({ status: `${tag === '' ? 'latest' : tag}: digest: ${digest}` });
    say({ progressDetail: {}, aux: { Tag: tag === '' ? 'latest' : tag, Digest: digest } });
  } catch (error) {
    const { message } = error as Error;
    say({ errorDetail: { message }, error: message });
  }
  response.end();
}

function readAuth(header: string): { readonly username: string; readonly secret: string } | undefined {
  if (header === '') return undefined;
  try {
    const auth = JSON.parse(Buffer.from(header, 'base64url').toString()) as {
      username?: string;
      password?: string;
      identitytoken?: string;
    };
    if (auth.identitytoken !== undefined && auth.identitytoken !== '') return { username: '', secret: auth.identitytoken };
    return auth.username === undefined || auth.username === '' ? undefined : { username: auth.username, secret: auth.password ?? '' };
  } catch {
    return undefined;
  }
}
