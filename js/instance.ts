// What is started: it puts the captures, the core and the transport together, and stops them again.

import type { Span, Stats, Webspan } from './api.js';
import type { Capture, CaptureHost, InstallCapture, Listen, Runner } from './capture/capture.js';
import { installDocumentLoad } from './capture/document.js';
import { installErrors } from './capture/errors.js';
import { DOCUMENT_URL, SESSION_ID, SESSION_PREVIOUS_ID, USER_ID } from './capture/facts.js';
import { installFetch } from './capture/fetch.js';
import { installNavigation } from './capture/navigation.js';
import { ResourceTimings } from './capture/timing.js';
import { installXhr } from './capture/xhr.js';
import { startTimer, wallMs, whenIdle, within } from './clock.js';
import { ActiveSpan } from './context.js';
import { Core, type Exports, GLOBALS, RESOURCE } from './core.js';
import { fetchLater } from './fetch-later.js';
import { load as loadDiagnosis } from '#diagnosis';
import { load } from '#fallback';
import { load as loadOutbox } from '#outbox';
import { type Attributes, isLoopback, type Settings } from './options.js';
import type { SpanMessage } from './otlp.js';
import { isOffline, isPrerendering, pageOrigin, watchPage } from './page.js';
import { SpanProcessors } from './processors.js';
import { Session } from './session.js';
import { entries, fromHeaders, pushList, setAttributes } from './span.js';
import { quietly, textOf } from './thrown.js';
import { CoreTracer } from './tracer.js';
import { Transport } from './transport.js';

/** Where the started instance is known to every copy of this package in the page. */
export const INSTANCE = Symbol.for('webspan.instance');
export const global = globalThis as { [INSTANCE]?: Instance };

/** The scope of the page's own spans. */
export const NAME = 'webspan';
export const VERSION = __VERSION__;

/** By their prototype: an element of the name `addEventListener` hides that of the document. */
const { addEventListener, removeEventListener } = (globalThis.EventTarget?.prototype ?? {}) as Partial<EventTarget>;

/** How the page has turned (`page_turned` in abi.rs). */
const VISIBLE = 0;
const HIDDEN = 1;
const KEPT = 2;
const GONE = 3;

/** `semconv` of `set_options` in abi.rs. */
const SEMCONV = ['stable', 'legacy', 'dup'];

/** Severities of the option `logLevel`. */
const LEVELS = ['none', 'error', 'warn', 'info', 'debug'];

export class Instance implements Webspan {
  readonly active: ActiveSpan;
  readonly core: Core;
  readonly tracer: CoreTracer;
  private readonly transport: Transport;
  /** Read at once: what the page makes of `URL` later is not asked. */
  private collector: URL | undefined;
  private uninstall = () => {};
  /** The user's word; undefined while there is none. */
  consent: boolean | undefined;
  private prerendering = isPrerendering();
  private captures: Capture[] = [];
  private timings: ResourceTimings | undefined;
  /** What is told once. */
  private readonly told = new Set<string>();
  /** How deep in code that the page gave us: what that fetches is not traced. */
  private asideDepth = 0;
  /** What waits until the core is there; undefined once it is, or once it is known that it will never be. */
  private later: (() => void)[] | undefined = [];
  private readonly touch: ((handle?: number) => void) | undefined;
  /** How the page was left, if it was, and what it has done since has left too. */
  private left = VISIBLE;
  /** When that was; infinity: it was not. */
  private leftMs = Infinity;
  private session: Session | undefined;
  /** What is done to the outbox, one after the other. */
  private outbox = Promise.resolve();
  private final: Stats | undefined;
  private stopping: Promise<void> | undefined;

  constructor(private readonly settings: Settings) {
    this.active = new ActiveSpan(settings.pageTrace);
    this.consent = settings.consent === 'granted' || undefined;
    const core = (this.core = new Core(
      (error) => {
        this.uninstall();
        this.transport.stop();
        this.transport.outbox?.close();
        this.report(`switched off, as its core has failed: ${textOf(error)}`, 'error');
      },
      (error) => this.report(`ignored what was thrown at it: ${textOf(error)}`, 'warn'),
    ));
    this.transport = new Transport(core, settings, {
      fetch: globalThis.fetch,
      report: (message) => this.report(message, 'warn'),
      show: (spans) => this.show(spans),
      aside: this.aside,
    });
    this.attempt(() => (this.collector = settings.tracesUrl ? new URL(settings.tracesUrl) : undefined));
    this.touch = this.toucher();
    if (settings.spanProcessors.length) core.processors = new SpanProcessors(core, settings.spanProcessors, this.aside);
    this.tracer = this.getTracer(NAME, VERSION);
    core.wake = () => this.start();
    this.install();
    // What the page does at its start comes first, unless that needs it; or what has to be known of that moment, or opened for its end.
    if (settings.documentUrl || settings.outbox) core.ready();
    else this.attempt(whenIdle, () => core.ready());
  }

  private start(): void {
    try {
      this.core.start();
    } catch (error) {
      this.fallBack(error);
    }
    if (this.core.on) this.attempt(() => this.configure());
  }

  private install(): void {
    const { core, settings } = this;
    let installed = true;
    const heard: (() => void)[] = [];
    const undo: (() => void)[] = [];
    const listen: Listen = (target, name, listener) => {
      const hear = (event: Event) => this.attempt(listener, event as never);
      const add = () => (addEventListener ? addEventListener.call(target, name, hear, true) : target.addEventListener(name, hear, true));
      add();
      heard.push(add);
      undo.push(() => removeEventListener!.call(target, name, hear, true));
    };
    this.attempt(() => {
      if (!globalThis.MutationObserver) return;
      // `document.open()` takes all listeners away, and all children. Those that are still there are not added twice.
      const renewed = new MutationObserver(() => installed && heard.forEach((add) => add()));
      renewed.observe(document, { __proto__: null, childList: true } as MutationObserverInit);
      undo.push(() => renewed.disconnect());
    });
    const host: CaptureHost = {
      core,
      settings,
      active: this.active,
      installedMs: core.now(),
      timings: new ResourceTimings(this.attempt, (run) => this.whenOn(run)),
      requests: [],
      shown: (href) => this.shown(href),
      whenOn: (run) => this.whenOn(run),
      visit: (handle) => this.touch?.(handle),
      tracer: (name) => this.getTracer(`${NAME}/${name}`, VERSION),
      silent: () => this.silent() || this.asideDepth > 0,
      leftMs: () => this.leftMs,
      propagates: () => this.consent === true,
      aside: this.aside,
      listen,
      guard: this.attempt,
    };
    this.timings = host.timings;
    const add = (name: string, there: unknown, install: () => Capture) => {
      if (!there) return;
      try {
        this.captures.push(install());
      } catch (error) {
        this.report(`cannot trace ${name}: ${textOf(error)}`, 'warn');
      }
    };
    const { fetch, xhr, documentLoad, navigation, errors } = settings.instrumentations;
    add('why requests fail', settings.debug, () => {
      // Where it cannot be loaded, nothing is said.
      const diagnosis = loadDiagnosis().then(({ start }) => start((message) => this.report(message, 'warn')), () => {});
      core.failed = (...failure) => diagnosis.then((started) => started?.tell(...failure));
      return { uninstall: () => diagnosis.then((started) => started?.stop()) };
    });
    // The page load first: it is the parent of what follows. Of what happens before the core is there, the browser tells it afterwards.
    this.whenOn(() => {
      if (!installed) return;
      add('documentLoad', documentLoad, () => installDocumentLoad(host, documentLoad as never, (traceparent) => this.extract(traceparent, '')));
      // The page's span processors run in there.
      if (!installed) this.uninstall();
    });
    if (documentLoad) host.timings.observe();
    add('navigation', navigation, () => installNavigation(host, navigation as never));
    // Before the requests: when the page goes, who waits for some has to be asked before these are ended.
    settings.captures.forEach((capture, index) => add(`captures[${index}]`, true, () => (capture as unknown as InstallCapture)(host)));
    add('fetch', fetch && globalThis.fetch, () => installFetch(host, fetch as never));
    add('xhr', xhr && globalThis.XMLHttpRequest, () => installXhr(host, xhr as never));
    add('errors', errors, () => installErrors(host));
    this.attempt(() => watchPage(listen, {
      // After `pagehide` too: what the page has done meanwhile leaves with it.
      hidden: () => this.settle(this.left || HIDDEN),
      leaving: (kept, atMs) => {
        this.leftMs = atMs;
        this.settle(kept ? KEPT : GONE);
      },
      visible: () =>
        this.guard(() => {
          this.left = VISIBLE;
          this.leftMs = Infinity;
          this.transport.shown();
          core.x.page_turned(VISIBLE, core.now());
        }),
      activated: () => {
        this.guard(() => {
          this.prerendering = false;
          this.hold();
        });
      },
      online: () => {
        this.guard(() => {
          this.connect(!isOffline());
          // If it could not be loaded before.
          this.hold();
        });
      },
    }));
    this.uninstall = () => {
      installed = false;
      this.captures.splice(0).forEach((capture) => this.attempt(() => capture.uninstall?.()));
      undo.forEach((each) => this.attempt(each));
    };
  }

  /** Nothing is recorded. Asked before each span. */
  private silent(): boolean {
    const { left } = this;
    // The page is about to do something while it goes: that leaves as soon as its code has run, as nothing may come after it.
    if (left) {
      this.left = VISIBLE;
      void Promise.resolve().then(() => this.settle(left));
    }
    return this.consent === false || !!this.stopping;
  }

  getTracer(name: string, version?: string): CoreTracer {
    const { sampler } = this.settings;
    const own = typeof sampler === 'function' ? (...asked: Parameters<typeof sampler>) => this.sampled(() => sampler(...asked)) : undefined;
    return new CoreTracer(this.core, this.active, own, () => this.silent(), textOf(name ?? ''), textOf(version ?? ''), this.touch);
  }

  flush(): Promise<void> {
    // Who asks while a request is being made, as `headers` may, would wait for itself.
    if (this.transport.preparing) return Promise.resolve();
    this.guard(() => this.settleCaptures(false));
    return this.flushed();
  }

  private flushed(): Promise<void> {
    return this.core.on ? this.transport.flush() : Promise.resolve();
  }

  shutdown(options?: { discard?: boolean }): Promise<void> {
    if (!this.stopping) {
      let discard: boolean | undefined;
      this.attempt(() => (discard = options?.discard));
      this.guard(() => this.settleCaptures(true));
      this.uninstall();
      if (discard) this.guard(() => this.discard(1));
      const discarded = discard && this.seeToOutbox(true);
      const stopping: Promise<void> = (this.stopping = this.flushed().then(async () => {
        await within(discarded, this.settings.timeoutMillis);
        if (this.stopping === stopping) await this.transport.stow();
        // Started again meanwhile.
        if (this.stopping !== stopping) return;
        this.guard(() => this.core.x.discard_spans(1));
        this.final = this.stats();
        this.core.stop();
        this.transport.stop();
        this.transport.outbox?.close();
        if (global[INSTANCE] === this) delete global[INSTANCE];
      }));
    }
    return this.stopping;
  }

  /** A second `init`: one that is being shut down goes on, as when a framework mounts, unmounts and mounts again. */
  again(): this {
    if (this.stopping && !this.final) {
      this.stopping = undefined;
      this.install();
    } else {
      this.report('init() was called before; this call changes nothing', 'warn');
    }
    return this;
  }

  stats(): Stats {
    return this.final ?? this.core.stats();
  }

  setAttributes(attributes: Attributes): void {
    this.attempt(() => {
      // As they are now: the core may come later.
      const given = Object.fromEntries(entries(this.core, attributes)) as Attributes;
      this.whenOn(() => setAttributes(this.core, GLOBALS, given));
    });
  }

  setUser(id: string | null): void {
    // What no user can be called by is nobody, as the one before is another.
    const name = /^(st|n|b)/.test(typeof id) ? `${id}` : null;
    if (name === null && id != null) this.core.caught('setUser() wants a string or null');
    this.whenOn(() => this.core.fact(GLOBALS, USER_ID, name));
  }

  private whenOn(run: () => void): void {
    if (this.later) this.later.push(run);
    else if (this.core.on) this.attempt(run);
  }

  private shown(href: string): string {
    const { core, settings } = this;
    const word = settings.redact && settings.redact.url;
    if (!word) return href;
    // Without an answer nothing of it is known to be harmless.
    let answer = 'REDACTED';
    // Not below: if the core fails in here, that is not the page's function.
    const redacted = core.read(core.x.redact_url(core.text(href, 0)));
    this.aside(() => (answer = String(word(redacted))));
    return answer;
  }

  /** What sees to the attributes that change by themselves: those of every span, or of one that is open. Nothing where nobody asked for them. */
  private toucher(): ((handle?: number) => void) | undefined {
    const { core, settings } = this;
    const { session: rules, documentUrl } = settings;
    if (!rules && !documentUrl) return undefined;
    const session = rules && new Session(rules, () => this.consent === true);
    this.session = session || undefined;
    let href: string;
    const told: Record<number, string | undefined> = {};
    return (handle = GLOBALS) =>
      this.attempt(() => {
        if (!core.on) return;
        if (documentUrl && href !== location.href) core.fact(GLOBALS, DOCUMENT_URL, this.shown((href = location.href)));
        // A page that is only prerendered is no visit.
        if (!session || this.prerendering) return;
        const { id, previousId } = session.use(wallMs());
        const tell = (fact: number, value: string | undefined) => {
          if (handle !== GLOBALS) core.fact(handle, fact, value);
          else if (told[fact] !== value) core.fact(GLOBALS, fact, (told[fact] = value));
        };
        tell(SESSION_ID, id);
        tell(SESSION_PREVIOUS_ID, previousId);
      });
  }

  /** The span that these headers tell of. */
  extract(traceparent: string, tracestate: string): Span | undefined {
    const { core } = this;
    return core.ready() ? fromHeaders(core, traceparent, tracestate, true) : undefined;
  }

  setConsent(granted: boolean): void {
    this.guard(() => {
      // Only that very word: what a store gives for "never asked" is none.
      this.consent = granted === true;
      if (!this.consent) {
        this.session?.forget();
        this.discard(0);
      }
      this.hold();
    });
  }

  private readonly aside: Runner = (run, a, b, c, d) => {
    this.asideDepth++;
    try {
      run(a!, b!, c!, d!);
    } catch (error) {
      this.report(`a function that it was given has thrown: ${textOf(error)}`, 'warn');
    } finally {
      this.asideDepth--;
    }
  };

  private sampled(ask: () => boolean): boolean {
    let sampled = true;
    this.aside(() => (sampled = ask()));
    return sampled;
  }

  private readonly attempt: Runner = (run, a, b, c, d) => {
    try {
      run(a!, b!, c!, d!);
    } catch (error) {
      this.core.caught(error);
    }
  };

  /** Tells the core something, and does what it wants done about it. What was seen until now comes first. */
  private guard(run: () => void): void {
    this.core.ready();
    this.attempt(run);
    this.core.pump();
  }

  private hold(): void {
    const isHeld = this.prerendering || this.consent === undefined;
    this.core.x.hold_spans(+isHeld);
    // Nothing is stored before the user's word.
    if (!isHeld) this.seeToOutbox();
  }

  /** Opens the outbox, or without consent empties it. Resolves when that is done, or cannot be done. */
  private seeToOutbox(discard = this.consent === false): Promise<void> | undefined {
    const { core, settings, transport } = this;
    if (!settings.outbox || !settings.tracesUrl) return undefined;
    const host = { core, settings, transport, wanted: () => this.consent === true && !this.final };
    // Without network it may not load.
    return (this.outbox = this.outbox.then(loadOutbox).then(({ seeTo }) => seeTo(host, discard), () => {}));
  }

  /** `why` as in abi.rs. */
  private discard(why: number): void {
    this.core.x.discard_spans(why);
    this.transport.abort();
  }

  private connect(online: boolean): void {
    this.core.x.set_online(+online, Math.random(), this.core.now());
  }

  /** What has ended shall be known as ended; with `gone`, what never will. */
  private settleCaptures(gone: boolean): void {
    this.timings?.drain(gone);
    for (const capture of this.captures) this.attempt(() => capture.settle?.(gone));
  }

  /** The page is hidden, or goes: what has ended leaves now. */
  private settle(how: number): void {
    const { core, transport } = this;
    // What is done in here leaves at its end.
    this.left = VISIBLE;
    transport.leaving++;
    this.guard(() => {
      this.settleCaptures(how === GONE);
      if (how === GONE) core.processors?.abandon();
      core.x.page_turned(how, core.now());
    });
    if (how > HIDDEN) this.left = how;
    // The browser refuses at once what it does not send.
    startTimer(() => transport.leaving--, 0);
  }

  /** WebAssembly cannot start at once: the core in JavaScript is fetched, and takes over when it is there. */
  private async fallBack(error: unknown): Promise<void> {
    this.report(`WebAssembly cannot start here (a Content Security Policy without 'wasm-unsafe-eval'?), using JavaScript instead: ${textOf(error)}`, 'info');
    try {
      const { start } = (await load()) as { start(): Exports };
      if (this.stopping) return;
      this.core.run(start(), true);
      this.guard(() => this.configure());
    } catch (failure) {
      this.later = undefined;
      this.report(`cannot start: ${textOf(failure)}`, 'error');
    }
  }

  private configure(): void {
    const { core, settings, collector } = this;
    const { x } = core;
    const { sampler, redact, limits, batch, retry, compression } = settings;
    const sameOrigin = collector?.origin === pageOrigin();
    const mayCompress = compression === 'gzip' || (compression === 'auto' && sameOrigin);
    // Before all else: whatever goes wrong below, nothing is sent against the user's will.
    this.hold();
    // A collector on this machine is there without network.
    this.connect(!isOffline() || (!!collector && isLoopback(collector.hostname)));
    x.set_options(
      typeof sampler === 'object' ? sampler.ratio : +(sampler !== 'always_off'),
      +settings.debug,
      +!!collector,
      +!!redact,
      SEMCONV.indexOf(settings.semconv),
      // What the core compresses is protobuf.
      mayCompress && settings.protocol !== 'http/json' ? (sameOrigin ? 1 : 2) : 0,
      +!!fetchLater,
    );
    if (redact) for (const key of redact.keys) x.add_secret_key(core.text(key, 0));
    // Some more, as secrets are looked for in what is then cut to the limit.
    core.maxText = Math.min(core.maxText, limits.attributeValueLengthLimit + 4096);
    x.set_limits(
      limits.attributeCountLimit,
      // The core counts in 32 bits; nothing is that long.
      Math.min(limits.attributeValueLengthLimit, 2 ** 32 - 1),
      limits.eventCountLimit,
      limits.linkCountLimit,
      limits.attributePerEventCountLimit,
      limits.attributePerLinkCountLimit,
      limits.spansPerMinute,
    );
    x.set_batch(batch.scheduledDelayMillis, batch.maxExportBatchSize, batch.maxQueueSize);
    x.set_retry(+!!retry, ...(retry ? ([retry.initialMillis, retry.maxMillis, retry.maxElapsedMillis] as const) : ([0, 0, 0] as const)));
    const nameBytes = core.text(settings.serviceName, 0);
    x.describe_service(nameBytes, core.text(settings.serviceVersion ?? '', nameBytes));
    this.attempt(() => this.describeBrowser());
    this.attempt(() => setAttributes(core, RESOURCE, settings.resourceAttributes));
    // What is added meanwhile comes behind.
    for (const run of this.later ?? []) this.attempt(run);
    this.later = undefined;
  }

  private describeBrowser(): void {
    const { core } = this;
    const { userAgentData, userAgent, language } = navigator as Navigator & {
      userAgentData?: { brands: { brand: string; version: string }[]; mobile: boolean; platform: string };
    };
    if (userAgentData?.brands) pushList(core, userAgentData.brands.map(({ brand, version }) => `${brand} ${version}`));
    const platform = core.text(userAgentData?.platform ?? '', 0);
    const languageBytes = core.text(language ?? '', platform);
    const agent = core.text(userAgent ?? '', platform + languageBytes);
    core.x.describe_browser(platform, userAgentData ? +userAgentData.mobile : -1, languageBytes, agent);
  }

  /** The console exporter. */
  private show(spans: SpanMessage[]): void {
    for (const span of spans) {
      console.groupCollapsed(`webspan: ${span.name} ${Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e6} ms`);
      console.log(span);
      console.groupEnd();
    }
  }

  /** Never throws. */
  report(message: string, level: 'error' | 'warn' | 'info'): void {
    quietly(() => {
      // Each message once: a hook that throws at every request must not fill the console. The bound is for messages that differ each time.
      if (this.told.has(message) || this.told.size > 100) return;
      this.told.add(message);
      const error = new Error(`webspan: ${message}`);
      const { logLevel, onError } = this.settings;
      // There may be no console.
      if (LEVELS.indexOf(logLevel) >= LEVELS.indexOf(level)) quietly(() => console[level](error.message));
      if (level !== 'info') onError?.(error);
    });
  }
}
