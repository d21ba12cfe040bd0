// Azure Storage's "Shared Key": a request's headers with the one that signs them, by the service version of `x-ms-version`.

import { createHmac } from 'node:crypto';

/** Who signs. */
export interface SharedKey {
  readonly account: string;
  /** One of the account's two keys, decoded. */
  readonly key: Uint8Array;
}

/** What is signed: the headers beside `x-ms-*` that we send are these. */
export interface KeyedRequest {
  readonly method: string;
  /** With its query; the path begins with the account where the server is told several apart by it. */
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** Bytes of the body. */
  readonly length: number;
}

/** Headers whose values are signed by their place, in the order of the documentation; `content-length` stands between the second and the third. */
const BEFORE_LENGTH = ['content-encoding', 'content-language'];
const AFTER_LENGTH = [
  ...['content-md5', 'content-type', 'date', 'if-modified-since', 'if-match', 'if-none-match', 'if-unmodified-since'],
  'range',
];

/** The value of `authorization`. Header names are lower case. */
export function sharedKeyAuthorization({ method, url, headers, length }: KeyedRequest, { account, key }: SharedKey): string {
  const valueOf = (name: string): string => headers[name] ?? '';
  const own = Object.keys(headers)
    .filter((name) => name.startsWith('x-ms-'))
    .sort()
    .map((name) => `${name}:${valueOf(name)}`);
  const query = [...new Set(url.searchParams.keys())].sort().map((name) => `${name}:${url.searchParams.getAll(name).sort().join(',')}`);
  const text = [
    method,
    ...BEFORE_LENGTH.map(valueOf),
    length === 0 ? '' : String(length),
    ...AFTER_LENGTH.map(valueOf),
    ...own,
    [`/${account}${url.pathname}`, ...query].join('\n'),
  ].join('\n');
  return `SharedKey ${account}:${createHmac('sha256', key).update(text).digest('base64')}`;
}
