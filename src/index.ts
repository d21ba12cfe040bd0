// Slipway as a library: `import { build } from 'slipway'`.

export * from './build/index.ts';
