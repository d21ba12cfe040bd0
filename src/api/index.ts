// The API room's door: a server that speaks BuildKit's and Docker's build APIs, and what speaks with frontends for builds without a server.

export { askFrontend } from './local/ask-frontend.ts';
export { describeSteps } from './provenance/steps.ts';
export { type CommonConfiguration, runServer, type ServerWorld } from './daemon/main.ts';
