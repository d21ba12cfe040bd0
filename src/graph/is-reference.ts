// Whether a text could name an image.

import { isSlipwayError } from '../base/index.ts';
import { parseReference } from '../oci/index.ts';

const PLAIN = /^[a-z0-9]{1,60}$/;

export function isReference(text: string): boolean {
  if (PLAIN.test(text)) return true; // as names of stages mostly are
  try {
    parseReference(text);
    return true;
  } catch (error) {
    if (isSlipwayError(error)) return false;
    throw error;
  }
}
