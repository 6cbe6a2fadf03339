//! Which spans are recorded, and what the flags say about it.

use webspan::context::{RANDOM, SAMPLED, SpanContext, traceparent};
use webspan::sampler::Sampler;

use crate::driver::Driver;

fn parent(flags: u8, remote: bool) -> SpanContext {
    SpanContext { trace_id: [0xA1; 16], span_id: [0xB2; 8], flags, remote }
}

#[test]
fn a_span_is_recorded_as_the_page_the_parent_and_the_ratio_say_in_that_order() {
    let cases = [
        // sampler, parent's flags, the page's word, recorded
        (Sampler::ALWAYS_ON, None, None, true),
        (Sampler::ALWAYS_OFF, None, None, false),
        (Sampler::ALWAYS_ON, Some(0), None, false),
        (Sampler::ALWAYS_OFF, Some(SAMPLED), None, true),
        (Sampler::ALWAYS_ON, Some(RANDOM), None, false),
        (Sampler::ratio(0.0), Some(SAMPLED), None, true),
        (Sampler::ratio(1.0), Some(0), None, false),
        (Sampler::ALWAYS_ON, None, Some(false), false),
        (Sampler::ALWAYS_OFF, None, Some(true), true),
        (Sampler::ALWAYS_ON, Some(SAMPLED), Some(false), false),
        (Sampler::ALWAYS_OFF, Some(0), Some(true), true),
    ];
    for (index, (sampler, parent_flags, decided, recorded)) in cases.into_iter().enumerate() {
        for remote in [false, true] {
            let mut page = Driver::new();
            page.engine.sampler = sampler;
            let handle = page.start_as("span", |start| {
                start.parent = parent_flags.map(|flags| parent(flags, remote));
                start.decided = decided;
            });
            assert_eq!(handle.is_some(), recorded, "case {index}, remote {remote}");
            assert_eq!(page.engine.started.is_sampled(), recorded, "case {index}, remote {remote}: the flag says the same");
        }
    }
}

#[test]
fn a_span_that_is_not_recorded_has_a_context_and_its_children_are_not_recorded_either() {
    let mut page = Driver::new();
    page.engine.sampler = Sampler::ALWAYS_OFF;
    assert_eq!(page.start_as("root", |_| ()), None);
    let root = page.engine.started;
    assert!(root.is_valid() && !root.is_sampled());
    // Even should the sampler change its mind: a trace is whole or not there.
    page.engine.sampler = Sampler::ALWAYS_ON;
    assert_eq!(page.child("child", root), None);
    let child = page.engine.started;
    assert_eq!(child.trace_id, root.trace_id);
    assert_ne!(child.span_id, root.span_id);
    assert!(!child.is_sampled());
    page.flush();
    page.assert_nothing_sent();
    assert_eq!(page.engine.delivery.counts.ended, 0, "what is not recorded is no loss");
}

#[test]
fn the_flags_of_a_span_are_the_same_in_its_traceparent_and_on_the_wire() {
    for (parent_flags, decided, flags) in [
        (None, None, "03"),
        (None, Some(false), "02"),
        (Some(SAMPLED), None, "01"),
        (Some(SAMPLED | RANDOM), None, "03"),
        (Some(SAMPLED | RANDOM | 0xF0), None, "03"),
        (Some(RANDOM), None, "02"),
        (Some(0), None, "00"),
        (Some(0), Some(true), "01"),
    ] {
        let mut page = Driver::new();
        let handle = page.start_as("span", |start| {
            start.parent = parent_flags.map(|flags| parent(flags, true));
            start.decided = decided;
        });
        let mut header = Vec::new();
        traceparent::write(&page.engine.started, &mut header);
        let header = String::from_utf8(header).unwrap();
        assert_eq!(header.rsplit('-').next(), Some(flags), "parent {parent_flags:?}, decided {decided:?}: {header}");
        if let Some(handle) = handle {
            page.end(handle);
            assert_eq!(format!("{:02x}", page.flushed().flags & 0xFF), flags, "parent {parent_flags:?}, decided {decided:?}");
        }
    }
}

#[test]
fn the_ratio_decides_by_trace_so_that_every_span_of_it_is_kept_or_none() {
    let mut page = Driver::new();
    page.engine.sampler = Sampler::ratio(0.25);
    let mut kept = 0;
    for _ in 0..2000 {
        let root = page.start_as("root", |_| ());
        let context = page.engine.started;
        let child = page.child("child", context);
        assert_eq!(root.is_some(), child.is_some());
        assert_eq!(Sampler::ratio(0.25).samples(None, None, &context.trace_id), root.is_some(), "the id alone decides");
        kept += usize::from(root.is_some());
        for handle in [root, child].into_iter().flatten() {
            page.end(handle);
        }
    }
    // 500, and five standard deviations of 19 to either side.
    assert!((400..=600).contains(&kept), "{kept} of 2000");
}

#[test]
fn a_request_that_is_not_recorded_still_has_a_context_for_its_headers() {
    let mut page = Driver::new();
    page.engine.sampler = Sampler::ALWAYS_OFF;
    let start = |page: &mut Driver| page.start_as("GET", |_| ());
    assert_eq!(start(&mut page), None);
    let first = page.engine.started;
    assert_eq!(start(&mut page), None);
    assert_ne!(page.engine.started.span_id, first.span_id);
    assert!(page.engine.started.is_valid());
}
