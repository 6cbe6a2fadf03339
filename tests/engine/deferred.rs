//! What the browser sends by itself once the page is gone: that it holds what is not acknowledged, and nothing else, and changes seldom.

use webspan::batch::Rules;
use webspan::compression::Compression;
use webspan::delivery::Loss;
use webspan::retry::Answer;

use crate::driver::{Driver, Request};

const MOST_BYTES: usize = 61_440;

/// Of the first request with `keepalive`, where the rest can be deferred: 4,096 of 16,384 are kept for what the page does while it goes.
const SHARE_BYTES: usize = 12_288;

fn page() -> Driver {
    let mut page = Driver::new();
    page.engine.delivery.allow_deferring();
    page
}

/// Client spans of about 380 bytes.
fn requests(page: &mut Driver, count: usize) {
    for number in 0..count {
        let (handle, cursor) = page.start_varied_request(number);
        page.engine.response(handle, 200);
        page.set_text(handle, "filling", &cursor.repeat(2));
        page.end(handle);
    }
}

#[test]
fn a_span_is_with_the_browser_one_second_after_it_has_ended() {
    let mut page = page();
    page.spans(0..1);
    page.advance(999.0);
    assert!(page.deferred.is_none());
    page.advance(1.0);
    assert_eq!(page.deferred_names(), ["0"]);
    page.spans(1..3);
    page.advance(1000.0);
    assert_eq!(page.deferred_names(), ["0", "1", "2"]);
    page.assert_nothing_sent();
}

#[test]
fn without_fetch_later_nothing_is_deferred() {
    let mut page = Driver::new();
    page.spans(0..3);
    page.advance(4000.0);
    page.leave();
    assert_eq!(page.deferrals, 0);
}

#[test]
fn what_is_in_flight_gives_way_to_what_is_not_where_not_all_fits() {
    let mut page = page();
    page.engine.delivery.rules.max_export_batch_size = 200;
    for number in 0..200 {
        page.large_span(&number.to_string(), 380);
    }
    assert_eq!(page.only_request().spans().len(), 200);
    for number in 200..300 {
        page.large_span(&number.to_string(), 380);
    }
    page.advance(1000.0);
    let deferred = page.deferred_names();
    assert!((200..300).all(|number| deferred.contains(&number.to_string())), "{deferred:?}");
    assert!(deferred.len() > 100 && deferred.len() < 300, "{} fit", deferred.len());
}

#[test]
fn it_changes_once_a_second_at_most_and_not_without_a_reason() {
    let mut page = page();
    page.engine.delivery.rules.scheduled_delay_ms = 1e6;
    for number in 0..40 {
        page.spans(number..number + 1);
        page.advance(100.0);
    }
    assert_eq!(page.deferrals, 4, "in four seconds");
    page.advance(10_000.0);
    assert_eq!(page.deferrals, 4, "in ten more in which nothing ended");
    assert_eq!(page.deferred_names().len(), 40);
}

#[test]
fn what_is_in_flight_belongs_to_it_and_what_is_acknowledged_does_not() {
    let mut page = page();
    page.spans(0..2);
    page.advance(1000.0);
    page.flush();
    let request = page.only_request();
    page.spans(2..3);
    page.advance(1000.0);
    assert_eq!(page.deferred_names(), ["0", "1", "2"], "no answer has come so far");
    page.status(&request, 200);
    assert_eq!(page.deferred_names(), ["2"], "at once: the others would arrive twice");
    page.flush();
    let request = page.only_request();
    page.status(&request, 200);
    assert!(page.deferred.is_none());
    assert_eq!(page.deferrals, 4);
}

#[test]
fn what_is_lost_does_not_belong_to_it() {
    let mut page = page();
    page.spans(0..1);
    page.advance(1000.0);
    page.flush();
    let request = page.only_request();
    page.status(&request, 400);
    assert_eq!(page.dropped(Loss::Refused), 1);
    assert!(page.deferred.is_none());
}

#[test]
fn making_it_changes_nothing_about_what_waits_and_what_is_in_flight() {
    for compression in [Compression::Off, Compression::Accepted] {
        let [without, with] = [false, true].map(|deferring| {
            let mut page = Driver::new();
            page.engine.delivery.compression = compression;
            page.engine.delivery.rules.max_export_batch_size = 100;
            if deferring {
                page.engine.delivery.allow_deferring();
            }
            // Some in flight, some compressed ahead, some neither.
            requests(&mut page, 150);
            page.advance(20.0);
            requests(&mut page, 60);
            page.advance(2000.0);
            let mut sent = page.requests();
            for _ in 0..5 {
                if let Some(request) = sent.last() {
                    page.engine.delivery.answer(request.batch, &Answer::Status { code: 200, retry_after_ms: 0.0 }, 0, 0.5, page.now_ms);
                }
                page.flush();
                sent.extend(page.requests());
            }
            assert_eq!(page.deferrals > 0, deferring);
            page.assert_books_balance();
            sent.iter().map(|request| (request.gzip, request.body.clone())).collect::<Vec<_>>()
        });
        assert!(with == without, "{compression:?}");
    }
}

#[test]
fn it_is_compressed_where_that_is_accepted_and_where_not_all_fit_the_most_valuable_do() {
    for (compression, gzip, least) in
        [(Compression::Accepted, true, 512), (Compression::Untried { cross_origin: true }, false, 120), (Compression::Off, false, 120)]
    {
        let mut page = page();
        page.engine.delivery.compression = compression;
        page.engine.delivery.rules = Rules { scheduled_delay_ms: 1e6, max_export_batch_size: 600, max_queue_size: 2048 };
        requests(&mut page, 512);
        let handle = page.start_request("GET", "https://api.shop.example.com/failed");
        page.engine.response(handle, 500);
        page.end(handle);
        page.advance(1000.0);
        let request = page.deferred.as_ref().expect("it holds all that waits, or the most of it");
        assert_eq!(request.gzip, gzip, "{compression:?}");
        assert!(request.body.len() <= MOST_BYTES, "{} bytes", request.body.len());
        let spans = request.spans();
        assert!(spans.len() >= least, "{} spans, {compression:?}", spans.len());
        assert!(spans.iter().any(|span| span.status.as_ref().is_some_and(|status| status.code == 2)), "the one that failed");
    }
}

#[test]
fn a_span_that_is_too_large_keeps_none_from_it() {
    let mut page = page();
    page.large_span("large", 70_000);
    page.spans(0..1);
    page.advance(1000.0);
    assert_eq!(page.deferred_names(), ["0"]);
    let mut page = self::page();
    page.large_span("large", 70_000);
    page.advance(1000.0);
    assert!(page.deferred.is_none());
}

#[test]
fn it_gets_smaller_until_the_browser_takes_it_and_if_it_takes_none_there_is_none() {
    let mut page = page();
    requests(&mut page, 200);
    page.advance(1000.0);
    let mut sizes = Vec::new();
    while let Some(request) = page.deny_deferring() {
        sizes.push(request.body.len());
        assert!(sizes.len() < 20);
    }
    assert_eq!(sizes.len(), 6, "{sizes:?}");
    for (bytes, most) in sizes.iter().zip([61_440, 30_720, 15_360, 7_680, 3_840, 1_920]) {
        assert!(*bytes <= most, "{sizes:?}");
    }
    let deferrals = page.deferrals;
    page.spans(0..5);
    page.advance(3000.0);
    page.leave();
    assert_eq!(page.deferrals, deferrals, "never again");
}

#[test]
fn nothing_is_deferred_without_consent_and_nothing_stays_so() {
    let mut page = page();
    page.hold(true);
    page.spans(0..3);
    page.advance(5000.0);
    assert_eq!(page.deferrals, 0);
    page.hold(false);
    page.advance(1000.0);
    page.spans(3..4);
    page.advance(1000.0);
    assert!(page.deferred.is_some());
    page.engine.discard(Loss::Consent);
    page.pump();
    assert!(page.deferred.is_none());
}

#[test]
fn a_collector_that_is_down_gets_none() {
    let mut page = page();
    page.spans(0..1);
    page.advance(1000.0);
    page.flush();
    for _ in 0..3 {
        let request = page.only_request();
        page.answer(&request, Answer::NetworkError);
        page.advance(10_000.0);
    }
    assert!(page.deferred.is_none(), "the browser would complain each time");
    page.spans(1..2);
    page.advance(1000.0);
    assert!(page.deferred.is_none());
    let request = page.only_request();
    page.status(&request, 200);
    page.advance(1000.0);
    assert_eq!(page.deferred_names(), ["1"]);
}

/// So many spans of 500 bytes wait, and the page goes.
fn left(count: usize, compression: Compression) -> (Driver, Vec<Request>) {
    let mut page = page();
    page.engine.delivery.rules = Rules { scheduled_delay_ms: 1e6, max_export_batch_size: 2048, max_queue_size: 2048 };
    page.engine.delivery.compression = compression;
    requests(&mut page, count);
    page.advance(1000.0);
    page.leave();
    let sent = page.requests();
    (page, sent)
}

#[test]
fn what_leaves_with_the_page_fits_into_our_share_and_the_deferred_request_and_uses_both() {
    for (compression, count) in [(Compression::Off, 400), (Compression::Accepted, 2000)] {
        let (page, sent) = left(count, compression);
        let share: usize = sent.iter().map(|request| request.body.len()).sum();
        let deferred = page.deferred.as_ref().expect("not all has fitted into the share");
        assert!(share <= SHARE_BYTES && share > SHARE_BYTES - 1500, "{share} bytes, {compression:?}");
        assert!(
            deferred.body.len() <= MOST_BYTES && deferred.body.len() > MOST_BYTES - 1500,
            "{} bytes, {compression:?}",
            deferred.body.len()
        );
        let mut ids: Vec<_> = sent.iter().chain([deferred]).flat_map(Request::spans).map(|span| span.span_id).collect();
        assert_eq!(page.engine.delivery.counts.in_flight as usize, ids.len());
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(page.engine.delivery.counts.in_flight as usize, ids.len(), "none leaves twice");
        page.assert_books_balance();
    }
}

#[test]
fn what_leaves_with_the_page_as_json_fits_too() {
    let mut page = page();
    page.json = true;
    page.engine.delivery.rules = Rules { scheduled_delay_ms: 1e6, max_export_batch_size: 2048, max_queue_size: 2048 };
    requests(&mut page, 400);
    page.leave();
    let deferred = page.deferred.as_ref().expect("not all has fitted into the share");
    assert!(deferred.body.len() <= MOST_BYTES && deferred.body.len() > MOST_BYTES * 9 / 10, "{} bytes", deferred.body.len());
    page.assert_books_balance();
}

#[test]
fn what_fits_into_our_share_needs_no_deferred_request() {
    let (page, sent) = left(20, Compression::Off);
    assert_eq!(sent.iter().flat_map(Request::spans).count(), 20);
    assert!(page.deferred.is_none(), "the one from before is taken back");
}

#[test]
fn what_was_sent_while_the_page_was_away_is_not_sent_again_and_nobody_knows_whether_it_arrived() {
    let (mut page, _) = left(250, Compression::Off);
    let deferred = page.come_back(true).expect("not all has fitted into the share");
    assert_eq!(page.engine.delivery.counts.unacknowledged as usize, deferred.spans().len());
    page.assert_books_balance();
    page.spans(0..1);
    page.advance(1000.0);
    let names = page.deferred_names();
    assert!(names.contains(&"0".to_owned()), "and the next ones are deferred again");
    let again: Vec<_> = page.deferred.as_ref().expect("there is one").spans().into_iter().map(|span| span.span_id).collect();
    assert!(deferred.spans().iter().all(|span| !again.contains(&span.span_id)));
}

#[test]
fn what_was_not_sent_while_the_page_was_away_waits_again() {
    let (mut page, _) = left(400, Compression::Off);
    let deferred = page.deferred_names().len();
    let queued = page.engine.delivery.counts.queued as usize;
    page.come_back(false);
    assert_eq!(page.engine.delivery.counts.queued as usize, queued + deferred);
    assert_eq!((page.engine.delivery.counts.unacknowledged, page.engine.delivery.counts.resent), (0, 0));
    page.assert_books_balance();
}

#[test]
fn a_page_that_must_not_defer_keeps_what_did_not_fit() {
    let (mut page, _) = left(400, Compression::Off);
    let mut times = 0;
    while page.deny_deferring().is_some() {
        times += 1;
        assert!(times < 20);
    }
    assert_eq!(times, 6);
    assert!(page.engine.delivery.counts.queued > 0);
    page.assert_books_balance();
}

#[test]
fn a_page_that_goes_for_good_defers_what_is_most_valuable_and_sends_the_rest() {
    for (count, is_sent) in [(100, false), (400, true)] {
        let mut page = page();
        page.engine.delivery.rules = Rules { scheduled_delay_ms: 1e6, max_export_batch_size: 2048, max_queue_size: 2048 };
        requests(&mut page, count);
        let handle = page.start_request("GET", "https://api.shop.example.com/failed");
        page.engine.response(handle, 500);
        page.end(handle);
        page.leave_for_good();
        let deferred = page.deferred.as_ref().expect("the browser does not refuse it later");
        assert!(deferred.body.len() <= MOST_BYTES);
        assert!(deferred.spans().iter().any(|span| span.status.as_ref().is_some_and(|status| status.code == 2)), "the one that failed");
        let deferred = deferred.spans().len();
        let sent = page.requests();
        let sent_bytes: usize = sent.iter().map(|request| request.body.len()).sum();
        assert!(sent_bytes <= SHARE_BYTES && (sent_bytes > 0) == is_sent, "{sent_bytes} bytes beside the {deferred} deferred spans");
        assert_eq!(page.engine.delivery.counts.in_flight as usize, deferred + sent.iter().flat_map(Request::spans).count());
        page.assert_books_balance();
    }
}

#[test]
fn a_page_that_must_not_defer_sends_what_other_browsers_send_when_it_goes_for_good() {
    let mut page = page();
    requests(&mut page, 400);
    page.leave_for_good();
    while page.deny_deferring().is_some() {}
    let sent: usize = page.requests().iter().map(|request| request.body.len()).sum();
    assert!(sent <= 40_960 && sent > 34_000, "{sent} bytes");
    page.assert_books_balance();
}

#[test]
fn what_had_no_room_when_the_page_was_hidden_is_with_the_browser_at_once() {
    let mut page = page();
    page.engine.delivery.rules = Rules { scheduled_delay_ms: 1e6, max_export_batch_size: 2048, max_queue_size: 2048 };
    requests(&mut page, 100);
    page.hide();
    let ids = |request: &Request| request.spans().into_iter().map(|span| span.span_id).collect::<Vec<_>>();
    let sent = page.only_request();
    let deferred = ids(page.deferred.as_ref().expect("it may be killed at any time"));
    assert!(ids(&sent).len() < 100);
    assert_eq!(deferred.len(), 100, "also what is not acknowledged");
    page.status(&sent, 200);
    let next = page.only_request();
    let deferred = ids(page.deferred.as_ref().expect("there is more"));
    assert!(ids(&sent).iter().all(|id| !deferred.contains(id)));
    assert!(ids(&next).iter().all(|id| deferred.contains(id)));
}
