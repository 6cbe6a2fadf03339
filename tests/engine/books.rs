//! Whatever happens, in whatever order: every span that ended is in exactly one place, and none stays behind for ever.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;
use webspan::batch::Rules;
use webspan::compression::Compression;
use webspan::delivery::Loss;
use webspan::retry::{Answer, Policy};

use crate::driver::{Driver, Request};

const SHARE_LEAVING_BYTES: usize = 57_344;
const SHARE_VISIBLE_BYTES: usize = 16_384;

/// What may happen to a page.
#[derive(Debug, Clone)]
enum Step {
    Start,
    /// Ends one of the open spans, after so many bytes of this were added to it.
    End {
        which: prop::sample::Index,
        bytes: usize,
        of: &'static str,
    },
    Answer {
        which: prop::sample::Index,
        answer: Reply,
    },
    Pass {
        ms: f64,
    },
    Hide,
    Leave,
    LeaveForGood,
    /// The page is there again; perhaps the browser has sent what was deferred when it went.
    Show {
        sent: bool,
    },
    /// The browser does not take what is to be deferred.
    Deny,
    Hold(bool),
    Online(bool),
    /// There is an outbox from now on, or none any more.
    Outbox(bool),
    /// Something is in the outbox now, or could not be put there.
    Settle {
        which: prop::sample::Index,
        is_stored: bool,
    },
    Stow,
    Flush,
    Discard,
    /// The collector, or the page, answers with a batch that is not there any more, or never was.
    Stray(i32),
}

#[derive(Debug, Clone, Copy)]
enum Reply {
    Taken { rejected: u32 },
    Status(u16),
    Busy { retry_after_ms: f64 },
    NetworkError,
    FailedAtOnce,
    Timeout,
}

impl Reply {
    fn answer(self) -> Answer {
        match self {
            Reply::Taken { .. } => Answer::Status { code: 200, retry_after_ms: 0.0 },
            Reply::Status(code) => Answer::Status { code, retry_after_ms: 0.0 },
            Reply::Busy { retry_after_ms } => Answer::Status { code: 503, retry_after_ms },
            Reply::NetworkError => Answer::NetworkError,
            Reply::FailedAtOnce => Answer::FailedAtOnce,
            Reply::Timeout => Answer::Timeout,
        }
    }
}

fn reply() -> impl Strategy<Value = Reply> {
    prop_oneof![
        6 => Just(Reply::Taken { rejected: 0 }),
        1 => (0u32..5).prop_map(|rejected| Reply::Taken { rejected }),
        1 => prop::sample::select(vec![400u16, 404, 429, 500, 502, 504]).prop_map(Reply::Status),
        2 => Just(Reply::Status(413)),
        1 => (0.0..1e6).prop_map(|retry_after_ms| Reply::Busy { retry_after_ms }),
        2 => Just(Reply::NetworkError),
        2 => Just(Reply::FailedAtOnce),
        1 => Just(Reply::Timeout),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    // Most spans are small, some fill a request, and a few are larger than all that may be in flight.
    let bytes = prop_oneof![8 => 0usize..600, 3 => 600usize..9000, 1 => 9000usize..70_000];
    // The second one is six times as long in JSON.
    let end = (any::<prop::sample::Index>(), bytes, prop::sample::select(vec!["x", "\u{1}"]));
    prop_oneof![
        8 => Just(Step::Start),
        10 => end.prop_map(|(which, bytes, of)| Step::End { which, bytes, of }),
        8 => (any::<prop::sample::Index>(), reply()).prop_map(|(which, answer)| Step::Answer { which, answer }),
        5 => prop_oneof![0.0..50.0, 50.0..8000.0, 8000.0..1e6].prop_map(|ms| Step::Pass { ms }),
        2 => Just(Step::Hide),
        2 => Just(Step::Leave),
        1 => Just(Step::LeaveForGood),
        3 => any::<bool>().prop_map(|sent| Step::Show { sent }),
        1 => Just(Step::Deny),
        1 => any::<bool>().prop_map(Step::Hold),
        2 => any::<bool>().prop_map(Step::Online),
        2 => any::<bool>().prop_map(Step::Outbox),
        3 => (any::<prop::sample::Index>(), prop::bool::weighted(0.8)).prop_map(|(which, is_stored)| Step::Settle { which, is_stored }),
        1 => Just(Step::Stow),
        2 => Just(Step::Flush),
        1 => Just(Step::Discard),
        1 => any::<i32>().prop_map(Step::Stray),
    ]
}

#[derive(Debug, Clone)]
struct Settings {
    json: bool,
    compression: Compression,
    scheduled_delay_ms: f64,
    max_export_batch_size: usize,
    max_queue_size: usize,
    retry: Policy,
    defers: bool,
}

fn settings() -> impl Strategy<Value = Settings> {
    let delay = prop_oneof![Just(0.0), 1.0..20_000.0];
    // What leaves as OTLP/JSON is not compressed.
    let encoding = prop::sample::select(vec![
        (true, Compression::Off),
        (false, Compression::Off),
        (false, Compression::Untried { cross_origin: false }),
        (false, Compression::Untried { cross_origin: true }),
    ]);
    (encoding, delay, 0usize..12, 0usize..40, any::<bool>(), 1.0..5e5, any::<bool>()).prop_map(
        |((json, compression), scheduled_delay_ms, max_export_batch_size, max_queue_size, enabled, max_elapsed_ms, defers)| Settings {
            json,
            compression,
            scheduled_delay_ms,
            max_export_batch_size,
            max_queue_size,
            retry: Policy { enabled, initial_ms: 1000.0, max_ms: 30_000.0, max_elapsed_ms },
            defers,
        },
    )
}

/// A request that is not answered yet.
struct UnderWay {
    request: Request,
    names: Vec<String>,
    /// The engine has taken its spans back, or given them up.
    forgotten: bool,
}

/// The page, and a collector with its own books.
struct World {
    page: Driver,
    open: Vec<(String, i32)>,
    ended: HashSet<String>,
    under_way: Vec<UnderWay>,
    /// On their way into the outbox.
    storing: Vec<Request>,
    /// Spans in the outbox.
    stored: HashSet<String>,
    /// How often the collector took each span, or will take it from a later page that finds it in the outbox.
    taken: HashMap<String, u32>,
    /// Spans that the engine knows the collector to have taken.
    acknowledged: HashSet<String>,
    started: usize,
    leaving: bool,
    offline: bool,
}

impl World {
    fn new(settings: &Settings) -> World {
        let mut page = Driver::new();
        page.json = settings.json;
        page.engine.delivery.compression = settings.compression;
        let Settings { scheduled_delay_ms, max_export_batch_size, max_queue_size, .. } = *settings;
        page.engine.delivery.rules = Rules { scheduled_delay_ms, max_export_batch_size, max_queue_size };
        page.engine.delivery.retry = settings.retry;
        if settings.defers {
            page.engine.delivery.allow_deferring();
        }
        World {
            page,
            open: Vec::new(),
            ended: HashSet::new(),
            under_way: Vec::new(),
            storing: Vec::new(),
            stored: HashSet::new(),
            taken: HashMap::new(),
            acknowledged: HashSet::new(),
            started: 0,
            leaving: false,
            offline: false,
        }
    }

    fn step(&mut self, step: &Step) {
        let page = &mut self.page;
        match step {
            Step::Start => {
                let name = self.started.to_string();
                self.started += 1;
                self.open.push((name.clone(), page.start(&name)));
            }
            Step::End { which, bytes, of } => {
                if self.open.is_empty() {
                    return;
                }
                let (name, handle) = self.open.swap_remove(which.index(self.open.len()));
                page.set_text(handle, "filling", &of.repeat(*bytes));
                self.ended.insert(name);
                page.end(handle);
            }
            Step::Answer { which, answer } => {
                if self.under_way.is_empty() {
                    return;
                }
                let answered = self.under_way.swap_remove(which.index(self.under_way.len()));
                self.answer(answered, *answer);
            }
            Step::Pass { ms } => page.advance(*ms),
            Step::Hide => {
                self.leaving = true;
                page.hide();
            }
            Step::Leave | Step::LeaveForGood => {
                self.leaving = true;
                self.forget(|request| !request.keepalive);
                if matches!(step, Step::Leave) {
                    self.page.leave();
                } else {
                    // It may turn out that it was kept after all: to the core that makes no difference.
                    self.page.engine.delivery.leave(false);
                    self.page.pump();
                }
            }
            Step::Show { sent } => {
                self.leaving = false;
                for name in page.come_back(*sent).iter().flat_map(Request::names) {
                    *self.taken.entry(name).or_default() += 1;
                }
            }
            Step::Deny => {
                page.deny_deferring();
            }
            Step::Hold(held) => page.hold(*held),
            Step::Online(online) => {
                self.offline = !online;
                page.online(*online);
            }
            Step::Outbox(there) => {
                page.engine.delivery.outbox = *there;
                page.pump();
            }
            Step::Settle { which, is_stored } => {
                if self.storing.is_empty() {
                    return;
                }
                let store = self.storing.swap_remove(which.index(self.storing.len()));
                self.settle(&store, *is_stored);
            }
            Step::Stow => {
                page.engine.delivery.stow();
                page.pump();
            }
            Step::Flush => page.flush(),
            Step::Discard => {
                self.forget(|_| true);
                self.open.clear();
                self.page.deferred = None;
                self.page.engine.discard(Loss::Consent);
                self.page.pump();
                // What comes of it is told later, and is no news.
                let counts = self.page.engine.delivery.counts;
                for store in std::mem::take(&mut self.storing) {
                    self.page.settle(&store, false);
                }
                assert_eq!(self.page.engine.delivery.counts, counts);
            }
            Step::Stray(batch) => {
                // Batches are numbered from 1 on: these are none of ours.
                page.engine.delivery.answer(batch | i32::MIN, &Answer::Status { code: 200, retry_after_ms: 0.0 }, 0, 0.5, page.now_ms);
                page.pump();
            }
        }
    }

    fn settle(&mut self, store: &Request, is_stored: bool) {
        self.page.settle(store, is_stored);
        if is_stored {
            for name in store.names() {
                *self.taken.entry(name.clone()).or_default() += 1;
                assert!(self.stored.insert(name.clone()), "span {name} was stored twice");
                assert!(!self.acknowledged.contains(&name), "span {name} was delivered, and stored all the same");
            }
        }
    }

    fn forget(&mut self, which: impl Fn(&Request) -> bool) {
        for other in self.under_way.iter_mut().filter(|other| which(&other.request)) {
            other.forgotten = true;
        }
    }

    fn answer(&mut self, answered: UnderWay, reply: Reply) {
        let before = self.page.engine.delivery.counts.delivered;
        let rejected = if let Reply::Taken { rejected } = reply { rejected } else { 0 };
        self.page.answer_rejecting(&answered.request, reply.answer(), rejected);
        let delivered = self.page.engine.delivery.counts.delivered - before;
        let Reply::Taken { .. } = reply else {
            assert_eq!(delivered, 0, "{reply:?}");
            return;
        };
        let taken = &answered.names[..answered.names.len().saturating_sub(rejected as usize)];
        for name in taken {
            *self.taken.entry(name.clone()).or_default() += 1;
        }
        if answered.forgotten {
            assert_eq!(delivered, 0, "the answer to a request whose spans were taken back");
        } else {
            assert_eq!(delivered as usize, taken.len());
            for name in taken {
                assert!(self.acknowledged.insert(name.clone()), "span {name} was delivered twice");
            }
        }
    }

    /// What must be true after every step.
    fn check(&mut self, step: &Step) {
        for store in self.page.stores() {
            assert!(!self.page.engine.delivery.held, "held, and still stored");
            assert!(store.body.len() < 60_000 || store.names().len() == 1, "{} bytes in one record", store.body.len());
            self.storing.push(store);
        }
        for request in self.page.requests() {
            assert!(!self.page.engine.delivery.held, "held, and still sent");
            assert!(!self.offline, "there is no network, and still sent");
            assert!(self.leaving || self.in_flight().next().is_none(), "a second request of a page in use");
            let names = request.names();
            assert!(!names.is_empty(), "a request without spans");
            let keepalive = request.keepalive;
            self.under_way.push(UnderWay { request, names, forgotten: false });
            let share_bytes = if self.leaving { SHARE_LEAVING_BYTES } else { SHARE_VISIBLE_BYTES };
            let keepalive_bytes: usize =
                self.in_flight().filter(|other| other.request.keepalive).map(|other| other.request.body.len()).sum();
            assert!(!keepalive || keepalive_bytes <= share_bytes, "{keepalive_bytes} bytes with keepalive");
        }
        self.page.assert_books_balance();
        let counts = self.page.engine.delivery.counts;
        assert_eq!(counts.ended as usize, self.ended.len(), "{step:?}");
        assert_eq!(counts.open as usize, self.open.len(), "{step:?}");
        assert_eq!(counts.delivered as usize, self.acknowledged.len());
        let storing: usize = self.storing.iter().map(|store| store.names().len()).sum();
        assert_eq!(counts.stored as usize, self.stored.len() + storing, "{step:?}");
        assert!(self.taken.keys().all(|name| self.ended.contains(name)), "a span was sent that did not end");
        let twice: u32 = self.taken.values().map(|times| times - 1).sum();
        assert!(twice <= counts.resent, "{twice} spans were taken twice, and {} are counted so", counts.resent);
        if let Some(deferred) = &self.page.deferred {
            let names = deferred.names();
            assert!(!names.is_empty(), "a request without spans");
            assert!(deferred.batch != 0 || !self.page.engine.delivery.held, "held, and still deferred");
            let is_known = |name: &String| self.ended.contains(name) && !self.acknowledged.contains(name);
            assert!(names.iter().all(is_known), "what is delivered is deferred, and would arrive twice");
        }
        let waiting = counts.queued + counts.in_flight;
        assert!(
            self.page.engine.delivery.held
                || self.offline
                || waiting == 0
                || self.in_flight().next().is_some()
                || self.page.deferred.as_ref().is_some_and(|request| request.batch != 0)
                || self.page.timer_ms().is_some(),
            "{waiting} spans wait, and nothing will wake the engine"
        );
    }

    /// Requests whose answer the engine waits for.
    fn in_flight(&self) -> impl Iterator<Item = &UnderWay> {
        self.under_way.iter().filter(|other| !other.forgotten)
    }

    /// The page is in use again, and the collector takes whatever comes.
    fn recover(&mut self) {
        for store in std::mem::take(&mut self.storing) {
            self.settle(&store, true);
        }
        for step in [Step::Outbox(false), Step::Hold(false), Step::Online(true), Step::Show { sent: false }] {
            self.step(&step);
            self.check(&step);
        }
        // Each round sends one request at least.
        for _ in 0..self.ended.len() + 2 {
            while let Some(answered) = self.under_way.pop() {
                self.answer(answered, Reply::Taken { rejected: 0 });
                self.check(&Step::Flush);
            }
            self.step(&Step::Flush);
            self.check(&Step::Flush);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_span_that_ended_is_in_one_place_and_none_waits_for_ever(
        settings in settings(),
        steps in prop::collection::vec(step(), 1..150),
    ) {
        let mut world = World::new(&settings);
        for step in &steps {
            world.step(step);
            world.check(step);
        }
        world.recover();
        let counts = world.page.engine.delivery.counts;
        prop_assert_eq!((counts.queued, counts.in_flight), (0, 0), "{:?}", counts);
        prop_assert!(world.page.engine.delivery.is_settled());
        let lost: u32 = counts.dropped.iter().sum();
        prop_assert_eq!(counts.delivered + counts.unacknowledged + counts.stored + lost, counts.ended);
    }
}
