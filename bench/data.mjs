// The files that the workloads build from: made once per folder, the same on every machine.

import { existsSync, mkdirSync, openSync, writeSync, closeSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** A small generator of numbers (mulberry32): the same sequence for the same seed. */
export function numbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

const SYLLABLES = 'ba con de fi ga her in ju ka lo men no or pre qui ra sta ter un ver wi xo ys za'.split(' ');

/** 4096 words that look like source text: identifiers, keywords, punctuation. */
function vocabulary() {
  const next = numbers(7);
  const ends = [' ', ' ', ' ', ' = ', '(', ');\n', ';\n  ', '.', ', ', ' {\n', '}\n'];
  return Array.from({ length: 4096 }, () => {
    let word = '';
    for (let left = 1 + (next() % 4); left > 0; left--) word += SYLLABLES[next() % SYLLABLES.length];
    return Buffer.from(word + ends[next() % ends.length]);
  });
}

let words;

/** `size` bytes of text that deflates about 3:1; rare words are rarer. */
export function text(size, next) {
  words ??= vocabulary();
  const out = Buffer.allocUnsafe(size);
  for (let at = 0; at < size;) {
    const roll = next();
    const word = words[(roll & 3) === 0 ? (roll >>> 8) & 4095 : (roll >>> 8) & 127];
    at += word.copy(out, at);
  }
  return out;
}

/** `size` bytes like machine code: half of it without any pattern. */
export function code(size, next) {
  const out = Buffer.allocUnsafe(size);
  for (let at = 0; at + 8 <= size; at += 8) {
    out.writeUInt32LE(next() & 0x00ff00ff, at);
    out.writeUInt32LE(next(), at + 4);
  }
  out.fill(0, size - (size % 8));
  return out;
}

/** A tree of `files` files with `bytes` bytes in all: 80 % text, 20 % code, about 20 files a folder. */
export function makeTree(folder, files, bytes) {
  if (existsSync(join(folder, '.made'))) return;
  const next = numbers(files);
  const mean = bytes / files;
  for (let index = 0; index < files; index++) {
    const group = Math.floor(index / 20);
    const path = join(folder, 'src', `d${group % 50}`, `g${group}`, `f${index}.${index % 5 === 0 ? 'bin' : 'js'}`);
    if (index % 20 === 0) mkdirSync(dirname(path), { recursive: true });
    const size = Math.floor(mean * (0.1 + (next() % 1800) / 1000));
    writeFileSync(path, index % 5 === 0 ? code(size, next) : text(size, next));
  }
  writeFileSync(join(folder, '.made'), '');
}

/** `count` files of `size` bytes each below `folder`, half text, half code. */
export function makeBig(folder, count, size, seed = 1) {
  if (existsSync(join(folder, '.made'))) return;
  mkdirSync(join(folder, 'data'), { recursive: true });
  for (let index = 0; index < count; index++) {
    const next = numbers(seed * 1000 + index);
    const file = openSync(join(folder, 'data', `part${index}`), 'w');
    const step = 1 << 20;
    for (let done = 0; done < size; done += step) writeSync(file, index % 2 === 0 ? text(step, next) : code(step, next));
    closeSync(file);
  }
  writeFileSync(join(folder, '.made'), '');
}
