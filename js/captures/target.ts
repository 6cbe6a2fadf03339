// What can be said of an element that a user has acted on, so that somebody who reads a trace knows which it was: what the page's author has
// written, and never what users have written or what the page shows about people.

import type { Attributes } from '../options.js';
import * as names from './names.js';

/** What is meant by a click somewhere inside of it. */
const ACTIONABLE = 'a[href],button,input,select,textarea,summary,label,option,[role]';

/** What users write into, whatever text it shows. */
const WRITABLE = 'input,textarea,select,[contenteditable]:not([contenteditable="false"])';

/** What other tools that look at pages are told to leave alone, by their attributes and classes. */
const PRIVATE = '[data-private],[data-sentry-mask],[data-dd-privacy],[data-hj-suppress],[data-clarity-mask],[class*="mask"],.ph-no-capture';

/** What has text that nobody sees, or that a user has written. */
const UNREAD = `${WRITABLE},${PRIVATE},script,style,template,noscript`;

/** What shows data: names, amounts, messages. Also buttons and links in there are often labelled with them. */
const DATA = 'td,option,[role$="cell"],[role="row"],[role="treeitem"],[role="option"],[role="log"],[role="feed"]';

/** What holds more than a label, where `aria-labelledby` points to it. */
const PROSE = `${DATA},p,li,dd,pre,article,h1,h2,h3,h4,h5,h6,[role="heading"],[role="listitem"]`;

/**
 * Roles that have their name from content which is the author's. Others that have it from there show data: cells, rows, items, options, headings.
 * https://www.w3.org/TR/wai-aria-1.2/#namefromcontent
 */
const NAMED_BY_CONTENT = /^(button|link|menuitem(checkbox|radio)?|tab|checkbox|radio|switch)$/;

/** What looks like a mail address, an account on the web, or a number of a phone, a card, a bank account or a person. */
const PERSONAL = /[@＠]\S|\p{Nd}{5}|(\p{Nd}[\s().,/+-]*){7}/u;

/** Longer text is none that names anything. */
const MAX_NAME = 50;

/** So many nodes are looked at for text. */
const MAX_NODES = 100;

/** So many elements make a selector. */
const MAX_STEPS = 4;

/** Of elements that have no `role`. <https://www.w3.org/TR/html-aria/> */
const ROLES: Record<string, string> = { a: 'link', button: 'button', select: 'combobox', textarea: 'textbox', summary: 'button', option: 'option', img: 'img' };

/** The same, of `<input>` by its type. */
const INPUT_ROLES: Record<string, string> = {
  button: 'button',
  checkbox: 'checkbox',
  image: 'button',
  number: 'spinbutton',
  radio: 'radio',
  range: 'slider',
  reset: 'button',
  search: 'searchbox',
  submit: 'button',
};

/** The attributes of a span whose event had this path, which begins with the element that it was about. */
export function describeTarget(path: EventTarget[]): Attributes {
  const elements = path.filter((target): target is Element => target instanceof Element);
  const [target] = elements;
  if (!target) return {};
  const element = elements.find((each) => fits(each, ACTIONABLE)) ?? target;
  return {
    [names.TARGET_ELEMENT]: tag(element),
    [names.TARGET_ROLE]: role(element),
    [names.WIDGET_NAME]: accessibleName(element, elements.slice(elements.indexOf(element))) || undefined,
    [names.WIDGET_ID]: elements.map((each) => impersonal(attribute(each, 'data-testid'))).find(Boolean),
    [names.TARGET_SELECTOR]: selector(elements),
  };
}

// A form gives what is in it the place of its own members: `form.getAttribute` may be a text field. So they are taken from where they were defined.

const fits = (element: Element, selector: string): boolean => Element.prototype.matches.call(element, selector);

const attribute = (element: Element, name: string): string => (Element.prototype.getAttribute.call(element, name) ?? '').trim();

const tag = (element: Element): string => Object.getOwnPropertyDescriptor(Element.prototype, 'localName')!.get!.call(element);

function role(element: Element): string | undefined {
  const name = tag(element);
  const implicit = name === 'input' ? (INPUT_ROLES[attribute(element, 'type').toLowerCase()] ?? 'textbox') : ROLES[name];
  return attribute(element, 'role').split(/\s/)[0] || implicit;
}

/**
 * A part of <https://www.w3.org/TR/accname/>: the texts that the page's author has given, in their order. The value of a field is never among them,
 * and of a password field and of what is private nothing is. `around`: the element, and all that it stands in, also outside of its shadow tree.
 */
function accessibleName(element: Element, around: Element[]): string {
  const isIn = (selector: string) => around.some((each) => fits(each, selector));
  if (fits(element, 'input[type="password" i]') || isIn(PRIVATE)) return '';
  const root = Node.prototype.getRootNode.call(element) as Document | ShadowRoot;
  const ids = attribute(element, 'aria-labelledby').split(/\s+/);
  const labelling = ids.map((id) => id && root.querySelector(`#${CSS.escape(id)}`)).filter((each): each is Element => !!each);
  const hasContent = (tag(element) === 'label' || NAMED_BY_CONTENT.test(role(element) ?? '')) && !isIn(`${DATA},${UNREAD}`);
  return (
    textOf(labelling, PROSE) ||
    short(attribute(element, 'aria-label')) ||
    textOf((fits(element, WRITABLE) && (element as HTMLInputElement).labels) || []) ||
    short(attribute(element, 'alt')) ||
    textOf(hasContent ? [element] : []) ||
    short(attribute(element, 'title'))
  );
}

/** What one reads in these elements, but in those that stand in a `skipped` one; nothing if that is too much to be a name. */
function textOf(elements: ArrayLike<Element>, skipped = DATA): string {
  let text = '';
  let nodes = 0;
  for (const element of Array.from(elements)) {
    // Also where the element itself is one to write into, or stands in one.
    if (Element.prototype.closest.call(element, `${UNREAD},${skipped}`)) continue;
    const walker = document.createTreeWalker(element, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT, (node) =>
      node instanceof Element && fits(node, UNREAD) ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT,
    );
    for (let node: Node | null = walker.currentNode; node; node = walker.nextNode()) {
      if (++nodes > MAX_NODES || text.length > MAX_NAME * 4) return '';
      text += node instanceof Text ? node.data : ` ${attribute(node as Element, 'alt')} `;
    }
  }
  return short(text);
}

function short(text: string): string {
  const name = text.replace(/\s+/g, ' ').trim();
  return name.length > MAX_NAME ? '' : impersonal(name);
}

/** The text, if it does not look like something that is about a person. */
const impersonal = (text: string): string => (PERSONAL.test(text) ? '' : text);

/** The way to the element from the nearest one that has an id, or from a few steps above. */
function selector(elements: Element[]): string {
  const steps: string[] = [];
  for (const element of elements.slice(0, MAX_STEPS)) {
    const id = impersonal(attribute(element, 'id'));
    if (id) {
      steps.unshift(`${tag(element)}#${CSS.escape(id)}`);
      break;
    }
    const classes = attribute(element, 'class').split(/\s+/, 2).map(impersonal);
    steps.unshift(tag(element) + classes.map((each) => each && `.${CSS.escape(each)}`).join(''));
  }
  return steps.join(' > ');
}
