// `--call` and `call = …`: what is asked of a Dockerfile in place of a build.

import type { CallRequest } from '../build/index.ts';
import { splitCsv, splitOnce, wrongValue } from './fields.ts';

/** For `callDockerfile()`. `ignoreStatus`: whatever the answer is, it is no failure. */
export interface DockerfileCall extends CallRequest {
  readonly ignoreStatus: boolean;
}

/** Methods by the names that they may have. */
const METHODS: Readonly<Record<string, string>> = {
  lint: 'check',
  check: 'check',
  outline: 'outline',
  targets: 'targets',
  describe: 'subrequests.describe',
  'subrequests.describe': 'subrequests.describe',
};

/** Reads `METHOD[,format=…][,ignorestatus=…]`. Undefined: a build. Throws `USAGE`. */
export function readCall(written: string): DockerfileCall | undefined {
  const [method = '', ...fields] = splitCsv(written);
  if (method === '' || method === 'build') return undefined;
  let format: CallRequest['format'] = 'default';
  let ignoreStatus = false;
  for (const field of fields) {
    const [key, value = 'true'] = splitOnce(field);
    if (key === 'format' && (value === 'json' || value === 'text' || value === 'default')) format = value;
    else if (field === 'format=') format = 'default';
    else if (key === 'ignorestatus') ignoreStatus = value === 'true' || value === '1';
    else throw wrongValue(`invalid option ${JSON.stringify(field)} of --call: format=json|text|default, ignorestatus=true|false`);
  }
  return { method: Object.hasOwn(METHODS, method) ? (METHODS[method] as string) : method, format, ignoreStatus };
}
