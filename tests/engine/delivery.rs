//! When spans go out while the page is in use, and what an answer means.

use webspan::batch::Rules;
use webspan::delivery::Loss;
use webspan::retry::{Answer, Policy};
use webspan::span::StatusCode;

use crate::driver::{Driver, Report};

fn rules(max_export_batch_size: usize, max_queue_size: usize) -> Rules {
    Rules { scheduled_delay_ms: 5000.0, max_export_batch_size, max_queue_size }
}

fn busy(retry_after_ms: f64) -> Answer {
    Answer::Status { code: 503, retry_after_ms }
}

// ---- when a batch is due

#[test]
fn the_first_span_starts_the_timer_and_its_age_sends_them_all() {
    let mut page = Driver::new();
    page.spans(0..1);
    assert_eq!(page.timer_ms(), Some(5000.0));
    page.advance(3000.0);
    page.spans(1..3);
    page.advance(1999.0);
    page.assert_nothing_sent();
    assert_eq!(page.engine.delivery.counts.queued, 3);
    page.advance(1.0);
    assert_eq!(page.only_request().names(), ["0", "1", "2"]);
    assert_eq!((page.engine.delivery.counts.queued, page.engine.delivery.counts.in_flight), (0, 3));
}

#[test]
fn a_full_batch_goes_at_once() {
    let mut page = Driver::new();
    page.engine.delivery.rules = rules(3, 10);
    page.spans(0..2);
    page.assert_nothing_sent();
    page.spans(2..3);
    assert_eq!(page.only_request().names(), ["0", "1", "2"]);
}

#[test]
fn what_stays_behind_a_full_batch_goes_after_its_answer_by_count_or_age() {
    let mut page = Driver::new();
    page.engine.delivery.rules = rules(3, 10);
    page.spans(0..3);
    let first = page.only_request();
    page.spans(3..7);
    page.assert_nothing_sent();
    assert_eq!(page.timer_ms(), None, "one request at a time: its answer is waited for");
    page.advance(3000.0);
    page.status(&first, 200);
    let second = page.only_request();
    assert_eq!(second.names(), ["3", "4", "5"]);
    page.status(&second, 200);
    page.advance(4999.0);
    page.assert_nothing_sent();
    page.advance(1.0);
    assert_eq!(page.only_request().names(), ["6"]);
}

#[test]
fn a_flush_sends_everything_batch_by_batch_and_is_settled_when_all_is_answered() {
    let mut page = Driver::new();
    page.engine.delivery.rules = rules(2, 10);
    assert!(page.engine.delivery.is_settled());
    page.engine.delivery.held = true;
    page.spans(0..5);
    page.engine.delivery.held = false;
    page.engine.delivery.flush();
    assert!(!page.engine.delivery.is_settled());
    page.pump();
    for names in [&["0", "1"][..], &["2", "3"], &["4"]] {
        assert!(!page.engine.delivery.is_settled());
        let request = page.only_request();
        assert_eq!(request.names(), names);
        page.status(&request, 200);
    }
    assert!(page.engine.delivery.is_settled());
    page.flush();
    assert!(page.engine.delivery.is_settled(), "there is nothing to wait for");
}

#[test]
fn a_flush_does_not_wait_for_what_ends_while_it_is_under_way() {
    let mut page = Driver::new();
    page.engine.delivery.rules = rules(2, 10);
    page.spans(0..3);
    let mut request = page.only_request();
    page.flush();
    for (number, names) in [(3, vec!["0", "1"]), (4, vec!["2"])] {
        // The page ends a span whenever something is sent.
        assert_eq!(request.names(), names);
        page.spans(number..number + 1);
        assert!(!page.engine.delivery.is_settled());
        page.status(&request, 200);
        if number == 3 {
            request = page.only_request();
        }
    }
    assert!(page.engine.delivery.is_settled());
    // Two of them are a batch.
    assert_eq!(page.only_request().names(), ["3", "4"]);
}

#[test]
fn what_had_ended_before_a_flush_goes_before_errors_that_end_after_it() {
    let mut page = Driver::new();
    page.engine.delivery.rules = rules(1, 10);
    page.hold(true);
    page.spans(0..3);
    page.engine.delivery.held = false;
    page.flush();
    for number in 0..3 {
        let request = page.only_request();
        assert_eq!(request.names(), [number.to_string()]);
        let failed = page.start("failed");
        page.engine.set_status(failed, StatusCode::Error, b"");
        page.end(failed);
        page.status(&request, 200);
    }
    assert!(page.engine.delivery.is_settled());
}

#[test]
fn a_page_that_is_left_during_a_flush_sends_what_ended_after_it_too() {
    for answered in [false, true] {
        let mut page = Driver::new();
        page.spans(0..2);
        page.flush();
        let request = page.only_request();
        page.spans(2..4);
        if answered {
            page.status(&request, 200);
        }
        page.hide();
        assert_eq!(page.only_request().names(), ["2", "3"]);
    }
}

#[test]
fn a_flush_is_settled_by_a_failed_attempt_and_does_not_wait_for_the_next() {
    let mut page = Driver::new();
    page.spans(0..1);
    page.flush();
    let request = page.only_request();
    assert!(!page.engine.delivery.is_settled());
    page.answer(&request, Answer::NetworkError);
    assert!(page.engine.delivery.is_settled());
    // The next flush does not wait for the back-off.
    page.flush();
    assert_eq!(page.only_request().names(), ["0"]);
    assert!(!page.engine.delivery.is_settled());
}

#[test]
fn a_request_is_keepalive_while_the_page_is_in_use_if_it_is_small_enough() {
    for (bytes, keepalive) in [(100, true), (15_000, true), (16_384, false), (40_000, false)] {
        let mut page = Driver::new();
        page.large_span("span", bytes);
        page.flush();
        let request = page.only_request();
        assert_eq!(request.keepalive, keepalive, "a body of {} bytes", request.body.len());
        assert_eq!(request.keepalive, request.body.len() <= 16_384);
    }
}

#[test]
fn the_share_of_the_page_in_use_is_used_to_its_last_byte() {
    let size_of = |bytes| {
        let mut page = Driver::new();
        page.large_span("span", bytes);
        page.flush();
        page.only_request()
    };
    let room = 16_384 - size_of(16_000).body.len();
    let (fits, too_large) = (size_of(16_000 + room), size_of(16_000 + room + 1));
    assert_eq!((fits.body.len(), fits.keepalive), (16_384, true));
    assert_eq!((too_large.body.len(), too_large.keepalive), (16_385, false));
}

#[test]
fn no_timer_is_longer_than_a_browser_can_wait() {
    let mut page = Driver::new();
    page.engine.delivery.rules.scheduled_delay_ms = 1e12;
    page.spans(0..1);
    assert_eq!(page.timer_ms(), Some(2_147_483_647.0));
    page.advance(1e12 - 1.0);
    page.assert_nothing_sent();
    page.advance(1.0);
    assert_eq!(page.only_request().names(), ["0"]);
}

// ---- what keeps spans back

#[test]
fn what_is_held_is_kept_and_nothing_is_sent_whatever_happens() {
    let mut page = Driver::new();
    page.engine.delivery.rules = rules(3, 10);
    page.hold(true);
    page.spans(0..7);
    page.flush();
    assert!(page.engine.delivery.is_settled(), "nobody waits for a consent");
    page.advance(1e9);
    page.hide();
    page.leave();
    page.show();
    page.assert_nothing_sent();
    assert_eq!((page.engine.delivery.counts.queued, page.timer_ms()), (7, None));
    page.hold(false);
    let request = page.only_request();
    assert_eq!(request.names(), ["0", "1", "2"]);
    assert_eq!(page.engine.delivery.counts.queued, 4);
}

#[test]
fn what_is_held_is_bounded_by_the_queue() {
    let mut page = Driver::new();
    page.engine.delivery.rules = rules(2, 4);
    page.hold(true);
    page.spans(0..6);
    assert_eq!((page.engine.delivery.counts.queued, page.dropped(Loss::QueueFull)), (4, 2));
    page.hold(false);
    assert_eq!(page.only_request().names(), ["0", "1"], "the eldest are kept");
    page.assert_books_balance();
}

#[test]
fn what_is_discarded_is_lost_for_the_reason_given_and_without_a_report() {
    for loss in [Loss::Consent, Loss::Shutdown] {
        let mut page = Driver::new();
        page.spans(0..2);
        page.flush();
        let in_flight = page.only_request();
        page.spans(2..5);
        let open = page.start("open");
        page.engine.discard(loss);
        page.pump();
        assert_eq!(page.dropped(loss), 3);
        assert_eq!(page.engine.delivery.counts.unacknowledged, 2, "they have left, and may arrive");
        assert_eq!((page.engine.delivery.counts.queued, page.engine.delivery.counts.in_flight), (0, 0));
        assert_eq!((&page.reports[..], page.timer_ms()), (&[][..], None));
        assert!(page.engine.delivery.is_settled());
        // What was in flight is answered; what was open ends.
        page.status(&in_flight, 200);
        page.end(open);
        page.flush();
        page.assert_nothing_sent();
        assert_eq!((page.engine.delivery.counts.ended, page.engine.delivery.counts.delivered), (5, 0));
        page.assert_books_balance();
        // The user may come to consent after all.
        page.spans(5..6);
        page.flush();
        assert_eq!(page.only_request().names(), ["5"]);
    }
}

#[test]
fn without_an_endpoint_spans_are_counted_and_it_is_told_once() {
    let mut page = Driver::new();
    page.engine.delivery.endpoint = false;
    page.spans(0..3);
    page.flush();
    page.hide();
    page.assert_nothing_sent();
    assert!(page.engine.delivery.is_settled());
    assert_eq!(page.dropped(Loss::NoEndpoint), 3);
    assert_eq!(page.reports, [Report { loss: Loss::NoEndpoint, status: 0, spans: 1 }]);
    page.assert_books_balance();
}

#[test]
fn a_full_queue_drops_the_newest_and_takes_more_when_there_is_room() {
    let mut page = Driver::new();
    page.engine.delivery.rules = rules(2, 3);
    page.spans(0..2);
    let first = page.only_request();
    page.spans(2..7);
    assert_eq!((page.engine.delivery.counts.queued, page.dropped(Loss::QueueFull)), (3, 2));
    assert_eq!(page.reports, [Report { loss: Loss::QueueFull, status: 0, spans: 1 }]);
    page.status(&first, 200);
    let second = page.only_request();
    assert_eq!(second.names(), ["2", "3"]);
    page.spans(7..8);
    page.status(&second, 200);
    assert_eq!(page.only_request().names(), ["4", "7"]);
    page.assert_books_balance();
}

// ---- answers

#[test]
fn what_was_taken_is_delivered_and_nothing_is_waited_for() {
    for code in [200, 202, 204] {
        let mut page = Driver::new();
        page.spans(0..3);
        page.flush();
        let request = page.only_request();
        page.status(&request, code);
        assert_eq!(page.engine.delivery.counts.delivered, 3, "{code}");
        assert_eq!((page.timer_ms(), &page.reports[..]), (None, &[][..]), "{code}");
        page.assert_books_balance();
    }
}

#[test]
fn a_partial_success_is_counted_told_and_never_repeated() {
    for (rejected, delivered, lost) in [(0, 3, 0), (1, 2, 1), (3, 0, 3), (u32::MAX, 0, 3)] {
        let mut page = Driver::new();
        page.spans(0..3);
        page.flush();
        let request = page.only_request();
        page.answer_rejecting(&request, Answer::Status { code: 200, retry_after_ms: 0.0 }, rejected);
        assert_eq!((page.engine.delivery.counts.delivered, page.dropped(Loss::Rejected)), (delivered, lost), "{rejected} rejected");
        let told: Vec<Report> = (lost > 0).then_some(Report { loss: Loss::Rejected, status: 200, spans: lost }).into_iter().collect();
        assert_eq!(page.reports, told);
        page.advance(1e6);
        page.assert_nothing_sent();
        page.assert_books_balance();
    }
}

#[test]
fn what_is_refused_for_good_is_dropped_with_its_status_and_never_repeated() {
    for code in [302, 400, 401, 403, 404, 413, 415, 500, 501] {
        let mut page = Driver::new();
        page.spans(0..1);
        page.flush();
        let request = page.only_request();
        page.status(&request, code);
        assert_eq!(page.dropped(Loss::Refused), 1, "{code}");
        assert_eq!(page.reports, [Report { loss: Loss::Refused, status: code, spans: 1 }]);
        assert!(page.engine.delivery.is_settled(), "{code}");
        page.advance(1e6);
        page.assert_nothing_sent();
        page.assert_books_balance();
    }
}

#[test]
fn each_kind_of_loss_is_told_once_and_all_are_counted() {
    let mut page = Driver::new();
    for round in 0..3 {
        for code in [400, 401] {
            page.spans(0..2);
            page.flush();
            let request = page.only_request();
            page.status(&request, code);
        }
        page.spans(0..1);
        page.flush();
        let request = page.only_request();
        page.answer_rejecting(&request, Answer::Status { code: 200, retry_after_ms: 0.0 }, 1);
        assert_eq!(page.dropped(Loss::Refused), (round + 1) * 4);
    }
    let told = [Report { loss: Loss::Refused, status: 400, spans: 2 }, Report { loss: Loss::Rejected, status: 200, spans: 1 }];
    assert_eq!(page.reports, told);
}

#[test]
fn what_could_not_be_delivered_goes_again_later_and_later_as_the_very_same_request() {
    let mut page = Driver::new();
    page.spans(0..2);
    page.flush();
    let first = page.only_request();
    let answers = [
        Answer::NetworkError,
        Answer::Timeout,
        Answer::Status { code: 503, retry_after_ms: 0.0 },
        Answer::Status { code: 429, retry_after_ms: 0.0 },
    ];
    // Half of each wait is left to chance, and chance here says the middle.
    for (answer, wait_ms) in answers.into_iter().zip([750.0, 1500.0, 3000.0, 6000.0]) {
        page.answer(&first, answer);
        assert_eq!(page.timer_ms(), Some(wait_ms), "after {answer:?}");
        assert_eq!(
            (page.engine.delivery.counts.in_flight, page.engine.delivery.counts.queued, page.engine.delivery.counts.delivered),
            (0, 2, 0),
            "between two attempts it waits to be sent"
        );
        page.advance(wait_ms - 1.0);
        page.assert_nothing_sent();
        page.advance(1.0);
        let again = page.only_request();
        assert_eq!((again.batch, &again.body), (first.batch, &first.body));
    }
    page.status(&first, 200);
    assert_eq!((page.engine.delivery.counts.delivered, page.engine.delivery.counts.resent), (2, 0));
    assert_eq!(page.reports, [], "nothing was lost");
    page.assert_books_balance();
}

#[test]
fn while_a_batch_waits_for_its_next_attempt_no_other_goes() {
    let mut page = Driver::new();
    page.engine.delivery.rules = rules(2, 100);
    page.spans(0..2);
    let first = page.only_request();
    page.answer(&first, busy(20_000.0));
    page.spans(2..6);
    page.advance(19_999.0);
    page.assert_nothing_sent();
    page.advance(1.0);
    assert_eq!(page.only_request().names(), ["0", "1"]);
    page.assert_nothing_sent();
    page.status(&first, 200);
    assert_eq!(page.only_request().names(), ["2", "3"]);
}

#[test]
fn retry_after_is_waited_for() {
    let mut page = Driver::new();
    page.spans(0..1);
    page.flush();
    let request = page.only_request();
    page.answer(&request, busy(60_000.0));
    assert_eq!(page.timer_ms(), Some(60_000.0));
    page.advance(59_999.0);
    page.assert_nothing_sent();
    page.advance(1.0);
    assert_eq!(page.only_request().batch, request.batch);
}

#[test]
fn a_batch_is_given_up_when_its_time_is_used_up_counted_from_its_first_attempt() {
    let mut page = Driver::new();
    page.engine.delivery.retry.max_elapsed_ms = 10_000.0;
    page.spans(0..2);
    page.advance(5000.0);
    let request = page.only_request();
    page.answer(&request, busy(9_000.0));
    page.advance(9_000.0);
    page.answer(&request, busy(9_000.0));
    assert_eq!(page.timer_ms(), Some(1000.0), "a last attempt at the end of its time");
    page.advance(1000.0);
    assert_eq!(page.requests().len(), 2);
    page.status(&request, 502);
    assert_eq!(page.dropped(Loss::Expired), 2);
    assert_eq!(page.reports, [Report { loss: Loss::Expired, status: 502, spans: 2 }]);
    assert_eq!(page.timer_ms(), None);
    page.assert_books_balance();
}

#[test]
fn without_retry_a_failed_attempt_is_the_last() {
    for (answer, status) in [(Answer::NetworkError, 0), (Answer::Timeout, 0), (busy(1.0), 503)] {
        let mut page = Driver::new();
        page.engine.delivery.retry = Policy { enabled: false, ..page.engine.delivery.retry };
        page.spans(0..1);
        page.flush();
        let request = page.only_request();
        page.answer(&request, answer);
        assert_eq!(page.dropped(Loss::Expired), 1, "{answer:?}");
        assert_eq!(page.reports, [Report { loss: Loss::Expired, status, spans: 1 }]);
        assert_eq!(page.timer_ms(), None);
        page.assert_books_balance();
    }
}

#[test]
fn a_request_too_large_for_the_collector_goes_in_halves_until_it_fits() {
    // A collector that takes three spans at once.
    let mut page = Driver::new();
    page.engine.delivery.rules = rules(20, 100);
    page.spans(0..20);
    let mut sizes = Vec::new();
    let mut taken = Vec::new();
    for _ in 0..100 {
        let Some(request) = page.requests().pop() else { break };
        let names = request.names();
        sizes.push(names.len());
        if names.len() > 3 {
            page.status(&request, 413);
        } else {
            taken.extend(names);
            page.status(&request, 200);
        }
        page.assert_books_balance();
    }
    assert_eq!(sizes, [20, 10, 5, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]);
    assert_eq!(taken, (0..20).map(|number| number.to_string()).collect::<Vec<_>>(), "in order");
    assert_eq!((page.engine.delivery.counts.delivered, page.reports.len()), (20, 0));
    // It is not asked again.
    page.spans(0..3);
    assert_eq!(page.only_request().names().len(), 2);
}

#[test]
fn a_single_span_too_large_for_the_collector_is_lost_and_its_neighbours_are_not() {
    let mut page = Driver::new();
    page.spans(0..1);
    page.large_span("large", 30_000);
    page.spans(2..4);
    page.flush();
    let mut taken = Vec::new();
    for _ in 0..100 {
        let Some(request) = page.requests().pop() else { break };
        if request.body.len() > 20_000 {
            page.status(&request, 413);
        } else {
            taken.extend(request.names());
            page.status(&request, 200);
        }
    }
    assert_eq!(taken, ["0", "2", "3"]);
    assert_eq!(page.reports, [Report { loss: Loss::Refused, status: 413, spans: 1 }]);
    assert_eq!((page.engine.delivery.counts.delivered, page.dropped(Loss::Refused)), (3, 1));
    assert!(page.engine.delivery.is_settled());
}

#[test]
fn an_answer_that_nobody_waits_for_changes_nothing() {
    let mut page = Driver::new();
    page.spans(0..2);
    page.flush();
    let request = page.only_request();
    page.status(&request, 200);
    let counts = page.engine.delivery.counts;
    page.status(&request, 200);
    page.status(&request, 400);
    page.answer(&request, Answer::NetworkError);
    for batch in [0, -1, request.batch + 1, i32::MAX] {
        page.engine.delivery.answer(batch, &Answer::Status { code: 400, retry_after_ms: 0.0 }, 1, 0.5, page.now_ms);
    }
    page.pump();
    assert_eq!(page.engine.delivery.counts, counts);
    assert_eq!(page.reports, []);
    page.assert_nothing_sent();
}

#[test]
fn a_second_answer_to_a_batch_that_waits_for_its_next_attempt_changes_nothing() {
    let mut page = Driver::new();
    page.spans(0..1);
    page.flush();
    let request = page.only_request();
    page.answer(&request, Answer::Timeout);
    page.status(&request, 400);
    assert_eq!((page.engine.delivery.counts.queued, page.dropped(Loss::Refused)), (1, 0));
    page.advance(750.0);
    assert_eq!(page.only_request().batch, request.batch);
}

#[test]
fn no_batch_at_all_cannot_be_settled() {
    let mut page = Driver::new();
    page.engine.delivery.outbox = true;
    page.spans(0..2);
    let counts = page.engine.delivery.counts;
    for (batch, is_stored) in [(0, true), (0, false), (-1, true), (i32::MIN, false)] {
        page.engine.delivery.settle_store(batch, is_stored);
    }
    assert_eq!(page.engine.delivery.counts, counts);
    page.assert_books_balance();
}
