// The API room's door: a server that speaks BuildKit's and Docker's build APIs.

export { runServer, type ServerWorld } from './daemon/main.ts';
