// The thread of one copied root filesystem: makes the copy, remembers how it looked, and tells the difference later.

import { parentPort } from 'node:worker_threads';
import { toBytePath } from '../base/index.ts';
import { scanBeforeChanges, type TreeState, writeDifference } from './copy-diff.ts';
import { copyOut, FolderStack, makeDirectory } from './copy-stack.ts';
import type { CopyAnswer, CopyTask } from './copy-thread.ts';

let state: TreeState = new Map();

parentPort?.on('message', (task: CopyTask) => {
  let answer: CopyAnswer;
  try {
    answer = { ok: true, value: perform(task) };
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    answer = { ok: false, message, ...(code === undefined ? {} : { code }) };
  }
  parentPort?.postMessage(answer);
});

function perform(task: CopyTask): string | undefined {
  switch (task.type) {
    case 'copy': {
      const stack = new FolderStack(task.lowers);
      const target = toBytePath(task.target);
      const root = stack.root();
      if (root === undefined) makeDirectory(target);
      else copyOut(stack, '', root, target);
      return undefined;
    }
    case 'select': {
      const stack = new FolderStack(task.lowers);
      const selected = stack.resolve(task.selector);
      if (selected === undefined) return undefined;
      copyOut(stack, selected.path, selected.found, toBytePath(task.target));
      return selected.found.stat.isDirectory() ? 'dir' : 'file';
    }
    case 'scan':
      state = scanBeforeChanges(toBytePath(task.root), toBytePath(`${task.root}.clock`));
      return undefined;
    case 'difference':
      writeDifference(toBytePath(task.root), state, toBytePath(task.target), task.overlay);
      return undefined;
  }
}
