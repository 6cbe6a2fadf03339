//! Runaway protection: a page that fetches in an endless loop, or throws in every frame, costs a bounded number of spans.

use alloc::vec::Vec;

const MINUTE_MS: f64 = 60_000.0;

/// Counts what is captured in each minute, each instrumentation scope for itself: a storm of errors leaves the requests their spans. Spans that
/// the page starts itself are its own affair.
pub struct Runaway {
    pub max_per_minute: u32,
    since_ms: f64,
    /// By scope; none before the first minute.
    counts: Vec<u32>,
}

impl Runaway {
    pub const fn new(max_per_minute: u32) -> Runaway {
        Runaway { max_per_minute, since_ms: f64::NEG_INFINITY, counts: Vec::new() }
    }

    /// Whether one more may be captured in this scope at this time.
    pub fn allows(&mut self, scope: u8, at_ms: f64) -> bool {
        if at_ms - self.since_ms >= MINUTE_MS {
            self.since_ms = at_ms;
            self.counts = alloc::vec![0; 256];
        }
        let Some(count) = self.counts.get_mut(scope as usize) else { return true };
        *count += 1;
        *count <= self.max_per_minute
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_a_minute_and_in_the_next_one_again() {
        let mut runaway = Runaway::new(3);
        let allowed = |runaway: &mut Runaway, at_ms: f64| (0..5).filter(|_| runaway.allows(0, at_ms)).count();
        assert_eq!(allowed(&mut runaway, 100.0), 3);
        assert_eq!(allowed(&mut runaway, 60_099.0), 0);
        assert_eq!(allowed(&mut runaway, 60_100.0), 3);
        assert_eq!(allowed(&mut runaway, 90_000.0), 0, "an event of the past counts too");
        assert_eq!(allowed(&mut runaway, 10_000.0), 0);
        assert_eq!(allowed(&mut runaway, 500_000.0), 3);
    }

    #[test]
    fn each_scope_has_its_own_number() {
        let mut runaway = Runaway::new(1);
        let allowed = [0, 0, 255, 255, 0, 7].map(|scope| runaway.allows(scope, 5.0));
        assert_eq!(allowed, [true, false, true, false, false, true]);
    }
}
