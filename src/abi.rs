//! The door: what `js/core.ts` calls. It translates numbers and scratch bytes into the engine's terms and has no opinion.
//!
//! Text arrives in the scratch area, several texts behind one another, with their lengths as arguments. The words are an array for what is
//! more than one number, in either direction. `-1` in the place of a length or a handle means "none".
//!
//! All names here are of two words or more with an underline between them: these the build makes short in the page
//! (`js/build/short-names.mjs`), and no property of a browser's object has such a name.
#![cfg(target_arch = "wasm32")]

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::Cell;

use wasm_bindgen::prelude::wasm_bindgen;

use crate::attributes::Value;
use crate::capture::exception::Exception;
use crate::capture::fetch::End;
use crate::capture::http::Failure;
use crate::capture::names::Semconv;
use crate::capture::timing::Timing;
use crate::compression::Compression;
use crate::context::{SpanContext, traceparent, tracestate};
use crate::delivery::{Effect, Loss};
use crate::engine::{Engine, Stage, Start};
use crate::id;
use crate::limits::Limits;
use crate::redact::Redactor;
use crate::retry::{Answer, Policy};
use crate::sampler::Sampler;
use crate::span::StatusCode;

/// `start` had no random bytes, since nobody has called `refill_pool`, or the system has none.
const NEEDS_RANDOM: i32 = -2;

/// How a span starts. Not the page, but webspan starts it; its parent is the context in the words; the page's own sampler has decided, and how.
const CAPTURED: u8 = 1;
const HAS_PARENT: u8 = 2;
const DECIDED: u8 = 4;
const SAMPLED: u8 = 8;

/// How JavaScript hands over a value: which of its types it is, and a number. Any other kind is a list, and within a list a hole; of a global
/// attribute, that there shall be none.
const TEXT: u8 = 0;
const NUMBER: u8 = 1;
const BOOL: u8 = 2;

struct Door {
    engine: Engine,
    area: TextArea,
    words: [i32; 16],
}

/// The one instance of this module's memory; null before `create`.
struct Single(Cell<*mut Door>);
// Safety: a page's WebAssembly memory has one thread.
unsafe impl Sync for Single {}
static DOOR: Single = Single(Cell::new(core::ptr::null_mut()));

/// Nothing that runs in here calls JavaScript, so that JavaScript never comes back while the engine is borrowed.
fn with<R>(run: impl FnOnce(&mut Door) -> R) -> R {
    // Safety: `create` is the first call, and there is never a second borrow, as nothing in `run` leaves this module.
    run(unsafe { &mut *DOOR.0.get() })
}

/// Where JavaScript writes texts.
struct TextArea {
    scratch: Vec<u8>,
    /// Where the next text begins.
    at: Cell<usize>,
    /// Names and keys, which come again and again: to copy their characters each time takes V8 longer than all that is done with them.
    kept: Vec<u8>,
}

/// So many bytes of names and keys are kept, which is hundreds of them; names that differ each time must not take all memory.
const KEPT_BYTES: usize = 8192;

impl TextArea {
    const fn new() -> TextArea {
        TextArea { scratch: Vec::new(), at: Cell::new(0), kept: Vec::new() }
    }

    /// To be read one behind the other, from the first one on.
    fn texts(&self) -> &TextArea {
        self.at.set(0);
        self
    }

    fn next(&self, bytes: i32) -> &[u8] {
        self.next_in_place(bytes)
    }

    /// For the one input that comes far more often than all others: the calls on its way take longer than what they do.
    #[inline(always)]
    fn next_in_place(&self, bytes: i32) -> &[u8] {
        if bytes < -1 {
            let start = (!bytes >> 8) as usize;
            return self.kept.get(start..start + (!bytes & 0xFF) as usize).unwrap_or_default();
        }
        let start = self.at.get();
        // A length that is not right means no text: better than a trap for whatever is wrong in the page.
        let text = self.scratch.get(start..start.wrapping_add(bytes as usize)).unwrap_or_default();
        self.at.set(start + text.len());
        text
    }

    /// Below -1, in the place of a length: a text that was kept, by its place and length. Else the length, when it is not kept.
    fn keep(&mut self, bytes: i32) -> i32 {
        let start = self.kept.len();
        match self.scratch.get(..bytes as usize) {
            Some(text) if bytes < 256 && start + text.len() <= KEPT_BYTES => {
                self.kept.extend_from_slice(text);
                !((start as i32) << 8 | bytes)
            }
            _ => bytes,
        }
    }
}

impl Door {
    /// `url_bytes`: it is a request, and the first text its method.
    fn start(&mut self, name_bytes: i32, url_bytes: Option<i32>, kind: u8, scope: u8, at_ms: f64, how: u8) -> i32 {
        let parent = (how & HAS_PARENT != 0).then(|| self.told());
        let decided = (how & DECIDED != 0).then_some(how & SAMPLED != 0);
        let texts = self.area.texts();
        let name = texts.next(name_bytes);
        let start = Start { name, kind, scope, at_ms, parent, decided, captured: how & CAPTURED != 0 };
        let started = match url_bytes {
            Some(bytes) => self.engine.start_request(start, texts.next(bytes)),
            None => self.engine.start(&start),
        };
        let Some(handle) = started else { return NEEDS_RANDOM };
        tell(&mut self.words, &self.engine.started);
        handle
    }

    fn tell_words<const N: usize>(&mut self, words: [i32; N]) {
        for (place, word) in self.words.iter_mut().zip(words) {
            *place = word;
        }
    }

    /// The context that JavaScript has put into the words: as [`tell`] writes it, and behind that whether it is remote.
    fn told(&self) -> SpanContext {
        let [a, b, c, d, e, f, g, flags, remote, ..] = self.words;
        let (trace_id, span_id) = id::from_words(&[a, b, c, d, e, f, g]);
        SpanContext { trace_id, span_id, flags: flags as u8, remote: remote != 0 }
    }

    /// Text into the scratch area; its length.
    fn put(&mut self, text: &[u8]) -> i32 {
        match self.area.scratch.get_mut(..text.len()) {
            Some(room) => {
                room.copy_from_slice(text);
                text.len() as i32
            }
            None => -1,
        }
    }
}

/// A context into the words: seven of its ids, and the flags.
fn tell(words: &mut [i32; 16], context: &SpanContext) {
    let [a, b, c, d, e, f, g] = id::to_words(&context.trace_id, &context.span_id);
    words[..8].copy_from_slice(&[a, b, c, d, e, f, g, context.flags as i32]);
}

fn value(kind: u8, number: f64, texts: &TextArea) -> Option<Value<'_>> {
    value_in_place(kind, number, texts)
}

/// As [`TextArea::next_in_place`].
#[inline(always)]
fn value_in_place(kind: u8, number: f64, texts: &TextArea) -> Option<Value<'_>> {
    match kind {
        TEXT => Some(Value::Text(texts.next_in_place(number as i32))),
        NUMBER => Some(Value::number(number)),
        BOOL => Some(Value::Bool(number != 0.0)),
        _ => None,
    }
}

// ---- starting up

/// The address of the words, the first of which is now that of [`crate::engine::Counts`].
#[wasm_bindgen]
pub fn create_core(time_origin_ms: f64) -> usize {
    // Constant, and so a copy, as the engine in it. Once for each instance of the module: whoever starts anew makes a new instance, and the
    // memory of the one before goes as a whole.
    DOOR.0.set(Box::into_raw(Box::new(const { Door { engine: Engine::BLANK, area: TextArea::new(), words: [0; 16] } })));
    with(|door| {
        door.engine.begin(time_origin_ms);
        door.tell_words([&raw const door.engine.delivery.counts as i32]);
        door.words.as_ptr() as usize
    })
}

/// The address of the scratch area, with room for at least so many bytes. What stood there is lost when it grows.
#[wasm_bindgen]
pub fn scratch_area(bytes: usize) -> usize {
    with(|door| {
        let scratch = &mut door.area.scratch;
        if scratch.len() < bytes {
            *scratch = alloc::vec![0; bytes];
        }
        scratch.as_ptr() as usize
    })
}

/// Text: a name or a key that will come again. What to give for it from now on instead of a length, if it is below -1. Its secrets are taken
/// away here, once, so that nobody has to look for them in the key of each attribute.
#[wasm_bindgen]
pub fn keep_text(bytes: i32) -> i32 {
    let bytes = redact_url(bytes);
    with(|door| door.area.keep(bytes))
}

/// Draws random bytes, when there are too few left for a span. False: the system has none.
#[wasm_bindgen]
pub fn refill_pool() -> bool {
    if !with(|door| door.engine.needs_random()) {
        return true;
    }
    // Outside of the borrow: this calls JavaScript.
    let drawn = id::draw();
    let some = drawn.is_some();
    if let Some(random) = drawn {
        with(|door| door.engine.refill(random));
    }
    some
}

/// `semconv`: 0 stable, 1 legacy, 2 both. `compression`: 0 none, 1 to the page's own origin, 2 to another. `defers`: the browser has `fetchLater`.
#[wasm_bindgen]
pub fn set_options(ratio: f64, show: bool, endpoint: bool, redact: bool, semconv: u8, compression: u8, defers: bool) {
    with(|door| {
        if defers {
            door.engine.delivery.allow_deferring();
        }
        door.engine.delivery.compression = match compression {
            0 => Compression::Off,
            origin => Compression::Untried { cross_origin: origin == 2 },
        };
        door.engine.sampler = Sampler::ratio(ratio);
        door.engine.show = show;
        door.engine.delivery.endpoint = endpoint;
        if redact {
            door.engine.redactor = Redactor::new();
        }
        door.engine.delivery.envelope.semconv = match semconv {
            0 => Semconv::Stable,
            1 => Semconv::Legacy,
            _ => Semconv::Dup,
        };
    })
}

/// Text: one more query key whose value is a secret.
#[wasm_bindgen]
pub fn add_secret_key(key_bytes: i32) {
    with(|door| door.engine.redactor.add_key(door.area.texts().next(key_bytes)))
}

/// Text: a URL. It is put back without its secrets; its length.
#[wasm_bindgen]
pub fn redact_url(bytes: i32) -> i32 {
    with(|door| match door.engine.redactor.text(door.area.texts().next(bytes)) {
        Some(redacted) => door.put(&redacted),
        None => bytes,
    })
}

#[wasm_bindgen]
pub fn set_limits(attributes: u32, value_length: u32, events: u32, links: u32, per_event: u32, per_link: u32, per_minute: u32) {
    with(|door| {
        door.engine.runaway.max_per_minute = per_minute;
        door.engine.limits = Limits {
            attribute_count: attributes,
            attribute_value_length: value_length,
            event_count: events,
            link_count: links,
            attribute_per_event_count: per_event,
            attribute_per_link_count: per_link,
        }
    })
}

#[wasm_bindgen]
pub fn set_batch(scheduled_delay_ms: f64, max_export_batch_size: usize, max_queue_size: usize) {
    with(|door| door.engine.delivery.rules = crate::batch::Rules { scheduled_delay_ms, max_export_batch_size, max_queue_size })
}

#[wasm_bindgen]
pub fn set_retry(enabled: bool, initial_ms: f64, max_ms: f64, max_elapsed_ms: f64) {
    with(|door| door.engine.delivery.retry = Policy { enabled, initial_ms, max_ms, max_elapsed_ms })
}

/// Texts: name, version.
#[wasm_bindgen]
pub fn describe_service(name_bytes: i32, version_bytes: i32) {
    with(|door| {
        let texts = door.area.texts();
        door.engine.describe_service(texts.next(name_bytes), texts.next(version_bytes));
    })
}

/// Texts: platform, language, user agent. The list that was pushed holds the brands. `mobile`: 0, 1, or -1 where the browser does not tell.
#[wasm_bindgen]
pub fn describe_browser(platform_bytes: i32, mobile: i32, language_bytes: i32, user_agent_bytes: i32) {
    with(|door| {
        let texts = door.area.texts();
        let mobile = (mobile >= 0).then_some(mobile == 1);
        let (platform, language, agent) = (texts.next(platform_bytes), texts.next(language_bytes), texts.next(user_agent_bytes));
        door.engine.describe_browser(platform, mobile, language, agent);
    })
}

/// Texts: name, version. The index of the instrumentation scope.
#[wasm_bindgen]
pub fn add_scope(name_bytes: i32, version_bytes: i32) -> i32 {
    with(|door| {
        let texts = door.area.texts();
        door.engine.scope(texts.next(name_bytes), texts.next(version_bytes)) as i32
    })
}

/// What both clocks say. After the machine has slept, new spans get a new anchor.
#[wasm_bindgen]
pub fn check_clocks(wall_ms: f64, page_ms: f64) {
    with(|door| door.engine.anchor = door.engine.anchor.checked(wall_ms, page_ms))
}

// ---- contexts

/// `traceparent` of the context in the words, into the scratch area; its length.
#[wasm_bindgen]
pub fn write_traceparent() -> i32 {
    with(|door| {
        let mut text = Vec::new();
        traceparent::write(&door.told(), &mut text);
        door.put(&text)
    })
}

/// Text: a `traceparent` header. True: its context is in the words.
#[wasm_bindgen]
pub fn read_traceparent(bytes: i32) -> bool {
    with(|door| {
        let context = traceparent::read(door.area.texts().next(bytes));
        if let Some(context) = &context {
            tell(&mut door.words, context);
        }
        context.is_some()
    })
}

/// Text: a `tracestate` header. Its canonical form is put into the scratch area; its length, or -1 when it is not valid.
#[wasm_bindgen]
pub fn read_tracestate(bytes: i32) -> i32 {
    with(|door| match tracestate::read(door.area.texts().next(bytes)) {
        Some(text) => door.put(&text),
        None => -1,
    })
}

// ---- spans

/// Text: name. `how`: the sum of what is above. A handle, -1 when the span is not recorded, or `NEEDS_RANDOM`. Its context is in the words.
#[wasm_bindgen]
pub fn start_span(name_bytes: i32, kind: u8, scope: u8, at_ms: f64, how: u8) -> i32 {
    with(|door| door.start(name_bytes, None, kind, scope, at_ms, how))
}

/// Texts: method, absolute URL. Otherwise as `start_span`.
#[wasm_bindgen]
pub fn start_request(method_bytes: i32, url_bytes: i32, scope: u8, at_ms: f64, how: u8) -> i32 {
    with(|door| door.start(method_bytes, Some(url_bytes), 0, scope, at_ms, how))
}

/// Text: the canonical tracestate.
#[wasm_bindgen]
pub fn set_trace_state(handle: i32, bytes: i32) {
    with(|door| door.engine.set_trace_state(handle, door.area.texts().next(bytes)))
}

/// Text: name.
#[wasm_bindgen]
pub fn rename_span(handle: i32, name_bytes: i32) {
    with(|door| door.engine.rename(handle, door.area.texts().next(name_bytes)))
}

/// Text: key, and the value if it is one: then the number is its length. A list is the one that was pushed.
#[wasm_bindgen]
pub fn set_attribute(handle: i32, key_bytes: i32, kind: u8, number: f64) {
    with(|door| {
        let texts = door.area.texts();
        let key = texts.next_in_place(key_bytes);
        match value_in_place(kind, number, texts) {
            Some(value) => door.engine.set_attribute(handle, key, value),
            None => door.engine.set_list(handle, key),
        }
    })
}

/// An attribute by its number in `FACTS` of capture/names.rs; text as in `set_attribute`.
#[wasm_bindgen]
pub fn set_fact(handle: i32, fact: usize, kind: u8, number: f64) {
    with(|door| {
        let value = value(kind, number, door.area.texts());
        door.engine.set_fact(handle, fact, value);
    })
}

/// Text: key. No span has this attribute any more from its start.
#[wasm_bindgen]
pub fn unset_global(key_bytes: i32) {
    with(|door| door.engine.unset_global(door.area.texts().next(key_bytes)))
}

/// The next element of a list; text as in `set_attribute`.
#[wasm_bindgen]
pub fn push_element(kind: u8, number: f64) {
    with(|door| door.engine.push_element(value(kind, number, door.area.texts())))
}

/// Attributes that follow with the handle `STAGED` are for the next event, or the next link.
#[wasm_bindgen]
pub fn stage_attributes(link: bool) {
    with(|door| door.engine.stage(if link { Stage::Link } else { Stage::Event }))
}

/// Text: name. With the staged attributes.
#[wasm_bindgen]
pub fn add_event(handle: i32, name_bytes: i32, at_ms: f64) {
    with(|door| door.engine.add_event(handle, door.area.texts().next(name_bytes), at_ms))
}

/// Text: the canonical tracestate. To the context in the words, with the staged attributes.
#[wasm_bindgen]
pub fn add_link(handle: i32, trace_state_bytes: i32) {
    with(|door| door.engine.add_link(handle, &door.told(), door.area.texts().next(trace_state_bytes)))
}

/// Texts: type, message, stack trace.
#[wasm_bindgen]
pub fn record_exception(handle: i32, type_bytes: i32, message_bytes: i32, stacktrace_bytes: i32, at_ms: f64) {
    with(|door| {
        let texts = door.area.texts();
        let exception =
            Exception { kind: texts.next(type_bytes), message: texts.next(message_bytes), stacktrace: texts.next(stacktrace_bytes) };
        door.engine.record_exception(handle, &exception, at_ms);
    })
}

/// Text: message. `code` as in the API: 0 unset, 1 ok, 2 error.
#[wasm_bindgen]
pub fn set_status(handle: i32, code: u8, message_bytes: i32) {
    let code = match code {
        1 => StatusCode::Ok,
        2 => StatusCode::Error,
        _ => StatusCode::Unset,
    };
    with(|door| door.engine.set_status(handle, code, door.area.texts().next(message_bytes)))
}

/// True: ask for `next_effect`.
#[wasm_bindgen]
pub fn end_span(handle: i32, end_ms: f64, now_ms: f64) -> bool {
    with(|door| door.engine.end(handle, end_ms, now_ms))
}

/// What would be sent if the span ended at this time: its address and length are in the words.
#[wasm_bindgen]
pub fn peek_span(handle: i32, end_ms: f64) {
    with(|door| {
        door.engine.peek(handle, end_ms);
        let peeked = &door.engine.peeked;
        door.tell_words([peeked.as_ptr() as i32, peeked.len() as i32]);
    })
}

/// The span ends and is not sent.
#[wasm_bindgen]
pub fn filter_span(handle: i32) {
    with(|door| door.engine.filter_out(handle))
}

// ---- requests of the page

/// `status`: 0 for a response that the page must not see.
#[wasm_bindgen]
pub fn set_response(handle: i32, status: u16) {
    with(|door| door.engine.response(handle, status))
}

/// Text: `nextHopProtocol`. What resource timing tells.
#[wasm_bindgen]
pub fn describe_timing(handle: i32, protocol_bytes: i32, encoded_body_bytes: f64, decoded_body_bytes: f64) {
    with(|door| {
        let protocol = door.area.texts().next(protocol_bytes);
        door.engine.describe_timing(handle, &Timing { protocol, encoded_body_bytes, decoded_body_bytes });
    })
}

/// Texts: the error's name, the name of the signal's reason.
#[wasm_bindgen]
pub fn fail_request(handle: i32, aborted: bool, error_bytes: i32, reason_bytes: i32) {
    with(|door| {
        let texts = door.area.texts();
        let failure = Failure { aborted, error_name: texts.next(error_bytes), abort_reason: texts.next(reason_bytes) };
        door.engine.request_failed(handle, &failure);
    })
}

/// `how`: 0 the end is known, 1 that of the body is not, 2 the page goes first. True: ask for `next_effect`.
#[wasm_bindgen]
pub fn end_request(handle: i32, how: u8, end_ms: f64, now_ms: f64) -> bool {
    let how = match how {
        0 => End::Known,
        1 => End::BodyUnknown,
        _ => End::Unfinished,
    };
    with(|door| door.engine.end_request(handle, how, end_ms, now_ms))
}

// ---- delivery

#[wasm_bindgen]
pub fn hold_spans(held: bool) {
    with(|door| door.engine.delivery.held = held)
}

/// The user does not consent (0), or webspan is shut down (1).
#[wasm_bindgen]
pub fn discard_spans(why: u8) {
    with(|door| door.engine.discard(if why == 0 { Loss::Consent } else { Loss::Shutdown }))
}

/// The page is visible (0), hidden (1), going into the back-forward cache (2), or going for good (3).
#[wasm_bindgen]
pub fn page_turned(how: u8, now_ms: f64) {
    with(|door| {
        if how == 3 {
            door.engine.abandon(now_ms);
        }
        match how {
            0 => door.engine.delivery.show_page(),
            1 => door.engine.delivery.hide(),
            _ => door.engine.delivery.leave(how == 2),
        }
    })
}

/// `random` is from 0 to 1.
#[wasm_bindgen]
pub fn set_online(online: bool, random: f64, now_ms: f64) {
    with(|door| door.engine.delivery.set_online(online, random, now_ms))
}

/// Whether there is an outbox to put into what cannot be delivered now.
#[wasm_bindgen]
pub fn set_outbox(there: bool) {
    with(|door| door.engine.delivery.outbox = there)
}

/// All that waits is to be put into the outbox.
#[wasm_bindgen]
pub fn stow_spans() {
    with(|door| door.engine.delivery.stow())
}

/// A batch is in the outbox, or could not be put there.
#[wasm_bindgen]
pub fn settle_store(batch: i32, stored: bool) {
    with(|door| door.engine.delivery.settle_store(batch, stored))
}

#[wasm_bindgen]
pub fn flush_spans() {
    with(|door| door.engine.delivery.flush())
}

#[wasm_bindgen]
pub fn is_settled() -> bool {
    with(|door| door.engine.delivery.is_settled())
}

/// How long the body of a batch is as it leaves. 1: it goes with `keepalive`, 0: without, -1: not now; ask for `next_effect`. The body stays
/// where it is.
#[wasm_bindgen]
pub fn fit_body(batch: i32, body_bytes: usize) -> i32 {
    with(|door| door.engine.delivery.fit(batch, body_bytes).map_or(-1, i32::from))
}

/// `status` 0: no answer came, -1: it timed out, and -2: the browser has failed it at once. `retry_after_ms`: below zero or NaN where the answer does not ask to wait.
#[wasm_bindgen]
pub fn take_answer(batch: i32, status: i32, retry_after_ms: f64, rejected: f64, random: f64, now_ms: f64) {
    let answer = match status {
        -1 => Answer::Timeout,
        -2 => Answer::FailedAtOnce,
        0 => Answer::NetworkError,
        code => Answer::Status { code: code as u16, retry_after_ms: retry_after_ms.max(0.0) },
    };
    // What is below zero or no number counts as zero.
    with(|door| door.engine.delivery.answer(batch, &answer, rejected as u32, random, now_ms))
}

/// What became of the deferred request with that batch: it was sent (1), not sent and taken back (0), or not allowed (-1).
#[wasm_bindgen]
pub fn take_deferral(batch: i32, outcome: i32) {
    with(|door| door.engine.delivery.deferral(batch, (outcome >= 0).then_some(outcome > 0)))
}

/// What is to be done. The words are: the address and length of the body, and
/// 1 send: batch, gzip; 2 show: -; 3 report: loss, status, spans; 4 uncompressed: -; 5 store: batch, spans; 6 defer: batch or 0, gzip;
/// 0 wait: milliseconds, or -1.
#[wasm_bindgen]
pub fn next_effect(now_ms: f64) -> i32 {
    with(|door| {
        let effect = door.engine.next(now_ms);
        let (code, a, b, c) = match effect {
            Effect::Wait { delay_ms } => (0, delay_ms.map_or(-1, |delay| delay as i32), 0, 0),
            Effect::Send { batch, gzip } => (1, batch, gzip as i32, 0),
            Effect::Show => (2, 0, 0, 0),
            Effect::Report { loss, status, spans } => (3, loss as i32, status as i32, spans as i32),
            Effect::Uncompressed => (4, 0, 0, 0),
            Effect::Store { batch, spans } => (5, batch, spans as i32, 0),
            Effect::Defer { batch, gzip } => (6, batch, gzip as i32, 0),
        };
        let body = &door.engine.delivery.body;
        let (address, bytes) = (body.as_ptr() as i32, body.len() as i32);
        door.tell_words([address, bytes, a, b, c]);
        code
    })
}
