// Addresses of other machines, as text.

const LOGIN = /^([a-z][a-z0-9+.-]*:\/\/)([^/?#]*)@/i;

/** An address without the login in it, if there is one; written as BuildKit writes it. */
export function hideLogin(address: string): string {
  return address.replace(LOGIN, (_, scheme: string, login: string) => `${scheme}${login.includes(':') ? 'xxxxx:xxxxx' : 'xxxxx'}@`);
}

/** An address taken apart: what reaches it, and `user:password` as it is written in it, percent signs and all. */
export function splitLogin(address: string): { readonly address: string; readonly login?: string } {
  const [start, scheme = '', login] = LOGIN.exec(address) ?? [];
  return start === undefined || login === undefined ? { address } : { address: `${scheme}${address.slice(start.length)}`, login };
}
