// The shapes of the options of `readBake()` and `listBake()`.

import { checkFields, fieldsShape, isFields, said, type Shape, SHAPES, wrongOption } from '../../base/index.ts';
import { STORE_SHAPES } from '../../build/index.ts';
import type { ListBakeOptions, ReadBakeOptions } from './read-bake.ts';
import type { BakeRights } from './rights.ts';

const isBakeText = (file: unknown): boolean => isFields(file) && SHAPES.text.fits(file['filename']) && SHAPES.text.fits(file['text']);

const RIGHTS: Readonly<Record<keyof BakeRights, Shape>> = {
  read: SHAPES.texts,
  write: SHAPES.texts,
  entitlements: SHAPES.texts,
  ssh: SHAPES.flag,
};
const LIST: Readonly<Record<keyof ListBakeOptions, Shape>> = {
  folder: SHAPES.text,
  files: {
    is: 'an array of paths or { filename, text }',
    fits: (value) => Array.isArray(value) && value.every((file) => SHAPES.text.fits(file) || isBakeText(file)),
  },
  url: SHAPES.text,
  variables: SHAPES.textByName,
  env: SHAPES.textByName,
  allow: fieldsShape<BakeRights>(RIGHTS),
  onProgress: SHAPES.call,
  ...STORE_SHAPES,
};
const READ: Readonly<Record<keyof ReadBakeOptions, Shape>> = { ...LIST, targets: SHAPES.texts, set: SHAPES.texts };
/** Throws `OPTION_INVALID`. */
export function checkListBake(options: unknown): void {
  checkBake(options, LIST, 'listBake');
}

/** The same for `readBake()`. */
export function checkReadBake(options: unknown): void {
  checkBake(options, READ, 'readBake');
}

function checkBake(options: unknown, shapes: Readonly<Record<string, Shape>>, call: string): void {
  if (!isFields(options)) throw wrongOption(`the options must be an object, not ${said(options)}`, `${call}({ folder: '.' })`);
  checkFields(options, shapes, '');
}
