// What a build was told of sources that it asked about before their steps: the steps work with just that, whatever the addresses give by
// then. Who admitted a file or a commit for what it is admitted no other.

import { rmSync } from 'node:fs';
import { canonicalJson } from '../base/index.ts';
import type { GitSource, HttpSource } from '../graph/index.ts';
import type { GitFound, HttpRecord } from '../source/index.ts';

/** A file as it was fetched to be told about. */
export interface AskedFile {
  readonly record: HttpRecord;
  /** Its bytes; they stay until the build ends. */
  readonly path: string;
}

/** The answers of one build. */
export class AskedSources implements Disposable {
  readonly #files = new Answers<AskedFile>();
  readonly #commits = new Answers<GitFound>();
  readonly #paths = new Set<string>();

  /** The answer to an earlier question; undefined: nobody asked. */
  fileOf(source: HttpSource): Promise<AskedFile> | undefined {
    return this.#files.known(fileKey(source));
  }

  /** The earlier answer, or what `fetch` brings. */
  file(source: HttpSource, fetch: () => Promise<AskedFile>): Promise<AskedFile> {
    return this.#files.answer(fileKey(source), async () => {
      const file = await fetch();
      this.#paths.add(file.path);
      return file;
    });
  }

  /** As `fileOf`, for a repository. */
  commitOf(source: GitSource): Promise<GitFound> | undefined {
    return this.#commits.known(commitKey(source));
  }

  /** As `file`, for a repository. */
  commit(source: GitSource, find: () => Promise<GitFound>): Promise<GitFound> {
    return this.#commits.answer(commitKey(source), find);
  }

  [Symbol.dispose](): void {
    for (const path of this.#paths) rmSync(path, { force: true });
  }
}

class Answers<T> {
  readonly #answers = new Map<string, Promise<T>>();

  known(key: string): Promise<T> | undefined {
    return this.#answers.get(key);
  }

  /** A question that failed may be asked again. */
  answer(key: string, ask: () => Promise<T>): Promise<T> {
    const known = this.#answers.get(key);
    if (known !== undefined) return known;
    const answer = ask();
    this.#answers.set(key, answer);
    answer.catch(() => this.#answers.delete(key));
    return answer;
  }
}

/** What decides which file comes: not what is made of it. */
function fileKey({ url, headers = {}, authHeaderSecret }: HttpSource): string {
  return canonicalJson({ url, headers, authHeaderSecret });
}

/** What decides which commit it is. Clients name the usual secrets in one place and leave them out in another. */
function commitKey({ remote, ref, checksum, fetchByCommit, mountSshSock, ...secrets }: GitSource): string {
  const { authTokenSecret = 'GIT_AUTH_TOKEN', authHeaderSecret = 'GIT_AUTH_HEADER' } = secrets;
  return canonicalJson({ remote, ref, checksum, fetchByCommit, authTokenSecret, authHeaderSecret, mountSshSock });
}
