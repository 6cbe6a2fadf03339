//! A span from its start to its end: a few fixed fields, and all else as finished protobuf bytes.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::attributes::Attributes;
use crate::context::SpanContext;
use crate::limits::Limits;
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
    /// Of the parent: its id, and whether it is a span of another process.
    parent: Option<([u8; 8], bool)>,
    pub name: Vec<u8>,
    kind: SpanKind,
    /// Index in the engine's list of instrumentation scopes.
    pub scope: u8,
    pub anchor: Anchor,
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
}

impl Span {
    pub fn new(anchor: Anchor) -> Span {
        Span {
            context: SpanContext { trace_id: [0; 16], span_id: [0; 8], flags: 0, remote: false },
            trace_state: Vec::new(),
            parent: None,
            name: Vec::new(),
            kind: 0,
            scope: 0,
            anchor,
            start: UnixNanos(0),
            attributes: Attributes::new(span::ATTRIBUTES),
            rest: Vec::new(),
            event_count: 0,
            dropped_events: 0,
            link_count: 0,
            dropped_links: 0,
            status: StatusCode::Unset,
            status_message: Vec::new(),
        }
    }

    /// A new span in the room of one that has ended.
    pub fn restart(&mut self, context: SpanContext, parent: Option<&SpanContext>, kind: SpanKind, scope: u8, anchor: Anchor, start_ms: f64) {
        self.context = context;
        self.trace_state.clear();
        self.parent = parent.map(|parent| (parent.span_id, parent.remote));
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
    }

    pub fn started(&self) -> UnixNanos {
        self.start
    }

    /// Bytes of memory that wait for the next span in this room.
    pub fn capacity_bytes(&self) -> usize {
        self.attributes.capacity_bytes() + self.rest.capacity()
    }

    pub fn rename(&mut self, name: &[u8]) {
        self.name.clear();
        self.name.extend_from_slice(name);
    }

    /// <https://opentelemetry.io/docs/specs/otel/trace/api/#set-status>: Ok is final, Unset changes nothing, only Error has a message.
    pub fn set_status(&mut self, code: StatusCode, message: &[u8]) {
        if self.status == StatusCode::Ok || code == StatusCode::Unset {
            return;
        }
        self.status = code;
        self.status_message.clear();
        if code == StatusCode::Error {
            self.status_message.extend_from_slice(message);
        }
    }

    pub fn add_event(&mut self, name: &[u8], at_ms: f64, attributes: &Attributes, limits: &Limits) {
        if self.event_count >= limits.event_count {
            self.dropped_events += 1;
            return;
        }
        self.event_count += 1;
        let dropped = Dropped(attributes.dropped);
        span::EVENTS.put_len(
            &mut self.rest,
            9 + event::NAME.len_size(name.len()) + attributes.bytes().len() + dropped.size(),
        );
        event::TIME_UNIX_NANO.put_fixed64(&mut self.rest, self.anchor.unix(at_ms).0);
        event::NAME.put_bytes(&mut self.rest, name);
        self.rest.extend_from_slice(attributes.bytes());
        dropped.put(event::DROPPED_ATTRIBUTES_COUNT, &mut self.rest);
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
        if !trace_state.is_empty() {
            link::TRACE_STATE.put_bytes(&mut message, trace_state);
        }
        message.extend_from_slice(attributes.bytes());
        Dropped(attributes.dropped).put(link::DROPPED_ATTRIBUTES_COUNT, &mut message);
        link::FLAGS.put_fixed32(&mut message, wire_flags(context.flags, context.remote));
        span::LINKS.put_bytes(&mut self.rest, &message);
    }

    /// The finished `Span` message. `out` is room to work in. A span never ends before it started.
    pub fn finish(&mut self, end_ms: f64, out: &mut Vec<u8>) -> Box<[u8]> {
        out.clear();
        span::TRACE_ID.put_bytes(out, &self.context.trace_id);
        span::SPAN_ID.put_bytes(out, &self.context.span_id);
        if !self.trace_state.is_empty() {
            span::TRACE_STATE.put_bytes(out, &self.trace_state);
        }
        if let Some((parent_id, _)) = &self.parent {
            span::PARENT_SPAN_ID.put_bytes(out, parent_id);
        }
        span::NAME.put_bytes(out, &self.name);
        span::KIND.put_varint(out, self.kind as u64 + 1);
        span::START_TIME_UNIX_NANO.put_fixed64(out, self.start.0);
        span::END_TIME_UNIX_NANO.put_fixed64(out, self.anchor.unix(end_ms).max(self.start).0);
        out.extend_from_slice(self.attributes.bytes());
        Dropped(self.attributes.dropped).put(span::DROPPED_ATTRIBUTES_COUNT, out);
        out.extend_from_slice(&self.rest);
        Dropped(self.dropped_events).put(span::DROPPED_EVENTS_COUNT, out);
        Dropped(self.dropped_links).put(span::DROPPED_LINKS_COUNT, out);
        if self.status != StatusCode::Unset {
            let mut message = Vec::new();
            if !self.status_message.is_empty() {
                status::MESSAGE.put_bytes(&mut message, &self.status_message);
            }
            status::CODE.put_varint(&mut message, self.status as u64);
            span::STATUS.put_bytes(out, &message);
        }
        let remote = self.parent.is_some_and(|(_, remote)| remote);
        span::FLAGS.put_fixed32(out, wire_flags(self.context.flags, remote));
        out.as_slice().into()
    }
}

/// A count that stands in a message only when there is something to count.
struct Dropped(u32);

impl Dropped {
    fn size(&self) -> usize {
        if self.0 > 0 { 1 + crate::otlp::wire::varint_size(self.0 as u64) } else { 0 }
    }
    fn put(&self, field: crate::otlp::wire::Field, out: &mut Vec<u8>) {
        if self.0 > 0 {
            field.put_varint(out, self.0 as u64);
        }
    }
}
