//! Requests that leave compressed: which, how many spans they hold, and what happens when the collector does not take them.

use webspan::compression::Compression;
use webspan::retry::Answer;

use crate::driver::Driver;

/// As the page goes.
const SHARE_BYTES: usize = 40_960;
const SAME_ORIGIN: Compression = Compression::Untried { cross_origin: false };
const CROSS_ORIGIN: Compression = Compression::Untried { cross_origin: true };

fn page(compression: Compression) -> Driver {
    let mut page = Driver::new();
    page.engine.delivery.compression = compression;
    page
}

fn request_spans(page: &mut Driver, count: usize) {
    for number in 0..count {
        let (handle, _) = page.start_varied_request(number);
        page.engine.response(handle, 200);
        page.now_ms += 0.7;
        page.end(handle);
    }
}

/// Lets time pass in such small steps that every timer goes off by itself.
fn idle(page: &mut Driver, ms: usize) {
    for _ in 0..ms {
        page.advance(1.0);
    }
}

#[test]
fn a_body_of_two_kilobytes_is_compressed_and_a_smaller_one_is_not() {
    for (count, gzip) in [(5, false), (20, true)] {
        let mut page = page(SAME_ORIGIN);
        request_spans(&mut page, count);
        page.flush();
        let request = page.only_request();
        assert_eq!(request.gzip, gzip, "{count} spans");
        assert_eq!(request.spans().len(), count);
    }
    let mut page = page(Compression::Off);
    request_spans(&mut page, 20);
    page.flush();
    assert!(!page.only_request().gzip);
}

#[test]
fn a_full_batch_is_compressed_in_slices_before_it_leaves() {
    let mut page = page(SAME_ORIGIN);
    page.engine.delivery.rules.scheduled_delay_ms = 1e6;
    request_spans(&mut page, 512);
    page.assert_nothing_sent();
    let mut slices = 0;
    while page.requests().is_empty() {
        let waits_ms = page.timer_ms().expect("the batch is due");
        assert!(waits_ms <= 5.0, "{waits_ms} ms until the next slice");
        page.advance(waits_ms);
        slices += 1;
        assert!(slices < 40);
    }
    assert!(slices > 5, "{slices} slices of 120 KB");
    assert_eq!(page.engine.delivery.counts.in_flight, 512);
}

#[test]
fn slices_hold_every_span_once_and_in_their_scopes() {
    let mut page = page(SAME_ORIGIN);
    page.engine.delivery.rules.scheduled_delay_ms = 1e6;
    let scopes = [page.scope, page.engine.scope(b"webspan/fetch", b"2")];
    for number in 0..400 {
        page.scope = scopes[number % 2];
        page.large_span(&number.to_string(), 200 + number);
        idle(&mut page, 1);
    }
    page.flush();
    let request = page.only_request();
    let mut names: Vec<usize> = request.names().iter().map(|name| name.parse().expect("a number")).collect();
    names.sort_unstable();
    assert_eq!(names, (0..400).collect::<Vec<_>>());
    let message = request.message();
    assert!(message.resource_spans.len() > 5, "one for each slice");
    for scope_spans in message.resource_spans.iter().flat_map(|resource_spans| &resource_spans.scope_spans) {
        let fetch = scope_spans.scope.as_ref().expect("it has one").name == "webspan/fetch";
        assert!(scope_spans.spans.iter().all(|span| (span.name.parse::<usize>().expect("a number") % 2 == 1) == fetch));
    }
    assert!(message.resource_spans.iter().all(|resource_spans| resource_spans.resource == message.resource_spans[0].resource));
}

#[test]
fn one_page_close_carries_four_hundred_requests() {
    for compressed_ahead in [true, false] {
        let mut page = page(SAME_ORIGIN);
        page.engine.delivery.rules.max_export_batch_size = 2048;
        page.engine.delivery.rules.scheduled_delay_ms = 1e6;
        request_spans(&mut page, 800);
        if compressed_ahead {
            idle(&mut page, 200);
        }
        page.leave();
        let requests = page.requests();
        assert!(requests.iter().all(|request| request.keepalive));
        let bytes: usize = requests.iter().map(|request| request.body.len()).sum();
        assert!(bytes <= SHARE_BYTES, "{bytes} bytes");
        let spans: usize = requests.iter().map(|request| request.spans().len()).sum();
        assert!(spans >= 420, "{spans} spans");
        page.assert_books_balance();
    }
}

#[test]
fn another_origin_gets_nothing_compressed_at_the_end_that_it_has_not_accepted_before() {
    for (compression, gzip) in [(CROSS_ORIGIN, false), (SAME_ORIGIN, true), (Compression::Accepted, true)] {
        let mut page = page(compression);
        request_spans(&mut page, 100);
        // Compressed ahead already.
        idle(&mut page, 20);
        page.leave();
        let requests = page.requests();
        assert!(requests.iter().all(|request| request.gzip == gzip && request.keepalive), "{compression:?}");
        assert_eq!(requests.iter().map(|request| request.spans().len()).sum::<usize>(), 100);
    }
}

#[test]
fn an_answer_to_a_compressed_request_is_its_acceptance() {
    let mut page = page(CROSS_ORIGIN);
    request_spans(&mut page, 50);
    page.flush();
    let request = page.only_request();
    assert!(request.gzip);
    page.status(&request, 200);
    request_spans(&mut page, 50);
    page.leave();
    let requests = page.requests();
    assert!(!requests.is_empty() && requests.iter().all(|request| request.gzip));
}

#[test]
fn a_refused_compression_is_found_out_told_once_and_given_up() {
    for refusal in [Answer::NetworkError, Answer::Status { code: 415, retry_after_ms: 0.0 }] {
        let mut page = page(CROSS_ORIGIN);
        request_spans(&mut page, 50);
        page.flush();
        let compressed = page.only_request();
        page.answer(&compressed, refusal);
        let plain = page.only_request();
        assert_eq!((plain.batch, plain.gzip, page.uncompressed), (compressed.batch, false, 0), "{refusal:?}");
        page.status(&plain, 200);
        assert_eq!((page.uncompressed, page.engine.delivery.counts.delivered), (1, 50));
        assert_eq!(page.reports, []);
        for _ in 0..3 {
            request_spans(&mut page, 50);
            page.flush();
            let request = page.only_request();
            assert!(!request.gzip);
            page.status(&request, 200);
        }
        assert_eq!((page.uncompressed, page.engine.delivery.counts.delivered), (1, 200));
    }
}

#[test]
fn who_is_offline_does_not_conclude_that_compression_was_refused() {
    let mut page = page(CROSS_ORIGIN);
    request_spans(&mut page, 50);
    page.flush();
    let compressed = page.only_request();
    page.answer(&compressed, Answer::NetworkError);
    let plain = page.only_request();
    page.answer(&plain, Answer::NetworkError);
    page.assert_nothing_sent();
    page.advance(5000.0);
    let again = page.only_request();
    page.status(&again, 503);
    assert_eq!(page.engine.delivery.compression, CROSS_ORIGIN);
    assert_eq!(page.uncompressed, 0);
    page.assert_books_balance();
}

#[test]
fn once_accepted_a_network_error_is_nothing_but_that() {
    let mut page = page(Compression::Accepted);
    request_spans(&mut page, 50);
    page.flush();
    let request = page.only_request();
    page.answer(&request, Answer::NetworkError);
    page.assert_nothing_sent();
    page.advance(2000.0);
    let again = page.only_request();
    assert!(again.gzip);
    assert_eq!(again.names(), request.names());
}

#[test]
fn what_was_compressed_ahead_is_taken_apart_when_the_collector_wants_smaller_requests() {
    let mut page = page(Compression::Accepted);
    page.engine.delivery.rules.max_export_batch_size = 400;
    page.engine.delivery.rules.scheduled_delay_ms = 1e6;
    request_spans(&mut page, 400);
    idle(&mut page, 100);
    let request = page.only_request();
    request_spans(&mut page, 390);
    idle(&mut page, 100);
    page.status(&request, 413);
    let mut sizes = Vec::new();
    for _ in 0..100 {
        idle(&mut page, 10);
        if let Some(request) = page.requests().pop() {
            assert!(request.gzip);
            sizes.push(request.spans().len());
            page.status(&request, 200);
        }
    }
    assert!(sizes.iter().all(|size| *size <= 200), "{sizes:?}");
    page.flush();
    if let Some(request) = page.requests().pop() {
        page.status(&request, 200);
    }
    assert_eq!(page.engine.delivery.counts.delivered, 790);
}

#[test]
fn nothing_is_compressed_before_the_user_consents() {
    let mut page = page(SAME_ORIGIN);
    page.hold(true);
    request_spans(&mut page, 600);
    page.assert_nothing_sent();
    assert_eq!(page.timer_ms(), None);
    page.hold(false);
    idle(&mut page, 200);
    assert!(page.only_request().gzip);
}

#[test]
fn a_hidden_page_whose_compressed_requests_fail_waits_like_any_other() {
    for answer in [Answer::NetworkError, Answer::Status { code: 400, retry_after_ms: 0.0 }] {
        let mut page = page(SAME_ORIGIN);
        page.engine.delivery.rules.scheduled_delay_ms = 1e6;
        page.engine.delivery.rules.max_export_batch_size = 2048;
        // Compressed they fit into what leaves with the page; as they are they do not.
        request_spans(&mut page, 500);
        page.hide();
        let mut count = 0;
        loop {
            let requests = page.requests();
            if requests.is_empty() {
                break;
            }
            count += requests.len();
            assert!(count < 20, "{count} requests, and the clock stands still");
            for request in requests {
                page.answer(&request, answer);
            }
        }
        page.assert_books_balance();
    }
}
