//! Finished spans on their way out: those that wait, and those that have left in a batch whose answer is still to come.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::otlp::trace::scope_spans::SPANS;

/// A span that has ended, as the bytes of its message.
struct Finished {
    /// Index in the engine's list of instrumentation scopes.
    scope: u8,
    /// Lower ones go first: twice [`crate::span::Span::rank`], and one more for what may have arrived already.
    turn: u8,
    /// [`Batch::id`] of the request or the record of the outbox that it left in, or [`WAITING`].
    batch: i32,
    /// That, while it is something else ([`Queue::lend`]).
    lent_by: i32,
    bytes: Box<[u8]>,
}

/// Kinds of [`Finished::turn`].
const TURNS: u8 = 8;

/// The first [`crate::span::Span::rank`]: it was under way as the page went, or has ended since.
pub const LATE: u8 = 0;

/// In the place of a batch's id: the span has not left. Below zero: it has not left either, and the next request holds it already.
pub const WAITING: i32 = 0;

/// When a batch is due and how large it gets: the `OTEL_BSP_*` settings.
#[derive(Clone, Copy)]
pub struct Rules {
    /// The longest that a finished span waits for company.
    pub scheduled_delay_ms: f64,
    /// So many spans are a batch at once.
    pub max_export_batch_size: usize,
    /// So many spans may wait; further ones are dropped and counted.
    pub max_queue_size: usize,
}

impl Rules {
    pub const DEFAULT: Rules = Rules { scheduled_delay_ms: 5000.0, max_export_batch_size: 512, max_queue_size: 2048 };
}

/// All spans that have ended and are not delivered, eldest first. One that leaves keeps its place, with the batch's id on it, so that
/// nothing is moved, and nothing out of order, when it has to go again.
pub struct Queue {
    /// Others stay behind, as if they did not fit.
    pub only_late: bool,
    spans: Vec<Finished>,
    /// Spans at the front that a flush waits for: those that had ended when it was asked for. They leave before all others.
    pub flushed: usize,
    state: State,
}

/// What is said of the spans in a queue by what stands on them.
#[derive(Clone, Copy)]
pub struct State {
    waiting: usize,
    /// Bytes of those that wait and are in no group.
    loose_bytes: usize,
    /// Groups that the next request holds already.
    groups: i32,
    /// Spans in these.
    grouped: usize,
    /// Since when the eldest waits.
    since_ms: f64,
}

/// Spans that were put into the next request together, and between which places in the queue they stand.
pub struct Group {
    id: i32,
    from: usize,
    to: usize,
}

impl Queue {
    pub const EMPTY: Queue = Queue {
        only_late: false,
        spans: Vec::new(),
        flushed: 0,
        state: State { waiting: 0, loose_bytes: 0, groups: 0, grouped: 0, since_ms: 0.0 },
    };

    /// Spans that have not left.
    pub fn len(&self) -> usize {
        self.state.waiting
    }

    pub fn is_empty(&self) -> bool {
        self.state.waiting == 0
    }

    /// All spans that are here, also those that have left.
    pub fn total(&self) -> usize {
        self.spans.len()
    }

    /// Bytes of the spans that wait and are in no group.
    pub fn loose_bytes(&self) -> usize {
        self.state.loose_bytes
    }

    /// Spans that wait and are in a group.
    pub fn grouped(&self) -> usize {
        self.state.grouped
    }

    /// False when the queue is full: then the span is lost.
    pub fn push(&mut self, scope: u8, rank: u8, bytes: Box<[u8]>, now_ms: f64, rules: &Rules) -> bool {
        if self.state.waiting >= rules.max_queue_size {
            return false;
        }
        if self.state.waiting == 0 {
            self.state.since_ms = now_ms;
        }
        self.state.waiting += 1;
        self.state.loose_bytes += bytes.len();
        self.spans.push(Finished { scope, turn: rank * 2, batch: WAITING, lent_by: WAITING, bytes });
        true
    }

    /// Until [`Queue::give_back`] gets what this gives, those that have left wait too.
    pub fn lend(&mut self) -> State {
        let state = self.state;
        for span in &mut self.spans {
            span.lent_by = span.batch;
            if span.batch > WAITING {
                span.batch = WAITING;
                span.turn |= 1;
                self.state.waiting += 1;
                self.state.loose_bytes += span.bytes.len();
            }
        }
        state
    }

    pub fn give_back(&mut self, state: State) {
        for span in &mut self.spans {
            span.batch = span.lent_by;
        }
        self.state = state;
    }

    /// When the next batch is due by its count or its age. Infinity: nothing waits.
    pub fn due_ms(&self, rules: &Rules, max_batch: usize) -> f64 {
        match self.state.waiting {
            0 => f64::INFINITY,
            count if count >= max_batch => f64::NEG_INFINITY,
            _ => self.state.since_ms + rules.scheduled_delay_ms,
        }
    }

    /// Puts those that wait into a batch, as many as `max_spans` and `max_bytes` allow: of the highest rank first, of these what cannot have
    /// arrived yet, and of these the eldest. What stays behind waits from now on. One that is too large keeps none behind it from going. The number
    /// of those in the batch, with those of the groups.
    pub fn take(&mut self, batch: i32, max_spans: usize, max_bytes: usize, now_ms: f64) -> u32 {
        self.group(max_spans, usize::MAX, max_bytes);
        self.take_groups(batch, now_ms)
    }

    /// Puts some of those that wait into the next request, in the order of [`Queue::take`]: as many as `max_spans` allows, about `group_bytes` of
    /// them, and certainly no more than `max_bytes`. `None`: there are none, or none that fits.
    pub fn group(&mut self, max_spans: usize, group_bytes: usize, max_bytes: usize) -> Option<Group> {
        let mut group = Group { id: -self.state.groups - 1, from: usize::MAX, to: 0 };
        let (mut count, mut bytes) = (0, 0);
        // Only where the size is not limited: else one that is too large would keep others from going.
        let is_flushed = max_bytes == usize::MAX && self.spans.iter().take(self.flushed).any(|span| span.batch == WAITING);
        let end = if is_flushed { self.flushed } else { self.spans.len() };
        for turn in 0..if self.only_late { 2 } else { TURNS } {
            for (index, span) in self.spans.iter_mut().take(end).enumerate() {
                if span.batch != WAITING || span.turn != turn || count == max_spans || bytes >= group_bytes {
                    continue;
                }
                let span_bytes = SPANS.len_size(span.bytes.len());
                if span_bytes <= max_bytes - bytes {
                    bytes += span_bytes;
                    span.batch = group.id;
                    self.state.loose_bytes -= span.bytes.len();
                    count += 1;
                    (group.from, group.to) = (group.from.min(index), group.to.max(index + 1));
                }
            }
        }
        self.state.groups += i32::from(count > 0);
        self.state.grouped += count;
        (count > 0).then_some(group)
    }

    /// The spans of a group, each with its scope.
    pub fn spans_of(&self, group: Group) -> impl Iterator<Item = (u8, &[u8])> + Clone {
        let id = group.id;
        self.spans
            .get(group.from..group.to)
            .unwrap_or_default()
            .iter()
            .filter(move |span| span.batch == id)
            .map(|span| (span.scope, &*span.bytes))
    }

    /// The groups leave as a batch; what stays behind waits from now on. The number of spans.
    pub fn take_groups(&mut self, batch: i32, now_ms: f64) -> u32 {
        let count = self.relabel_groups(batch);
        self.state.waiting -= count;
        self.state.since_ms = now_ms;
        count as u32
    }

    /// The next request is none yet.
    pub fn dissolve_groups(&mut self) {
        self.relabel_groups(WAITING);
    }

    fn relabel_groups(&mut self, batch: i32) -> usize {
        if self.state.grouped > 0 {
            for span in self.spans.iter_mut().filter(|span| span.batch < WAITING) {
                span.batch = batch;
                if batch == WAITING {
                    self.state.loose_bytes += span.bytes.len();
                }
            }
        }
        self.state.groups = 0;
        core::mem::take(&mut self.state.grouped)
    }

    /// The spans of a batch, each with its scope.
    pub fn batch(&self, batch: i32) -> impl Iterator<Item = (u8, &[u8])> + Clone {
        self.spans_of(Group { id: batch, from: 0, to: self.spans.len() })
    }

    /// How many spans are in a batch.
    #[inline(never)] // Used in many places.
    pub fn count(&self, batch: i32) -> u32 {
        self.batch(batch).count() as u32
    }

    /// The spans of a batch wait again, and no longer than for their turn; their number. `may_have_arrived`: others go before them.
    pub fn put_back(&mut self, batch: i32, may_have_arrived: bool) -> u32 {
        let mut count = 0;
        for span in self.spans.iter_mut().filter(|span| span.batch == batch) {
            span.batch = WAITING;
            span.turn |= u8::from(may_have_arrived);
            self.state.loose_bytes += span.bytes.len();
            count += 1;
        }
        self.state.waiting += count;
        self.state.since_ms = f64::NEG_INFINITY;
        count as u32
    }

    /// The spans of a batch are delivered or lost; their number.
    pub fn remove(&mut self, batch: i32) -> u32 {
        let before = self.spans.len();
        let flushed = self.spans.iter().take(self.flushed).filter(|span| span.batch == batch).count();
        self.flushed -= flushed;
        self.spans.retain(|span| span.batch != batch);
        (before - self.spans.len()) as u32
    }

    pub fn clear(&mut self) {
        *self = Queue::EMPTY;
    }
}

/// Spans that leave in one request, until that request is answered for good. The spans are in the [`Queue`].
#[derive(Clone, Copy)]
pub struct Batch {
    /// Never zero.
    pub id: i32,
    /// Time without network does not count: it is put later by that.
    pub first_sent_ms: f64,
    /// A request is under way; else it has failed, and goes again.
    pub in_flight: bool,
    /// What that request takes of our share, zero when it goes without `keepalive`.
    pub keepalive_bytes: usize,
    /// That request is deferred: the browser sends it once the page is gone.
    pub deferred: bool,
    /// The last request was compressed.
    pub gzip: bool,
    /// A compressed request failed; the same goes as it is, to know why.
    pub plain: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spans of these sizes, which is also how to tell them apart.
    fn queue(sizes: &[usize]) -> Queue {
        let mut queue = Queue::EMPTY;
        for &size in sizes {
            assert!(push(&mut queue, size, 100.0, &Rules::DEFAULT));
        }
        queue
    }

    fn push(queue: &mut Queue, size: usize, now_ms: f64, rules: &Rules) -> bool {
        queue.push(0, 1, alloc::vec![0; size].into_boxed_slice(), now_ms, rules)
    }

    fn sizes(queue: &Queue, batch: i32) -> Vec<usize> {
        queue.batch(batch).map(|(_, bytes)| bytes.len()).collect()
    }

    #[test]
    fn a_batch_is_due_by_age_or_by_count() {
        let rules = Rules { max_export_batch_size: 3, ..Rules::DEFAULT };
        assert_eq!(Queue::EMPTY.due_ms(&rules, 3), f64::INFINITY);
        assert_eq!(queue(&[1]).due_ms(&rules, 3), 5100.0);
        assert_eq!(queue(&[1, 1, 1]).due_ms(&rules, 3), f64::NEG_INFINITY);
    }

    #[test]
    fn the_age_is_that_of_the_eldest_that_waits() {
        let mut queue = queue(&[1]);
        push(&mut queue, 1, 3000.0, &Rules::DEFAULT);
        assert_eq!(queue.due_ms(&Rules::DEFAULT, 512), 5100.0);
        queue.take(1, 1, usize::MAX, 4000.0);
        assert_eq!(queue.due_ms(&Rules::DEFAULT, 512), 9000.0);
    }

    #[test]
    fn a_full_queue_refuses_and_what_has_left_takes_no_place() {
        let rules = Rules { max_queue_size: 2, ..Rules::DEFAULT };
        let mut queue = Queue::EMPTY;
        assert_eq!([1, 2, 3].map(|size| push(&mut queue, size, 0.0, &rules)), [true, true, false]);
        assert_eq!(queue.take(1, 9, usize::MAX, 0.0), 2);
        assert!(push(&mut queue, 4, 0.0, &rules));
        assert_eq!((sizes(&queue, 1), sizes(&queue, WAITING)), (std::vec![1, 2], std::vec![4]));
    }

    #[test]
    fn a_batch_takes_what_fits_in_count_and_bytes() {
        // Each span adds a tag and a length: two bytes for these.
        let cases: [(usize, usize, &[usize], &[usize]); 7] = [
            (9, 1000, &[30, 20, 10], &[]),
            (2, 1000, &[30, 20], &[10]),
            (9, 54, &[30, 20], &[10]),
            (9, 53, &[30, 10], &[20]),
            (9, 31, &[20], &[30, 10]),
            (9, 12, &[10], &[30, 20]),
            (9, 11, &[], &[30, 20, 10]),
        ];
        for (max_spans, max_bytes, taken, behind) in cases {
            let mut queue = queue(&[30, 20, 10]);
            let count = queue.take(1, max_spans, max_bytes, 0.0);
            assert_eq!(sizes(&queue, 1), taken, "{max_spans} spans, {max_bytes} bytes");
            assert_eq!(sizes(&queue, WAITING), behind, "{max_spans} spans, {max_bytes} bytes");
            assert_eq!((count as usize, queue.len()), (taken.len(), behind.len()));
        }
    }

    #[test]
    fn when_not_all_fit_the_highest_rank_goes() {
        let mut queue = Queue::EMPTY;
        for (rank, size) in [(2, 10), (1, 11), (0, 12), (2, 13), (1, 14), (0, 15)] {
            assert!(queue.push(0, rank, alloc::vec![0; size].into_boxed_slice(), 0.0, &Rules::DEFAULT));
        }
        assert_eq!(queue.take(1, 3, usize::MAX, 0.0), 3);
        assert_eq!(sizes(&queue, 1), [11, 12, 15], "in the order in which they ended");
        assert_eq!(queue.take(2, 9, 2 + 14 + 2 + 10, 0.0), 2);
        assert_eq!(sizes(&queue, 2), [10, 14]);
    }

    #[test]
    fn what_goes_again_goes_first_and_in_order() {
        let mut queue = queue(&[1, 2, 3, 4]);
        queue.take(1, 2, usize::MAX, 0.0);
        queue.take(2, 1, usize::MAX, 0.0);
        assert_eq!(queue.put_back(1, false), 2);
        assert_eq!(queue.due_ms(&Rules::DEFAULT, 512), f64::NEG_INFINITY, "it has waited before");
        queue.take(3, 2, usize::MAX, 0.0);
        assert_eq!(sizes(&queue, 3), [1, 2]);
        assert_eq!(queue.remove(3), 2);
        assert_eq!((sizes(&queue, 2), sizes(&queue, WAITING), queue.len()), (std::vec![3], std::vec![4], 1));
    }
}
