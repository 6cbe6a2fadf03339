//! Which traces are recorded: decided at the root, followed by all below. <https://opentelemetry.io/docs/specs/otel/trace/sdk/#sampling>

use crate::context::{SAMPLED, SpanContext};

/// What a root span does; a span with a parent does as its parent did. Traces are kept whose folded id lies below this bound: with the same
/// ratio, the same traces as OpenTelemetry JS keeps.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Sampler {
    bound: u64,
}

impl Sampler {
    pub const ALWAYS_ON: Sampler = Sampler { bound: 1 << 32 };
    pub const ALWAYS_OFF: Sampler = Sampler { bound: 0 };

    /// `ratio` of all traces, from 0 to 1.
    pub fn ratio(ratio: f64) -> Sampler {
        // What is below zero or no number counts as zero.
        if ratio >= 1.0 { Sampler::ALWAYS_ON } else { Sampler { bound: (ratio * f64::from(u32::MAX)) as u64 } }
    }

    /// `decided` is the word of a sampler function of the page, which comes before ours and is asked for each span.
    pub fn samples(self, decided: Option<bool>, parent: Option<&SpanContext>, trace_id: &[u8; 16]) -> bool {
        if let Some(decided) = decided {
            return decided;
        }
        if let Some(parent) = parent {
            return parent.flags & SAMPLED != 0;
        }
        u64::from(fold(trace_id)) < self.bound
    }
}

/// The four words of a trace id, folded with XOR.
fn fold(trace_id: &[u8; 16]) -> u32 {
    trace_id.as_chunks().0.iter().fold(0, |folded, word| folded ^ u32::from_be_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parent(flags: u8) -> SpanContext {
        SpanContext { trace_id: [1; 16], span_id: [1; 8], flags, remote: false }
    }

    #[test]
    fn a_child_does_as_its_parent_whatever_the_sampler_says() {
        for sampler in [Sampler::ALWAYS_ON, Sampler::ALWAYS_OFF, Sampler::ratio(0.5)] {
            assert!(sampler.samples(None, Some(&parent(SAMPLED)), &[1; 16]));
            assert!(!sampler.samples(None, Some(&parent(0)), &[1; 16]));
        }
    }

    #[test]
    fn the_pages_own_word_comes_first() {
        assert!(!Sampler::ALWAYS_ON.samples(Some(false), Some(&parent(SAMPLED)), &[1; 16]));
        assert!(Sampler::ALWAYS_OFF.samples(Some(true), None, &[1; 16]));
    }

    #[test]
    fn the_ratio_keeps_that_share_of_random_ids() {
        let bytes = crate::id::draw().unwrap();
        let ids: std::vec::Vec<[u8; 16]> = bytes.chunks_exact(16).map(|id| id.try_into().unwrap()).collect();
        let kept = ids.iter().filter(|id| Sampler::ratio(0.5).samples(None, None, id)).count();
        // 256 ids: seven standard deviations around the half.
        assert!((72..=184).contains(&kept), "{kept}");
    }

    #[test]
    fn the_ratio_keeps_the_traces_that_opentelemetry_js_keeps() {
        // Folded id and bound as TraceIdRatioBasedSampler(0.5) computes them: floor(0.5 * 0xffffffff) = 0x7fffffff.
        let id = |text: &str| u128::from_str_radix(text, 16).unwrap().to_be_bytes();
        for (trace_id, kept) in [
            ("00000000000000000000000000000001", true),
            ("7ffffffe000000000000000000000000", true),
            ("7fffffff000000000000000000000000", false),
            ("ffffffff000000000000000000000000", false),
            ("ffffffff80000001000000000000000f", true),
        ] {
            assert_eq!(Sampler::ratio(0.5).samples(None, None, &id(trace_id)), kept, "{trace_id}");
        }
    }

    #[test]
    fn the_ends_of_the_ratio_are_all_and_nothing() {
        for (ratio, sampler) in [
            (1.0, Sampler::ALWAYS_ON),
            (2.0, Sampler::ALWAYS_ON),
            (0.0, Sampler::ALWAYS_OFF),
            (-1.0, Sampler::ALWAYS_OFF),
            (f64::NAN, Sampler::ALWAYS_OFF),
        ] {
            assert_eq!(Sampler::ratio(ratio), sampler, "{ratio}");
        }
    }
}
