// A stream that the client offers under a URL (`docker build - < context.tar`), and files that it takes.

import { FileSendDiffCopy, UploadPull } from './methods.ts';
import { decodeBytes, encodeBytes, MAX_CHUNK } from '../wire/bytes-message.ts';
import type { CallMetadata } from '../wire/channel.ts';
import { RpcError } from '../wire/rpc-error.ts';
import type { Session } from './session.ts';

/** The bytes behind a URL that the client made up for its stream. */
export async function* pullUpload(session: Session, url: URL, signal: AbortSignal): AsyncGenerator<Buffer> {
  if (!session.supports(UploadPull)) throw new RpcError('notFound', 'the client offers no upload');
  const call = session.channel.stream(UploadPull, signal, { urlpath: url.pathname, urlhost: url.host });
  for await (const message of call.messages) yield decodeBytes(message);
}

/** Says which exporter's target the bytes are for, and what the result is. */
export function exporterMetadata(exporter: number, facts: Readonly<Record<string, string>>): CallMetadata {
  return {
    'buildkit-attachable-exporter-id': String(exporter),
    ...Object.fromEntries(Object.entries(facts).map(([key, value]) => [`exporter-md-${key}`.toLowerCase(), value])),
  };
}

/** Sends a file to the client's target. Returns false when the client said that it has it already. */
export async function sendFile(
  session: Session,
  bytes: AsyncIterable<Uint8Array>,
  metadata: CallMetadata,
  signal: AbortSignal,
): Promise<boolean> {
  if (!session.supports(FileSendDiffCopy)) throw new RpcError('failedPrecondition', 'the client takes no files');
  const call = session.channel.stream(FileSendDiffCopy, signal, metadata);
  const answers = (async () => {
    for await (const _ of call.messages) {
      // The client says nothing but that it is done.
    }
  })();
  answers.catch(() => {});
  try {
    for await (const chunk of bytes) {
      for (let at = 0; at < chunk.length; at += MAX_CHUNK) await call.send(encodeBytes(chunk.subarray(at, at + MAX_CHUNK)));
    }
    call.closeSend();
    await answers;
    return true;
  } catch (error) {
    call.cancel();
    const failure = await answers.then(
      () => error,
      (answer: unknown) => (answer instanceof RpcError && answer.code !== 'canceled' ? answer : error),
    );
    if (failure instanceof RpcError && failure.code === 'alreadyExists') return false;
    throw failure;
  }
}
