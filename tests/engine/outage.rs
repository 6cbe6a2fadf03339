//! A collector that is down, and a browser without network.

use webspan::batch::Rules;
use webspan::delivery::Loss;
use webspan::retry::Answer;

use crate::driver::{Driver, Request};

const BUSY: Answer = Answer::Status { code: 503, retry_after_ms: 0.0 };

/// A page whose batches are this large.
fn page(max_export_batch_size: usize) -> Driver {
    let mut page = Driver::new();
    page.engine.delivery.rules = Rules { scheduled_delay_ms: 5000.0, max_export_batch_size, max_queue_size: 100 };
    page
}

/// The collector fails this often, each time as soon as it is asked.
fn fail(page: &mut Driver, times: usize) {
    for _ in 0..times {
        let wait_ms = page.timer_ms().unwrap_or(0.0);
        page.advance(wait_ms);
        let request = page.only_request();
        page.answer(&request, BUSY);
    }
}

fn names(requests: &[Request]) -> Vec<String> {
    requests.iter().flat_map(Request::names).collect()
}

// ---- the collector is down

#[test]
fn a_collector_that_stays_down_is_asked_as_seldom_as_the_policy_allows_whatever_waits() {
    let mut page = page(2);
    page.engine.delivery.retry.max_ms = 8000.0;
    page.engine.delivery.retry.max_elapsed_ms = 24_000.0;
    let mut asked_at_ms = Vec::new();
    page.spans(0..1);
    // A span each second for ten minutes: some batches are given up on the way, and others take their place.
    for number in 1..600 {
        page.advance(1000.0);
        page.spans(number..number + 1);
        for request in page.requests() {
            asked_at_ms.push(page.now_ms);
            page.answer(&request, BUSY);
        }
    }
    // Half of each wait is left to chance, and chance here says the middle: 750 ms, 1.5 s, 3 s, then 6 s; time here goes in whole seconds.
    let waits: Vec<f64> = asked_at_ms.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(waits.iter().skip(3).all(|&wait_ms| wait_ms >= 4000.0), "{waits:?}");
    assert!(asked_at_ms.len() < 600 / 5, "{} requests", asked_at_ms.len());
    let counts = page.engine.delivery.counts;
    assert!(counts.queued <= 100 && page.dropped(Loss::QueueFull) > 0 && page.dropped(Loss::Expired) > 0, "{counts:?}");
    page.assert_books_balance();
}

#[test]
fn the_batch_after_one_that_was_given_up_does_not_begin_anew() {
    let mut page = page(1);
    page.engine.delivery.retry.max_elapsed_ms = 6000.0;
    page.spans(0..2);
    fail(&mut page, 5);
    assert_eq!((page.dropped(Loss::Expired), page.engine.delivery.counts.queued), (1, 1));
    // The sixth failure in a row: 16 s, of which chance says three quarters.
    assert_eq!(page.timer_ms(), Some(12_000.0));
    page.advance(12_000.0);
    let request = page.only_request();
    assert_eq!(request.names(), ["1"]);
    page.status(&request, 200);
    // Once it is back, it is asked as ever.
    page.spans(2..3);
    assert_eq!(page.only_request().names(), ["2"]);
}

#[test]
fn each_flush_is_one_attempt_and_what_waits_behind_stays_there() {
    let mut page = page(1);
    page.spans(0..4);
    fail(&mut page, 1);
    for _ in 0..3 {
        page.flush();
        let request = page.only_request();
        assert_eq!(request.names(), ["0"]);
        page.answer(&request, BUSY);
        assert!(page.engine.delivery.is_settled());
    }
    page.assert_nothing_sent();
    assert_eq!(page.timer_ms(), Some(6000.0), "the fourth failure in a row");
    assert_eq!((page.engine.delivery.counts.queued, page.engine.delivery.counts.in_flight), (4, 0));
}

#[test]
fn a_page_that_is_hidden_sends_one_request_to_a_collector_that_is_down_and_the_rest_when_that_gets_through() {
    for (failures, at_once) in [(2, 4), (3, 1)] {
        let mut page = page(2);
        page.spans(0..8);
        fail(&mut page, failures);
        page.hide();
        let requests = page.requests();
        assert_eq!(requests.len(), at_once, "after {failures} failures");
        assert!(requests.iter().all(|request| request.keepalive));
        let mut taken = names(&requests);
        page.status(&requests[0], 200);
        taken.extend(names(&page.requests()));
        assert_eq!(taken.len(), 8);
    }
}

#[test]
fn what_a_hidden_page_asked_in_vain_waits_like_any_other_attempt() {
    let mut page = page(2);
    page.spans(0..8);
    fail(&mut page, 3);
    page.hide();
    let request = page.only_request();
    page.answer(&request, BUSY);
    page.assert_nothing_sent();
    assert_eq!(page.timer_ms(), Some(6000.0));
}

#[test]
fn a_page_that_is_left_sends_all_that_fits_even_to_a_collector_that_is_down() {
    let mut page = page(2);
    page.spans(0..8);
    fail(&mut page, 5);
    page.leave();
    assert_eq!(names(&page.requests()).len(), 8);
}

#[test]
fn requests_that_fail_together_are_one_failure() {
    let mut page = page(1);
    page.engine.delivery.held = true;
    page.spans(0..5);
    page.engine.delivery.held = false;
    page.hide();
    let requests = page.requests();
    assert_eq!(requests.len(), 5);
    for request in &requests {
        page.answer(request, Answer::NetworkError);
    }
    assert_eq!(page.timer_ms(), Some(750.0));
}

// ---- there is no network

#[test]
fn without_network_nothing_is_sent_and_nothing_gets_too_old() {
    let mut page = page(10);
    page.spans(0..3);
    page.flush();
    let request = page.only_request();
    page.online(false);
    page.answer(&request, Answer::NetworkError);
    page.spans(3..60);
    page.flush();
    assert!(page.engine.delivery.is_settled(), "nobody waits for a network");
    page.hide();
    page.show();
    page.advance(3_600_000.0);
    page.hide();
    page.leave();
    page.show();
    page.assert_nothing_sent();
    assert_eq!(page.timer_ms(), None);
    page.online(true);
    let mut taken = 0;
    page.advance(1000.0);
    while let Some(request) = page.requests().pop() {
        taken += request.names().len();
        page.status(&request, 200);
        page.advance(5000.0);
    }
    assert_eq!((taken, page.engine.delivery.counts.delivered, page.reports.len()), (60, 60, 0));
    page.assert_books_balance();
}

#[test]
fn a_batch_that_waits_for_its_next_attempt_has_as_much_time_after_an_hour_without_network_as_before() {
    let mut page = page(10);
    page.engine.delivery.retry.max_elapsed_ms = 10_000.0;
    page.spans(0..1);
    page.flush();
    let request = page.only_request();
    page.advance(4000.0);
    page.answer(&request, BUSY);
    page.online(false);
    page.advance(3_600_000.0);
    page.online(false);
    page.advance(3_600_000.0);
    page.online(true);
    page.advance(500.0);
    let request = page.only_request();
    page.answer(&request, Answer::Status { code: 503, retry_after_ms: 60_000.0 });
    assert_eq!(page.timer_ms(), Some(5500.0), "4.5 of 10 s are used up");
    page.advance(5500.0);
    let request = page.only_request();
    page.answer(&request, BUSY);
    assert_eq!(page.dropped(Loss::Expired), 1);
}

#[test]
fn once_there_is_a_network_again_the_next_attempt_is_made_at_once_and_only_that_one() {
    let mut page = page(2);
    page.spans(0..4);
    fail(&mut page, 6);
    page.online(false);
    page.advance(1000.0);
    page.online(true);
    assert_eq!(page.timer_ms(), Some(500.0), "a second at most, of which chance says half");
    page.advance(500.0);
    let request = page.only_request();
    page.answer(&request, BUSY);
    assert_eq!(page.timer_ms(), Some(22_500.0), "the seventh failure in a row");
}

#[test]
fn that_there_is_a_network_is_no_news_to_who_was_never_without() {
    let mut page = page(2);
    page.spans(0..2);
    fail(&mut page, 3);
    let wait_ms = page.timer_ms();
    page.online(true);
    assert_eq!(page.timer_ms(), wait_ms);
}
