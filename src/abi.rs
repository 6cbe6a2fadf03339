//! The door: what `js/core.ts` calls. It translates numbers and scratch bytes into the engine's terms and has no opinion.
//!
//! Text arrives in the scratch area, several texts behind one another, with their lengths as arguments. Answers of more than one number
//! lie in the out area, an array of words. `-1` in the place of a length or a handle means "none".
#![cfg(target_arch = "wasm32")]

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::Cell;

use wasm_bindgen::prelude::wasm_bindgen;

use crate::attributes::Value;
use crate::capture::exception::Exception;
use crate::capture::fetch::End;
use crate::capture::http::Failure;
use crate::context::{self, SpanContext, traceparent, tracestate};
use crate::engine::{Effect, Engine, Loss, Stage, Start, Started};
use crate::id::{self, from_words, to_words};
use crate::limits::Limits;
use crate::redact::Redactor;
use crate::retry::{self, Answer, Policy};
use crate::sampler::Sampler;
use crate::span::StatusCode;

/// `start` had no random bytes: call `refill`, write the texts again, start again.
const NEEDS_RANDOM: i32 = -2;

struct Door {
    engine: Engine,
    scratch: Vec<u8>,
    out: [i32; 16],
    parent: Option<SpanContext>,
    decided: Option<bool>,
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

/// Texts in the scratch area, read one behind the other.
struct Texts<'a>(&'a [u8]);

impl<'a> Texts<'a> {
    fn next(&mut self, bytes: i32) -> &'a [u8] {
        // A length that is not right means no text: better than a trap for whatever is wrong in the page.
        let (text, rest) = self.0.split_at_checked(bytes as usize).unwrap_or_default();
        self.0 = rest;
        text
    }
}

impl Door {
    fn start(&mut self, start: impl FnOnce(&mut Engine, &mut Texts, Option<SpanContext>, Option<bool>) -> Started) -> i32 {
        let started = start(&mut self.engine, &mut Texts(&self.scratch), self.parent, self.decided);
        let Some(handle) = started.handle() else { return NEEDS_RANDOM };
        self.parent = None;
        self.decided = None;
        let context = self.engine.started;
        self.tell(&context);
        handle
    }

    /// A context into the out area: seven words and the flags.
    fn tell(&mut self, context: &SpanContext) {
        self.out[..7].copy_from_slice(&to_words(&context.trace_id, &context.span_id));
        self.out[7] = context.flags as i32;
    }
}

// ---- starting up

#[wasm_bindgen]
pub fn create(time_origin_ms: f64, scratch_bytes: usize) {
    let door = Door {
        engine: Engine::new(time_origin_ms),
        scratch: alloc::vec![0; scratch_bytes],
        out: [0; 16],
        parent: None,
        decided: None,
    };
    let before = DOOR.0.replace(Box::into_raw(Box::new(door)));
    if !before.is_null() {
        // Safety: only this function makes them, and whoever used this one was shut down.
        drop(unsafe { Box::from_raw(before) });
    }
}

/// The address of the scratch area, with room for at least so many bytes. What stood there is lost when it grows.
#[wasm_bindgen]
pub fn scratch(bytes: usize) -> usize {
    with(|door| {
        if door.scratch.len() < bytes {
            door.scratch = alloc::vec![0; bytes];
        }
        door.scratch.as_ptr() as usize
    })
}

#[wasm_bindgen]
pub fn scratch_size() -> usize {
    with(|door| door.scratch.len())
}

/// The address of the out area.
#[wasm_bindgen]
pub fn out() -> usize {
    with(|door| door.out.as_ptr() as usize)
}

/// The address of [`crate::engine::Counts`].
#[wasm_bindgen]
pub fn counts() -> usize {
    with(|door| &raw const door.engine.counts as usize)
}

/// Draws random bytes. False: the system has none.
#[wasm_bindgen]
pub fn refill() -> bool {
    // Outside of the borrow: this calls JavaScript.
    let drawn = id::draw();
    let some = drawn.is_some();
    if let Some(random) = drawn {
        with(|door| door.engine.refill(random));
    }
    some
}

#[wasm_bindgen]
pub fn configure(ratio: f64, json: bool, show: bool, endpoint: bool, redact: bool) {
    with(|door| {
        door.engine.sampler = Sampler::ratio(ratio);
        door.engine.json = json;
        door.engine.show = show;
        door.engine.endpoint = endpoint;
        door.engine.redactor = redact.then(Redactor::new);
    })
}

/// Text: one more query key whose value is a secret.
#[wasm_bindgen]
pub fn add_secret_key(key_bytes: i32) {
    with(|door| {
        if let Some(redactor) = &mut door.engine.redactor {
            redactor.add_key(Texts(&door.scratch).next(key_bytes));
        }
    })
}

/// Text: a URL. It is put back without its secrets; its length.
#[wasm_bindgen]
pub fn redact_url(bytes: i32) -> i32 {
    with(|door| match door.engine.redactor.as_ref().and_then(|redactor| redactor.url(Texts(&door.scratch).next(bytes))) {
        Some(redacted) => put(door, &redacted),
        None => bytes,
    })
}

#[wasm_bindgen]
pub fn set_limits(attributes: u32, value_length: u32, events: u32, links: u32, per_event: u32, per_link: u32) {
    with(|door| {
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
    with(|door| door.engine.rules = crate::batch::Rules { scheduled_delay_ms, max_export_batch_size, max_queue_size })
}

#[wasm_bindgen]
pub fn set_retry(enabled: bool, initial_ms: f64, max_ms: f64, max_elapsed_ms: f64) {
    with(|door| door.engine.retry = Policy { enabled, initial_ms, max_ms, max_elapsed_ms })
}

/// Texts: name, version.
#[wasm_bindgen]
pub fn describe_service(name_bytes: i32, version_bytes: i32) {
    with(|door| {
        let mut texts = Texts(&door.scratch);
        door.engine.describe_service(texts.next(name_bytes), texts.next(version_bytes));
    })
}

/// Texts: platform, language, user agent. The list that was pushed holds the brands. `mobile`: 0, 1, or -1 where the browser does not tell.
#[wasm_bindgen]
pub fn describe_browser(platform_bytes: i32, mobile: i32, language_bytes: i32, user_agent_bytes: i32) {
    with(|door| {
        let mut texts = Texts(&door.scratch);
        let mobile = (mobile >= 0).then_some(mobile == 1);
        let (platform, language, agent) = (texts.next(platform_bytes), texts.next(language_bytes), texts.next(user_agent_bytes));
        door.engine.describe_browser(platform, mobile, language, agent);
    })
}

/// Texts: name, version. The index of the instrumentation scope.
#[wasm_bindgen]
pub fn scope(name_bytes: i32, version_bytes: i32) -> i32 {
    with(|door| {
        let mut texts = Texts(&door.scratch);
        door.engine.scope(texts.next(name_bytes), texts.next(version_bytes)) as i32
    })
}

/// What both clocks say. After the machine has slept, new spans get a new anchor.
#[wasm_bindgen]
pub fn anchor(wall_ms: f64, page_ms: f64) {
    with(|door| door.engine.anchor = door.engine.anchor.checked(wall_ms, page_ms))
}

// ---- contexts

/// The parent of the next span.
#[wasm_bindgen]
#[expect(clippy::too_many_arguments, reason = "seven words and the flags are one context")]
pub fn set_parent(a: i32, b: i32, c: i32, d: i32, e: i32, f: i32, g: i32, flags: u8, remote: bool) {
    with(|door| door.parent = Some(span_context([a, b, c, d, e, f, g], flags, remote)))
}

fn span_context(words: id::Words, flags: u8, remote: bool) -> SpanContext {
    let (trace_id, span_id) = from_words(&words);
    SpanContext { trace_id, span_id, flags, remote }
}

/// The word of the page's own sampler on the next span.
#[wasm_bindgen]
pub fn set_decision(sampled: bool) {
    with(|door| door.decided = Some(sampled))
}

/// `traceparent` of a context, into the scratch area; its length.
#[wasm_bindgen]
#[expect(clippy::too_many_arguments, reason = "seven words and the flags are one context")]
pub fn write_traceparent(a: i32, b: i32, c: i32, d: i32, e: i32, f: i32, g: i32, flags: u8) -> i32 {
    with(|door| {
        let mut text = Vec::new();
        traceparent::write(&span_context([a, b, c, d, e, f, g], flags, false), &mut text);
        put(door, &text)
    })
}

/// Text: a `traceparent` header. True: its context is in the out area.
#[wasm_bindgen]
pub fn read_traceparent(bytes: i32) -> bool {
    with(|door| {
        let context = traceparent::read(Texts(&door.scratch).next(bytes));
        if let Some(context) = &context {
            door.tell(context);
        }
        context.is_some()
    })
}

/// Texts: trace id and span id, 32 and 16 hex digits. True: the context is valid and in the out area.
#[wasm_bindgen]
pub fn read_ids(flags: u8) -> bool {
    with(|door| {
        let mut texts = Texts(&door.scratch);
        let mut context = SpanContext { trace_id: [0; 16], span_id: [0; 8], flags, remote: false };
        let read = context::read_hex_any_case(texts.next(32), &mut context.trace_id)
            && context::read_hex_any_case(texts.next(16), &mut context.span_id)
            && context.is_valid();
        if read {
            door.tell(&context);
        }
        read
    })
}

/// Text: a `tracestate` header. Its canonical form is put into the scratch area; its length, or -1 when it is not valid.
#[wasm_bindgen]
pub fn read_tracestate(bytes: i32) -> i32 {
    with(|door| match tracestate::read(Texts(&door.scratch).next(bytes)) {
        Some(text) => put(door, &text),
        None => -1,
    })
}

fn put(door: &mut Door, text: &[u8]) -> i32 {
    match door.scratch.get_mut(..text.len()) {
        Some(room) => {
            room.copy_from_slice(text);
            text.len() as i32
        }
        None => -1,
    }
}

// ---- spans

/// Text: name. A handle, -1 when the span is not recorded, or `NEEDS_RANDOM`. Its context is in the out area.
#[wasm_bindgen]
pub fn start(name_bytes: i32, kind: u8, scope: u8, at_ms: f64) -> i32 {
    with(|door| {
        door.start(|engine, texts, parent, decided| {
            engine.start(&Start { name: texts.next(name_bytes), kind, scope, at_ms, parent, decided })
        })
    })
}

/// Texts: method, absolute URL. Otherwise as `start`.
#[wasm_bindgen]
pub fn start_request(method_bytes: i32, url_bytes: i32, scope: u8, at_ms: f64) -> i32 {
    with(|door| {
        door.start(|engine, texts, parent, decided| {
            let (method, url) = (texts.next(method_bytes), texts.next(url_bytes));
            engine.start_request(&Start { name: b"", kind: 0, scope, at_ms, parent, decided }, method, url)
        })
    })
}

/// Text: the canonical tracestate.
#[wasm_bindgen]
pub fn set_trace_state(handle: i32, bytes: i32) {
    with(|door| door.engine.set_trace_state(handle, Texts(&door.scratch).next(bytes)))
}

/// Text: name.
#[wasm_bindgen]
pub fn rename(handle: i32, name_bytes: i32) {
    with(|door| {
        if let Some(span) = door.engine.span(handle) {
            span.rename(Texts(&door.scratch).next(name_bytes));
        }
    })
}

/// Texts: key, value.
#[wasm_bindgen]
pub fn set_text(handle: i32, key_bytes: i32, value_bytes: i32) {
    with(|door| {
        let mut texts = Texts(&door.scratch);
        let (key, value) = (texts.next(key_bytes), texts.next(value_bytes));
        door.engine.set_attribute(handle, key, Value::Text(value));
    })
}

/// Text: key.
#[wasm_bindgen]
pub fn set_number(handle: i32, key_bytes: i32, value: f64) {
    with(|door| door.engine.set_attribute(handle, Texts(&door.scratch).next(key_bytes), Value::number(value)))
}

/// Text: key.
#[wasm_bindgen]
pub fn set_bool(handle: i32, key_bytes: i32, value: bool) {
    with(|door| door.engine.set_attribute(handle, Texts(&door.scratch).next(key_bytes), Value::Bool(value)))
}

/// Text: the next element of a list.
#[wasm_bindgen]
pub fn push_text(bytes: i32) {
    with(|door| door.engine.push_element(Some(Value::Text(Texts(&door.scratch).next(bytes)))))
}

#[wasm_bindgen]
pub fn push_number(value: f64) {
    with(|door| door.engine.push_element(Some(Value::number(value))))
}

#[wasm_bindgen]
pub fn push_bool(value: bool) {
    with(|door| door.engine.push_element(Some(Value::Bool(value))))
}

#[wasm_bindgen]
pub fn push_hole() {
    with(|door| door.engine.push_element(None))
}

/// Text: the key of the list that was pushed.
#[wasm_bindgen]
pub fn set_list(handle: i32, key_bytes: i32) {
    with(|door| door.engine.set_list(handle, Texts(&door.scratch).next(key_bytes)))
}

/// Attributes that follow with the handle `STAGED` are for the next event.
#[wasm_bindgen]
pub fn stage_event() {
    with(|door| door.engine.stage(Stage::Event))
}

/// Attributes that follow with the handle `STAGED` are for the next link.
#[wasm_bindgen]
pub fn stage_link() {
    with(|door| door.engine.stage(Stage::Link))
}

/// Text: name. With the staged attributes.
#[wasm_bindgen]
pub fn add_event(handle: i32, name_bytes: i32, at_ms: f64) {
    with(|door| door.engine.add_event(handle, Texts(&door.scratch).next(name_bytes), at_ms))
}

/// Text: the canonical tracestate. To the context that was set as parent, with the staged attributes.
#[wasm_bindgen]
pub fn add_link(handle: i32, trace_state_bytes: i32) {
    with(|door| {
        if let Some(context) = door.parent.take() {
            door.engine.add_link(handle, &context, Texts(&door.scratch).next(trace_state_bytes));
        }
    })
}

/// Texts: type, message, stack trace.
#[wasm_bindgen]
pub fn record_exception(handle: i32, type_bytes: i32, message_bytes: i32, stacktrace_bytes: i32, at_ms: f64) {
    with(|door| {
        let mut texts = Texts(&door.scratch);
        let exception = Exception {
            kind: texts.next(type_bytes),
            message: texts.next(message_bytes),
            stacktrace: texts.next(stacktrace_bytes),
        };
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
    with(|door| door.engine.set_status(handle, code, Texts(&door.scratch).next(message_bytes)))
}

/// True: ask for `next_effect`.
#[wasm_bindgen]
pub fn end(handle: i32, end_ms: f64, now_ms: f64) -> bool {
    with(|door| door.engine.end(handle, end_ms, now_ms))
}

// ---- requests of the page

/// `status`: 0 for a response that the page must not see.
#[wasm_bindgen]
pub fn response(handle: i32, status: u16) {
    with(|door| door.engine.response(handle, status))
}

/// Texts: the error's name, the name of the signal's reason.
#[wasm_bindgen]
pub fn request_failed(handle: i32, aborted: bool, error_bytes: i32, reason_bytes: i32) {
    with(|door| {
        let mut texts = Texts(&door.scratch);
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
pub fn hold(held: bool) {
    with(|door| door.engine.held = held)
}

/// The user does not consent (0), or webspan is shut down (1).
#[wasm_bindgen]
pub fn discard(why: u8) {
    with(|door| door.engine.discard(if why == 0 { Loss::Consent } else { Loss::Shutdown }))
}

#[wasm_bindgen]
pub fn page_hidden() {
    with(|door| door.engine.hide())
}

#[wasm_bindgen]
pub fn page_leaving() {
    with(|door| door.engine.leave())
}

#[wasm_bindgen]
pub fn page_visible() {
    with(|door| door.engine.show_page())
}

#[wasm_bindgen]
pub fn flush() {
    with(|door| door.engine.flush())
}

#[wasm_bindgen]
pub fn is_settled() -> bool {
    with(|door| door.engine.is_settled())
}

/// Texts: the `Retry-After` header, and the body of the answer when it is protobuf. `status` 0: none came, and -1: it timed out.
/// The length of what a partial success says, which stands in the scratch area; its count of spans is the first out word.
#[wasm_bindgen]
pub fn answer(batch: i32, status: i32, retry_after_bytes: i32, body_bytes: i32, rejected: u32, random: f64, wall_ms: f64, now_ms: f64) -> i32 {
    with(|door| {
        let mut texts = Texts(&door.scratch);
        let retry_after_ms = retry::retry_after(texts.next(retry_after_bytes), wall_ms);
        let (told, message) = crate::otlp::response::partial_success(texts.next(body_bytes));
        let message = Vec::from(message);
        let rejected = rejected.max(told);
        let answer = match status {
            -1 => Answer::Timeout,
            0 => Answer::NetworkError,
            code => Answer::Status { code: code as u16, retry_after_ms },
        };
        door.engine.answer(batch, &answer, rejected, random, now_ms);
        door.out[0] = rejected as i32;
        put(door, &message)
    })
}

/// What is to be done. The out area holds: the address and length of the body, and
/// 1 send: batch, keepalive; 2 show: -; 3 report: loss, status, spans; 0 wait: milliseconds, or -1.
#[wasm_bindgen]
pub fn next_effect(now_ms: f64) -> i32 {
    with(|door| {
        let effect = door.engine.next(now_ms);
        let (code, a, b, c) = match effect {
            Effect::Wait { delay_ms } => (0, delay_ms.map_or(-1, |delay| delay as i32), 0, 0),
            Effect::Send { batch, keepalive } => (1, batch, keepalive as i32, 0),
            Effect::Show => (2, 0, 0, 0),
            Effect::Report { loss, status, spans } => (3, loss as i32, status as i32, spans as i32),
        };
        let body = &door.engine.body;
        door.out[..5].copy_from_slice(&[body.as_ptr() as i32, body.len() as i32, a, b, c]);
        code
    })
}
