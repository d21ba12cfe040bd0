// A kernel's socket in front of any stream, for HTTP/2. Node's own adapter for other streams (`JSStreamSocket`) must not be written to while it
// ends, and a session that is destroyed says goodbye at once: an assertion of Node then ends the whole process. A frontend that dies at the
// wrong moment, or a client, must not be able to bring that about.

import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { openSocketPair } from '../../build/parts.ts';

/** What is written to the socket goes to `stream`, and the other way round. When one of them is gone the other goes too. */
export function nativeSocket(stream: Duplex): Socket {
  const [here, there] = openSocketPair().map((fd) => new Socket({ fd, readable: true, writable: true })) as [Socket, Socket];
  there.pipe(stream).pipe(there);
  const end = (): void => {
    stream.destroy();
    there.destroy();
  };
  there.on('error', end).on('close', end);
  // What came in last is still to be read. What goes out is read on, though nobody gets it: the socket would not see its own end.
  const gone = (): void => {
    there.end();
    there.unpipe(stream).resume();
  };
  stream.on('error', gone).on('close', gone);
  here.on('error', () => here.destroy());
  return here;
}
