//! Whether requests are compressed. `Content-Encoding` is a header that a collector on another origin has to allow, and a browser tells of its
//! refusal as of any other failure: so it is known only when the same request goes through without.
//! <https://fetch.spec.whatwg.org/#cors-safelisted-request-header>

use crate::retry::Answer;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Compression {
    Off,
    /// Nobody has answered a compressed request so far.
    Untried {
        cross_origin: bool,
    },
    Accepted,
}

impl Compression {
    /// What leaves with the page has no second attempt: it is not compressed where that may be refused.
    pub fn applies(self, leaving: bool) -> bool {
        match self {
            Compression::Off => false,
            Compression::Untried { cross_origin } => !(cross_origin && leaving),
            Compression::Accepted => true,
        }
    }

    /// This answer to a compressed request may be about the compression.
    pub fn doubts(self, answer: &Answer) -> bool {
        matches!(self, Compression::Untried { .. })
            && matches!(answer, Answer::NetworkError | Answer::FailedAtOnce | Answer::Status { code: 400 | 415, .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_with_the_page_is_compressed_only_where_it_cannot_be_refused() {
        for (compression, staying, leaving) in [
            (Compression::Off, false, false),
            (Compression::Untried { cross_origin: false }, true, true),
            (Compression::Untried { cross_origin: true }, true, false),
            (Compression::Accepted, true, true),
        ] {
            assert_eq!((compression.applies(false), compression.applies(true)), (staying, leaving), "{compression:?}");
        }
    }

    #[test]
    fn only_what_may_be_a_refusal_of_the_compression_raises_doubts() {
        let status = |code| Answer::Status { code, retry_after_ms: 0.0 };
        let untried = Compression::Untried { cross_origin: true };
        for (answer, doubts) in [
            (Answer::NetworkError, true),
            (status(400), true),
            (status(415), true),
            (status(200), false),
            (status(401), false),
            (status(413), false),
            (status(503), false),
            (Answer::Timeout, false),
        ] {
            assert_eq!(untried.doubts(&answer), doubts, "{answer:?}");
            assert!(!Compression::Accepted.doubts(&answer), "{answer:?}");
        }
    }
}
