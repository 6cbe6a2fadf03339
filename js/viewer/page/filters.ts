/** The filters above the list. Their state is the query of the API and of the address. */
import { h, icon } from './dom.js';
import { knownServices } from './services.js';

/** Long enough to finish a word. */
const TYPING_MS = 200;

export class FilterBar {
  readonly element: HTMLElement;
  readonly #onChange: (filters: URLSearchParams) => void;
  readonly #name = input('name', 'Span name', 'search');
  readonly #service = h('select', { name: 'service', 'aria-label': 'Service' });
  readonly #minDuration = input('minDurationMs', 'Min. duration, ms', 'number');
  readonly #attribute = input('attribute', 'attribute=value', 'text');
  readonly #errors = h('input', { name: 'errors', type: 'checkbox' });
  #offered: readonly string[] | undefined;
  #typing: number | undefined;

  constructor(filters: URLSearchParams, onChange: (filters: URLSearchParams) => void) {
    this.#onChange = onChange;
    this.#minDuration.min = '0';
    this.element = h(
      'form',
      { class: 'filters', role: 'search', on: { input: (event) => this.#typed(event), submit: (event) => event.preventDefault() } },
      h('label', { class: 'field field-name' }, icon('search'), this.#name),
      h('label', { class: 'field' }, this.#service),
      h('label', { class: 'field field-duration' }, this.#minDuration),
      h('label', { class: 'field field-attribute' }, this.#attribute),
      h('label', { class: 'toggle' }, this.#errors, h('span', {}, 'Errors only')),
    );
    this.set(filters);
  }

  set(filters: URLSearchParams): void {
    this.#name.value = filters.get('name') ?? '';
    this.#minDuration.value = filters.get('minDurationMs') ?? '';
    this.#attribute.value = filters.get('attribute') ?? '';
    this.#errors.checked = filters.get('errors') === '1';
    this.#offer(filters.get('service') ?? '');
  }

  focus(): void {
    this.#name.select();
  }

  /** Takes over services that came up since. */
  offerServices(): void {
    if (this.#offered !== knownServices()) this.#offer(this.#service.value);
  }

  #offer(selected: string): void {
    this.#offered = knownServices();
    // A link may name a service that has sent nothing yet.
    const names = new Set([...this.#offered, ...(selected ? [selected] : [])]);
    const options = Array.from(names, (name) => h('option', { value: name }, name));
    this.#service.replaceChildren(h('option', { value: '' }, 'All services'), ...options);
    this.#service.value = selected;
  }

  #typed(event: Event): void {
    clearTimeout(this.#typing);
    const atOnce = event.target === this.#errors || event.target === this.#service;
    this.#typing = window.setTimeout(() => this.#onChange(this.#read()), atOnce ? 0 : TYPING_MS);
  }

  #read(): URLSearchParams {
    const filters = new URLSearchParams();
    const fields = {
      name: this.#name.value.trim(),
      service: this.#service.value,
      minDurationMs: this.#minDuration.value,
      attribute: this.#attribute.value.trim(),
      errors: this.#errors.checked ? '1' : '',
    };
    for (const [name, value] of Object.entries(fields)) if (value !== '') filters.set(name, value);
    return filters;
  }
}

function input(name: string, placeholder: string, type: string): HTMLInputElement {
  return h('input', { name, type, placeholder, 'aria-label': placeholder, autocomplete: 'off', spellcheck: 'false' });
}
