//! The spans that are open. JavaScript holds a handle, one integer: which slot, and the how-many-eth span in it.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::span::Span;

/// The handle of a span that is not recorded.
pub const NOT_RECORDING: i32 = -1;

/// Spans open at once. More are a leak in the page: then the one that started first gives way, and is counted.
pub const MAX_OPEN: usize = 1024;

/// Room that a slot keeps for its next span, in bytes. Larger rooms go back, so that a few large spans do not hold memory for ever.
const KEPT_BYTES: usize = 4096;

struct Slot {
    /// Of the span that is open, or was.
    span: Box<Span>,
    open: bool,
    /// 14 bits, so that handles are small integers for JavaScript too: above 2^30 V8 would make an object of each.
    generation: u16,
}

impl Slot {
    fn close(&mut self) {
        self.open = false;
        self.generation = (self.generation + 1) & 0x3FFF;
        self.span.shrink(KEPT_BYTES);
    }
}

fn handle(generation: u16, index: usize) -> i32 {
    (generation as i32) << 16 | index as i32
}

pub struct OpenSpans {
    slots: Vec<Slot>,
}

impl OpenSpans {
    pub const NONE: OpenSpans = OpenSpans { slots: Vec::new() };

    pub fn count(&self) -> usize {
        self.slots.iter().filter(|slot| slot.open).count()
    }

    /// Room to start a span in, its handle, and whether another span had to give way.
    pub fn open(&mut self) -> (i32, &mut Span, bool) {
        let free = self.slots.iter().position(|slot| !slot.open);
        let evicted = free.is_none() && self.slots.len() >= MAX_OPEN;
        let index = free.unwrap_or_else(|| if evicted { self.eldest() } else { self.slots.len() });
        if index == self.slots.len() {
            self.slots.push(Slot { span: Box::new(const { Span::new() }), open: false, generation: 0 });
        }
        let slot = &mut self.slots[index];
        if evicted {
            slot.close();
        }
        slot.open = true;
        (handle(slot.generation, index), &mut slot.span, evicted)
    }

    fn eldest(&self) -> usize {
        let started = self.slots.iter().map(|slot| slot.span.started());
        started.enumerate().min_by_key(|(_, started)| *started).map_or(0, |(index, _)| index)
    }

    fn slot(&mut self, handle: i32) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(handle as usize & 0xFFFF)?;
        (slot.open && slot.generation as i32 == handle >> 16).then_some(slot)
    }

    /// The span of a handle, unless it has ended or given way.
    #[inline(always)] // As small in place as a call is.
    pub fn get(&mut self, handle: i32) -> Option<&mut Span> {
        self.slot(handle).map(|slot| &mut *slot.span)
    }

    /// The end of a handle. Its span is to be read before.
    pub fn close(&mut self, handle: i32) {
        if let Some(slot) = self.slot(handle) {
            slot.close();
        }
    }

    /// How many slots there are.
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    /// Of the span that is open in a slot.
    pub fn handle(&self, index: usize) -> Option<i32> {
        let slot = self.slots.get(index).filter(|slot| slot.open)?;
        Some(handle(slot.generation, index))
    }

    /// The end of all handles. They stay used up, so that none of them means a later span.
    pub fn close_all(&mut self) {
        for slot in self.slots.iter_mut().filter(|slot| slot.open) {
            slot.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::SpanContext;
    use crate::time::Anchor;

    fn open_at(spans: &mut OpenSpans, start_ms: f64) -> (i32, bool) {
        let context = SpanContext { trace_id: [1; 16], span_id: [1; 8], flags: 1, remote: false };
        let (handle, span, evicted) = spans.open();
        span.start(context, None, 0, 0, Anchor::new(1.7e12), start_ms);
        (handle, evicted)
    }

    #[test]
    fn a_handle_finds_its_span_until_the_end_and_never_the_next_one() {
        let mut spans = OpenSpans::NONE;
        let (first, _) = open_at(&mut spans, 1.0);
        assert!(spans.get(first).is_some());
        spans.close(first);
        assert!(spans.get(first).is_none());
        let (second, _) = open_at(&mut spans, 2.0);
        assert_eq!(second & 0xFFFF, first & 0xFFFF, "the slot is used again");
        assert!(spans.get(first).is_none());
        spans.close(first);
        assert!(spans.get(second).is_some(), "an old handle ends nothing");
        assert!(spans.get(NOT_RECORDING).is_none());
        assert!(spans.get(i32::MAX).is_none());
    }

    #[test]
    fn handles_from_before_all_were_closed_find_no_later_span() {
        let mut spans = OpenSpans::NONE;
        let (before, _) = open_at(&mut spans, 1.0);
        spans.close_all();
        assert_eq!(spans.count(), 0);
        open_at(&mut spans, 2.0);
        assert!(spans.get(before).is_none());
    }

    #[test]
    fn the_span_that_started_first_gives_way_when_all_slots_leak() {
        let mut spans = OpenSpans::NONE;
        let handles: Vec<i32> = (0..MAX_OPEN).map(|n| open_at(&mut spans, ((n + 5) % MAX_OPEN) as f64).0).collect();
        assert_eq!(spans.count(), MAX_OPEN);
        let (_, evicted) = open_at(&mut spans, 5000.0);
        assert!(evicted);
        assert_eq!(spans.count(), MAX_OPEN);
        assert!(spans.get(handles[MAX_OPEN - 5]).is_none(), "it started at 0");
        assert!(spans.get(handles[0]).is_some());
    }

    #[test]
    fn handles_stay_positive_and_small_however_often_a_slot_is_used() {
        let mut spans = OpenSpans::NONE;
        for _ in 0..70_000 {
            let (handle, _) = open_at(&mut spans, 1.0);
            assert!((0..1 << 30).contains(&handle), "small for JavaScript");
            spans.close(handle);
        }
    }
}
