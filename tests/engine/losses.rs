//! What is lost is told to the collector: once, with the next spans that it takes.

use opentelemetry_proto::tonic::trace::v1::Span;
use webspan::attributes::Value;
use webspan::batch::Rules;
use webspan::compression::Compression;
use webspan::delivery::Loss;
use webspan::engine::GLOBALS;
use webspan::retry::{Answer, Policy};

use crate::driver::{Driver, Request, attribute, int, text};

/// A page that has lost so many spans as its queue was full.
fn page_that_lost(count: usize) -> Driver {
    let mut page = Driver::new();
    page.engine.delivery.rules = Rules { max_queue_size: 1, ..Rules::DEFAULT };
    page.spans(0..1 + count);
    assert_eq!(page.dropped(Loss::QueueFull) as usize, count);
    page
}

/// Sends what waits, and one span more where nothing does.
fn sent(page: &mut Driver) -> Request {
    if page.engine.delivery.counts.queued == 0 {
        page.spans(0..1);
    }
    page.flush();
    page.only_request()
}

fn told(request: &Request, key: &str) -> Option<i64> {
    let attributes = request.losses()?.attributes;
    (0..1000).find(|count| attribute(&attributes, key) == int(*count))
}

#[test]
fn without_a_loss_nothing_is_told() {
    let mut page = Driver::new();
    assert_eq!(sent(&mut page).losses(), None);
}

#[test]
fn each_reason_has_its_count() {
    let mut page = page_that_lost(3);
    page.engine.delivery.push_lost(Loss::Evicted);
    page.engine.delivery.push_unwanted(Loss::Filtered);
    page.engine.set_attribute(GLOBALS, b"session.id", Value::Text(b"s-1"));
    let request = sent(&mut page);
    // The first loss has made the report already.
    assert_eq!(told(&request, "webspan.dropped.queue_full"), Some(1));
    page.status(&request, 200);
    let request = sent(&mut page);
    let Span { name, attributes, parent_span_id, trace_id, start_time_unix_nano, end_time_unix_nano, kind, .. } =
        request.losses().expect("the rest is told by the next one");
    assert_eq!((name.as_str(), parent_span_id.len(), kind), ("webspan.dropped", 0, 1));
    assert_eq!(start_time_unix_nano, end_time_unix_nano);
    assert!(trace_id != request.spans()[0].trace_id, "a trace of its own");
    assert_eq!(attribute(&attributes, "webspan.dropped.queue_full"), int(2));
    assert_eq!(attribute(&attributes, "webspan.dropped.evicted"), int(1));
    assert_eq!(attribute(&attributes, "session.id"), text("s-1"));
    assert_eq!(attributes.len(), 3, "nothing of reasons for which none was lost, and nothing of what the page did not want");
    let scopes = request.message().resource_spans.into_iter().flat_map(|spans| spans.scope_spans);
    assert!(scopes.filter_map(|spans| spans.scope).any(|scope| scope.name == "webspan"));
    page.status(&request, 200);
    assert_eq!(sent(&mut page).losses(), None, "told once");
}

#[test]
fn it_is_no_span_of_the_pages() {
    let mut page = page_that_lost(1);
    let request = sent(&mut page);
    assert!(request.losses().is_some());
    page.status(&request, 200);
    let counts = page.engine.delivery.counts;
    assert_eq!((counts.ended, counts.delivered, counts.dropped.iter().sum()), (2, 1, 1));
    page.assert_books_balance();
}

#[test]
fn it_is_told_until_it_has_arrived_and_always_by_the_same_span() {
    let mut page = page_that_lost(1);
    page.engine.delivery.retry = Policy { enabled: true, initial_ms: 100.0, max_ms: 100.0, max_elapsed_ms: 1000.0 };
    let first = sent(&mut page);
    let report = first.losses().expect("a span was lost");
    // Tried again, given up, refused, taken back, and compressed: it goes with whatever goes next.
    page.answer(&first, Answer::NetworkError);
    page.advance(100.0);
    let again = page.only_request();
    assert_eq!(again.losses().as_ref(), Some(&report));
    page.status(&again, 400);
    page.engine.delivery.rules = Rules::DEFAULT;
    let refused = sent(&mut page);
    assert_eq!(refused.losses().as_ref(), Some(&report));
    page.status(&refused, 400);
    page.engine.delivery.held = true;
    for number in 0..4 {
        page.large_span(&number.to_string(), 5_000);
    }
    page.engine.delivery.held = false;
    page.flush();
    let cut_off = page.only_request();
    assert!(!cut_off.keepalive);
    assert_eq!(cut_off.losses().as_ref(), Some(&report));
    page.engine.delivery.compression = Compression::Accepted;
    page.leave();
    let compressed = page.only_request();
    assert!(compressed.gzip);
    assert_eq!(compressed.losses().as_ref(), Some(&report));
    page.status(&compressed, 200);
    page.show();
    let next = sent(&mut page);
    assert_eq!(told(&next, "webspan.dropped.refused"), Some(2), "and what was lost meanwhile by the next one");
    assert_eq!(told(&next, "webspan.dropped.queue_full"), None);
    page.status(&next, 200);
    assert_eq!(sent(&mut page).losses(), None);
}

#[test]
fn nothing_is_sent_only_to_tell_it() {
    let mut page = Driver::new();
    let request = sent(&mut page);
    page.status(&request, 400);
    page.advance(1e6);
    page.hide();
    page.leave();
    page.assert_nothing_sent();
}

#[test]
fn what_was_discarded_for_want_of_consent_is_not_told() {
    let mut page = page_that_lost(5);
    page.engine.discard(Loss::Consent);
    page.pump();
    assert_eq!(sent(&mut page).losses(), None);
}

#[test]
fn it_leaves_with_the_page_within_our_share_in_every_encoding() {
    for (json, compression) in [(false, Compression::Off), (true, Compression::Off), (false, Compression::Accepted)] {
        let mut page = page_that_lost(1);
        page.json = json;
        page.engine.delivery.compression = compression;
        page.engine.delivery.rules = Rules { scheduled_delay_ms: 1e6, max_export_batch_size: 10_000, max_queue_size: 10_000 };
        for number in 0..1000 {
            let filling = (number as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let handle = page.start(&format!("{filling:x}"));
            page.set_text(handle, "filling", &format!("{:x}", filling.rotate_left(9).wrapping_mul(filling)).repeat(3));
            page.end(handle);
        }
        page.leave();
        let requests = page.requests();
        let bytes: usize = requests.iter().map(|request| request.body.len()).sum();
        assert!(bytes <= 40_960 - 4096 && bytes > 32_768, "{bytes} bytes, {json}, {compression:?}");
        assert_eq!(requests.iter().filter(|request| request.losses().is_some()).count(), 1);
        page.assert_books_balance();
    }
}

#[test]
fn a_crash_does_not_keep_it_from_arriving() {
    let mut page = Driver::new();
    page.engine.delivery.allow_deferring();
    page.engine.delivery.rules = Rules { max_queue_size: 1, ..Rules::DEFAULT };
    page.spans(0..2);
    page.advance(1000.0);
    let deferred = page.deferred.as_ref().expect("a span waits").losses();
    assert!(deferred.is_some());
    let request = sent(&mut page);
    assert_eq!(request.losses(), deferred, "the same, so that who gets it twice can tell");
}

#[test]
fn it_goes_into_the_outbox_with_the_spans_that_do() {
    for is_stored in [true, false] {
        let mut page = page_that_lost(1);
        page.engine.delivery.outbox = true;
        page.engine.delivery.stow();
        page.pump();
        let [store] = <[Request; 1]>::try_from(page.stores()).unwrap_or_else(|stores| panic!("{} records", stores.len()));
        assert!(store.losses().is_some());
        page.settle(&store, is_stored);
        page.engine.delivery.outbox = false;
        let next = sent(&mut page);
        assert_eq!(next.losses(), if is_stored { None } else { store.losses() });
    }
}
