// The graph room: from instructions to vertices.
export * from './op-spec.ts';
