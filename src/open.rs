//! The spans that are open. JavaScript holds a handle, one integer: which slot, and the how-many-eth span in it.

use alloc::vec::Vec;

use crate::span::Span;
use crate::time::Anchor;

/// The handle of a span that is not recorded.
pub const NOT_RECORDING: i32 = -1;

/// Spans open at once. More are a leak in the page: then the one that started first gives way, and is counted.
pub const MAX_OPEN: usize = 1024;

/// Room that a slot keeps for its next span, in bytes. Larger rooms go back, so that a few large spans do not hold memory for ever.
const KEPT_BYTES: usize = 4096;

struct Slot {
    span: Span,
    generation: u16,
    open: bool,
}

#[derive(Default)]
pub struct OpenSpans {
    slots: Vec<Slot>,
    free: Vec<u16>,
}

impl OpenSpans {
    pub fn count(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// A slot to start a span in, its handle, and whether another span had to give way.
    pub fn open(&mut self, anchor: Anchor) -> (i32, &mut Span, bool) {
        let evicted = self.free.is_empty() && self.slots.len() >= MAX_OPEN;
        if evicted {
            let eldest = (0..self.slots.len()).min_by_key(|&index| self.slots[index].span.started()).unwrap_or(0);
            self.close(eldest);
        }
        let index = self.free.pop().map_or(self.slots.len(), usize::from);
        if index == self.slots.len() {
            self.slots.push(Slot { span: Span::new(anchor), generation: 0, open: false });
        }
        let slot = &mut self.slots[index];
        slot.open = true;
        ((slot.generation as i32) << 16 | index as i32, &mut slot.span, evicted)
    }

    /// The span of a handle, unless it has ended or given way.
    pub fn get(&mut self, handle: i32) -> Option<&mut Span> {
        let slot = self.slots.get_mut(handle as u32 as usize & 0xFFFF)?;
        (handle >= 0 && slot.open && slot.generation as i32 == handle >> 16).then_some(&mut slot.span)
    }

    /// The end of a handle. Its span is to be read before.
    pub fn release(&mut self, handle: i32) {
        if self.get(handle).is_some() {
            self.close(handle as usize & 0xFFFF);
        }
    }

    fn close(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        slot.open = false;
        // 15 bits, so that handles stay positive.
        slot.generation = (slot.generation + 1) & 0x7FFF;
        if slot.span.capacity_bytes() > KEPT_BYTES {
            slot.span = Span::new(slot.span.anchor);
        }
        self.free.push(index as u16);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::SpanContext;

    const ANCHOR: Anchor = Anchor::new(1.7e12);

    fn open_at(spans: &mut OpenSpans, start_ms: f64) -> (i32, bool) {
        let (handle, span, evicted) = spans.open(ANCHOR);
        let context = SpanContext { trace_id: [1; 16], span_id: [1; 8], flags: 1, remote: false };
        span.restart(context, None, 0, 0, ANCHOR, start_ms);
        (handle, evicted)
    }

    #[test]
    fn a_handle_finds_its_span_until_the_end_and_never_the_next_one() {
        let mut spans = OpenSpans::default();
        let (first, _) = open_at(&mut spans, 1.0);
        assert!(spans.get(first).is_some());
        spans.release(first);
        assert!(spans.get(first).is_none());
        let (second, _) = open_at(&mut spans, 2.0);
        assert_eq!(second & 0xFFFF, first & 0xFFFF, "the slot is used again");
        assert!(spans.get(first).is_none());
        assert!(spans.get(second).is_some());
        spans.release(first);
        assert!(spans.get(second).is_some(), "an old handle ends nothing");
        assert!(spans.get(NOT_RECORDING).is_none());
        assert!(spans.get(i32::MAX).is_none());
    }

    #[test]
    fn the_span_that_started_first_gives_way_when_all_slots_leak() {
        let mut spans = OpenSpans::default();
        let handles: Vec<i32> = (0..MAX_OPEN).map(|n| open_at(&mut spans, ((n + 5) % MAX_OPEN) as f64).0).collect();
        assert_eq!(spans.count(), MAX_OPEN);
        let (_, evicted) = open_at(&mut spans, 5000.0);
        assert!(evicted);
        assert_eq!(spans.count(), MAX_OPEN);
        assert!(spans.get(handles[MAX_OPEN - 5]).is_none(), "it started at 0");
        assert!(spans.get(handles[0]).is_some());
    }

    #[test]
    fn handles_stay_positive_however_often_a_slot_is_used() {
        let mut spans = OpenSpans::default();
        for _ in 0..70_000 {
            let (handle, _) = open_at(&mut spans, 1.0);
            assert!(handle >= 0);
            spans.release(handle);
        }
    }
}
