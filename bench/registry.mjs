// What the benchmark itself asks the registry for.

const ACCEPT = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');

/** Where the layers of an image (`host:port/name[:tag]`) are; of the first one of an index. */
export async function layerUrls(image) {
  const [, host, name, tag = 'latest'] = /^([^/]+)\/(.+?)(?::([^:/]+))?$/.exec(image);
  const base = `http://${host}/v2/${name}`;
  let manifest = await json(`${base}/manifests/${tag}`);
  if (manifest.manifests !== undefined) manifest = await json(`${base}/manifests/${manifest.manifests[0].digest}`);
  return manifest.layers.map(({ digest }) => `${base}/blobs/${digest}`);
}

/** Reads an image's layers once, so that the registry has them in memory. */
export async function readImage(image) {
  for (const url of await layerUrls(image)) {
    const { body } = await fetch(url);
    for await (const _ of body);
  }
}

async function json(url) {
  const answer = await fetch(url, { headers: { accept: ACCEPT } });
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  return await answer.json();
}
