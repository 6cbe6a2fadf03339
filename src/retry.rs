//! What becomes of a batch after an attempt to deliver it. Nothing waits here: the answer goes in,
//! the verdict comes out.
//!
//! Follows OTLP/HTTP: <https://opentelemetry.io/docs/specs/otlp/#failures>

/// The longest wait that a `Retry-After` may ask for, in milliseconds, whatever the policy allows
/// beyond it. A date is compared with the visitor's clock, which may be hours off, and a
/// misconfigured proxy may name any number: neither must silence a page for as long as it lives.
const LONGEST_RETRY_AFTER_MS: f64 = 300_000.0;

/// How an attempt to deliver a batch ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer {
    Status {
        /// The HTTP status.
        code: u16,
        /// What its header `Retry-After` asks to wait, zero where it does not ask. Across origins it is only readable if the server exposes it.
        retry_after_ms: f64,
    },
    /// No answer: offline, refused by CORS, blocked; the browser does not say which.
    NetworkError,
    /// The same, at once: the browser may have refused it for all that the page has in flight with `keepalive`.
    FailedAtOnce,
    /// No answer within the time allowed for one attempt.
    Timeout,
}

/// The option `retry`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    pub enabled: bool,
    /// The wait after the first attempt, doubled after each further one.
    pub initial_ms: f64,
    /// The longest such wait.
    pub max_ms: f64,
    /// How long a batch is tried, counted from its first attempt.
    pub max_elapsed_ms: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    Delivered,
    /// The collector answered with a status that stays the same however often we ask.
    Refused,
    /// Nothing goes to the collector before this time has passed; then the batch goes again.
    Retry {
        after_ms: f64,
    },
    /// The same, but the batch was tried for as long as the policy allows.
    GiveUp {
        after_ms: f64,
    },
}

/// Decides after an attempt. `failures` are those in a row that this collector could not take, this one included, of whatever batch: it is the
/// collector that is left alone. `elapsed_ms` counts from the start of the batch's first attempt, `random` lies in 0..1.
///
/// A wait that would end after `max_elapsed_ms` is cut to it, so that a batch gets a last chance at
/// the end of its time instead of being dropped while some is left.
pub fn decide(answer: Answer, policy: &Policy, failures: u32, elapsed_ms: f64, random: f64) -> Verdict {
    let retry_after_ms = match answer {
        Answer::Status { code: 200..=299, .. } => return Verdict::Delivered,
        Answer::Status { code: 429 | 502 | 503 | 504, retry_after_ms } => retry_after_ms,
        Answer::Status { .. } => return Verdict::Refused,
        Answer::NetworkError | Answer::FailedAtOnce | Answer::Timeout => 0.0,
    };
    // 2^20 times any sensible start is beyond any sensible maximum.
    let doublings = failures.saturating_sub(1).min(20);
    let step_ms = (policy.initial_ms * f64::from(1u32 << doublings)).min(policy.max_ms);
    // Every page of a site sees an outage at the same moment: half of the wait is left to chance,
    // so that they do not all come back at the same moment too.
    let wait_ms = step_ms * (0.5 + 0.5 * random);
    let after_ms = wait_ms.max(retry_after_ms.min(LONGEST_RETRY_AFTER_MS));
    let left_ms = policy.max_elapsed_ms - elapsed_ms;
    if policy.enabled && left_ms > 0.0 { Verdict::Retry { after_ms: after_ms.min(left_ms) } } else { Verdict::GiveUp { after_ms } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POLICY: Policy = Policy { enabled: true, initial_ms: 1000.0, max_ms: 30_000.0, max_elapsed_ms: 300_000.0 };

    fn status(code: u16) -> Answer {
        Answer::Status { code, retry_after_ms: 0.0 }
    }

    fn asked_to_wait(code: u16, ms: f64) -> Answer {
        Answer::Status { code, retry_after_ms: ms }
    }

    #[test]
    fn a_status_says_whether_to_try_again() {
        for code in 100..600 {
            let verdict = decide(status(code), &POLICY, 1, 0.0, 0.5);
            match code {
                200..=299 => assert_eq!(verdict, Verdict::Delivered, "{code}"),
                429 | 502 | 503 | 504 => assert_eq!(verdict, Verdict::Retry { after_ms: 750.0 }, "{code}"),
                _ => assert_eq!(verdict, Verdict::Refused, "{code}"),
            }
        }
        assert_eq!(decide(Answer::NetworkError, &POLICY, 1, 0.0, 0.5), Verdict::Retry { after_ms: 750.0 });
        assert_eq!(decide(Answer::Timeout, &POLICY, 1, 0.0, 0.5), Verdict::Retry { after_ms: 750.0 });
    }

    #[test]
    fn the_wait_doubles_up_to_its_maximum_and_half_of_it_is_chance() {
        let waits = [(1, 1000.0), (2, 2000.0), (3, 4000.0), (5, 16_000.0), (6, 30_000.0), (7, 30_000.0), (u32::MAX, 30_000.0)];
        for (failures, longest) in waits {
            for random in [0.0, 0.25, 0.999] {
                let after_ms = longest * (0.5 + random / 2.0);
                assert_eq!(
                    decide(Answer::NetworkError, &POLICY, failures, 0.0, random),
                    Verdict::Retry { after_ms },
                    "{failures} failures, random {random}",
                );
            }
        }
    }

    #[test]
    fn retry_after_is_waited_for_when_it_is_longer() {
        let cases = [
            ("longer than our own wait", 20_000.0, 20_000.0),
            ("longer than the longest of our own waits", 120_000.0, 120_000.0),
            ("shorter than our own wait", 10.0, 500.0),
            ("now", 0.0, 500.0),
            ("longer than the time left", 3_600_000.0, 300_000.0),
        ];
        for (name, asked_ms, after_ms) in cases {
            for code in [429, 502, 503, 504] {
                let verdict = decide(asked_to_wait(code, asked_ms), &POLICY, 1, 0.0, 0.0);
                assert_eq!(verdict, Verdict::Retry { after_ms }, "{name}");
            }
        }
        assert_eq!(decide(asked_to_wait(500, 1000.0), &POLICY, 1, 0.0, 0.0), Verdict::Refused);
        assert_eq!(decide(asked_to_wait(200, 1000.0), &POLICY, 1, 0.0, 0.0), Verdict::Delivered);
    }

    #[test]
    fn retry_after_is_bounded_even_when_trying_is_not() {
        let for_ever = Policy { max_elapsed_ms: f64::INFINITY, ..POLICY };
        let verdict = decide(asked_to_wait(503, f64::INFINITY), &for_ever, 9, 1e12, 0.0);
        assert_eq!(verdict, Verdict::Retry { after_ms: LONGEST_RETRY_AFTER_MS });
    }

    #[test]
    fn the_last_try_is_at_the_end_of_the_time_allowed() {
        let after = |elapsed_ms| decide(Answer::Timeout, &POLICY, 9, elapsed_ms, 0.0);
        assert_eq!(after(280_000.0), Verdict::Retry { after_ms: 15_000.0 });
        assert_eq!(after(290_000.0), Verdict::Retry { after_ms: 10_000.0 });
        // The next batch does not hurry to where this one has failed.
        assert_eq!(after(300_000.0), Verdict::GiveUp { after_ms: 15_000.0 });
        assert_eq!(after(310_000.0), Verdict::GiveUp { after_ms: 15_000.0 });
        assert_eq!(decide(status(200), &POLICY, 9, 310_000.0, 0.0), Verdict::Delivered);
    }

    #[test]
    fn switched_off_gives_up_what_could_have_been_tried_again_and_still_waits_as_asked() {
        let off = Policy { enabled: false, initial_ms: 0.0, max_ms: 0.0, max_elapsed_ms: 0.0 };
        assert_eq!(decide(status(503), &off, 1, 0.0, 0.0), Verdict::GiveUp { after_ms: 0.0 });
        assert_eq!(decide(asked_to_wait(503, 5000.0), &off, 1, 0.0, 0.0), Verdict::GiveUp { after_ms: 5000.0 });
        assert_eq!(decide(Answer::NetworkError, &off, 1, 0.0, 0.0), Verdict::GiveUp { after_ms: 0.0 });
        assert_eq!(decide(status(400), &off, 1, 0.0, 0.0), Verdict::Refused);
        assert_eq!(decide(status(204), &off, 1, 0.0, 0.0), Verdict::Delivered);
    }

    proptest! {
        #[test]
        fn a_wait_is_never_negative_nor_beyond_the_time_left(
            asked_ms in 0.0..1e9,
            failures: u32,
            elapsed_ms in 0.0..299_999.0,
            random in 0.0..1.0,
        ) {
            let verdict = decide(asked_to_wait(503, asked_ms), &POLICY, failures, elapsed_ms, random);
            let Verdict::Retry { after_ms } = verdict else { panic!("{verdict:?}") };
            prop_assert!(after_ms > 0.0 && after_ms <= POLICY.max_elapsed_ms - elapsed_ms);
        }
    }
}
