#![cfg(target_arch = "wasm32")]
//! The door from JavaScript's side: functions of the module called by name with numbers, text written into its memory, and answers read
//! from there, as `js/core.ts` does it. The same tests run in Node and in a browser.

use gloo_timers::future::TimeoutFuture;
use js_sys::{Array, Function, Int32Array, Reflect, Uint8Array, Uint32Array, WebAssembly};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::Performance;
// The functions are called by name only; without this the linker would not see the crate.
use webspan as _;

const ORIGIN_MS: f64 = 1_700_000_000_000.0;

// What stands for what in `js/core.ts` and `js/transport.ts`.
const NEEDS_RANDOM: f64 = -2.0;
const NOT_RECORDED: f64 = -1.0;
const STAGED: f64 = -2.0;
const RESOURCE: f64 = -3.0;
const WAIT: f64 = 0.0;
const SEND: f64 = 1.0;
const SHOW: f64 = 2.0;
const REPORT: f64 = 3.0;
const STORE: f64 = 5.0;
const PLACES: [&str; 7] = ["ended", "queued", "inFlight", "delivered", "unacknowledged", "resent", "stored"];
const LOSSES: [&str; 8] = ["queueFull", "rejected", "refused", "expired", "evicted", "consent", "noEndpoint", "shutdown"];
const TEXT: f64 = 0.0;
const NUMBER: f64 = 1.0;
const BOOL: f64 = 2.0;
const LIST: f64 = 3.0;
const HAS_PARENT: f64 = 2.0;
const DECIDED: f64 = 4.0;
const SAMPLED: f64 = 8.0;
const VISIBLE: f64 = 0.0;
const HIDDEN: f64 = 1.0;
const LEAVING: f64 = 2.0;

/// A page around the module's only instance.
struct Page {
    exports: JsValue,
    words_at: u32,
    counts_at: u32,
}

impl Page {
    fn new() -> Page {
        let mut page = Page { exports: wasm_bindgen::exports(), words_at: 0, counts_at: 0 };
        page.words_at = page.call("create_core", &[ORIGIN_MS]) as u32;
        page.counts_at = page.words().get_index(0) as u32;
        page.call("scratch_area", &[16_384.0]);
        // ratio, show, endpoint, redact, semconv, compression
        page.call("set_options", &[1.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
        let [name, version] = page.write(["tests", "1"]);
        assert_eq!(page.call("add_scope", &[name, version]), 0.0);
        page
    }

    /// What a function answers; NaN when that is nothing.
    fn call(&self, name: &str, arguments: &[f64]) -> f64 {
        let function = Reflect::get(&self.exports, &name.into()).ok().and_then(|export| export.dyn_into::<Function>().ok());
        let function = function.unwrap_or_else(|| panic!("the module exports no function {name}"));
        let arguments: Array = arguments.iter().map(|&number| JsValue::from(number)).collect();
        let answer = function.apply(&JsValue::UNDEFINED, &arguments);
        answer.unwrap_or_else(|thrown| panic!("{name} threw {thrown:?}")).as_f64().unwrap_or(f64::NAN)
    }

    // ---- memory, looked up each time: it may have grown

    /// Texts into the scratch area, one behind the other; their lengths.
    fn write<const N: usize>(&self, texts: [&str; N]) -> [f64; N] {
        self.write_bytes(texts.concat().as_bytes());
        texts.map(|text| text.len() as f64)
    }

    fn write_bytes(&self, bytes: &[u8]) {
        let address = self.call("scratch_area", &[bytes.len() as f64]) as u32;
        Uint8Array::new_with_byte_offset_and_length(&buffer(), address, bytes.len() as u32).copy_from(bytes);
    }

    /// The first bytes of the scratch area, which are text.
    fn read(&self, length: f64) -> String {
        let address = self.call("scratch_area", &[0.0]) as u32;
        String::from_utf8(copied(address, length as u32)).expect("the core answers in UTF-8")
    }

    fn words(&self) -> Int32Array {
        Int32Array::new_with_byte_offset_and_length(&buffer(), self.words_at, 16)
    }

    /// What the core has put into the words.
    fn out(&self) -> Vec<i32> {
        let mut words = vec![0; 16];
        self.words().copy_to(&mut words);
        words
    }

    /// A context for the core to read: seven words, its flags, and whether it is remote.
    fn tell(&self, context: [i32; 9]) {
        self.words().subarray(0, 9).copy_from(&context);
    }

    /// How many spans are in a place, or were lost for a reason.
    fn count(&self, which: &str) -> u32 {
        let index = PLACES.iter().chain(&LOSSES).position(|name| *name == which).expect("a place or a loss");
        Uint32Array::new_with_byte_offset_and_length(&buffer(), self.counts_at, (PLACES.len() + LOSSES.len()) as u32)
            .get_index(index as u32)
    }

    /// What the last effect is about.
    fn body(&self) -> Vec<u8> {
        let out = self.out();
        copied(out[0] as u32, out[1] as u32)
    }

    // ---- what happens in a page

    /// An internal span of the first scope.
    fn start(&self, name: &str, at_ms: f64) -> f64 {
        let begin = || {
            let [name] = self.write([name]);
            self.call("start_span", &[name, 0.0, 0.0, at_ms])
        };
        let handle = begin();
        if handle != NEEDS_RANDOM {
            return handle;
        }
        assert_eq!(self.call("refill_pool", &[]), 1.0, "the host has random bytes");
        begin()
    }

    fn set_text(&self, handle: f64, key: &str, value: &str) {
        let [key, value] = self.write([key, value]);
        self.call("set_attribute", &[handle, key, TEXT, value]);
    }

    fn end(&self, handle: f64, now_ms: f64) -> bool {
        self.call("end_span", &[handle, now_ms, now_ms]) > 0.0
    }

    /// One span, sent by a flush: the number of its batch, and the request.
    fn sent(&self) -> (f64, Vec<u8>) {
        self.end(self.start("span", 1000.0), 1500.0);
        self.call("flush_spans", &[]);
        let (batch, _) = self.send(1500.0);
        (batch, self.body())
    }

    /// The next effect, which is to send the body as it is: the number of the batch, and whether it goes with `keepalive`.
    fn send(&self, now_ms: f64) -> (f64, f64) {
        let (effect, [batch, ..]) = self.next(now_ms);
        assert_eq!(effect, SEND);
        (batch, self.call("fit_body", &[batch, self.body().len() as f64]))
    }

    /// The next effect, and the three numbers that go with it.
    fn next(&self, now_ms: f64) -> (f64, [f64; 3]) {
        let effect = self.call("next_effect", &[now_ms]);
        let out = self.out();
        (effect, [out[2], out[3], out[4]].map(f64::from))
    }

    fn answer(&self, batch: f64, status: f64, retry_after_ms: f64, rejected: f64) {
        self.call("take_answer", &[batch, status, retry_after_ms, rejected, 0.5, 1500.0]);
    }
}

/// Bytes of the memory. Room first: to make it may move the memory, which leaves a view behind.
fn copied(address: u32, length: u32) -> Vec<u8> {
    let mut bytes = vec![0; length as usize];
    Uint8Array::new_with_byte_offset_and_length(&buffer(), address, length).copy_to(&mut bytes);
    bytes
}

fn buffer() -> JsValue {
    wasm_bindgen::memory().unchecked_into::<WebAssembly::Memory>().buffer()
}

/// The page's clock, in Node and in a browser.
fn now_ms() -> f64 {
    let performance = Reflect::get(&js_sys::global(), &"performance".into()).expect("both hosts have a clock");
    performance.unchecked_into::<Performance>().now()
}

/// The number of a reason.
fn number(loss: &str) -> f64 {
    LOSSES.iter().position(|name| *name == loss).expect("a loss") as f64
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Trace id and span id of a context in the out area, as hex digits.
fn ids(out: &[i32]) -> (String, String) {
    let digits: String = out[..6].iter().map(|word| format!("{word:07x}")).chain([format!("{:06x}", out[6])]).collect();
    (digits[..32].into(), digits[32..].into())
}

fn bytes_of(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex digits")).collect()
}

#[wasm_bindgen_test]
fn a_span_goes_from_its_start_to_the_answer_of_its_request() {
    let page = Page::new();
    let handle = page.start("grün 😀", 1000.0);
    assert!(handle >= 0.0);
    let (trace_id, span_id) = ids(&page.out());
    assert_eq!(page.out()[7], 0x03, "sampled, with a random id");

    page.set_text(handle, "text", "some value");
    let [key] = page.write(["number"]);
    page.call("set_attribute", &[handle, key, NUMBER, -0.5]);
    let [key] = page.write(["bool"]);
    page.call("set_attribute", &[handle, key, BOOL, 1.0]);
    let [element] = page.write(["an element"]);
    page.call("push_element", &[TEXT, element]);
    page.call("push_element", &[NUMBER, 1.0]);
    page.call("push_element", &[BOOL, 0.0]);
    page.call("push_element", &[LIST, 0.0]);
    let [key] = page.write(["list"]);
    page.call("set_attribute", &[handle, key, LIST, 0.0]);
    page.call("stage_attributes", &[0.0]);
    page.set_text(STAGED, "staged", "of the event");
    let [name] = page.write(["an event"]);
    page.call("add_event", &[handle, name, 1200.0]);
    let [kind, message, stacktrace] = page.write(["TypeError", "no number", "at line 1"]);
    page.call("record_exception", &[handle, kind, message, stacktrace, 1200.0]);
    let [message] = page.write(["why"]);
    page.call("set_status", &[handle, 2.0, message]);
    let [state] = page.write(["vendor=1"]);
    page.call("set_trace_state", &[handle, state]);
    page.set_text(RESOURCE, "of the page", "everywhere");
    assert!(page.end(handle, 1500.0), "the first span asks for its timer");

    let (effect, [delay_ms, ..]) = page.next(1500.0);
    assert_eq!((effect, delay_ms), (WAIT, 5000.0));
    assert_eq!((page.count("ended"), page.count("queued")), (1, 1));
    let (batch, keepalive) = page.send(6500.0);
    assert_eq!(keepalive, 1.0);
    let body = page.body();
    for part in ["grün 😀", "some value", "number", "bool", "an element", "list", "of the event", "an event", "tests", "everywhere"] {
        assert!(holds(&body, part.as_bytes()), "{part}");
    }
    for part in ["TypeError", "no number", "at line 1", "why", "vendor=1"] {
        assert!(holds(&body, part.as_bytes()), "{part}");
    }
    assert!(holds(&body, &bytes_of(&trace_id)) && holds(&body, &bytes_of(&span_id)));
    assert!(holds(&body, &(-0.5f64).to_le_bytes()));
    let (effect, [delay_ms, ..]) = page.next(6500.0);
    assert_eq!((effect, delay_ms, page.count("inFlight")), (WAIT, -1.0, 1), "for the answer, without a timer");

    page.answer(batch, 200.0, f64::NAN, f64::NAN);
    assert_eq!((page.count("ended"), page.count("inFlight"), page.count("delivered")), (1, 0, 1));
}

#[wasm_bindgen_test]
fn nothing_has_happened_when_a_start_has_no_random_bytes() {
    let page = Page::new();
    page.tell([0x1234567, 0x7654321, 0x1111111, 0x2222222, 0x3333333, 0x4444444, 0x555555, 1, 0]);
    let [name] = page.write(["span"]);
    let start = [name, 0.0, 0.0, 1000.0, HAS_PARENT];
    assert_eq!(page.call("start_span", &start), NEEDS_RANDOM);
    assert_eq!(page.call("start_span", &start), NEEDS_RANDOM);
    assert_eq!(page.call("refill_pool", &[]), 1.0);
    assert!(page.call("start_span", &start) >= 0.0);
    assert_eq!(page.out()[..4], [0x1234567, 0x7654321, 0x1111111, 0x2222222], "the parent is still there");
    assert!(page.call("start_span", &[name, 0.0, 0.0, 1000.0]) >= 0.0);
    assert_ne!(page.out()[..4], [0x1234567, 0x7654321, 0x1111111, 0x2222222], "and is for no other");
}

#[wasm_bindgen_test]
fn ids_come_from_the_random_source_of_the_host() {
    let page = Page::new();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..1000 {
        let handle = page.start("span", 1000.0);
        let (trace_id, span_id) = ids(&page.out());
        assert!(seen.insert(trace_id) && seen.insert(span_id));
        page.end(handle, 1500.0);
    }
}

#[wasm_bindgen_test]
fn the_word_of_the_pages_sampler_is_for_one_span() {
    let page = Page::new();
    page.start("draws random bytes", 1000.0);
    let [name] = page.write(["span"]);
    assert_eq!(page.call("start_span", &[name, 0.0, 0.0, 1000.0, DECIDED]), NOT_RECORDED);
    assert_eq!(page.out()[7], 0x02, "it has a context, which is not sampled");
    assert!(page.start("span", 1000.0) >= 0.0);
    page.call("set_options", &[0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
    assert_eq!(page.start("span", 1000.0), NOT_RECORDED);
    assert!(page.call("start_span", &[name, 0.0, 0.0, 1000.0, DECIDED + SAMPLED]) >= 0.0);
}

#[wasm_bindgen_test]
fn a_name_that_was_kept_stands_for_its_text_and_takes_no_room_in_the_scratch_area() {
    let page = Page::new();
    let keep = |name: &str| page.call("keep_text", &page.write([name]));
    let (name, key) = (keep("the kept name"), keep("grün.key"));
    assert!(name < -1.0 && key < -1.0 && name != key, "below what means none");
    let _ = page.start("span", 1000.0);
    let handle = page.call("start_span", &[name, 0.0, 0.0, 1000.0]);
    let [value] = page.write(["some value"]);
    page.call("set_attribute", &[handle, key, TEXT, value]);
    page.end(handle, 1500.0);
    page.call("flush_spans", &[]);
    page.next(1500.0);
    let body = page.body();
    assert!(holds(&body, b"\x2A\x0Dthe kept name"));
    assert!(holds(&body, "\x0A\x09grün.key\x12\x0C\x0A\x0Asome value".as_bytes()));
}

#[wasm_bindgen_test]
fn names_are_kept_up_to_a_bound_and_long_ones_never() {
    let page = Page::new();
    let keep = |name: &str| page.call("keep_text", &page.write([name]));
    let long = "n".repeat(256);
    assert_eq!(keep(&long), 256.0);
    let kept = (0..1000).filter(|number| keep(&format!("name that differs {number:03}")) < -1.0).count();
    assert_eq!(kept, 8192 / "name that differs 000".len());
    assert_eq!(keep("one more, which is too much"), 27.0, "its length, as if nobody had asked");
}

#[wasm_bindgen_test]
fn a_length_that_is_not_right_is_no_text_and_no_trap() {
    let page = Page::new();
    let handle = page.start("span", 1000.0);
    for length in [-1.0, -2.0, -5000.0, 1e9, 2_147_483_647.0, -2_147_483_648.0] {
        for text in ["rename_span", "set_trace_state"] {
            page.call(text, &[handle, length]);
        }
        for kind in [TEXT, NUMBER, BOOL, LIST] {
            page.call("set_attribute", &[handle, length, kind, length]);
            page.call("set_attribute", &[handle, 3.0, kind, length]);
        }
        page.call("add_event", &[handle, length, 1000.0]);
        page.call("record_exception", &[handle, length, length, length, 1000.0]);
        page.call("set_status", &[handle, 2.0, length]);
        page.call("push_element", &[TEXT, length]);
        page.call("add_secret_key", &[length]);
        assert_eq!(page.call("read_traceparent", &[length]), 0.0);
        assert_eq!(page.call("read_tracestate", &[length]), -1.0);
    }
    for nobody in [-4.0, -2_147_483_648.0, 2_147_483_647.0, 77.0] {
        page.set_text(nobody, "key", "value");
        assert_eq!(page.call("end_span", &[nobody, 1500.0, 1500.0]), 0.0);
    }
    assert!(page.end(handle, 1500.0));
}

#[wasm_bindgen_test]
fn texts_larger_than_all_memory_so_far_arrive_whole() {
    let page = Page::new();
    let handle = page.start("span", 1000.0);
    let before_bytes = js_sys::ArrayBuffer::from(buffer()).byte_length();
    let text: String = (0..300_000).map(|number| format!("{number},")).collect();
    page.set_text(handle, "large", &text);
    assert!(js_sys::ArrayBuffer::from(buffer()).byte_length() > before_bytes, "memory has grown, which leaves old views behind");
    page.end(handle, 1500.0);
    page.call("flush_spans", &[]);
    let (effect, [_, keepalive, _]) = page.next(1500.0);
    assert_eq!((effect, keepalive), (SEND, 0.0), "too large for keepalive");
    assert!(holds(&page.body(), text.as_bytes()));
}

#[wasm_bindgen_test]
fn a_request_of_the_page_is_described_redacted_and_ended() {
    let page = Page::new();
    page.start("draws random bytes", 1000.0);
    let [secret] = page.write(["coupon"]);
    page.call("add_secret_key", &[secret]);
    let [method, url] = page.write(["get", "https://me:pw@api.example:8443/a?token=t&coupon=c&x=1"]);
    let handle = page.call("start_request", &[method, url, 0.0, 1000.0]);
    assert!(handle >= 0.0);
    page.call("set_response", &[handle, 404.0]);
    assert_eq!(page.call("end_request", &[handle, 1.0, 1200.0, 1500.0]), 1.0);
    let [method, url] = page.write(["PROPFIND", "https://api.example/"]);
    let handle = page.call("start_request", &[method, url, 0.0, 1000.0]);
    let [error, reason] = page.write(["AbortError", "TimeoutError"]);
    page.call("fail_request", &[handle, 1.0, error, reason]);
    page.call("end_request", &[handle, 2.0, 1200.0, 1500.0]);
    page.call("flush_spans", &[]);
    assert_eq!(page.next(1500.0).0, SEND);
    let body = page.body();
    for part in
        ["GET", "https://REDACTED:REDACTED@api.example:8443/a?token=REDACTED&coupon=REDACTED&x=1", "404", "webspan.body_end_unknown"]
    {
        assert!(holds(&body, part.as_bytes()), "{part}");
    }
    for part in ["HTTP", "_OTHER", "PROPFIND", "TimeoutError", "webspan.unfinished"] {
        assert!(holds(&body, part.as_bytes()), "{part}");
    }
    assert!(!holds(&body, b"AbortError"));
}

#[wasm_bindgen_test]
fn contexts_come_and_go_as_text() {
    let page = Page::new();
    let header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let [length] = page.write([header]);
    assert_eq!(page.call("read_traceparent", &[length]), 1.0);
    let out = page.out();
    assert_eq!(ids(&out), ("0af7651916cd43dd8448eb211c80319c".into(), "b7ad6b7169203331".into()));
    page.words().fill(0, 0, 16);
    page.words().subarray(0, 8).copy_from(&out[..8]);
    let length = page.call("write_traceparent", &[]);
    assert_eq!(page.read(length), header);

    for wrong in ["", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"] {
        let [length] = page.write([wrong]);
        assert_eq!(page.call("read_traceparent", &[length]), 0.0, "{wrong}");
    }

    let [length] = page.write([" b=2 ,, a=1"]);
    let length = page.call("read_tracestate", &[length]);
    assert_eq!(page.read(length), "b=2,a=1");
    let [length] = page.write(["no list"]);
    assert_eq!(page.call("read_tracestate", &[length]), -1.0);

    let [length] = page.write(["https://me:pw@host/?token=t"]);
    let length = page.call("redact_url", &[length]);
    assert_eq!(page.read(length), "https://REDACTED:REDACTED@host/?token=REDACTED");
    let [length] = page.write(["https://host/"]);
    let length = page.call("redact_url", &[length]);
    assert_eq!(page.read(length), "https://host/", "what holds no secret stays where it stands");
}

#[wasm_bindgen_test]
fn a_link_goes_to_the_context_in_the_words() {
    let page = Page::new();
    let handle = page.start("span", 1000.0);
    page.call("stage_attributes", &[1.0]);
    page.set_text(STAGED, "key", "of the link");
    page.tell([0x1234567, 0, 0, 0, 0, 0, 0x76543, 1, 1]);
    let [state] = page.write(["vendor=1"]);
    page.call("add_link", &[handle, state]);
    page.end(handle, 1500.0);
    page.call("flush_spans", &[]);
    assert_eq!(page.next(1500.0).0, SEND);
    let body = page.body();
    assert!(holds(&body, b"of the link") && holds(&body, b"vendor=1"));
    assert!(holds(&body, &bytes_of("12345670000000000000000000000000")), "the trace id of its target");
    // Link.flags, a fixed32 of number 6: sampled, and known to be remote.
    assert!(holds(&body, &[0x35, 0x01, 0x03, 0, 0]));
}

#[wasm_bindgen_test]
fn the_statuses_of_answers_mean_what_the_transport_says() {
    // status, what Retry-After asks for, delay, where the span is then
    for (status, retry_after_ms, delay_ms, place) in [
        (200.0, f64::NAN, -1.0, "delivered"),
        (0.0, f64::NAN, 750.0, "queued"),
        (-1.0, f64::NAN, 750.0, "queued"),
        (503.0, f64::NAN, 750.0, "queued"),
        (503.0, 7000.0, 7000.0, "queued"),
        (429.0, 0.0, 750.0, "queued"),
        (503.0, -1.0, 750.0, "queued"),
        (503.0, f64::INFINITY, 300_000.0, "queued"),
    ] {
        let page = Page::new();
        let (batch, _) = page.sent();
        page.answer(batch, status, retry_after_ms, 0.0);
        let (effect, [delay, ..]) = page.next(1500.0);
        assert_eq!((effect, delay), (WAIT, delay_ms), "{status}, {retry_after_ms}");
        assert_eq!(page.count(place), 1, "{status}, {retry_after_ms}");
    }
}

#[wasm_bindgen_test]
fn losses_are_told_by_number_status_and_count() {
    let page = Page::new();
    page.call("set_retry", &[0.0, 1000.0, 30_000.0, 300_000.0]);
    for (status, rejected, loss) in [(400.0, 0.0, "refused"), (0.0, 0.0, "expired"), (200.0, 1.0, "rejected")] {
        let (batch, _) = page.sent();
        page.answer(batch, status, f64::NAN, rejected);
        assert_eq!(page.next(1500.0), (REPORT, [number(loss), status, 1.0]));
        assert_eq!((page.next(1500.0).0, page.count(loss)), (WAIT, 1));
    }
    page.call("set_batch", &[5000.0, 512.0, 0.0]);
    page.end(page.start("span", 1000.0), 1500.0);
    assert_eq!(page.next(1500.0), (REPORT, [number("queueFull"), 0.0, 1.0]));
    page.call("set_options", &[1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
    page.end(page.start("span", 1000.0), 1500.0);
    assert_eq!(page.next(1500.0), (REPORT, [number("noEndpoint"), 0.0, 1.0]));
    for number in 0..=1024 {
        page.start("leaked", number.into());
    }
    assert_eq!(page.next(1500.0), (REPORT, [number("evicted"), 0.0, 1.0]));
    assert_eq!(page.count("ended"), 6);
}

#[wasm_bindgen_test]
fn a_count_of_rejected_spans_is_never_more_than_were_sent_nor_less_than_none() {
    for (rejected, lost) in [(1.0, 1), (f64::INFINITY, 1), (4_294_967_297.0, 1), (0.0, 0), (-1.0, 0), (f64::NAN, 0)] {
        let page = Page::new();
        let (batch, _) = page.sent();
        page.answer(batch, 200.0, f64::NAN, rejected);
        assert_eq!((page.count("rejected"), page.count("delivered")), (lost, 1 - lost), "{rejected}");
    }
}

#[wasm_bindgen_test]
fn what_is_too_long_as_it_leaves_waits_again_while_the_page_goes() {
    let page = Page::new();
    page.end(page.start("first", 1000.0), 1500.0);
    page.end(page.start("second", 1000.0), 1500.0);
    page.call("page_turned", &[LEAVING]);
    let (effect, [batch, ..]) = page.next(1500.0);
    assert_eq!(effect, SEND);
    assert_eq!(page.call("fit_body", &[batch, 16_385.0]), -1.0);
    assert_eq!((page.count("queued"), page.count("inFlight")), (2, 0));
    let (effect, [batch, ..]) = page.next(1500.0);
    assert_eq!(effect, SEND);
    assert!(!holds(&page.body(), b"second"), "half of it is enough");
    assert_eq!(page.call("fit_body", &[batch, 16_384.0]), 1.0);
    assert_eq!((page.count("queued"), page.count("inFlight")), (1, 1));
}

#[wasm_bindgen_test]
fn a_page_that_hides_leaves_and_comes_back_sends_what_it_has() {
    let page = Page::new();
    page.end(page.start("first", 1000.0), 1500.0);
    page.call("hold_spans", &[1.0]);
    page.call("page_turned", &[HIDDEN]);
    assert_eq!(page.next(1500.0), (WAIT, [-1.0, 0.0, 0.0]));
    page.call("hold_spans", &[0.0]);
    assert_eq!(page.send(1500.0), (1.0, 1.0));
    page.call("page_turned", &[VISIBLE]);
    // Together too large for `keepalive`, one by one not.
    for _ in 0..2 {
        let handle = page.start("second", 1000.0);
        page.set_text(handle, "filling", &"x".repeat(9_000));
        page.end(handle, 1500.0);
    }
    page.answer(1.0, 200.0, f64::NAN, 0.0);
    page.call("flush_spans", &[]);
    assert_eq!(page.call("is_settled", &[]), 0.0);
    assert_eq!(page.send(1500.0).1, 0.0);
    page.call("page_turned", &[HIDDEN]);
    assert_eq!((page.next(1500.0).0, page.count("resent")), (WAIT, 0), "a hidden page cuts nothing off");
    page.call("page_turned", &[LEAVING]);
    for _ in 0..2 {
        assert_eq!((page.send(1500.0).1, page.count("resent")), (1.0, 2), "what was cut off goes again");
    }
    for (why, loss) in [(0.0, "consent"), (1.0, "shutdown")] {
        page.end(page.start("third", 1000.0), 1500.0);
        page.call("discard_spans", &[why]);
        assert_eq!(page.count(loss), 1);
    }
    assert_eq!((page.count("queued"), page.count("inFlight"), page.count("unacknowledged")), (0, 0, 2));
    assert_eq!(page.call("is_settled", &[]), 1.0);
}

#[wasm_bindgen_test]
fn what_cannot_be_delivered_is_handed_over_to_be_stored() {
    let page = Page::new();
    page.end(page.start("first", 1000.0), 1500.0);
    page.call("set_outbox", &[1.0]);
    page.call("set_online", &[0.0, 0.5, 1500.0]);
    assert_eq!(page.next(1500.0), (STORE, [1.0, 1.0, 0.0]));
    assert!(holds(&page.body(), b"first"));
    page.call("settle_store", &[1.0, 1.0]);
    page.call("set_online", &[1.0, 0.5, 1500.0]);
    page.end(page.start("second", 1000.0), 1500.0);
    page.call("stow_spans", &[]);
    let (effect, [batch, spans, _]) = page.next(1500.0);
    assert_eq!((effect, spans), (STORE, 1.0));
    page.call("settle_store", &[batch, 0.0]);
    assert_eq!((page.count("stored"), page.count("queued")), (1, 1));
}

#[wasm_bindgen_test]
fn spans_are_shown_when_asked_for_and_the_resource_is_told() {
    let page = Page::new();
    page.call("set_options", &[1.0, 1.0, 1.0, 1.0, 0.0, 0.0]);
    let [name, version] = page.write(["shop", "7"]);
    page.call("describe_service", &[name, version]);
    let [brand] = page.write(["Chromium 156"]);
    page.call("push_element", &[TEXT, brand]);
    let [platform, language, agent] = page.write(["Linux", "de", "Mozilla/5.0"]);
    page.call("describe_browser", &[platform, 0.0, language, agent]);
    let handle = page.start("span", 1000.0);
    for (key, value) in [("yes", 1.0), ("no", 0.0)] {
        let [key] = page.write([key]);
        page.call("set_attribute", &[handle, key, BOOL, value]);
    }
    page.end(handle, 1500.0);
    assert_eq!(page.next(1500.0).0, SHOW);
    // Attributes: a field of number 9, in it key and value, in that a field of number 2.
    let shown = page.body();
    assert!(holds(&shown, b"\x4a\x09\x0a\x03yes\x12\x02\x10\x01") && holds(&shown, b"\x4a\x08\x0a\x02no\x12\x02\x10\x00"));
    assert!(holds(&shown, &1_700_000_001_000_000_000u64.to_le_bytes()));
    page.call("flush_spans", &[]);
    assert_eq!(page.next(1500.0).0, SEND);
    let request = page.body();
    // The length of a text stands before it.
    for text in ["\x0cservice.name\x12\x06\x0a\x04shop", "\x05Linux", "\x0cChromium 156", "\x0bMozilla/5.0"] {
        assert!(holds(&request, text.as_bytes()), "{text:?}");
    }
    assert!(holds(&request, b"\x0ebrowser.mobile\x12\x02\x10\x00"));
    // All of the span, as it was shown.
    assert!(holds(&request, &shown));
}

#[wasm_bindgen_test]
fn limits_hold_for_whoever_calls() {
    let page = Page::new();
    // attributes, value length, events, links, per event, per link
    page.call("set_limits", &[1.0, 4.0, 0.0, 0.0, 0.0, 0.0]);
    let handle = page.start("span", 1000.0);
    page.set_text(handle, "first", "abcdefgh");
    page.set_text(handle, "second", "value");
    page.call("stage_attributes", &[0.0]);
    let [name] = page.write(["an event"]);
    page.call("add_event", &[handle, name, 1000.0]);
    page.end(handle, 1500.0);
    page.call("flush_spans", &[]);
    assert_eq!(page.next(1500.0).0, SEND);
    let body = page.body();
    assert!(holds(&body, b"abcd") && !holds(&body, b"abcde"));
    assert!(!holds(&body, b"second") && !holds(&body, b"an event"));
}

#[wasm_bindgen_test]
fn a_slept_hour_moves_the_spans_that_follow() {
    let page = Page::new();
    page.call("set_options", &[1.0, 1.0, 1.0, 1.0, 0.0, 0.0]);
    page.call("check_clocks", &[ORIGIN_MS + 1000.0 + 3_600_000.0, 1000.0]);
    page.end(page.start("span", 1000.0), 1500.0);
    assert_eq!(page.next(1500.0).0, SHOW);
    assert!(holds(&page.body(), &1_700_003_601_000_000_000u64.to_le_bytes()));
}

#[wasm_bindgen_test]
async fn a_batch_is_due_when_the_hosts_own_timer_says_so() {
    let page = Page::new();
    page.call("set_batch", &[40.0, 512.0, 2048.0]);
    let started_ms = now_ms();
    assert!(page.end(page.start("span", started_ms), started_ms));
    let mut effect = page.next(now_ms());
    while effect.0 == WAIT {
        let delay_ms = effect.1[0];
        assert!((0.0..=40.0).contains(&delay_ms), "{delay_ms} ms");
        TimeoutFuture::new(delay_ms as u32).await;
        effect = page.next(now_ms());
    }
    assert_eq!(effect.0, SEND);
    assert!(now_ms() - started_ms >= 40.0);
}

#[wasm_bindgen_test]
fn memory_does_not_grow_with_the_number_of_spans() {
    let page = Page::new();
    let round = || {
        for number in 0..300 {
            let handle = page.start("span", 1000.0);
            page.set_text(handle, "filling", &"x".repeat(number));
            page.end(handle, 1500.0);
        }
        page.call("flush_spans", &[]);
        let (batch, _) = page.send(1500.0);
        page.answer(batch, 200.0, f64::NAN, 0.0);
        js_sys::ArrayBuffer::from(buffer()).byte_length()
    };
    round();
    let warm_bytes = round();
    for _ in 0..30 {
        assert_eq!(round(), warm_bytes);
    }
    assert_eq!((page.count("delivered"), page.count("ended")), (32 * 300, 32 * 300));
}

#[wasm_bindgen_test]
fn a_second_page_knows_nothing_of_the_first() {
    let first = Page::new();
    first.end(first.start("first", 1000.0), 1500.0);
    let second = Page::new();
    assert_eq!((second.count("ended"), second.count("queued")), (0, 0));
    assert_eq!(second.next(1e9).0, WAIT);
}
