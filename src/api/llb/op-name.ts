// What an op is called for people when its client gave it no name.

import type { GraphEdge } from '../engine.ts';
import type { FileAction, Op } from '../gen/llb_pb.ts';

/** Of a name that is made of other names, characters: steps that name each other twice would double it each time. */
const MAX_NAME = 4096;

/** A name made of what the op does, and of the names of `inputs` where it only joins them. */
export function defaultName(op: Op, inputs: readonly GraphEdge[]): string {
  switch (op.op.case) {
    case 'source':
      return op.op.value.identifier;
    case 'exec':
      return op.op.value.meta?.args.join(' ') ?? '';
    case 'file':
      return listed(op.op.value.actions.map(actionName));
    case 'merge':
      return `merge (${listed(inputs.map((input) => input.vertex.about.name))})`;
    case 'diff':
      return `diff ${inputs.map((input) => `(${listed([input.vertex.about.name])})`).join(' -> ')}`;
    default:
      return op.op.case ?? 'unknown';
  }
}

/** Names, as many of them as have room. */
function listed(names: readonly string[]): string {
  let text = '';
  for (const name of names) {
    text += text === '' ? name : `, ${name}`;
    if (text.length > MAX_NAME) return `${text.slice(0, MAX_NAME)}…`;
  }
  return text;
}

function actionName({ action }: FileAction): string {
  switch (action.case) {
    case 'copy':
      return `copy ${action.value.src} ${action.value.dest}`;
    case 'symlink':
      return `symlink ${action.value.newpath} -> ${action.value.oldpath}`;
    case undefined:
      return 'unknown';
    default:
      return `${action.case} ${action.value.path}`;
  }
}
