//! A span from its start to its end: a few fixed fields, and all else as finished protobuf bytes.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::attributes::{Attributes, Value};
use crate::batch::LATE;
use crate::capture::names::{Name, Semconv};
use crate::context::SpanContext;
use crate::limits::{Limits, cut};
use crate::otlp::trace::{event, link, span, status};
use crate::time::{Anchor, UnixNanos};

/// <https://opentelemetry.io/docs/specs/otel/trace/api/#spankind>; the number is that of the API, where INTERNAL is 0. On the wire it is one more.
pub type SpanKind = u8;
pub const KIND_INTERNAL: SpanKind = 0;
pub const KIND_CLIENT: SpanKind = 2;
pub const KIND_CONSUMER: SpanKind = 4;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum StatusCode {
    Unset = 0,
    Ok = 1,
    Error = 2,
}

/// Bits of `Span.flags` and `Link.flags` above the eight of the trace flags: is it known whether the parent is remote, and is it?
const CONTEXT_HAS_IS_REMOTE: u32 = 0x100;
const CONTEXT_IS_REMOTE: u32 = 0x200;

fn wire_flags(trace_flags: u8, remote: bool) -> u32 {
    trace_flags as u32 | CONTEXT_HAS_IS_REMOTE | if remote { CONTEXT_IS_REMOTE } else { 0 }
}

pub struct Span {
    pub context: SpanContext,
    pub trace_state: Vec<u8>,
    /// All zero for a root span.
    parent_id: [u8; 8],
    parent_is_remote: bool,
    pub name: Vec<u8>,
    kind: SpanKind,
    /// Index in the engine's list of instrumentation scopes.
    pub scope: u8,
    pub semconv: Semconv,
    anchor: Anchor,
    start: UnixNanos,
    pub attributes: Attributes,
    /// Events and links, as finished fields.
    rest: Vec<u8>,
    event_count: u32,
    dropped_events: u32,
    link_count: u32,
    dropped_links: u32,
    /// Kept apart until the end: a message that stands twice in protobuf would be merged.
    status: StatusCode,
    status_message: Vec<u8>,
    /// It did not end: the page went.
    pub unfinished: bool,
}

impl Span {
    /// Room for a span that [`Span::start`] starts.
    #[expect(clippy::new_without_default, reason = "a default span would be one that has started")]
    pub const fn new() -> Span {
        const NOWHERE: SpanContext = SpanContext { trace_id: [0; 16], span_id: [0; 8], flags: 0, remote: false };
        Span {
            context: NOWHERE,
            trace_state: Vec::new(),
            parent_id: [0; 8],
            parent_is_remote: false,
            name: Vec::new(),
            kind: KIND_INTERNAL,
            scope: 0,
            semconv: Semconv::Stable,
            anchor: Anchor::new(0.0),
            start: UnixNanos(0),
            attributes: Attributes::new(span::ATTRIBUTES),
            rest: Vec::new(),
            event_count: 0,
            dropped_events: 0,
            link_count: 0,
            dropped_links: 0,
            status: StatusCode::Unset,
            status_message: Vec::new(),
            unfinished: false,
        }
    }

    /// Starts a span in the room of one that has ended: to find new room for its texts would take longer than all else.
    pub fn start(&mut self, context: SpanContext, parent: Option<&SpanContext>, kind: SpanKind, scope: u8, anchor: Anchor, start_ms: f64) {
        self.context = context;
        self.trace_state.clear();
        self.parent_id = parent.map_or([0; 8], |parent| parent.span_id);
        self.parent_is_remote = parent.is_some_and(|parent| parent.remote);
        self.name.clear();
        self.kind = if kind > KIND_CONSUMER { KIND_INTERNAL } else { kind };
        self.scope = scope;
        self.anchor = anchor;
        self.start = anchor.unix(start_ms);
        self.attributes.reset(span::ATTRIBUTES);
        self.rest.clear();
        self.event_count = 0;
        self.dropped_events = 0;
        self.link_count = 0;
        self.dropped_links = 0;
        self.status = StatusCode::Unset;
        self.status_message.clear();
        self.unfinished = false;
    }

    /// Gives room back beyond `kept_bytes`.
    pub fn shrink(&mut self, kept_bytes: usize) {
        if self.attributes.capacity_bytes() + self.rest.capacity() > kept_bytes {
            self.attributes = Attributes::new(span::ATTRIBUTES);
            self.rest = Vec::new();
        }
    }

    /// How much it is worth when not all can be sent: what was under way as the page went first, which a server may have been told to be part of,
    /// then what failed, then what began a trace, then the rest.
    pub fn rank(&self) -> u8 {
        if self.unfinished {
            LATE
        } else if self.status == StatusCode::Error {
            1
        } else if self.parent_id == [0; 8] || self.parent_is_remote {
            2
        } else {
            3
        }
    }

    pub fn started(&self) -> UnixNanos {
        self.start
    }

    /// Under the name that it has in the conventions that are followed, or under both.
    pub fn set(&mut self, name: Name, value: Value, limits: &Limits) {
        let has_legacy = self.semconv != Semconv::Stable && !name.legacy.is_empty();
        if has_legacy {
            self.attributes.set(name.legacy.as_bytes(), value, limits.attribute_count);
        }
        if !has_legacy || self.semconv == Semconv::Dup {
            self.attributes.set(name.stable.as_bytes(), value, limits.attribute_count);
        }
    }

    pub fn set_text(&mut self, name: Name, text: &[u8], limits: &Limits) {
        self.set(name, Value::Text(cut(text, limits.attribute_value_length)), limits);
    }

    /// <https://opentelemetry.io/docs/specs/otel/trace/api/#set-status>: Ok is final, Unset changes nothing, only Error has a message.
    pub fn set_status(&mut self, code: StatusCode, message: &[u8]) {
        if self.status == StatusCode::Ok || code == StatusCode::Unset {
            return;
        }
        self.status = code;
        replace(&mut self.status_message, if code == StatusCode::Error { message } else { b"" });
    }

    pub fn rename(&mut self, name: &[u8]) {
        replace(&mut self.name, name);
    }

    pub fn set_trace_state(&mut self, trace_state: &[u8]) {
        replace(&mut self.trace_state, trace_state);
    }

    /// `message` is room to work in.
    pub fn add_event(&mut self, name: &[u8], at_ms: f64, attributes: &Attributes, limits: &Limits, message: &mut Vec<u8>) {
        if self.event_count >= limits.event_count {
            self.dropped_events += 1;
            return;
        }
        self.event_count += 1;
        message.clear();
        event::TIME_UNIX_NANO.put_fixed64(message, self.anchor.unix(at_ms).0);
        event::NAME.put_bytes(message, name);
        message.extend_from_slice(attributes.bytes());
        event::DROPPED_ATTRIBUTES_COUNT.put_count(message, attributes.dropped);
        span::EVENTS.put_bytes(&mut self.rest, message);
    }

    pub fn add_link(&mut self, context: &SpanContext, trace_state: &[u8], attributes: &Attributes, limits: &Limits) {
        if self.link_count >= limits.link_count {
            self.dropped_links += 1;
            return;
        }
        self.link_count += 1;
        let mut message = Vec::new();
        link::TRACE_ID.put_bytes(&mut message, &context.trace_id);
        link::SPAN_ID.put_bytes(&mut message, &context.span_id);
        link::TRACE_STATE.put_some_bytes(&mut message, trace_state);
        message.extend_from_slice(attributes.bytes());
        link::DROPPED_ATTRIBUTES_COUNT.put_count(&mut message, attributes.dropped);
        link::FLAGS.put_fixed32(&mut message, wire_flags(context.flags, context.remote));
        span::LINKS.put_bytes(&mut self.rest, &message);
    }

    /// The finished `Span` message. `out` is room to work in. A span never ends before it started.
    pub fn finish(&self, end_ms: f64, out: &mut Vec<u8>) -> Box<[u8]> {
        out.clear();
        span::TRACE_ID.put_bytes(out, &self.context.trace_id);
        span::SPAN_ID.put_bytes(out, &self.context.span_id);
        span::TRACE_STATE.put_some_bytes(out, &self.trace_state);
        if self.parent_id != [0; 8] {
            span::PARENT_SPAN_ID.put_bytes(out, &self.parent_id);
        }
        span::NAME.put_bytes(out, &self.name);
        span::KIND.put_varint(out, self.kind as u64 + 1);
        span::START_TIME_UNIX_NANO.put_fixed64(out, self.start.0);
        span::END_TIME_UNIX_NANO.put_fixed64(out, self.anchor.unix(end_ms).max(self.start).0);
        out.extend_from_slice(self.attributes.bytes());
        span::DROPPED_ATTRIBUTES_COUNT.put_count(out, self.attributes.dropped);
        out.extend_from_slice(&self.rest);
        span::DROPPED_EVENTS_COUNT.put_count(out, self.dropped_events);
        span::DROPPED_LINKS_COUNT.put_count(out, self.dropped_links);
        if self.status != StatusCode::Unset {
            const CODE_BYTES: usize = 2;
            let message = &self.status_message;
            let message_bytes = if message.is_empty() { 0 } else { status::MESSAGE.len_size(message.len()) };
            span::STATUS.put_len(out, message_bytes + CODE_BYTES);
            status::MESSAGE.put_some_bytes(out, message);
            status::CODE.put_varint(out, self.status as u64);
        }
        span::FLAGS.put_fixed32(out, wire_flags(self.context.flags, self.parent_is_remote));
        out.as_slice().into()
    }
}

fn replace(text: &mut Vec<u8>, with: &[u8]) {
    text.clear();
    text.extend_from_slice(with);
}
