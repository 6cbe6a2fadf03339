//! Finished spans on their way out: the queue of those that wait, and the batches that have left and wait for their answer.

use alloc::boxed::Box;
use alloc::vec::Vec;

/// A span that has ended, as the bytes of its message.
pub struct Finished {
    /// Index in the engine's list of instrumentation scopes.
    pub scope: u8,
    pub bytes: Box<[u8]>,
}

impl Finished {
    /// Bytes that it adds to a request.
    pub fn wire_size(&self) -> usize {
        crate::otlp::trace::scope_spans::SPANS.len_size(self.bytes.len())
    }
}

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

/// The spans that wait, eldest first.
#[derive(Default)]
pub struct Queue {
    spans: Vec<Finished>,
    /// Since when the eldest waits.
    since_ms: f64,
}

impl Queue {
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// False when the queue is full: then the span is lost.
    pub fn push(&mut self, span: Finished, now_ms: f64, rules: &Rules) -> bool {
        if self.spans.len() >= rules.max_queue_size {
            return false;
        }
        if self.spans.is_empty() {
            self.since_ms = now_ms;
        }
        self.spans.push(span);
        true
    }

    /// Back to the front: they were on their way, and have to go again.
    pub fn put_back(&mut self, mut spans: Vec<Finished>) {
        spans.append(&mut self.spans);
        self.spans = spans;
    }

    /// When the next batch is due by its count or its age. `None`: nothing waits.
    pub fn due_ms(&self, rules: &Rules, max_batch: usize) -> Option<f64> {
        match self.spans.len() {
            0 => None,
            count if count >= max_batch => Some(f64::NEG_INFINITY),
            _ => Some(self.since_ms + rules.scheduled_delay_ms),
        }
    }

    /// The eldest spans, as many as `max_spans` and `max_bytes` allow; what stays behind waits from now on.
    pub fn take(&mut self, max_spans: usize, max_bytes: usize, now_ms: f64) -> Vec<Finished> {
        let mut bytes = 0;
        let fitting = self.spans.iter().take(max_spans).take_while(|span| {
            bytes += span.wire_size();
            bytes <= max_bytes
        });
        let count = fitting.count();
        self.since_ms = now_ms;
        let behind = self.spans.split_off(count);
        core::mem::replace(&mut self.spans, behind)
    }

    pub fn clear(&mut self) {
        self.spans.clear();
    }
}

pub enum State {
    /// A request is under way. `keepalive_bytes` is what it takes of our share, zero when it goes without.
    InFlight { keepalive_bytes: usize },
    /// It failed, and goes again at this time.
    Waiting { until_ms: f64 },
}

/// Spans that leave in one request, until that request is answered for good.
pub struct Batch {
    pub id: i32,
    pub spans: Vec<Finished>,
    /// Requests made so far.
    pub attempts: u32,
    pub first_sent_ms: f64,
    pub state: State,
}

impl Batch {
    pub fn is_in_flight(&self) -> bool {
        matches!(self.state, State::InFlight { .. })
    }

    pub fn keepalive_bytes(&self) -> usize {
        if let State::InFlight { keepalive_bytes } = self.state { keepalive_bytes } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(bytes: usize) -> Finished {
        Finished { scope: 0, bytes: alloc::vec![0; bytes].into_boxed_slice() }
    }

    fn queue(sizes: &[usize]) -> Queue {
        let mut queue = Queue::default();
        for &size in sizes {
            assert!(queue.push(span(size), 100.0, &Rules::DEFAULT));
        }
        queue
    }

    fn sizes(spans: &[Finished]) -> Vec<usize> {
        spans.iter().map(|span| span.bytes.len()).collect()
    }

    #[test]
    fn a_batch_is_due_by_age_or_by_count() {
        let rules = Rules { max_export_batch_size: 3, ..Rules::DEFAULT };
        assert_eq!(Queue::default().due_ms(&rules, 3), None);
        assert_eq!(queue(&[1]).due_ms(&rules, 3), Some(5100.0));
        assert_eq!(queue(&[1, 1, 1]).due_ms(&rules, 3), Some(f64::NEG_INFINITY));
    }

    #[test]
    fn the_age_is_that_of_the_eldest_that_waits() {
        let mut queue = queue(&[1]);
        queue.push(span(1), 3000.0, &Rules::DEFAULT);
        assert_eq!(queue.due_ms(&Rules::DEFAULT, 512), Some(5100.0));
        queue.take(1, usize::MAX, 4000.0);
        assert_eq!(queue.due_ms(&Rules::DEFAULT, 512), Some(9000.0));
    }

    #[test]
    fn a_full_queue_refuses() {
        let rules = Rules { max_queue_size: 2, ..Rules::DEFAULT };
        let mut queue = Queue::default();
        assert_eq!([1, 2, 3].map(|size| queue.push(span(size), 0.0, &rules)), [true, true, false]);
        assert_eq!(sizes(&queue.take(9, usize::MAX, 0.0)), [1, 2]);
    }

    #[test]
    fn a_batch_takes_what_fits_in_count_and_bytes() {
        // Each span adds a tag and a length: two bytes for these.
        let cases: [(usize, usize, &[usize]); 5] =
            [(9, 1000, &[10, 20, 30]), (2, 1000, &[10, 20]), (9, 34, &[10, 20]), (9, 33, &[10]), (9, 11, &[])];
        for (max_spans, max_bytes, wanted) in cases {
            assert_eq!(sizes(&queue(&[10, 20, 30]).take(max_spans, max_bytes, 0.0)), wanted, "{max_spans} spans, {max_bytes} bytes");
        }
    }

    #[test]
    fn what_goes_again_goes_first_and_in_order() {
        let mut queue = queue(&[1, 2, 3, 4]);
        let taken = queue.take(2, usize::MAX, 0.0);
        queue.put_back(taken);
        assert_eq!(sizes(&queue.take(9, usize::MAX, 0.0)), [1, 2, 3, 4]);
    }
}
