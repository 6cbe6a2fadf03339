//! A page with a hand-wound clock, and a collector that answers as told. It drives the engine as `js/transport.ts` does: it asks for
//! effects when the engine says that there are some, sets one timer, and comes back when that has run down.

use std::io::Read;

use flate2::read::GzDecoder;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::{ScopeSpans, Span};
use prost::Message;
use webspan::attributes::Value;
use webspan::context::SpanContext;
use webspan::delivery::{Delivery, Effect, Loss};
use webspan::engine::{Engine, Start};
use webspan::id::POOL_BYTES;
use webspan::open::NOT_RECORDING;
use webspan::retry::Answer;

/// 2023-11-14T22:13:20Z
pub const ORIGIN_MS: f64 = 1_700_000_000_000.0;
pub const ORIGIN_NANOS: u64 = 1_700_000_000_000_000_000;

/// More effects than this without a pause are a loop without an end.
const ENDLESS: usize = 10_000;

/// The span that tells of losses.
const LOSSES: &str = "webspan.dropped";

pub struct Request {
    pub batch: i32,
    pub keepalive: bool,
    pub gzip: bool,
    /// As it leaves.
    pub body: Vec<u8>,
}

impl Request {
    /// In either encoding: no protobuf that is one begins with a brace.
    pub fn message(&self) -> ExportTraceServiceRequest {
        if self.body.starts_with(b"{") {
            return serde_json::from_slice(&self.body).expect("the body of a request is OTLP/JSON");
        }
        ExportTraceServiceRequest::decode(&*self.message_bytes()).expect("the body of a request is an ExportTraceServiceRequest")
    }

    fn message_bytes(&self) -> Vec<u8> {
        if !self.gzip {
            return self.body.clone();
        }
        let mut bytes = Vec::new();
        GzDecoder::new(&*self.body).read_to_end(&mut bytes).expect("the body is gzip");
        bytes
    }

    /// In the order in which they stand in the request; without the one that tells of losses, which is none of the page's.
    pub fn spans(&self) -> Vec<Span> {
        self.all_spans().filter(|span| span.name != LOSSES).collect()
    }

    /// The span that tells of losses.
    pub fn losses(&self) -> Option<Span> {
        self.all_spans().find(|span| span.name == LOSSES)
    }

    fn all_spans(&self) -> impl Iterator<Item = Span> {
        let scopes = self.message().resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans)
    }

    pub fn names(&self) -> Vec<String> {
        self.spans().into_iter().map(|span| span.name).collect()
    }
}

#[derive(Debug, PartialEq)]
pub struct Report {
    pub loss: Loss,
    pub status: u16,
    pub spans: u32,
}

pub struct Driver {
    pub engine: Engine,
    /// Milliseconds since the page's time origin.
    pub now_ms: f64,
    pub reports: Vec<Report>,
    pub shown: Vec<Span>,
    /// How often it was told that the collector does not take compressed requests.
    pub uncompressed: usize,
    /// Requests leave as OTLP/JSON, which is longer.
    pub json: bool,
    /// Index of the scope that spans get unless told otherwise.
    pub scope: u8,
    /// What the browser would send if the page were gone; its batch is 0 if that is all that is not acknowledged.
    pub deferred: Option<Request>,
    /// How often that has changed.
    pub deferrals: usize,
    sent: Vec<Request>,
    stores: Vec<Request>,
    timer_at_ms: Option<f64>,
    /// State of the source of ids, the same in every run.
    seed: u64,
}

impl Driver {
    pub fn new() -> Driver {
        let mut engine = Engine::new(ORIGIN_MS);
        let scope = engine.scope(b"tests", b"1.2.3");
        Driver {
            engine,
            now_ms: 1000.0,
            reports: Vec::new(),
            shown: Vec::new(),
            uncompressed: 0,
            json: false,
            scope,
            deferred: None,
            deferrals: 0,
            sent: Vec::new(),
            stores: Vec::new(),
            timer_at_ms: None,
            seed: 0x5EED,
        }
    }

    // ---- spans

    pub fn start(&mut self, name: &str) -> i32 {
        self.start_as(name, |_| ()).expect("a root span is recorded unless the sampler says no")
    }

    pub fn child(&mut self, name: &str, parent: SpanContext) -> Option<i32> {
        self.start_as(name, |start| start.parent = Some(parent))
    }

    /// A span of which `change` says what is special. None: it is not recorded.
    pub fn start_as(&mut self, name: &str, change: impl Fn(&mut Start)) -> Option<i32> {
        let mut start =
            Start { name: name.as_bytes(), kind: 0, scope: self.scope, at_ms: self.now_ms, parent: None, decided: None, captured: false };
        change(&mut start);
        self.recorded(|engine| engine.start(&start))
    }

    pub fn start_request(&mut self, method: &str, url: &str) -> i32 {
        self.try_start_request(method, url).expect("a root span is recorded unless the sampler says no")
    }

    /// None: it is not recorded.
    pub fn try_start_request(&mut self, method: &str, url: &str) -> Option<i32> {
        let name = method.as_bytes();
        let start = Start { name, kind: 0, scope: self.scope, at_ms: self.now_ms, parent: None, decided: None, captured: false };
        self.recorded(|engine| engine.start_request(start, url.as_bytes()))
    }

    fn recorded(&mut self, start: impl Fn(&mut Engine) -> Option<i32>) -> Option<i32> {
        let mut started = start(&mut self.engine);
        if started.is_none() {
            let random = self.random();
            self.engine.refill(random);
            started = start(&mut self.engine);
        }
        let handle = started.expect("a full pool has random bytes");
        (handle != NOT_RECORDING).then_some(handle)
    }

    /// SplitMix64: every run has the same ids.
    fn random(&mut self) -> Vec<u8> {
        let words = (0..POOL_BYTES / 8).flat_map(|_| {
            self.seed = self.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mixed = (self.seed ^ self.seed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
            (mixed ^ mixed >> 31).to_be_bytes()
        });
        words.collect()
    }

    pub fn set_text(&mut self, handle: i32, key: &str, value: &str) {
        self.engine.set_attribute(handle, key.as_bytes(), Value::Text(value.as_bytes()));
    }

    /// Ends a span now, and does what follows from it.
    pub fn end(&mut self, handle: i32) {
        if self.engine.end(handle, self.now_ms, self.now_ms) {
            self.pump();
        }
    }

    /// So many spans from start to end: `first`, `first + 1`, ...
    pub fn spans(&mut self, numbers: std::ops::Range<usize>) {
        for number in numbers {
            let handle = self.start(&number.to_string());
            self.end(handle);
        }
    }

    /// A span of at least so many bytes.
    pub fn large_span(&mut self, name: &str, bytes: usize) {
        let handle = self.start(name);
        self.set_text(handle, "filling", &"x".repeat(bytes));
        self.end(handle);
    }

    /// A request whose URL has 100 characters, of which half are others for each `number`; these stand beside it.
    pub fn start_varied_request(&mut self, number: usize) -> (i32, String) {
        let mixed = (number as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let cursor =
            format!("{:016x}{:016x}{:016x}", mixed, mixed.rotate_left(23).wrapping_mul(0xBF58_476D_1CE4_E5B9), mixed ^ mixed >> 31);
        let handle = self.start_request("GET", &format!("https://api.shop.example.com/v2/customers/orders/items?cursor={cursor}"));
        (handle, cursor)
    }

    /// The only span of the only request that a flush sends, with what `describe` does to it.
    pub fn exported(&mut self, describe: impl FnOnce(&mut Driver, i32)) -> Span {
        let handle = self.start("span");
        describe(self, handle);
        self.end(handle);
        self.flushed()
    }

    /// The only span that waits, as a flush sends it.
    pub fn flushed(&mut self) -> Span {
        self.flush();
        let request = self.only_request();
        self.status(&request, 200);
        let [span] = <[Span; 1]>::try_from(request.spans()).expect("one span was waiting");
        span
    }

    // ---- the page and the clock

    pub fn flush(&mut self) {
        self.engine.delivery.flush();
        self.pump();
    }

    pub fn hide(&mut self) {
        self.engine.delivery.hide();
        self.pump();
    }

    /// Into the back-forward cache, or again what it does once it has been left.
    pub fn leave(&mut self) {
        self.engine.delivery.leave(true);
        self.pump();
    }

    /// For good.
    pub fn leave_for_good(&mut self) {
        self.engine.abandon(self.now_ms);
        self.engine.delivery.leave(false);
        self.pump();
    }

    pub fn show(&mut self) {
        self.engine.delivery.show_page();
        self.pump();
    }

    /// The page comes back; `sent`: meanwhile the browser has sent what was deferred when it went, which is what this gives.
    pub fn come_back(&mut self, sent: bool) -> Option<Request> {
        let deferred = self.deferred.take_if(|request| request.batch != 0);
        if let Some(request) = &deferred {
            self.engine.delivery.deferral(request.batch, Some(sent));
        }
        self.show();
        deferred.filter(|_| sent)
    }

    /// The browser does not take what is to be deferred, which is what this gives.
    pub fn deny_deferring(&mut self) -> Option<Request> {
        let denied = self.deferred.take()?;
        self.engine.delivery.deferral(denied.batch, None);
        self.pump();
        Some(denied)
    }

    pub fn hold(&mut self, held: bool) {
        self.engine.delivery.held = held;
        self.pump();
    }

    pub fn online(&mut self, online: bool) {
        self.engine.delivery.set_online(online, 0.5, self.now_ms);
        self.pump();
    }

    /// Lets time pass, with the timer going off on the way.
    pub fn advance(&mut self, ms: f64) {
        let until_ms = self.now_ms + ms;
        for _ in 0..ENDLESS {
            match self.timer_at_ms {
                Some(at_ms) if at_ms <= until_ms => {
                    self.now_ms = self.now_ms.max(at_ms);
                    self.pump();
                }
                _ => {
                    self.now_ms = until_ms;
                    return;
                }
            }
        }
        panic!("a timer that runs out again and again at {} ms", self.now_ms);
    }

    /// Does what the engine wants done, until it only wants to wait.
    pub fn pump(&mut self) {
        for _ in 0..ENDLESS {
            match self.engine.next(self.now_ms) {
                Effect::Send { batch, gzip } => {
                    let request = self.request(batch, gzip);
                    if let Some(keepalive) = self.engine.delivery.fit(batch, request.body.len()) {
                        self.sent.push(Request { keepalive, ..request });
                    }
                }
                Effect::Store { batch, spans } => {
                    let store = Request { batch, keepalive: false, gzip: false, body: self.engine.delivery.body.clone() };
                    assert_eq!(store.names().len(), spans as usize, "spans of a record");
                    self.stores.push(store);
                }
                Effect::Defer { batch, gzip } => {
                    self.deferrals += 1;
                    let request = (!self.engine.delivery.body.is_empty()).then(|| self.request(batch, gzip));
                    let fits = |request: &Request, delivery: &mut Delivery| batch == 0 || delivery.fit(batch, request.body.len()).is_some();
                    self.deferred = request.filter(|request| fits(request, &mut self.engine.delivery));
                }
                Effect::Show => {
                    let shown = ScopeSpans::decode(&*self.engine.delivery.body).expect("spans are shown as a ScopeSpans");
                    self.shown.extend(shown.spans);
                }
                Effect::Uncompressed => self.uncompressed += 1,
                Effect::Report { loss, status, spans } => self.reports.push(Report { loss, status, spans }),
                Effect::Wait { delay_ms } => {
                    self.timer_at_ms = delay_ms.map(|delay_ms| self.now_ms + delay_ms);
                    return;
                }
            }
        }
        panic!("effects without an end at {} ms", self.now_ms);
    }

    /// The body, as it leaves.
    fn request(&self, batch: i32, gzip: bool) -> Request {
        let mut request = Request { batch, keepalive: false, gzip, body: self.engine.delivery.body.clone() };
        if self.json {
            request.body = serde_json::to_vec(&request.message()).expect("any message can be JSON");
        }
        request
    }

    /// What the browser has in its hands: the names of the spans.
    pub fn deferred_names(&self) -> Vec<String> {
        self.deferred.as_ref().map(Request::names).unwrap_or_default()
    }

    /// How long the page's timer is set to; None: the engine waits for something else to happen.
    pub fn timer_ms(&self) -> Option<f64> {
        self.timer_at_ms.map(|at_ms| at_ms - self.now_ms)
    }

    // ---- the collector

    /// Requests that were sent since this was last asked.
    pub fn requests(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.sent)
    }

    /// What was to be put into the outbox since this was last asked.
    pub fn stores(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.stores)
    }

    pub fn settle(&mut self, store: &Request, is_stored: bool) {
        self.engine.delivery.settle_store(store.batch, is_stored);
        self.pump();
    }

    #[track_caller]
    pub fn only_request(&mut self) -> Request {
        let requests = self.requests();
        assert_eq!(requests.len(), 1, "requests sent");
        requests.into_iter().next().expect("there is one")
    }

    #[track_caller]
    pub fn assert_nothing_sent(&mut self) {
        assert_eq!(self.requests().len(), 0, "requests sent");
    }

    /// With random numbers that always say the middle.
    pub fn answer(&mut self, request: &Request, answer: Answer) {
        self.answer_rejecting(request, answer, 0);
    }

    pub fn answer_rejecting(&mut self, request: &Request, answer: Answer, rejected: u32) {
        self.engine.delivery.answer(request.batch, &answer, rejected, 0.5, self.now_ms);
        self.pump();
    }

    pub fn status(&mut self, request: &Request, code: u16) {
        self.answer(request, Answer::Status { code, retry_after_ms: 0.0 });
    }

    pub fn dropped(&self, loss: Loss) -> u32 {
        self.engine.delivery.counts.dropped[loss as usize]
    }

    /// Every span that ended is in exactly one place.
    #[track_caller]
    pub fn assert_books_balance(&self) {
        let counts = self.engine.delivery.counts;
        let kept = counts.queued + counts.in_flight + counts.stored;
        let places = kept + counts.delivered + counts.unacknowledged + counts.dropped.iter().sum::<u32>();
        assert_eq!(places, counts.ended, "{counts:?}");
    }
}

// ---- what another decoder reads

/// The attribute of this key, if it stands there exactly once.
#[track_caller]
pub fn attribute(attributes: &[KeyValue], key: &str) -> Option<any_value::Value> {
    let found: Vec<_> = attributes.iter().filter(|pair| pair.key == key).collect();
    assert!(found.len() <= 1, "{key} stands there {} times", found.len());
    found.first().and_then(|pair| pair.value.clone()?.value)
}

pub fn text(value: &str) -> Option<any_value::Value> {
    Some(any_value::Value::StringValue(value.into()))
}

pub fn int(value: i64) -> Option<any_value::Value> {
    Some(any_value::Value::IntValue(value))
}

pub fn list(values: impl IntoIterator<Item = Option<any_value::Value>>) -> Option<any_value::Value> {
    let values = values.into_iter().map(|value| AnyValue { value }).collect();
    Some(any_value::Value::ArrayValue(ArrayValue { values }))
}
