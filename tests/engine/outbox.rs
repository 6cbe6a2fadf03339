//! What cannot be delivered now goes into the outbox, if there is one.

use webspan::batch::Rules;
use webspan::delivery::Loss;
use webspan::retry::{self, Answer, Policy, Verdict};

use crate::driver::{Driver, Request};

const BUSY: Answer = Answer::Status { code: 503, retry_after_ms: 0.0 };

/// A page with an outbox, whose batches are this large.
fn page(max_export_batch_size: usize) -> Driver {
    let mut page = Driver::new();
    page.engine.delivery.rules = Rules { scheduled_delay_ms: 5000.0, max_export_batch_size, max_queue_size: 1000 };
    page.engine.delivery.outbox = true;
    page
}

fn names(requests: &[Request]) -> Vec<String> {
    requests.iter().flat_map(Request::names).collect()
}

/// As from `spans(range)`.
fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

/// Which answers may pass stands in two places, as the outbox sends by itself.
#[test]
fn the_outbox_keeps_after_an_answer_what_the_core_would_send_again() {
    let (_, list) = include_str!("../../js/outbox.ts").split_once("const MAY_PASS = [").expect("the list of the outbox");
    let (list, _) = list.split_once(']').expect("the list ends");
    let listed: Vec<i32> = list.split(',').map(|code| code.trim().parse().expect("a status")).collect();
    let policy = Policy { enabled: true, initial_ms: 1000.0, max_ms: 30_000.0, max_elapsed_ms: 300_000.0 };
    let may_pass = |answer| matches!(retry::decide(answer, &policy, 1, 0.0, 0.5), Verdict::Retry { .. });
    let expected = [(0, Answer::NetworkError), (-1, Answer::Timeout)].into_iter();
    let expected = expected.chain((100..600).map(|code| (i32::from(code), Answer::Status { code, retry_after_ms: 0.0 })));
    assert_eq!(listed, expected.filter(|&(_, answer)| may_pass(answer)).map(|(code, _)| code).collect::<Vec<_>>());
}

#[test]
fn what_does_not_fit_when_the_page_goes_is_stored_in_pieces_and_nothing_twice() {
    for go in [Driver::hide, Driver::leave] {
        let mut page = page(10_000);
        for number in 0..600 {
            page.large_span(&number.to_string(), 500);
        }
        go(&mut page);
        let (sent, stored) = (page.requests(), page.stores());
        assert!(sent.iter().all(|request| request.keepalive));
        assert!(names(&sent).len() > 25, "{} spans had room", names(&sent).len());
        assert!(stored.len() > 3 && stored.iter().all(|store| store.body.len() < 60_000), "{} records", stored.len());
        let mut all = names(&sent);
        all.extend(names(&stored));
        all.sort_by_key(|name| name.parse::<usize>().unwrap());
        assert_eq!(all, numbers(0..600));
        let counts = page.engine.delivery.counts;
        assert_eq!((counts.queued, counts.stored as usize), (0, names(&stored).len()));
        page.assert_books_balance();
        for store in &stored {
            page.settle(store, true);
        }
        assert_eq!(page.engine.delivery.counts, counts);
        page.show();
        page.flush();
        page.assert_nothing_sent();
    }
}

#[test]
fn a_span_larger_than_a_piece_is_one_of_its_own() {
    let mut page = page(10);
    page.engine.delivery.set_online(false, 0.5, page.now_ms);
    for name in ["a", "b"] {
        page.large_span(name, 100_000);
    }
    page.hide();
    assert_eq!(page.stores().iter().map(Request::names).collect::<Vec<_>>(), [["a"], ["b"]]);
}

#[test]
fn what_a_hidden_page_cannot_deliver_is_stored_and_not_tried() {
    for leave in [Driver::hide, Driver::leave] {
        // The collector has failed once; or there is no network.
        for offline in [false, true] {
            let mut page = page(10);
            page.spans(0..3);
            page.flush();
            let request = page.only_request();
            if offline {
                page.online(false);
            }
            page.answer(&request, BUSY);
            page.spans(3..5);
            leave(&mut page);
            page.assert_nothing_sent();
            assert_eq!(names(&page.stores()), numbers(0..5), "offline: {offline}");
            assert_eq!(page.timer_ms(), None);
        }
    }
}

#[test]
fn without_network_what_is_under_way_and_what_is_due_is_stored_so_that_it_outlives_the_page() {
    let mut page = page(10);
    page.spans(0..2);
    page.flush();
    let request = page.only_request();
    page.spans(2..4);
    page.online(false);
    assert_eq!(names(&page.stores()), numbers(2..4));
    page.answer(&request, Answer::NetworkError);
    assert_eq!(names(&page.stores()), numbers(0..2));
    page.spans(4..6);
    assert_eq!((page.stores().len(), page.timer_ms()), (0, Some(1000.0)), "no later, as the tab may be closed");
    page.advance(1000.0);
    assert_eq!(names(&page.stores()), numbers(4..6));
    page.spans(6..16);
    assert_eq!(names(&page.stores()), numbers(6..16), "a full batch");
    page.assert_nothing_sent();
    page.assert_books_balance();
}

#[test]
fn what_fails_while_the_page_is_hidden_is_stored() {
    let mut page = page(10);
    page.spans(0..3);
    page.hide();
    let request = page.only_request();
    page.spans(3..5);
    page.answer(&request, Answer::NetworkError);
    let stores = page.stores();
    assert_eq!(names(&stores), numbers(0..5));
    page.settle(&stores[0], true);
    // What ends later waits as ever.
    page.spans(5..7);
    assert_eq!(page.stores().len(), 0);
    page.leave();
    assert_eq!(names(&page.stores()), numbers(5..7));
}

#[test]
fn what_would_be_given_up_is_stored_and_with_it_all_that_waits_behind() {
    let mut page = page(10);
    page.engine.delivery.retry.max_elapsed_ms = 1000.0;
    page.spans(0..3);
    page.flush();
    let request = page.only_request();
    page.answer(&request, BUSY);
    page.advance(750.0);
    page.answer(&request, BUSY);
    page.spans(3..5);
    page.advance(250.0);
    assert_eq!(page.requests().len(), 2);
    page.answer(&request, BUSY);
    assert_eq!(names(&page.stores()), numbers(0..5));
    assert_eq!((page.dropped(Loss::Expired), page.reports.len(), page.engine.delivery.counts.stored), (0, 0, 5));
    page.assert_books_balance();
    // The next span is how it becomes known that the collector is back.
    page.spans(5..6);
    page.advance(60_000.0);
    let probe = page.only_request();
    assert_eq!(probe.names(), ["5"]);
    page.status(&probe, 200);
    assert_eq!(page.engine.delivery.counts.delivered, 1);
}

#[test]
fn a_full_queue_is_stored_unless_the_outbox_is_behind() {
    let mut page = page(100);
    page.engine.delivery.rules.max_queue_size = 6;
    page.spans(0..6);
    let stores = page.stores();
    assert_eq!(names(&stores), numbers(0..6));
    page.spans(6..14);
    assert_eq!(page.stores().len(), 0, "the first is not settled");
    assert_eq!((page.engine.delivery.counts.queued, page.dropped(Loss::QueueFull)), (6, 2));
    page.settle(&stores[0], true);
    assert_eq!(names(&page.stores()), numbers(6..12));
    page.assert_books_balance();
}

#[test]
fn nothing_is_stored_while_consent_is_pending_and_what_is_held_then_goes_as_ever() {
    let mut page = page(100);
    page.engine.delivery.rules.max_queue_size = 6;
    page.hold(true);
    page.spans(0..8);
    page.hide();
    page.engine.delivery.stow();
    page.leave();
    assert_eq!((page.stores().len(), page.dropped(Loss::QueueFull)), (0, 2));
    page.show();
    page.engine.delivery.rules.max_queue_size = 100;
    page.hold(false);
    page.flush();
    assert_eq!(page.only_request().names(), numbers(0..6));
}

#[test]
fn what_could_not_be_stored_waits_again_and_leaves_as_far_as_it_fits() {
    let mut page = page(10_000);
    for number in 0..300 {
        page.large_span(&number.to_string(), 500);
    }
    page.hide();
    let sent = page.requests();
    let stores = page.stores();
    let left = names(&stores).len();
    for request in &sent {
        page.status(request, 200);
    }
    page.settle(&stores[0], false);
    let again = page.requests();
    assert!(!again.is_empty() && again.iter().all(|request| request.keepalive));
    for store in &stores[1..] {
        page.settle(store, false);
    }
    assert_eq!(page.stores().len(), 0, "it is not tried again");
    let counts = page.engine.delivery.counts;
    assert_eq!((counts.stored, (counts.queued + counts.in_flight) as usize), (0, left));
    page.assert_books_balance();
}

#[test]
fn what_is_on_its_way_into_the_outbox_is_lost_when_all_is_discarded() {
    let mut page = page(2);
    page.spans(0..1);
    page.engine.delivery.stow();
    page.pump();
    let stores = page.stores();
    page.settle(&stores[0], true);
    page.spans(1..2);
    page.engine.delivery.stow();
    page.pump();
    let stores = page.stores();
    page.engine.discard(Loss::Consent);
    assert_eq!((page.engine.delivery.counts.stored, page.dropped(Loss::Consent)), (1, 1));
    for is_stored in [true, false] {
        page.settle(&stores[0], is_stored);
    }
    page.assert_books_balance();
    page.assert_nothing_sent();
}

#[test]
fn all_that_waits_can_be_stored_but_not_what_is_under_way() {
    let mut page = page(2);
    page.spans(0..2);
    let under_way = page.only_request();
    page.spans(2..5);
    page.engine.delivery.stow();
    page.pump();
    let stores = page.stores();
    assert_eq!(names(&stores), numbers(2..5));
    page.status(&under_way, 200);
    for store in &stores {
        page.settle(store, true);
    }
    let counts = page.engine.delivery.counts;
    assert_eq!((counts.delivered, counts.stored, counts.queued), (2, 3, 0));
}
