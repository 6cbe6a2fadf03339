//! The page is hidden, goes, and perhaps comes back.

use opentelemetry_proto::tonic::common::v1::any_value;
use webspan::batch::Rules;
use webspan::context::SAMPLED;
use webspan::delivery::Loss;
use webspan::retry::Answer;
use webspan::span::StatusCode;

use crate::driver::{Driver, Report, Request, attribute, text};

/// Of the 65,536 bytes that a browser lets a whole page have in flight with `keepalive`, those that are ours while the page lives, and the most of
/// them that one request has.
const SHARE_BYTES: usize = 16_384;

/// Those that are ours when it goes.
const LEAVING_BYTES: usize = 40_960;

/// Of these, what is kept for what the page does while it goes.
const LATE_BYTES: usize = 4096;

fn bytes(requests: &[Request]) -> usize {
    requests.iter().map(|request| request.body.len()).sum()
}

fn names(requests: &[Request]) -> Vec<String> {
    requests.iter().flat_map(Request::names).collect()
}

/// So many spans of 500 bytes and more that wait.
fn waiting(count: usize) -> Driver {
    let mut page = Driver::new();
    page.engine.delivery.rules.max_export_batch_size = 10_000;
    for number in 0..count {
        page.large_span(&number.to_string(), 500);
    }
    page.assert_nothing_sent();
    page
}

#[test]
fn all_that_waits_goes_at_once_with_keepalive_when_the_page_is_hidden_or_goes() {
    for go in [Driver::hide, Driver::leave] {
        let mut page = Driver::new();
        page.spans(0..3);
        go(&mut page);
        let request = page.only_request();
        assert_eq!(request.names(), ["0", "1", "2"]);
        assert!(request.keepalive);
        assert_eq!((page.engine.delivery.counts.queued, page.engine.delivery.counts.in_flight), (0, 3));
    }
}

#[test]
fn several_requests_at_once_may_leave_the_page() {
    let mut page = Driver::new();
    page.engine.delivery.rules = Rules { scheduled_delay_ms: 5000.0, max_export_batch_size: 2, max_queue_size: 100 };
    page.engine.delivery.held = true;
    page.spans(0..7);
    page.engine.delivery.held = false;
    page.hide();
    let requests = page.requests();
    assert_eq!(names(&requests), ["0", "1", "2", "3", "4", "5", "6"]);
    assert_eq!(requests.len(), 4);
    assert!(requests.iter().all(|request| request.keepalive));
}

#[test]
fn an_ongoing_request_holds_nothing_back_when_the_page_goes() {
    let mut page = Driver::new();
    page.spans(0..1);
    page.flush();
    let under_way = page.only_request();
    assert!(under_way.keepalive);
    page.spans(1..2);
    page.leave();
    assert_eq!(page.only_request().names(), ["1"]);
    assert_eq!(page.engine.delivery.counts.resent, 0, "what is keepalive is not cut off");
    page.status(&under_way, 200);
    assert_eq!(page.engine.delivery.counts.delivered, 1);
}

#[test]
fn a_keepalive_request_that_the_browser_fails_as_the_page_goes_is_not_sent_again() {
    let mut page = Driver::new();
    page.spans(0..3);
    page.flush();
    let under_way = page.only_request();
    page.leave();
    page.answer(&under_way, Answer::NetworkError);
    // `visibilitychange` comes after `pagehide`.
    page.hide();
    page.assert_nothing_sent();
    assert_eq!(page.engine.delivery.counts.unacknowledged, 3);
    page.assert_books_balance();
}

#[test]
fn after_the_page_has_come_back_a_failure_counts_again() {
    let mut page = Driver::new();
    page.leave();
    page.show();
    page.spans(0..3);
    page.flush();
    let request = page.only_request();
    page.answer(&request, Answer::NetworkError);
    assert_eq!(page.engine.delivery.counts.unacknowledged, 0);
    page.hide();
    assert_eq!(page.only_request().names().len(), 3);
    page.assert_books_balance();
}

#[test]
fn what_leaves_fits_into_our_share_and_uses_it() {
    let mut page = waiting(200);
    page.hide();
    let request = page.only_request();
    assert!(request.keepalive);
    assert!(request.body.len() <= SHARE_BYTES, "{} bytes", request.body.len());
    assert!(request.body.len() > SHARE_BYTES - 700, "{} bytes: there was room for more", request.body.len());
    assert!(page.engine.delivery.counts.queued > 0);
    page.assert_books_balance();
}

#[test]
fn what_is_in_flight_from_before_takes_its_part_of_the_share() {
    let mut page = waiting(0);
    page.large_span("before", 8_000);
    page.flush();
    let before = page.only_request();
    assert!(before.keepalive);
    for number in 0..200 {
        page.large_span(&number.to_string(), 500);
    }
    page.hide();
    let requests = page.requests();
    assert!(requests.iter().all(|request| request.keepalive));
    let in_flight_bytes = before.body.len() + bytes(&requests);
    assert!(in_flight_bytes <= SHARE_BYTES, "{in_flight_bytes} bytes");
    assert!(in_flight_bytes > SHARE_BYTES - 1500, "{in_flight_bytes} bytes: there was room for more");
}

#[test]
fn what_went_when_the_page_was_hidden_takes_its_part_of_the_share_when_it_goes() {
    let mut page = waiting(50);
    page.hide();
    let mut sent = page.requests();
    for number in 50..200 {
        page.large_span(&number.to_string(), 500);
    }
    page.leave();
    sent.extend(page.requests());
    let keepalive_bytes: usize = sent.iter().filter(|request| request.keepalive).map(|request| request.body.len()).sum();
    assert!(keepalive_bytes <= LEAVING_BYTES, "{keepalive_bytes} bytes");
    assert!(sent.iter().all(|request| request.keepalive), "what does not fit would be cut off");
}

#[test]
fn an_answer_makes_room_for_what_did_not_fit_while_the_page_is_hidden() {
    let mut page = waiting(200);
    page.hide();
    let mut taken = Vec::new();
    // Nothing but answers: a hidden page's timers may never run again.
    for _ in 0..100 {
        let requests = page.requests();
        if requests.is_empty() {
            break;
        }
        for request in requests {
            assert!(request.keepalive);
            taken.extend(request.names());
            page.status(&request, 200);
        }
    }
    assert_eq!(taken, (0..200).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!((page.engine.delivery.counts.delivered, page.engine.delivery.counts.resent), (200, 0));
}

/// As many spans wait, and leave as OTLP/JSON.
fn waiting_for_json(count: usize, filling: &str) -> Driver {
    let mut page = waiting(0);
    page.json = true;
    for number in 0..count {
        let handle = page.start(&number.to_string());
        page.set_text(handle, "filling", filling);
        page.end(handle);
    }
    page
}

#[test]
fn json_fits_into_the_share_as_well() {
    // Nothing gets longer as JSON than control characters.
    for filling in ["x".repeat(500), "\u{1}".repeat(500), String::new()] {
        let mut page = waiting_for_json(400, &filling);
        page.hide();
        let requests = page.requests();
        assert!(requests.iter().all(|request| request.keepalive), "what does not fit would be cut off");
        assert!(bytes(&requests) <= SHARE_BYTES);
        assert!(bytes(&requests) > SHARE_BYTES - 4000, "{} bytes: there was room for more", bytes(&requests));
        assert_eq!(names(&requests).len() as u32, page.engine.delivery.counts.in_flight);
        assert!(requests.iter().all(|request| !request.names().is_empty()));
        page.assert_books_balance();
    }
}

#[test]
fn what_json_does_not_fit_makes_no_later_batch_small() {
    let mut page = waiting_for_json(400, &"x".repeat(500));
    page.hide();
    let mut requests = page.requests();
    while let Some(request) = requests.pop() {
        page.status(&request, 200);
        requests.extend(page.requests());
    }
    page.show();
    page.spans(0..1000);
    page.flush();
    assert_eq!(page.only_request().names().len(), 1000);
}

#[test]
fn in_json_as_well_a_span_larger_than_the_share_keeps_no_other_from_leaving() {
    for (go, max_export_batch_size) in [(Driver::hide as fn(&mut Driver), 100), (Driver::leave, 100), (Driver::leave, 1)] {
        let mut page = waiting_for_json(0, "");
        page.engine.delivery.rules.max_export_batch_size = max_export_batch_size;
        page.engine.delivery.held = true;
        // Of these only the first is too large before it is JSON.
        page.large_span("large", 60_000);
        let handle = page.start("long");
        page.set_text(handle, "filling", &"\u{1}".repeat(20_000));
        page.end(handle);
        page.spans(0..2);
        page.engine.delivery.held = false;
        go(&mut page);
        let requests = page.requests();
        assert_eq!(names(&requests), ["0", "1"]);
        assert!(requests.iter().all(|request| request.keepalive));
        for request in &requests {
            page.status(request, 200);
        }
        // Should the page live on, they go as well as they can.
        page.show();
        page.flush();
        let mut late = Vec::new();
        while let [request] = &page.requests()[..] {
            assert!(!request.keepalive);
            late.extend(request.names());
            page.status(request, 200);
        }
        assert_eq!(late, ["large", "long"]);
        assert_eq!(page.engine.delivery.counts.delivered, 4);
    }
}

#[test]
fn a_hidden_page_splits_what_became_too_large_and_goes_on_at_once() {
    let mut page = waiting_for_json(0, "");
    page.hide();
    for number in 0..100 {
        let handle = page.start(&number.to_string());
        page.set_text(handle, "filling", &"\u{1}".repeat(500));
        page.end(handle);
    }
    page.assert_nothing_sent();
    page.advance(5000.0);
    let first = page.only_request();
    assert!(first.keepalive && first.body.len() > SHARE_BYTES / 2, "{} bytes", first.body.len());
    page.status(&first, 200);
    page.advance(5000.0);
    assert!(page.only_request().keepalive, "the rest");
}

#[test]
fn what_is_tried_again_as_json_is_given_up_in_the_end() {
    let mut page = waiting_for_json(200, &"x".repeat(500));
    page.flush();
    let first = page.only_request();
    assert!(!first.keepalive);
    page.engine.delivery.hide();
    page.answer(&first, Answer::NetworkError);
    for _ in 0..200 {
        for request in page.requests() {
            page.answer(&request, Answer::NetworkError);
        }
        page.advance(30_000.0);
    }
    assert_eq!(page.dropped(Loss::Expired), 200);
    page.assert_books_balance();
}

#[test]
fn a_span_larger_than_the_share_keeps_no_other_from_leaving() {
    for go in [Driver::hide, Driver::leave] {
        let mut page = waiting(0);
        page.large_span("large", 60_000);
        page.spans(0..2);
        go(&mut page);
        let request = page.only_request();
        assert_eq!((request.names(), request.keepalive), (vec!["0".into(), "1".into()], true));
        page.status(&request, 200);
        // Should the page live on, it goes as well as it can.
        page.assert_nothing_sent();
        page.advance(5000.0);
        let request = page.only_request();
        assert_eq!((request.names(), request.keepalive), (vec!["large".into()], false));
        page.status(&request, 200);
        assert_eq!(page.engine.delivery.counts.delivered, 3);
    }
}

#[test]
fn a_collector_that_is_not_ready_is_not_sent_the_rest_of_what_did_not_fit() {
    let mut page = waiting(200);
    page.hide();
    let request = page.only_request();
    page.answer(&request, Answer::Status { code: 503, retry_after_ms: 20_000.0 });
    page.assert_nothing_sent();
    page.advance(19_999.0);
    page.assert_nothing_sent();
    page.advance(1.0);
    assert_eq!(page.only_request().batch, request.batch);
}

#[test]
fn what_went_without_keepalive_goes_again_when_the_page_goes_and_is_counted_as_sent_twice() {
    let mut page = waiting(50);
    page.flush();
    let cut_off = page.only_request();
    assert!(!cut_off.keepalive, "more than the page in use may have");
    page.hide();
    page.assert_nothing_sent();
    assert_eq!(page.engine.delivery.counts.resent, 0, "a hidden page lives on");
    page.leave();
    let again = page.requests();
    assert_eq!(names(&again), cut_off.names());
    assert!(again.iter().all(|request| request.keepalive));
    assert_eq!((page.engine.delivery.counts.resent, page.engine.delivery.counts.in_flight), (50, 50));
    page.assert_books_balance();
    // Back from the back-forward cache: both are answered, one counts.
    page.show();
    page.status(&cut_off, 200);
    assert_eq!(page.engine.delivery.counts.delivered, 0, "that batch was taken back");
    for request in &again {
        page.status(request, 200);
    }
    assert_eq!((page.engine.delivery.counts.delivered, page.engine.delivery.counts.in_flight), (50, 0));
    page.assert_books_balance();
}

#[test]
fn what_was_on_its_way_leaves_last_as_it_may_have_arrived() {
    let mut page = waiting(60);
    page.flush();
    let cut_off = page.only_request();
    assert!(!cut_off.keepalive);
    for number in 60..100 {
        page.large_span(&number.to_string(), 500);
    }
    page.leave();
    let left = names(&page.requests());
    assert!((60..100).all(|number| left.contains(&number.to_string())), "{left:?}");
    assert!(left.len() > 40, "what room is left is used");
}

#[test]
fn leaving_twice_sends_nothing_twice() {
    let mut page = waiting(20);
    page.hide();
    assert_eq!(page.requests().len(), 1);
    page.leave();
    page.leave();
    page.assert_nothing_sent();
    assert_eq!(page.engine.delivery.counts.resent, 0);
}

#[test]
fn what_waited_for_its_next_attempt_goes_at_once_when_the_page_is_hidden() {
    let mut page = Driver::new();
    page.spans(0..2);
    page.flush();
    let request = page.only_request();
    page.answer(&request, Answer::Status { code: 503, retry_after_ms: 60_000.0 });
    page.spans(2..3);
    assert_eq!((page.engine.delivery.counts.queued, page.engine.delivery.counts.in_flight), (3, 0));
    page.hide();
    let again = page.only_request();
    assert_eq!(again.names(), ["0", "1", "2"]);
    assert_eq!(page.engine.delivery.counts.resent, 0, "the first request was answered: nothing goes twice");
    page.assert_books_balance();
    page.status(&request, 200);
    assert_eq!(page.engine.delivery.counts.delivered, 0);
    page.status(&again, 200);
    assert_eq!(page.engine.delivery.counts.delivered, 3);
}

#[test]
fn spans_that_end_while_the_page_is_hidden_go_by_count_and_age_and_when_it_goes() {
    let mut page = Driver::new();
    page.hide();
    page.spans(0..2);
    page.assert_nothing_sent();
    page.advance(5000.0);
    let request = page.only_request();
    assert!(request.keepalive);
    page.status(&request, 200);
    page.spans(2..3);
    page.leave();
    assert_eq!(page.only_request().names(), ["2"]);
}

#[test]
fn a_page_that_is_visible_again_sends_one_request_at_a_time() {
    let mut page = Driver::new();
    page.engine.delivery.rules = Rules { scheduled_delay_ms: 5000.0, max_export_batch_size: 2, max_queue_size: 100 };
    page.spans(0..1);
    page.hide();
    let hidden = page.only_request();
    page.show();
    page.spans(1..6);
    page.assert_nothing_sent();
    page.status(&hidden, 200);
    assert_eq!(page.only_request().names(), ["1", "2"]);
}

#[test]
fn batches_that_failed_together_go_again_one_after_the_other_when_all_have_waited_as_asked() {
    let mut page = Driver::new();
    page.engine.delivery.rules.max_export_batch_size = 1;
    page.engine.delivery.held = true;
    page.spans(0..3);
    page.engine.delivery.held = false;
    page.hide();
    let requests = page.requests();
    assert_eq!(requests.len(), 3);
    page.show();
    for (request, retry_after_ms) in requests.iter().zip([30_000.0, 10_000.0, 20_000.0]) {
        page.answer(request, Answer::Status { code: 503, retry_after_ms });
    }
    page.advance(29_999.0);
    page.assert_nothing_sent();
    page.advance(1.0);
    let mut taken = Vec::new();
    for _ in 0..3 {
        let request = page.only_request();
        taken.extend(request.names());
        page.status(&request, 200);
    }
    taken.sort();
    assert_eq!(taken, ["0", "1", "2"]);
    assert_eq!(page.engine.delivery.counts.delivered, 3);
}

#[test]
fn the_smallest_size_that_the_collector_wanted_counts() {
    let mut page = Driver::new();
    page.engine.delivery.rules.max_export_batch_size = 8;
    page.engine.delivery.held = true;
    page.spans(0..12);
    page.engine.delivery.held = false;
    page.hide();
    let requests = page.requests();
    assert_eq!(requests.iter().map(|request| request.names().len()).collect::<Vec<_>>(), [8, 4]);
    page.show();
    for request in requests.iter().rev() {
        page.status(request, 413);
    }
    let mut sizes = Vec::new();
    while let Some(request) = page.requests().pop() {
        sizes.push(request.names().len());
        page.status(&request, 200);
    }
    assert_eq!(sizes, [2; 6], "four were too many");
}

#[test]
fn a_loss_on_the_way_out_is_told_and_counted_like_any_other() {
    let mut page = Driver::new();
    page.spans(0..2);
    page.leave();
    let request = page.only_request();
    page.status(&request, 403);
    assert_eq!(page.reports, [Report { loss: Loss::Refused, status: 403, spans: 2 }]);
    page.assert_books_balance();
}

#[test]
fn what_is_open_when_the_page_goes_for_good_is_delivered_and_says_so() {
    let mut page = Driver::new();
    let handle = page.start("a long task");
    page.set_text(handle, "step", "second of three");
    page.now_ms += 250.0;
    page.engine.abandon(page.now_ms);
    page.leave();
    let span = page.only_request().spans().pop().expect("the open span was sent");
    assert_eq!(attribute(&span.attributes, "step"), text("second of three"));
    assert_eq!(attribute(&span.attributes, "webspan.unfinished"), Some(any_value::Value::BoolValue(true)));
    assert_eq!(span.end_time_unix_nano - span.start_time_unix_nano, 250_000_000);
    assert!(!page.engine.end(handle, page.now_ms, page.now_ms), "it has ended");
    assert_eq!(page.engine.delivery.counts.ended, 1);
}

// ---- beside what the page itself sends with `keepalive`

#[test]
fn what_leaves_with_the_page_leaves_it_room_and_is_spread_over_requests_the_most_valuable_first() {
    for go in [Driver::leave as fn(&mut Driver), Driver::leave_for_good] {
        let mut page = waiting(300);
        let failed = page.start("failed");
        page.engine.set_status(failed, StatusCode::Error, b"");
        page.end(failed);
        go(&mut page);
        let requests = page.requests();
        assert!(requests.iter().all(|request| request.keepalive && request.body.len() <= SHARE_BYTES));
        let in_all = bytes(&requests);
        assert!(in_all <= LEAVING_BYTES - LATE_BYTES && in_all > LEAVING_BYTES - LATE_BYTES - 2000, "{in_all} bytes");
        assert!(requests[0].names().contains(&"failed".to_owned()));
        page.assert_books_balance();
    }
}

#[test]
fn what_the_page_asks_for_while_it_goes_arrives_or_is_not_traced() {
    for (waiting_spans, defers) in [(0, false), (300, false), (1000, false), (1000, true)] {
        let mut page = waiting(waiting_spans);
        if defers {
            page.engine.delivery.allow_deferring();
        }
        page.leave_for_good();
        let mut sent = page.requests();
        let behind = page.engine.delivery.counts.queued;
        let mut begun = 0;
        let mut refused = 0;
        // In listeners of its own, of `pagehide`, `visibilitychange` and `unload`: some requests in each.
        for round in 0..20 {
            for number in 0..4 {
                let url = format!("https://api.shop.example.com/beacon/{round}/{number}");
                let is_recorded = page.try_start_request("POST", &url).is_some();
                assert_eq!(is_recorded, page.engine.started.flags & SAMPLED != 0, "what its header says");
                *(if is_recorded { &mut begun } else { &mut refused }) += 1;
            }
            page.leave_for_good();
            sent.extend(page.requests());
        }
        let late = names(&sent).into_iter().filter(|name| name == "POST").count();
        assert_eq!(late, begun, "{waiting_spans} spans waited");
        assert!(begun >= 3, "{begun} of 80, {waiting_spans} spans waited");
        assert!(bytes(&sent) <= if defers { SHARE_BYTES } else { LEAVING_BYTES });
        assert_eq!(page.engine.delivery.counts.queued, behind, "what had no room takes none of theirs");
        assert_eq!(page.dropped(Loss::QueueFull) as usize, refused);
        page.assert_books_balance();
    }
}

#[test]
fn a_page_that_is_back_traces_all_its_requests() {
    let mut page = waiting(1000);
    page.leave();
    let url = "https://api.shop.example.com/beacon";
    while page.try_start_request("POST", url).is_some() {}
    page.show();
    assert!(page.try_start_request("POST", url).is_some());
}

/// A browser that lets the page have so many bytes in flight with `keepalive`, and fails the rest at once: what it takes.
fn taken_of(page: &mut Driver, mut quota: usize) -> Vec<Request> {
    let mut taken = Vec::new();
    for _ in 0..100 {
        let requests = page.requests();
        if requests.is_empty() {
            return taken;
        }
        for request in requests {
            if !request.keepalive || request.body.len() <= quota {
                quota -= if request.keepalive { request.body.len() } else { 0 };
                taken.push(request);
            } else {
                page.answer(&request, Answer::FailedAtOnce);
            }
        }
    }
    panic!("it tries again and again");
}

#[test]
fn what_the_browser_refuses_for_want_of_room_goes_again_in_smaller_requests() {
    for go in [Driver::hide as fn(&mut Driver), Driver::leave] {
        for quota in [30_000, 10_000, 3_000] {
            let mut page = waiting(100);
            go(&mut page);
            let taken = taken_of(&mut page, quota);
            let taken_bytes = bytes(&taken);
            assert!(taken_bytes > quota.min(SHARE_BYTES) / 2, "{taken_bytes} of {quota} bytes");
            let counts = page.engine.delivery.counts;
            assert_eq!((counts.in_flight as usize, counts.unacknowledged, counts.delivered), (names(&taken).len(), 0, 0));
            assert_eq!(counts.queued, 100 - counts.in_flight, "what was refused is not told as sent");
            page.assert_books_balance();
        }
    }
}

#[test]
fn where_nothing_more_may_leave_what_was_refused_waits_or_is_stored() {
    let mut page = waiting(10);
    page.leave();
    assert!(taken_of(&mut page, 0).is_empty());
    assert_eq!(page.engine.delivery.counts.queued, 10);
    page.show();
    page.flush();
    assert_eq!(page.only_request().names().len(), 10);

    let mut page = waiting(10);
    page.engine.delivery.outbox = true;
    page.leave();
    assert!(taken_of(&mut page, 0).is_empty());
    assert_eq!(names(&page.stores()).len(), 10);
    page.assert_books_balance();
}

#[test]
fn a_request_that_fails_at_once_is_a_failure_where_nothing_was_to_be_spared() {
    // Blocked, or without network: one request at a time, and with pauses.
    let mut page = waiting(10);
    page.flush();
    let request = page.only_request();
    page.answer(&request, Answer::FailedAtOnce);
    page.assert_nothing_sent();
    page.hide();
    let request = page.only_request();
    page.answer(&request, Answer::FailedAtOnce);
    page.assert_nothing_sent();
    page.assert_books_balance();
}
