//! Page milliseconds to Unix nanoseconds: the only file that knows that a millisecond has a million of them.

/// Nanoseconds since 1970-01-01T00:00:00Z, as OTLP has them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct UnixNanos(pub u64);

const NANOS_PER_MS: f64 = 1e6;

/// The last millisecond whose nanoseconds fit into OTLP's 64 bits, in the year 2554. A page may give any number as a time.
const LATEST_MS: f64 = 18_446_744_073_709.0;

/// `performance.now()` stands still while the machine sleeps. Clocks that differ by more than this have drifted; smaller differences
/// are the wall clock being adjusted, which must not move spans against each other.
const DRIFT_MS: f64 = 1000.0;

/// When page time was zero, in Unix milliseconds: `performance.timeOrigin`, or later what the wall clock says.
///
/// A span keeps the anchor it was started with, so that its duration is the one that the page's clock measured.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Anchor {
    origin_ms: f64,
}

impl Anchor {
    pub const fn new(time_origin_ms: f64) -> Anchor {
        Anchor { origin_ms: time_origin_ms }
    }

    /// The anchor to go on with, given what both clocks say now.
    #[must_use]
    pub fn checked(self, wall_ms: f64, page_ms: f64) -> Anchor {
        let origin_ms = wall_ms - page_ms;
        let drift_ms = origin_ms - self.origin_ms;
        if drift_ms.abs() > DRIFT_MS { Anchor { origin_ms } } else { self }
    }

    /// Milliseconds from the start of the page, or from 1970. Both are one type, as in OpenTelemetry JS; no page lives for the decades that
    /// lie between them.
    pub fn unix(self, ms: f64) -> UnixNanos {
        if ms < self.origin_ms / 2.0 { UnixNanos(nanos(self.origin_ms) + nanos(ms)) } else { UnixNanos(nanos(ms)) }
    }
}

/// Whole milliseconds and the rest apart: as one product, today's time in nanoseconds would exceed what a double holds exactly.
fn nanos(ms: f64) -> u64 {
    let ms = if ms > LATEST_MS { LATEST_MS } else { ms };
    let whole = ms as u64;
    // Rounded, as 0.678 ms is a little less than 678,000 ns.
    whole * NANOS_PER_MS as u64 + ((ms - whole as f64) * NANOS_PER_MS + 0.5) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN_MS: f64 = 1_700_000_000_000.25;

    #[test]
    fn page_time_counts_from_the_origin_and_wall_time_from_1970() {
        let anchor = Anchor::new(ORIGIN_MS);
        assert_eq!(anchor.unix(0.0), UnixNanos(1_700_000_000_000_250_000));
        assert_eq!(anchor.unix(1.5), UnixNanos(1_700_000_000_001_750_000));
        assert_eq!(anchor.unix(0.000_001), UnixNanos(1_700_000_000_000_250_001));
        assert_eq!(anchor.unix(1_800_000_000_000.5), UnixNanos(1_800_000_000_000_500_000));
        assert_eq!(anchor.unix(1_600_000_000_000.0), UnixNanos(1_600_000_000_000_000_000), "before the page was opened");
    }

    #[test]
    fn nonsense_is_a_time_and_no_trap() {
        let anchor = Anchor::new(ORIGIN_MS);
        for ms in [f64::NAN, -5.0, f64::NEG_INFINITY] {
            anchor.unix(ms);
        }
    }

    #[test]
    fn sleep_moves_the_anchor_and_small_corrections_do_not() {
        let anchor = Anchor::new(ORIGIN_MS);
        let page_ms = 60_000.0;
        for (drift_ms, moved) in [(0.0, false), (999.0, false), (-999.0, false), (1001.0, true), (-1001.0, true), (3_600_000.0, true)] {
            let now = anchor.checked(ORIGIN_MS + page_ms + drift_ms, page_ms);
            assert_eq!(now != anchor, moved, "{drift_ms}");
            if moved {
                assert_eq!(now.unix(page_ms), Anchor::new(0.0).unix(ORIGIN_MS + page_ms + drift_ms));
            }
        }
    }
}
