//! Runaway protection: a page that fetches in an endless loop, or throws in every frame, costs a bounded number of spans.

const MINUTE_MS: f64 = 60_000.0;

/// Counts what is captured in each minute. Spans that the page starts itself are its own affair.
pub struct Runaway {
    pub max_per_minute: u32,
    since_ms: f64,
    count: u32,
}

impl Runaway {
    pub const fn new(max_per_minute: u32) -> Runaway {
        Runaway { max_per_minute, since_ms: 0.0, count: 0 }
    }

    /// Whether one more may be captured at this time.
    pub fn allows(&mut self, at_ms: f64) -> bool {
        if at_ms - self.since_ms >= MINUTE_MS {
            self.since_ms = at_ms;
            self.count = 0;
        }
        self.count += 1;
        self.count <= self.max_per_minute
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_a_minute_and_in_the_next_one_again() {
        let mut runaway = Runaway::new(3);
        let allowed = |runaway: &mut Runaway, at_ms: f64| (0..5).filter(|_| runaway.allows(at_ms)).count();
        assert_eq!(allowed(&mut runaway, 100.0), 3);
        assert_eq!(allowed(&mut runaway, 59_999.0), 0);
        assert_eq!(allowed(&mut runaway, 60_000.0), 3);
        assert_eq!(allowed(&mut runaway, 90_000.0), 0, "an event of the past counts too");
        assert_eq!(allowed(&mut runaway, 10_000.0), 0);
        assert_eq!(allowed(&mut runaway, 500_000.0), 3);
    }
}
