//! What every span has from its start, and what bounds the spans that nobody asked for one by one.

use webspan::attributes::Value;
use webspan::capture::names::FACTS;
use webspan::delivery::Loss;
use webspan::engine::GLOBALS;
use webspan::runaway::Runaway;

use crate::driver::{Driver, attribute, int, text};

fn fact(name: &str) -> usize {
    FACTS.iter().position(|fact| fact.stable == name).expect("a fact of this name")
}

#[test]
fn a_global_attribute_is_on_every_span_that_starts_after_it() {
    let mut page = Driver::new();
    let before = page.start("before");
    page.set_text(GLOBALS, "tenant", "acme");
    page.engine.set_fact(GLOBALS, fact("user.id"), Some(Value::Text(b"u1")));
    let during = page.start("during");
    page.set_text(during, "tenant", "own");
    page.engine.unset_global(b"tenant");
    page.engine.set_fact(GLOBALS, fact("user.id"), None);
    let after = page.start("after");
    for handle in [before, during, after] {
        page.end(handle);
    }
    page.flush();
    let spans = page.only_request().spans();
    let of = |name: &str| spans.iter().find(|span| span.name == name).expect("the span was sent");
    assert_eq!(of("before").attributes, []);
    assert_eq!(attribute(&of("during").attributes, "tenant"), text("own"), "the span's own word wins");
    assert_eq!(attribute(&of("during").attributes, "user.id"), text("u1"));
    assert_eq!(of("during").attributes.len(), 2, "and stands there once");
    assert_eq!(of("after").attributes, []);
}

#[test]
fn a_fact_has_the_name_that_its_number_stands_for() {
    let mut page = Driver::new();
    let handle = page.start("documentFetch");
    page.engine.set_fact(handle, fact("http.request.body.size"), Some(Value::Int(200)));
    page.engine.set_fact(handle, FACTS.len(), Some(Value::Int(1)));
    page.engine.set_fact(handle, fact("url.full"), None);
    page.end(handle);
    let span = page.flushed();
    assert_eq!(attribute(&span.attributes, "http.request.body.size"), int(200));
    assert_eq!(span.attributes.len(), 1);
}

#[test]
fn a_page_that_runs_away_costs_a_bounded_number_of_spans_and_all_are_counted() {
    let mut page = Driver::new();
    page.engine.runaway = Runaway::new(10);
    let captured = |page: &mut Driver| page.start_as("GET", |start| start.captured = true);
    for _ in 0..100 {
        if let Some(handle) = captured(&mut page) {
            page.end(handle);
        }
    }
    let counts = page.engine.delivery.counts;
    assert_eq!((counts.ended, counts.dropped[Loss::RateLimited as usize]), (100, 90));
    page.spans(0..5);
    assert_eq!(page.engine.delivery.counts.ended, 105, "what the page starts itself is its own affair");
    assert_eq!(page.engine.delivery.counts.dropped[Loss::RateLimited as usize], 90);
    page.flush();
    let reports: Vec<Loss> = page.reports.iter().map(|report| report.loss).collect();
    assert_eq!(reports, [Loss::RateLimited], "it is told once");
    page.now_ms += 60_000.0;
    assert!(captured(&mut page).is_some());
}

#[test]
fn what_is_not_recorded_for_the_limit_is_handed_on_as_not_sampled() {
    let mut page = Driver::new();
    page.engine.runaway = Runaway::new(0);
    assert_eq!(page.start_as("GET", |start| start.captured = true), None);
    assert_eq!(page.engine.started.flags & 1, 0);
}
