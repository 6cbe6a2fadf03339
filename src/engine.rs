//! The order of the rooms: inputs in, effects out.
//!
//! An input is a method that tells what happened, with the page's time where that matters. It may leave effects behind; whoever drives the
//! engine then asks for them with [`Engine::next`] until there is nothing left but a time to come back. The engine never calls out.

use alloc::vec::Vec;

use crate::attributes::{Attributes, Value, push_value};
use crate::capture::exception::Exception;
use crate::capture::fetch::{self, End};
use crate::capture::http::{self, Failure, Request};
use crate::capture::names::{self, FACTS};
use crate::capture::timing::{self, Timing};
use crate::context::{RANDOM, SAMPLED, SpanContext};
use crate::delivery::{Delivery, Effect, Loss};
use crate::id::Pool;
use crate::limits::{Limits, cut};
use crate::open::{MAX_OPEN, NOT_RECORDING, OpenSpans};
use crate::otlp::trace::{self, event, link, resource, scope_spans};
use crate::redact::{Redactor, may_hold_secrets};
use crate::resource::{self as describe, Browser};
use crate::runaway::Runaway;
use crate::sampler::Sampler;
use crate::span::{KIND_CLIENT, KIND_INTERNAL, Span, SpanKind, StatusCode};
use crate::time::Anchor;

#[derive(Clone, Copy)]
pub struct Start<'a> {
    pub name: &'a [u8],
    pub kind: SpanKind,
    pub scope: u8,
    pub at_ms: f64,
    pub parent: Option<SpanContext>,
    /// The word of the page's own sampler.
    pub decided: Option<bool>,
    /// Not the page, but webspan starts it.
    pub captured: bool,
}

/// What [`Engine::stage`] is for.
#[derive(Clone, Copy)]
pub enum Stage {
    Event,
    Link,
}

/// In the place of a span's handle: the staged attributes of the next event or link.
pub const STAGED: i32 = -2;
/// In the place of a span's handle: the resource.
pub const RESOURCE: i32 = -3;
/// In the place of a span's handle: what every span has from its start.
pub const GLOBALS: i32 = -4;

/// Encoded bytes of a list above which no further elements are recorded.
const MAX_LIST_BYTES: usize = 524_288;

pub struct Engine {
    pub anchor: Anchor,
    pub limits: Limits,
    pub sampler: Sampler,
    pub redactor: Redactor,
    pub runaway: Runaway,
    /// Show each finished span.
    pub show: bool,
    /// Spans are being shown: those that end meanwhile, since the page's console starts spans, are not shown, or there would be no end to it.
    showing: bool,
    pub delivery: Delivery,
    /// The context of the span that was started last.
    pub started: SpanContext,
    /// What [`Engine::peek`] has found.
    pub peeked: Vec<u8>,
    pool: Pool,
    open: OpenSpans,
    globals: Attributes,
    staged: Attributes,
    staged_limit: u32,
    staged_array: Vec<u8>,
    /// Room to put a message together.
    room: Vec<u8>,
    /// Room for text without its secrets.
    cleaned: Vec<u8>,
    /// Finished spans that are to be shown, as fields of a `ScopeSpans`.
    shown: Vec<u8>,
}

impl Engine {
    /// Before [`Engine::begin`]. A constant is copied from the module's data: to write each of so many fields takes more bytes.
    pub const BLANK: Engine = Engine {
        anchor: Anchor::new(0.0),
        limits: Limits::DEFAULT,
        sampler: Sampler::ALWAYS_ON,
        redactor: Redactor::of_credentials(),
        runaway: Runaway::new(u32::MAX),
        show: false,
        showing: false,
        delivery: Delivery::new(Attributes::new(resource::ATTRIBUTES)),
        started: SpanContext { trace_id: [0; 16], span_id: [0; 8], flags: 0, remote: false },
        peeked: Vec::new(),
        pool: Pool::empty(),
        open: OpenSpans::NONE,
        globals: Attributes::new(trace::span::ATTRIBUTES),
        staged: Attributes::new(event::ATTRIBUTES),
        staged_limit: 0,
        staged_array: Vec::new(),
        room: Vec::new(),
        cleaned: Vec::new(),
        shown: Vec::new(),
    };

    pub fn new(time_origin_ms: f64) -> Engine {
        let mut engine = Engine::BLANK;
        engine.begin(time_origin_ms);
        engine
    }

    pub fn begin(&mut self, time_origin_ms: f64) {
        self.anchor = Anchor::new(time_origin_ms);
        describe::describe_sdk(&mut self.delivery.envelope.resource);
    }

    // ---- who sends

    pub fn describe_service(&mut self, name: &[u8], version: &[u8]) {
        describe::describe_service(&mut self.delivery.envelope.resource, name, version);
    }

    /// The staged array holds the brands.
    pub fn describe_browser(&mut self, platform: &[u8], mobile: Option<bool>, language: &[u8], user_agent: &[u8]) {
        let browser = Browser { brands: &self.staged_array, platform, mobile, language, user_agent };
        describe::describe_browser(&mut self.delivery.envelope.resource, &browser);
        self.staged_array.clear();
    }

    /// The index of an instrumentation scope. Beyond 255 of them the last one serves.
    pub fn scope(&mut self, name: &[u8], version: &[u8]) -> u8 {
        let name = clean(&self.redactor, name, &mut self.cleaned);
        let scope = trace::scope_message(name, clean(&self.redactor, version, &mut self.room));
        let scopes = &mut self.delivery.envelope.scopes;
        let known = scopes.iter().position(|known| *known == scope);
        let index = known.unwrap_or_else(|| {
            if scopes.len() <= u8::MAX as usize {
                scopes.push(scope);
            }
            scopes.len() - 1
        });
        index as u8
    }

    // ---- spans

    /// There are too few random bytes left to start a span with.
    pub fn needs_random(&self) -> bool {
        self.pool.is_low()
    }

    pub fn refill(&mut self, random: Vec<u8>) {
        self.pool = Pool::new(random);
    }

    /// The handle of the new span, or [`NOT_RECORDING`]; [`Engine::started`] is its context in either case. `None`: nothing happened; draw random
    /// bytes, hand them to [`Engine::refill`], and start again.
    pub fn start(&mut self, start: &Start) -> Option<i32> {
        if self.needs_random() {
            return None;
        }
        let parent = start.parent.as_ref().filter(|parent| parent.is_valid());
        let trace_id = parent.map_or_else(|| self.pool.trace_id(), |parent| parent.trace_id);
        let sampled = self.sampler.samples(start.decided, parent, &trace_id);
        let random = parent.map_or(RANDOM, |parent| parent.flags & RANDOM);
        let flags = random | if sampled { SAMPLED } else { 0 };
        self.started = SpanContext { trace_id, span_id: self.pool.span_id(), flags, remote: false };
        if !sampled {
            return Some(NOT_RECORDING);
        }
        let loss = if !start.captured {
            None
        } else if !self.runaway.allows(start.scope, start.at_ms) {
            Some(Loss::RateLimited)
        } else {
            // What would not be delivered must not be the parent of anything.
            (!self.delivery.admits()).then_some(Loss::QueueFull)
        };
        if let Some(loss) = loss {
            self.started.flags = random;
            self.delivery.push_lost(loss);
            return Some(NOT_RECORDING);
        }
        let (handle, span, evicted) = self.open.open();
        span.start(self.started, parent, start.kind, start.scope, self.anchor, start.at_ms);
        span.semconv = self.delivery.envelope.semconv;
        span.attributes.copy_from(&self.globals);
        self.rename(handle, start.name);
        if evicted {
            self.delivery.push_lost(Loss::Evicted);
        } else {
            // Last: if there is no memory for the span, it has not started.
            self.delivery.counts.open += 1;
        }
        Some(handle)
    }

    /// The open span of a handle.
    pub fn span(&mut self, handle: i32) -> Option<&mut Span> {
        self.open.get(handle)
    }

    pub fn set_trace_state(&mut self, handle: i32, trace_state: &[u8]) {
        if let Some(span) = self.open.get(handle) {
            span.set_trace_state(trace_state);
        }
    }

    /// Attributes that follow with the handle [`STAGED`] are for the next event or link.
    pub fn stage(&mut self, stage: Stage) {
        let (field, limit) = match stage {
            Stage::Event => (event::ATTRIBUTES, self.limits.attribute_per_event_count),
            Stage::Link => (link::ATTRIBUTES, self.limits.attribute_per_link_count),
        };
        self.staged.reset(field);
        self.staged_limit = limit;
    }

    /// The key is recorded as it is given: whoever takes it from outside redacts it before, once for all its attributes.
    pub fn set_attribute(&mut self, handle: i32, key: &[u8], value: Value) {
        // Nearly all text is recorded as it is: to see that here takes half the time.
        let value = match value {
            Value::Text(text) if may_hold_secrets(text) || text.len() > self.limits.attribute_value_length as usize => {
                allowed(&self.redactor, &self.limits, value, &mut self.cleaned)
            }
            value => value,
        };
        let (attributes, limit) = match handle {
            STAGED => (&mut self.staged, self.staged_limit),
            RESOURCE => (&mut self.delivery.envelope.resource, self.limits.attribute_count),
            GLOBALS => (&mut self.globals, self.limits.attribute_count),
            _ => match self.open.get(handle) {
                Some(span) => (&mut span.attributes, self.limits.attribute_count),
                None => return,
            },
        };
        attributes.set(key, value, limit);
    }

    /// Takes an attribute away from what every span has from its start.
    pub fn unset_global(&mut self, key: &[u8]) {
        self.globals.unset(key);
    }

    /// An attribute by its number in [`FACTS`]. `None` takes a global one away.
    pub fn set_fact(&mut self, handle: i32, fact: usize, value: Option<Value>) {
        let Some(&name) = FACTS.get(fact) else { return };
        match (value, handle) {
            (None, _) => self.unset_global(name.stable.as_bytes()),
            (Some(value), GLOBALS) => self.set_attribute(GLOBALS, name.stable.as_bytes(), value),
            (Some(value), _) => {
                let value = allowed(&self.redactor, &self.limits, value, &mut self.cleaned);
                if let Some(span) = self.open.get(handle) {
                    span.set(name, value, &self.limits);
                }
            }
        }
    }

    pub fn rename(&mut self, handle: i32, name: &[u8]) {
        let name = clean(&self.redactor, name, &mut self.cleaned);
        if let Some(span) = self.open.get(handle) {
            span.rename(name);
        }
    }

    /// An element of the next list.
    pub fn push_element(&mut self, element: Option<Value>) {
        // Elements beyond the limit are left out, so that one list does not use up the memory, which never shrinks.
        if self.staged_array.len() < MAX_LIST_BYTES {
            let element = element.map(|value| allowed(&self.redactor, &self.limits, value, &mut self.cleaned));
            push_value(&mut self.staged_array, element);
        }
    }

    /// An attribute whose value is the list of the elements that were pushed.
    pub fn set_list(&mut self, handle: i32, key: &[u8]) {
        let list = core::mem::take(&mut self.staged_array);
        self.set_attribute(handle, key, Value::Array(&list));
    }

    /// With the staged attributes.
    pub fn add_event(&mut self, handle: i32, name: &[u8], at_ms: f64) {
        let name = clean(&self.redactor, name, &mut self.cleaned);
        if let Some(span) = self.open.get(handle) {
            span.add_event(name, at_ms, &self.staged, &self.limits, &mut self.room);
        }
    }

    /// With the staged attributes.
    pub fn add_link(&mut self, handle: i32, context: &SpanContext, trace_state: &[u8]) {
        if let Some(span) = self.open.get(handle) {
            span.add_link(context, trace_state, &self.staged, &self.limits);
        }
    }

    pub fn record_exception(&mut self, handle: i32, exception: &Exception, at_ms: f64) {
        self.stage(Stage::Event);
        for (name, text) in exception.attributes() {
            if !text.is_empty() {
                self.set_attribute(STAGED, name.as_bytes(), Value::Text(text));
            }
        }
        self.add_event(handle, names::EVENT_EXCEPTION.as_bytes(), at_ms);
    }

    pub fn set_status(&mut self, handle: i32, code: StatusCode, message: &[u8]) {
        let message = clean(&self.redactor, message, &mut self.cleaned);
        if let Some(span) = self.open.get(handle) {
            span.set_status(code, message);
        }
    }

    /// True when there is an effect to ask for.
    pub fn end(&mut self, handle: i32, end_ms: f64, now_ms: f64) -> bool {
        let Some(span) = self.open.get(handle) else { return false };
        let bytes = span.finish(end_ms, &mut self.room);
        let (scope, rank) = (span.scope, span.rank());
        let show = self.show && !self.showing;
        if show {
            scope_spans::SPANS.put_bytes(&mut self.shown, &bytes);
        }
        self.close(handle);
        self.delivery.push(scope, rank, bytes, now_ms) || show
    }

    fn close(&mut self, handle: i32) {
        self.open.close(handle);
        self.delivery.counts.open -= 1;
    }

    /// What would be sent if the span ended at this time, as a `ScopeSpans`; nothing when it is not open.
    pub fn peek(&mut self, handle: i32, end_ms: f64) {
        self.peeked.clear();
        if let Some(span) = self.open.get(handle) {
            scope_spans::SPANS.put_bytes(&mut self.peeked, &span.finish(end_ms, &mut self.room));
        }
    }

    /// The span ends and is not sent, since the page does not want it.
    pub fn filter_out(&mut self, handle: i32) {
        if self.open.get(handle).is_some() {
            self.close(handle);
            self.delivery.push_unwanted(Loss::Filtered);
        }
    }

    // ---- requests

    /// A span of a request, which has its method in the place of a name.
    pub fn start_request(&mut self, mut start: Start, url: &[u8]) -> Option<i32> {
        let method = core::mem::take(&mut start.name);
        start.kind = KIND_CLIENT;
        start.captured = true;
        let handle = self.start(&start)?;
        if let Some(span) = self.open.get(handle) {
            let method = clean(&self.redactor, method, &mut self.room);
            let url = clean(&self.redactor, http::without_content(url), &mut self.cleaned);
            http::describe_request(span, &Request { method, url }, &self.limits);
        }
        Some(handle)
    }

    pub fn response(&mut self, handle: i32, status: u16) {
        if let Some(span) = self.open.get(handle) {
            http::describe_response(span, status, &self.limits);
        }
    }

    pub fn describe_timing(&mut self, handle: i32, timing: &Timing) {
        if let Some(span) = self.open.get(handle) {
            timing::describe(span, timing, &self.limits);
        }
    }

    pub fn request_failed(&mut self, handle: i32, failure: &Failure) {
        let failure = &Failure { error_name: clean(&self.redactor, failure.error_name, &mut self.cleaned), ..*failure };
        if let Some(span) = self.open.get(handle) {
            http::describe_failure(span, failure, &self.limits);
        }
    }

    pub fn end_request(&mut self, handle: i32, end: End, end_ms: f64, now_ms: f64) -> bool {
        if let Some(span) = self.open.get(handle) {
            fetch::describe_end(span, end, &self.limits);
        }
        self.end(handle, end_ms, now_ms)
    }

    // ---- the end

    /// The page goes for good: what is open ends here, and says so.
    pub fn abandon(&mut self, now_ms: f64) {
        for index in 0..self.open.slots() {
            if let Some(handle) = self.open.handle(index) {
                self.end_request(handle, End::Unfinished, now_ms, now_ms);
            }
        }
    }
    /// What has not been sent is lost, for this reason; open spans are not recorded any further.
    pub fn discard(&mut self, loss: Loss) {
        self.delivery.discard(loss);
        self.open.close_all();
        self.delivery.counts.open = 0;
    }

    /// The next effect. Ask until it is [`Effect::Wait`].
    pub fn next(&mut self, now_ms: f64) -> Effect {
        self.showing = !self.shown.is_empty();
        if self.showing {
            self.delivery.body.clear();
            core::mem::swap(&mut self.delivery.body, &mut self.shown);
            return Effect::Show;
        }
        self.report_losses(now_ms);
        self.delivery.next(now_ms)
    }

    /// The counts of what was lost become a span, which leaves with the next ones.
    fn report_losses(&mut self, now_ms: f64) {
        // No span of the page's gives way for it.
        if !self.delivery.wants_report() || self.needs_random() || self.open.count() == MAX_OPEN {
            return;
        }
        let scope = self.scope(describe::SDK_NAME, describe::SDK_VERSION);
        let name = names::SPAN_DROPPED.as_bytes();
        let start = Start { name, kind: KIND_INTERNAL, scope, at_ms: now_ms, parent: None, decided: Some(true), captured: false };
        if let Some(handle) = self.start(&start)
            && let Some(span) = self.open.get(handle)
        {
            for &(loss, name) in &names::DROPPED {
                let spans = self.delivery.untold(loss);
                if spans > 0 {
                    span.attributes.set(name.as_bytes(), Value::Int(spans.into()), u32::MAX);
                }
            }
            let bytes = span.finish(now_ms, &mut self.room);
            self.close(handle);
            self.delivery.report(scope, bytes);
        }
    }
}

/// Text without its secrets: any text of the page's may hold a URL. `room` is for text that had some.
fn clean<'a>(redactor: &Redactor, text: &'a [u8], room: &'a mut Vec<u8>) -> &'a [u8] {
    match redactor.text(text) {
        Some(redacted) => {
            *room = redacted;
            room
        }
        None => text,
    }
}

/// What may be recorded of a value: text without its secrets, and cut.
fn allowed<'a>(redactor: &Redactor, limits: &Limits, value: Value<'a>, room: &'a mut Vec<u8>) -> Value<'a> {
    match value {
        Value::Text(text) => Value::Text(cut(clean(redactor, text, room), limits.attribute_value_length)),
        value => value,
    }
}
