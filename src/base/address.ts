// Addresses of other machines, as text.

const LOGIN = /^([a-z][a-z0-9+.-]*:\/\/)([^/?#]*)@/i;

/** An address without the login in it, if there is one; written as BuildKit writes it. */
export function hideLogin(address: string): string {
  return address.replace(LOGIN, (_, scheme: string, login: string) => `${scheme}${hidden(login)}@`);
}

function hidden(login: string): string {
  return login.includes(':') ? 'xxxxx:xxxxx' : 'xxxxx';
}

/** Logins of addresses within a text. What follows `@` in an image's name is its digest. */
const LOGINS = /:\/\/([^/?#\s"'`<>]+)@(?!sha(?:256|512):)/g;
/** A login whose secret part is a variable says nothing. */
const VARIABLE = /^(?:[^:]*:)?\$(?:\w+|\{[^}]*\})$/;

/** A text (a command, a message) without the logins of addresses in it; variables stay, and the user's name of `ssh://`. */
export function hideLogins(text: string): string {
  if (!text.includes('://') || !text.includes('@')) return text;
  return text.replace(LOGINS, (found, login: string, at: number) => {
    const secret = login.includes(':') || !text.slice(0, at).endsWith('ssh');
    return !secret || VARIABLE.test(login) ? found : `://${hidden(login)}@`;
  });
}

/** The same for every string in plain data. */
export function hideLoginsIn<T>(data: T): T {
  if (typeof data === 'string') return hideLogins(data) as T;
  if (Array.isArray(data)) return (data as readonly unknown[]).map(hideLoginsIn) as T;
  if (typeof data !== 'object' || data === null || Object.getPrototypeOf(data) !== Object.prototype) return data;
  return Object.fromEntries(Object.entries(data).map(([name, value]) => [name, hideLoginsIn(value as unknown)])) as T;
}

/** An address taken apart: what reaches it, and `user:password` as it is written in it, percent signs and all. */
export function splitLogin(address: string): { readonly address: string; readonly login?: string } {
  const [start, scheme = '', login] = LOGIN.exec(address) ?? [];
  return start === undefined || login === undefined ? { address } : { address: `${scheme}${address.slice(start.length)}`, login };
}
