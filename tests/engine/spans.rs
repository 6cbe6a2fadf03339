//! What a span holds when it arrives.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Decoded;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{Span, Status, status::StatusCode as WireCode};
use prost::Message;
use webspan::attributes::Value;
use webspan::capture::exception::Exception;
use webspan::context::{RANDOM, SAMPLED, SpanContext};
use webspan::delivery::{Effect, Loss};
use webspan::engine::{RESOURCE, STAGED, Stage};
use webspan::limits::Limits;
use webspan::open::MAX_OPEN;
use webspan::redact::Redactor;
use webspan::span::StatusCode;

use crate::driver::{Driver, ORIGIN_NANOS, attribute, int, list, text};

/// Bits of `Span.flags` as trace.proto defines them.
const HAS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

const ELSEWHERE: SpanContext = SpanContext { trace_id: [0xA1; 16], span_id: [0xB2; 8], flags: SAMPLED | RANDOM, remote: true };

#[test]
fn a_root_span_has_new_random_ids_and_no_parent() {
    let mut page = Driver::new();
    let first = page.exported(|_, _| ());
    let second = page.exported(|_, _| ());
    for span in [&first, &second] {
        assert_eq!((span.trace_id.len(), span.span_id.len()), (16, 8));
        assert_eq!(span.parent_span_id, b"");
        assert_eq!(span.trace_state, "");
        assert_eq!(span.flags, HAS_IS_REMOTE | u32::from(SAMPLED | RANDOM));
    }
    assert_ne!(first.trace_id, second.trace_id);
    assert_ne!(first.span_id, second.span_id);
    assert_ne!(first.span_id, &first.trace_id[..8], "the ids share no random bytes");
}

#[test]
fn the_context_told_at_the_start_is_the_one_that_arrives() {
    let mut page = Driver::new();
    let mut told = ELSEWHERE;
    let span = page.exported(|page, _| told = page.engine.started);
    assert_eq!((span.trace_id, span.span_id), (told.trace_id.to_vec(), told.span_id.to_vec()));
    assert_eq!((told.flags, told.remote), (SAMPLED | RANDOM, false));
}

#[test]
fn a_child_is_in_its_parents_trace_and_says_whether_the_parent_is_remote() {
    for (flags, remote, wire) in [
        (SAMPLED, false, HAS_IS_REMOTE | 0x01),
        (SAMPLED, true, HAS_IS_REMOTE | IS_REMOTE | 0x01),
        (SAMPLED | RANDOM, false, HAS_IS_REMOTE | 0x03),
        (SAMPLED | RANDOM, true, HAS_IS_REMOTE | IS_REMOTE | 0x03),
        (0xFF, true, HAS_IS_REMOTE | IS_REMOTE | 0x03),
    ] {
        let mut page = Driver::new();
        let handle = page.child("child", SpanContext { flags, remote, ..ELSEWHERE }).unwrap();
        page.end(handle);
        let span = page.flushed();
        assert_eq!(span.trace_id, ELSEWHERE.trace_id);
        assert_eq!(span.parent_span_id, ELSEWHERE.span_id);
        assert_ne!(span.span_id, ELSEWHERE.span_id);
        assert_eq!(span.flags, wire, "parent's flags {flags:#x}, remote {remote}");
    }
}

#[test]
fn a_parent_without_an_id_is_no_parent() {
    for parent in [SpanContext { trace_id: [0; 16], ..ELSEWHERE }, SpanContext { span_id: [0; 8], ..ELSEWHERE }] {
        let mut page = Driver::new();
        let handle = page.child("root", parent).unwrap();
        page.end(handle);
        let span = page.flushed();
        assert_eq!(span.parent_span_id, b"");
        assert_ne!(span.trace_id, parent.trace_id);
        assert_eq!(span.flags, HAS_IS_REMOTE | 0x03);
    }
}

#[test]
fn the_kind_of_the_api_is_one_more_on_the_wire() {
    let kinds = [(0, "INTERNAL"), (1, "SERVER"), (2, "CLIENT"), (3, "PRODUCER"), (4, "CONSUMER")];
    // What is no kind is the one that is meant when none is given.
    for (kind, wire) in kinds.into_iter().chain([(5, "INTERNAL"), (255, "INTERNAL")]) {
        let mut page = Driver::new();
        let handle = page.start_as("span", |start| start.kind = kind).unwrap();
        page.end(handle);
        assert_eq!(page.flushed().kind().as_str_name(), format!("SPAN_KIND_{wire}"));
    }
}

#[test]
fn the_last_name_counts() {
    let mut page = Driver::new();
    let span = page.exported(|page, handle| {
        for name in [&b"a longer name"[..], "höher".as_bytes()] {
            page.engine.span(handle).unwrap().rename(name);
        }
    });
    assert_eq!(span.name, "höher");
}

#[test]
fn the_trace_state_travels_with_the_span() {
    let mut page = Driver::new();
    let span = page.exported(|page, handle| {
        page.engine.set_trace_state(handle, b"first=1,second=2");
        page.engine.set_trace_state(handle, b"vendor=1");
    });
    assert_eq!(span.trace_state, "vendor=1");
    assert_eq!(page.exported(|_, _| ()).trace_state, "", "not with the next span in its room");
}

#[test]
fn attributes_arrive_with_the_type_they_were_set_with() {
    let mut page = Driver::new();
    let span = page.exported(|page, handle| {
        for (key, value) in [
            ("text", Value::Text("grün 😀".as_bytes())),
            ("empty", Value::Text(b"")),
            ("yes", Value::Bool(true)),
            ("no", Value::Bool(false)),
            ("whole", Value::number(-7.0)),
            ("largest", Value::Int(i64::MAX)),
            ("smallest", Value::Int(i64::MIN)),
            ("half", Value::number(0.5)),
            ("beyond", Value::number(9.3e18)),
            ("infinite", Value::number(f64::INFINITY)),
        ] {
            page.engine.set_attribute(handle, key.as_bytes(), value);
        }
        for element in [Some(Value::Text(b"a")), Some(Value::Int(1)), None, Some(Value::Bool(false)), Some(Value::Double(0.5))] {
            page.engine.push_element(element);
        }
        page.engine.set_list(handle, b"list");
        page.engine.set_list(handle, b"empty list");
    });
    for (key, wanted) in [
        ("text", text("grün 😀")),
        ("empty", text("")),
        ("yes", Some(Decoded::BoolValue(true))),
        ("no", Some(Decoded::BoolValue(false))),
        ("whole", int(-7)),
        ("largest", int(i64::MAX)),
        ("smallest", int(i64::MIN)),
        ("half", Some(Decoded::DoubleValue(0.5))),
        ("beyond", Some(Decoded::DoubleValue(9.3e18))),
        ("infinite", Some(Decoded::DoubleValue(f64::INFINITY))),
        ("list", list([text("a"), int(1), None, Some(Decoded::BoolValue(false)), Some(Decoded::DoubleValue(0.5))])),
        ("empty list", list([])),
    ] {
        assert_eq!(attribute(&span.attributes, key), wanted, "{key}");
    }
    assert_eq!((span.attributes.len(), span.dropped_attributes_count), (12, 0));
}

#[test]
fn of_a_key_that_is_set_twice_the_last_value_stays() {
    let mut page = Driver::new();
    let span = page.exported(|page, handle| {
        for value in ["first", "a second, longer one", "3rd"] {
            page.set_text(handle, "before", "stays");
            page.set_text(handle, "key", value);
            page.set_text(handle, "behind", "stays");
        }
        page.engine.set_attribute(handle, b"key", Value::Int(4));
    });
    assert_eq!(attribute(&span.attributes, "key"), int(4));
    assert_eq!(attribute(&span.attributes, "before"), text("stays"));
    assert_eq!(attribute(&span.attributes, "behind"), text("stays"));
    assert_eq!((span.attributes.len(), span.dropped_attributes_count), (3, 0));
}

#[test]
fn attributes_events_and_links_beyond_their_limits_are_dropped_and_counted() {
    let mut page = Driver::new();
    page.engine.limits = Limits {
        attribute_count: 3,
        event_count: 2,
        link_count: 1,
        attribute_per_event_count: 2,
        attribute_per_link_count: 1,
        ..Limits::DEFAULT
    };
    let span = page.exported(|page, handle| {
        for key in ["a", "b", "c", "d", "e"] {
            page.set_text(handle, key, "value");
        }
        // A key that is there already needs no room.
        page.set_text(handle, "a", "new");
        for _ in 0..5 {
            page.engine.stage(Stage::Event);
            for key in ["a", "b", "c", "d", "e", "f"] {
                page.set_text(STAGED, key, "value");
            }
            page.engine.add_event(handle, b"event", page.now_ms);
            page.engine.stage(Stage::Link);
            for key in ["a", "b", "c"] {
                page.set_text(STAGED, key, "value");
            }
            page.engine.add_link(handle, &ELSEWHERE, b"");
        }
    });
    assert_eq!((span.attributes.len(), span.dropped_attributes_count), (3, 2));
    assert_eq!(attribute(&span.attributes, "a"), text("new"));
    assert_eq!((span.events.len(), span.dropped_events_count), (2, 3));
    assert_eq!((span.events[0].attributes.len(), span.events[0].dropped_attributes_count), (2, 4));
    assert_eq!((span.links.len(), span.dropped_links_count), (1, 4));
    assert_eq!((span.links[0].attributes.len(), span.links[0].dropped_attributes_count), (1, 2));
}

#[test]
fn the_limits_of_opentelemetry_hold_unless_told_otherwise() {
    let mut page = Driver::new();
    let span = page.exported(|page, handle| {
        for number in 0..130 {
            page.set_text(handle, &number.to_string(), "value");
            page.engine.stage(Stage::Event);
            page.engine.add_event(handle, b"event", page.now_ms);
            page.engine.stage(Stage::Link);
            page.engine.add_link(handle, &ELSEWHERE, b"");
        }
    });
    assert_eq!((span.attributes.len(), span.dropped_attributes_count), (128, 2));
    assert_eq!((span.events.len(), span.dropped_events_count), (128, 2));
    assert_eq!((span.links.len(), span.dropped_links_count), (128, 2));
}

#[test]
fn text_is_cut_to_its_limit_wherever_it_is_a_value() {
    let mut page = Driver::new();
    page.engine.limits.attribute_value_length = 4;
    let span = page.exported(|page, handle| {
        page.set_text(handle, "a long key", "größer");
        page.engine.push_element(Some(Value::Text(b"element")));
        page.engine.set_list(handle, b"list");
        page.engine.stage(Stage::Event);
        page.set_text(STAGED, "key", "in an event");
        page.engine.add_event(handle, b"a long name", page.now_ms);
        page.engine.stage(Stage::Link);
        page.set_text(STAGED, "key", "in a link");
        page.engine.add_link(handle, &ELSEWHERE, b"");
        let exception = Exception { kind: b"TypeError", message: b"no number", stacktrace: b"at line 1" };
        page.engine.record_exception(handle, &exception, page.now_ms);
    });
    assert_eq!(attribute(&span.attributes, "a long key"), text("größ"));
    assert_eq!(attribute(&span.attributes, "list"), list([text("elem")]));
    assert_eq!(span.events[0].name, "a long name");
    assert_eq!(attribute(&span.events[0].attributes, "key"), text("in a"));
    assert_eq!(attribute(&span.links[0].attributes, "key"), text("in a"));
    for (key, value) in [("exception.type", "Type"), ("exception.message", "no n"), ("exception.stacktrace", "at l")] {
        assert_eq!(attribute(&span.events[1].attributes, key), text(value), "{key}");
    }
}

#[test]
fn events_have_their_own_name_time_and_attributes() {
    let mut page = Driver::new();
    let span = page.exported(|page, handle| {
        page.engine.stage(Stage::Event);
        page.set_text(STAGED, "key", "of the first");
        page.engine.add_event(handle, b"first", 1000.25);
        page.set_text(handle, "between", "them");
        page.engine.stage(Stage::Event);
        page.engine.add_event(handle, b"second", 2000.0);
    });
    let [first, second] = &span.events[..] else { panic!("two events were added: {:?}", span.events) };
    assert_eq!((&*first.name, first.time_unix_nano), ("first", ORIGIN_NANOS + 1_000_250_000));
    assert_eq!(attribute(&first.attributes, "key"), text("of the first"));
    assert_eq!((&*second.name, second.time_unix_nano), ("second", ORIGIN_NANOS + 2_000_000_000));
    assert_eq!(second.attributes, [], "what was staged belongs to one event");
    assert_eq!(span.attributes.len(), 1);
}

#[test]
fn links_name_their_target_and_whether_it_is_remote() {
    let mut page = Driver::new();
    let near = SpanContext { flags: 0, remote: false, trace_id: [1; 16], span_id: [2; 8] };
    let span = page.exported(|page, handle| {
        page.engine.stage(Stage::Link);
        page.set_text(STAGED, "key", "value");
        page.engine.add_link(handle, &ELSEWHERE, b"vendor=1");
        page.engine.stage(Stage::Link);
        page.engine.add_link(handle, &near, b"");
    });
    let [far, close] = &span.links[..] else { panic!("two links were added: {:?}", span.links) };
    assert_eq!((&*far.trace_id, &*far.span_id), (&[0xA1; 16][..], &[0xB2; 8][..]));
    assert_eq!((&*far.trace_state, far.flags), ("vendor=1", HAS_IS_REMOTE | IS_REMOTE | 0x03));
    assert_eq!(attribute(&far.attributes, "key"), text("value"));
    assert_eq!((&*close.trace_id, &*close.span_id), (&[1; 16][..], &[2; 8][..]));
    assert_eq!((&*close.trace_state, close.flags, &close.attributes[..]), ("", HAS_IS_REMOTE, &[][..]));
}

#[test]
fn the_status_follows_the_rules_of_the_api() {
    use StatusCode::{Error, Ok, Unset};
    type Case = (&'static str, &'static [(StatusCode, &'static str)], Option<(WireCode, &'static str)>);
    let cases: [Case; 9] = [
        ("never set", &[], None),
        ("unset changes nothing", &[(Unset, "why")], None),
        ("error with a message", &[(Error, "why")], Some((WireCode::Error, "why"))),
        ("ok has no message", &[(Ok, "why")], Some((WireCode::Ok, ""))),
        ("ok replaces an error and its message", &[(Error, "why"), (Ok, "")], Some((WireCode::Ok, ""))),
        ("ok is final", &[(Ok, ""), (Error, "why"), (Unset, "")], Some((WireCode::Ok, ""))),
        ("unset does not take an error back", &[(Error, "why"), (Unset, "")], Some((WireCode::Error, "why"))),
        ("the last error counts", &[(Error, "first"), (Error, "2nd")], Some((WireCode::Error, "2nd"))),
        ("the last error counts without a message", &[(Error, "first"), (Error, "")], Some((WireCode::Error, ""))),
    ];
    for (name, given, wanted) in cases {
        let mut page = Driver::new();
        let span = page.exported(|page, handle| {
            for (code, message) in given {
                page.engine.set_status(handle, *code, message.as_bytes());
            }
        });
        assert_eq!(span.status, wanted.map(|(code, message)| Status { code: code.into(), message: message.into() }), "{name}");
        assert_eq!(page.exported(|_, _| ()).status, None, "{name}: not on the next span in its room");
    }
}

#[test]
fn an_exception_is_an_event_with_what_is_known_of_it() {
    let mut page = Driver::new();
    let span = page.exported(|page, handle| {
        // Staged for an event that never came.
        page.engine.stage(Stage::Event);
        page.set_text(STAGED, "stray", "value");
        let exception = Exception { kind: b"TypeError", message: b"x is undefined", stacktrace: b"TypeError: x\n  at f" };
        page.engine.record_exception(handle, &exception, 1500.0);
        page.engine.record_exception(handle, &Exception { kind: b"string", message: b"", stacktrace: b"" }, 1600.0);
    });
    let [full, bare] = &span.events[..] else { panic!("two exceptions were recorded: {:?}", span.events) };
    assert_eq!((&*full.name, full.time_unix_nano), ("exception", ORIGIN_NANOS + 1_500_000_000));
    assert_eq!(attribute(&full.attributes, "exception.type"), text("TypeError"));
    assert_eq!(attribute(&full.attributes, "exception.message"), text("x is undefined"));
    assert_eq!(attribute(&full.attributes, "exception.stacktrace"), text("TypeError: x\n  at f"));
    assert_eq!(full.attributes.len(), 3);
    assert_eq!((bare.attributes.len(), attribute(&bare.attributes, "exception.type")), (1, text("string")));
    assert_eq!(span.status, None, "whether that is an error of the span, the page says");
}

#[test]
fn secrets_leave_in_no_text_of_a_span() {
    const SECRET: &str = "hunter2";
    let url = format!("https://me:{SECRET}@shop.example/?token={SECRET}");
    let mut page = Driver::new();
    page.engine.redactor = Redactor::new();
    page.engine.show = true;
    let scope = page.engine.scope(url.as_bytes(), url.as_bytes());
    let handle = page.start_request("GET", &url);
    page.engine.span(handle).unwrap().scope = scope;
    page.set_text(handle, "attribute", &url);
    page.set_text(RESOURCE, "resource", &url);
    page.engine.push_element(Some(Value::Text(url.as_bytes())));
    page.engine.set_list(handle, b"list");
    page.engine.stage(Stage::Event);
    page.set_text(STAGED, "in an event", &url);
    page.engine.add_event(handle, b"event", page.now_ms);
    page.engine.stage(Stage::Link);
    page.set_text(STAGED, "in a link", &url);
    page.engine.add_link(handle, &ELSEWHERE, b"");
    let thrown = Exception { kind: b"Error", message: url.as_bytes(), stacktrace: url.as_bytes() };
    page.engine.record_exception(handle, &thrown, page.now_ms);
    page.engine.set_status(handle, StatusCode::Error, url.as_bytes());
    page.end(handle);
    page.flush();
    let body = page.only_request().body;
    let count = |secret: &str, bytes: &[u8]| bytes.windows(secret.len()).filter(|window| *window == secret.as_bytes()).count();
    assert_eq!(count(SECRET, &body), 0);
    // url.full, attribute, list, event, link, message, stack trace, status, the resource, and name and version of the scope.
    assert_eq!(count("token=REDACTED", &body), 11);
    assert_eq!(count(SECRET, &page.shown[0].encode_to_vec()), 0);
}

#[test]
fn a_span_has_nothing_of_the_one_whose_room_it_uses() {
    let mut page = Driver::new();
    page.engine.limits = Limits { attribute_count: 1, event_count: 1, link_count: 1, ..Limits::DEFAULT };
    let first = page.start_as("first", |start| (start.parent, start.kind) = (Some(ELSEWHERE), 4)).unwrap();
    for _ in 0..2 {
        page.set_text(first, "key", "value");
        page.set_text(first, "beyond the limit", "value");
        page.engine.stage(Stage::Event);
        page.engine.add_event(first, b"event", page.now_ms);
        page.engine.stage(Stage::Link);
        page.engine.add_link(first, &ELSEWHERE, b"");
    }
    page.engine.set_trace_state(first, b"vendor=1");
    page.engine.set_status(first, StatusCode::Error, b"why");
    page.end(first);
    let second = page.start("second");
    assert_eq!(second & 0xFFFF, first & 0xFFFF, "the same room");
    page.end(second);
    page.flush();
    let second = page.only_request().spans().pop().unwrap();
    let bare = Span {
        trace_id: second.trace_id.clone(),
        span_id: second.span_id.clone(),
        name: "second".into(),
        kind: SpanKind::Internal.into(),
        start_time_unix_nano: ORIGIN_NANOS + 1_000_000_000,
        end_time_unix_nano: ORIGIN_NANOS + 1_000_000_000,
        flags: HAS_IS_REMOTE | 0x03,
        ..Span::default()
    };
    assert_eq!(second, bare);
}

#[test]
fn nothing_changes_a_span_that_has_ended() {
    let mut page = Driver::new();
    let handle = page.start("ended");
    page.end(handle);
    let next = page.start("next");
    for stale in [handle, -1, -4, i32::MAX, i32::MIN] {
        page.set_text(stale, "late", "value");
        page.engine.add_event(stale, b"late", page.now_ms);
        page.engine.add_link(stale, &ELSEWHERE, b"");
        page.engine.set_status(stale, StatusCode::Error, b"late");
        page.engine.set_trace_state(stale, b"late=1");
        page.engine.response(stale, 500);
        assert!(page.engine.span(stale).is_none());
        assert!(!page.engine.end(stale, page.now_ms, page.now_ms), "a second end is none");
    }
    page.end(next);
    page.flush();
    assert_eq!(page.engine.delivery.counts.ended, 2);
    for span in page.only_request().spans() {
        assert_eq!((span.attributes.len(), span.events.len(), span.links.len(), span.status), (0, 0, 0, None), "{}", span.name);
        assert_eq!(span.trace_state, "");
    }
}

#[test]
fn a_handle_from_before_a_discard_never_means_a_later_span() {
    let mut page = Driver::new();
    let before = page.start("before");
    page.engine.discard(Loss::Consent);
    let after = page.start("after");
    assert!(page.engine.span(before).is_none(), "handles {before:#x} and {after:#x}");
    assert!(!page.engine.end(before, page.now_ms, page.now_ms));
    page.end(after);
    assert_eq!(page.flushed().name, "after");
}

#[test]
fn when_too_many_spans_are_open_the_eldest_gives_way_and_is_counted() {
    let mut page = Driver::new();
    let handles: Vec<i32> = (0..MAX_OPEN)
        .map(|number| {
            page.now_ms += 1.0;
            page.start(&number.to_string())
        })
        .collect();
    assert_eq!(page.dropped(Loss::Evicted), 0);
    page.now_ms += 1.0;
    let newest = page.start("newest");
    assert!(page.engine.span(handles[0]).is_none(), "it was the eldest");
    assert!(page.engine.span(handles[1]).is_some());
    assert_eq!((page.dropped(Loss::Evicted), page.engine.delivery.counts.ended), (1, 1));
    page.assert_books_balance();
    page.end(newest);
    page.end(handles[0]);
    assert_eq!(page.engine.delivery.counts.ended, 2, "what gave way has ended");
    assert_eq!(page.reports.len(), 1);
    assert_eq!((page.reports[0].loss, page.reports[0].spans), (Loss::Evicted, 1));
}

#[test]
fn each_finished_span_is_shown_when_asked_for_and_sent_all_the_same() {
    let mut page = Driver::new();
    page.engine.show = true;
    for name in ["0", "1", "2"] {
        let handle = page.start(name);
        assert!(page.engine.end(handle, page.now_ms, page.now_ms), "there is something to show");
    }
    page.pump();
    page.flush();
    let sent = page.only_request();
    assert_eq!(sent.names(), ["0", "1", "2"]);
    assert_eq!(page.shown, sent.spans());
}

#[test]
fn what_the_page_ends_while_spans_are_shown_is_sent_and_not_shown() {
    let mut page = Driver::new();
    page.engine.show = true;
    let handle = page.start("shown");
    assert!(page.engine.end(handle, page.now_ms, page.now_ms));
    assert_eq!(page.engine.next(page.now_ms), Effect::Show);
    // A console that makes a span of each line.
    let within = page.start("in the console");
    page.engine.end(within, page.now_ms, page.now_ms);
    page.pump();
    assert_eq!(page.shown, []);
    let after = page.start("after");
    page.end(after);
    assert_eq!(page.shown.len(), 1, "from then on they are shown again");
    page.flush();
    assert_eq!(page.only_request().names(), ["shown", "in the console", "after"]);
}

#[test]
fn a_list_without_end_is_cut_short_and_the_next_one_is_whole() {
    let mut page = Driver::new();
    let span = page.exported(|page, handle| {
        for _ in 0..1_000_000 {
            page.engine.push_element(Some(Value::Int(1)));
        }
        page.engine.set_list(handle, b"long");
        page.engine.push_element(Some(Value::Int(2)));
        page.engine.set_list(handle, b"short");
    });
    assert!(span.encoded_len() < 600_000, "{} bytes", span.encoded_len());
    assert_eq!(attribute(&span.attributes, "short"), list([int(2)]));
}

#[test]
fn spans_that_are_open_are_counted_until_they_end_in_whatever_way() {
    let mut page = Driver::new();
    let handles: Vec<i32> = (0..MAX_OPEN).map(|number| page.start(&number.to_string())).collect();
    let open = |page: &Driver| page.engine.delivery.counts.open as usize;
    assert_eq!(open(&page), MAX_OPEN);
    page.start("one more");
    assert_eq!(open(&page), MAX_OPEN, "one gave way");
    page.end(handles[1]);
    page.end(handles[1]);
    page.engine.filter_out(handles[2]);
    page.engine.filter_out(handles[2]);
    assert_eq!(open(&page), MAX_OPEN - 2);
    assert_eq!(page.start_as("unsampled", |start| start.decided = Some(false)), None);
    page.flush();
    assert_eq!(open(&page), MAX_OPEN - 2, "the span that tells of losses is no span of the page");
    page.engine.discard(Loss::Consent);
    assert_eq!(open(&page), 0);
}
