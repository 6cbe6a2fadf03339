/** Elements. All text becomes text nodes: what a span is called can never become markup. */

export type Child = Node | string | null | undefined | false;

export interface Properties {
  class?: string;
  /** CSS custom properties and others, set one by one: the page's policy allows no style attribute. */
  style?: Record<string, string>;
  on?: { [type in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[type]) => void };
  /** Every other key is an attribute; `true` gives an empty one, `false` and `undefined` none. */
  [attribute: string]: unknown;
}

export function h<Tag extends keyof HTMLElementTagNameMap>(tag: Tag, properties: Properties = {}, ...children: Child[]): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  const { style = {}, on = {}, ...attributes } = properties;
  for (const [name, value] of Object.entries(style)) element.style.setProperty(name, value);
  for (const [type, listener] of Object.entries(on)) element.addEventListener(type, listener as EventListener);
  setAttributes(element, attributes);
  element.append(...present(children));
  return element;
}

const SVG = 'http://www.w3.org/2000/svg';

const ICONS = {
  back: 'M10 3 5 8l5 5',
  caret: 'm6 4 4 4-4 4',
  close: 'm4 4 8 8m0-8-8 8',
  copy: 'M6 6h7v7H6zM3 10V3h7',
  done: 'm3 8.5 3.5 3.5L13 4.5',
  error: 'M8 4.5V9m0 2.4v.1M8 1.5 15 14H1Z',
  search: 'm10.5 10.5 3.5 3.5M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9Z',
};

export function icon(name: keyof typeof ICONS): SVGElement {
  const svg = document.createElementNS(SVG, 'svg');
  setAttributes(svg, { class: `icon icon-${name}`, viewBox: '0 0 16 16', 'aria-hidden': 'true' });
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', ICONS[name]);
  svg.append(path);
  return svg;
}

function setAttributes(element: Element, attributes: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) element.setAttribute(name, value === true ? '' : String(value));
  }
}

function present(children: Child[]): (Node | string)[] {
  return children.filter((child) => child !== null && child !== undefined && child !== false);
}
