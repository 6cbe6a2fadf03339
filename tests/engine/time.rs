//! When a span started and ended, by two clocks that may disagree.

use crate::driver::{Driver, ORIGIN_MS, ORIGIN_NANOS};

const HOUR_MS: f64 = 3_600_000.0;
const HOUR_NANOS: u64 = 3_600_000_000_000;

#[test]
fn page_time_becomes_unix_time_to_the_microsecond() {
    let mut page = Driver::new();
    let handle = page.start_as("span", |start| start.at_ms = 1234.567).unwrap();
    page.engine.end(handle, 2345.678, 2345.678);
    let span = page.flushed();
    assert_eq!(span.start_time_unix_nano / 1000, (ORIGIN_NANOS + 1_234_567_000) / 1000);
    assert_eq!(span.end_time_unix_nano / 1000, (ORIGIN_NANOS + 2_345_678_000) / 1000);
}

#[test]
fn a_time_that_the_page_gives_as_unix_time_is_taken_as_it_is() {
    let mut page = Driver::new();
    let handle = page.start_as("span", |start| start.at_ms = ORIGIN_MS + 5000.5).unwrap();
    page.engine.end(handle, ORIGIN_MS + 6000.0, page.now_ms);
    let span = page.flushed();
    assert_eq!(span.start_time_unix_nano, ORIGIN_NANOS + 5_000_500_000);
    assert_eq!(span.end_time_unix_nano, ORIGIN_NANOS + 6_000_000_000);
}

#[test]
fn a_span_never_ends_before_it_started() {
    for end_ms in [999.0, 0.0, -1.0, f64::NEG_INFINITY, f64::NAN] {
        let mut page = Driver::new();
        let handle = page.start_as("span", |start| start.at_ms = 1000.0).unwrap();
        page.engine.end(handle, end_ms, page.now_ms);
        let span = page.flushed();
        assert_eq!(span.start_time_unix_nano, ORIGIN_NANOS + 1_000_000_000, "end {end_ms}");
        assert_eq!(span.end_time_unix_nano, span.start_time_unix_nano, "end {end_ms}");
    }
}

#[test]
fn no_time_that_a_page_can_give_is_too_much() {
    for ms in [f64::INFINITY, f64::MAX, 1e300, 1.9e19, 1.9e13, -1e300, f64::NEG_INFINITY, f64::NAN, f64::MIN_POSITIVE] {
        let mut page = Driver::new();
        let span = page.exported(|page, handle| {
            page.engine.add_event(handle, b"event", ms);
        });
        assert_eq!(span.events.len(), 1, "{ms}");
        let handle = page.start_as("span", |start| start.at_ms = ms).unwrap();
        page.engine.end(handle, ms, page.now_ms);
        let span = page.flushed();
        assert!(span.end_time_unix_nano >= span.start_time_unix_nano, "{ms}");
    }
}

#[test]
fn after_the_machine_has_slept_new_spans_have_the_time_of_day_and_open_ones_their_duration() {
    let mut page = Driver::new();
    let open = page.start("open");
    page.exported(|_, _| ()); // Its room is used again after the sleep.
    // An hour of sleep, in which the page's clock stood still.
    page.now_ms += 10.0;
    page.engine.anchor = page.engine.anchor.checked(ORIGIN_MS + page.now_ms + HOUR_MS, page.now_ms);
    let new = page.start("new");
    page.engine.add_event(open, b"event", page.now_ms);
    page.engine.add_event(new, b"event", page.now_ms);
    page.now_ms += 5.0;
    page.end(open);
    page.end(new);
    page.flush();
    let [open, new] = <[_; 2]>::try_from(page.only_request().spans()).unwrap();
    assert_eq!(open.start_time_unix_nano, ORIGIN_NANOS + 1_000_000_000);
    assert_eq!(open.events[0].time_unix_nano, ORIGIN_NANOS + 1_010_000_000);
    assert_eq!(open.end_time_unix_nano, ORIGIN_NANOS + 1_015_000_000, "it lasted 15 ms by the page's clock");
    assert_eq!(new.start_time_unix_nano, ORIGIN_NANOS + 1_010_000_000 + HOUR_NANOS);
    assert_eq!(new.events[0].time_unix_nano, ORIGIN_NANOS + 1_010_000_000 + HOUR_NANOS);
    assert_eq!(new.end_time_unix_nano, ORIGIN_NANOS + 1_015_000_000 + HOUR_NANOS);
}

#[test]
fn small_corrections_of_the_wall_clock_move_no_span() {
    let mut page = Driver::new();
    for correction_ms in [-900.0, 0.4, 900.0] {
        page.engine.anchor = page.engine.anchor.checked(ORIGIN_MS + page.now_ms + correction_ms, page.now_ms);
        assert_eq!(page.exported(|_, _| ()).start_time_unix_nano, ORIGIN_NANOS + 1_000_000_000, "{correction_ms} ms");
    }
}
