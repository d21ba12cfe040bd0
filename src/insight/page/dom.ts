// Elements from data. Text only ever becomes text: nothing here reads markup.

type Child = Node | string | undefined;

/** Attributes by name; `class`, `onclick` and the like; undefined and false are left out. */
export interface Attributes {
  readonly [name: string]: string | number | boolean | undefined | ((event: Event) => void);
}

const SVG = 'http://www.w3.org/2000/svg';

/** An HTML element. */
export function h<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  return fill(document.createElement(name), attributes, children);
}

/** An SVG element. */
export function s<K extends keyof SVGElementTagNameMap>(
  name: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): SVGElementTagNameMap[K] {
  return fill(document.createElementNS<K>(SVG, name), attributes, children);
}

function fill<E extends Element>(element: E, attributes: Attributes, children: readonly Child[]): E {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (typeof value === 'function') element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children.filter((child) => child !== undefined));
  return element;
}

/** An element of the page by its id. */
export function byId(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no #${id}`);
  return element;
}

/** A part of the page with its heading, and its place in the navigation. */
export function section(id: string, title: string, count: string | undefined, ...children: readonly Child[]): HTMLElement {
  const heading = h('h2', { id: `${id}-title` }, title);
  byId('nav').append(h('a', { href: `#${id}` }, title, count === undefined ? undefined : h('span', { class: 'count' }, count)));
  const element = h('section', { id, 'aria-labelledby': `${id}-title` }, heading, ...children);
  byId('content').append(element);
  return element;
}

/**
 * Does `work` once: when the element comes near to what is seen, or when there is nothing else to do, or when the returned function is
 * called; so that the top of a page with a hundred thousand files is there at once.
 */
export function whenNear(element: Element, work: () => void): () => void {
  let done = false;
  const once = (): void => {
    if (done) return;
    done = true;
    observer.disconnect();
    work();
  };
  const observer = new IntersectionObserver((entries) => entries.some(({ isIntersecting }) => isIntersecting) && once(), {
    rootMargin: '600px',
  });
  observer.observe(element);
  // Safari has no such callback.
  if ('requestIdleCallback' in window) requestIdleCallback(once, { timeout: 3000 });
  else setTimeout(once, 50);
  return once;
}

/** The one box beside the pointer. */
export function showTip(event: MouseEvent, lines: readonly string[]): void {
  const tip = byId('tip');
  tip.replaceChildren(...lines.map((line, index) => h('div', { class: index === 0 ? 'tip-head' : 'tip-line' }, line)));
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - width - 8))}px`;
  tip.style.top = `${event.clientY + height + 24 > innerHeight ? event.clientY - height - 10 : event.clientY + 16}px`;
}

/** Takes the tip away, if there is one. */
export function hideTip(): void {
  byId('tip').hidden = true;
}
