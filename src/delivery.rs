//! From spans that have ended to requests: which leave together and when, what an answer means for them, and where every span is.
//!
//! As the engine, it never calls out: what happens is told by a method, and what is to be done is asked for with [`Delivery::next`].

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::attributes::Attributes;
use crate::batch::{Batch, LATE, Queue, Rules, WAITING};
use crate::capture::names::Semconv;
use crate::compression::Compression;
use crate::deflate::Deflater;
use crate::otlp::trace;
use crate::retry::{self, Answer, Policy, Verdict};

/// The longest delay that a browser's timer keeps; a longer one fires at once.
/// <https://developer.mozilla.org/docs/Web/API/Window/setTimeout#maximum_delay_value>
const MAX_TIMER_MS: f64 = 2_147_483_647.0;

/// Bytes of request bodies that we have in flight with `keepalive` at most, and so of one such request: enough for an ordinary batch. Browsers refuse
/// beyond 65,536 for the whole page, and its own beacons come first. <https://fetch.spec.whatwg.org/#http-network-or-cache-fetch>
const KEEPALIVE_BYTES: usize = 16_384;

/// The same once the page goes, where nothing else can take what is left.
const KEEPALIVE_LEAVING_BYTES: usize = 40_960;

/// What of these is kept for spans that start or end after `pagehide`, as of the requests that the page makes while it goes.
const KEEPALIVE_LATE_BYTES: usize = 4096;

/// What one of these spans takes, more or less.
const LATE_SPAN_BYTES: usize = 1024;

/// Bodies below this are sent as they are: there is little to save.
const LEAST_COMPRESSED_BYTES: usize = 2048;

/// So much is compressed at a time, in about a tenth of a millisecond. Half of the window of the deflate, at most: each slice tells the resource
/// again, which costs next to nothing as long as the one before is in sight.
const SLICE_BYTES: usize = 8192;

/// Time for the page between two slices.
const SLICE_PAUSE_MS: f64 = 5.0;

/// Bytes of spans that one record of the outbox holds. Below 64 KiB, from where on Chromium stores a value as a file of its own: one thing more that a
/// page which goes may not live to see.
const RECORD_BYTES: usize = 57_344;

/// While the browser is offline, what has ended is stored so soon: of what is written as a tab is closed, some is lost with the tab.
const STORE_DELAY_MS: f64 = 1000.0;

/// After so many failures in a row there is one request at a time, until one gets through: also when the page is hidden, and would else send all
/// that waits.
const DOWN_AFTER_FAILURES: u32 = 3;

/// All pages of a house are online again at the same moment: they do not all send at that moment.
const ONLINE_JITTER_MS: f64 = 1000.0;

/// Bytes of a deferred request. Browsers refuse beyond 65,536 for all of a page's that go to one origin, and URL and headers count too.
/// <https://developer.mozilla.org/docs/Web/API/fetchLater_API/fetchLater_quotas>
const DEFERRED_BYTES: usize = 61_440;

/// If fewer are allowed, none are: a power of two.
const LEAST_DEFERRED_BYTES: usize = 1024;

/// To defer again takes some tenths of a millisecond, whatever is in it.
const REFRESH_MS: f64 = 1000.0;

/// In the place of a batch's id, for the time in which the deferred request is written.
const DEFERRED: i32 = i32::MAX;

/// Why spans were lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Loss {
    /// The queue was full.
    QueueFull,
    /// The collector took the request and told that it rejected some of its spans.
    Rejected,
    /// The collector refused the request for good.
    Refused,
    /// The collector could not be reached, or was not ready, for too long.
    Expired,
    /// Too many spans were open at once; the eldest gave way before it ended.
    Evicted,
    /// The user did not consent.
    Consent,
    /// There is no endpoint to send to.
    NoEndpoint,
    /// webspan was shut down before it could send them.
    Shutdown,
    /// More were captured within a minute than `limits.spansPerMinute`.
    RateLimited,
    /// A span processor of the page's did not want it.
    Filtered,
}

/// Where every span that ended is: `ended` is the sum of all others but `resent` and `open`. The layout is known to `js/core.ts`, which can read
/// it even when the core has trapped.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Counts {
    pub ended: u32,
    pub queued: u32,
    pub in_flight: u32,
    pub delivered: u32,
    /// Sent, and nobody will read the answer: delivered or not, which is not known.
    pub unacknowledged: u32,
    /// Spans that were sent a second time, because the page was left before their first request was answered: possible duplicates.
    pub resent: u32,
    /// In the outbox, or on their way there. What a page delivers from there is not counted here: it may be another's.
    pub stored: u32,
    /// By [`Loss`].
    pub dropped: [u32; 10],
    /// Spans that have started and not ended: lost, too, if the core traps.
    pub open: u32,
}

impl Counts {
    const NONE: Counts =
        Counts { ended: 0, queued: 0, in_flight: 0, delivered: 0, unacknowledged: 0, resent: 0, stored: 0, dropped: [0; 10], open: 0 };
}

/// What is to be done.
#[derive(Debug, PartialEq)]
pub enum Effect {
    /// Send [`Delivery::body`], in whatever encoding: ask [`Delivery::fit`] how, and come back with [`Delivery::answer`].
    Send { batch: i32, gzip: bool },
    /// Put [`Delivery::body`] into the outbox, and come back with [`Delivery::settle_store`].
    Store { batch: i32, spans: u32 },
    /// Have [`Delivery::body`] sent once the page is gone, even if it has crashed, and nothing else; nothing at all where that is empty. `batch` 0:
    /// it holds all that is not acknowledged. Else it is what leaves with the page: come back with [`Delivery::deferral`] when the page does.
    Defer { batch: i32, gzip: bool },
    /// Finished spans to show: [`Delivery::body`] is a `ScopeSpans` of them.
    Show,
    /// Spans were lost. `status` is that of the answer, or zero.
    Report { loss: Loss, status: u16, spans: u32 },
    /// The collector does not take compressed requests; from now on they are sent as they are.
    Uncompressed,
    /// Nothing now. Come back with [`Delivery::next`] after this time; `None`: only with the next input.
    Wait { delay_ms: Option<f64> },
}

/// What each request tells beside its spans.
pub struct Envelope {
    pub resource: Attributes,
    /// Instrumentation scopes, as the bytes of their messages.
    pub scopes: Vec<Vec<u8>>,
    pub semconv: Semconv,
}

impl Envelope {
    /// Such messages one behind the other are one message that has all of their `ResourceSpans`.
    /// <https://protobuf.dev/programming-guides/encoding/#last-one-wins>
    fn put<'a>(&self, out: &mut Vec<u8>, spans: impl Iterator<Item = (u8, &'a [u8])> + Clone) {
        // The schema says what the names mean: those of old are in none that is current.
        let schema = if self.semconv == Semconv::Stable { trace::SCHEMA_URL } else { b"" };
        trace::export_request(out, &self.resource, &self.scopes, schema, spans);
    }

    /// Bytes of a request without spans.
    fn bytes(&self) -> usize {
        trace::envelope_size(&self.resource, &self.scopes)
    }
}

pub struct Delivery {
    pub rules: Rules,
    pub retry: Policy,
    pub compression: Compression,
    pub envelope: Envelope,
    /// There is somewhere to send to.
    pub endpoint: bool,
    /// Keep all, send nothing: the user has not consented yet, or the page is only being prerendered.
    pub held: bool,
    /// There is an outbox, for what cannot be delivered now.
    pub outbox: bool,
    pub counts: Counts,
    /// What the last effect is about.
    pub body: Vec<u8>,
    /// The span that tells of spans that were lost, if it is not delivered.
    losses: Queue,
    /// The batch that it leaves in, or [`WAITING`].
    reported_by: i32,
    /// What was lost when it was made.
    told: [u32; 10],
    /// More was lost since.
    is_untold: bool,
    reports: Vec<Effect>,
    reported: [bool; 10],
    queue: Queue,
    /// Holds the groups of the queue.
    deflater: Option<Deflater>,
    /// When the next slice is compressed; infinity: there is none.
    slice_ms: f64,
    batches: Vec<Batch>,
    last_batch: i32,
    /// Attempts in a row that failed for a reason that may pass.
    failures: u32,
    /// For that reason nothing goes before this.
    resume_ms: f64,
    /// Bytes of a deferred request at most; zero: the browser has none, or does not allow it.
    defer_bytes: usize,
    /// There is one that holds all that is not acknowledged.
    deferred: bool,
    /// When that is brought up to date; infinity: it is. Before all time: it holds spans that are delivered by now, or lost.
    refresh_ms: f64,
    /// Since when there is no network; infinity: there is one, as far as the browser knows.
    offline_ms: f64,
    /// Spans in a batch: less than the rule once the collector has found a request too large.
    max_batch: usize,
    /// How many times as long as here the last body was when it left: JSON is longer than protobuf, by a factor that depends on what is in it.
    growth: f64,
    /// The page is hidden or going.
    leaving: bool,
    /// The page is leaving right now: several requests at once, within the share.
    hurried: bool,
    /// It has been left. What it still waits for with `keepalive` goes on without it: browsers fail such a request in the page, which says nothing.
    gone: bool,
    /// For good: nobody will read an answer.
    forgone: bool,
    /// Bytes that spans which have started since then will take.
    late_bytes: usize,
    /// Bytes of a request with `keepalive`: less than the rule once the browser has refused one.
    max_keepalive: usize,
    /// Somebody waits until all that had ended at that time is answered.
    flushing: bool,
    /// All that waits goes into the outbox, if there is one.
    stowing: bool,
}

impl Delivery {
    pub const fn new(resource: Attributes) -> Delivery {
        Delivery {
            rules: Rules::DEFAULT,
            retry: Policy { enabled: true, initial_ms: 1000.0, max_ms: 30_000.0, max_elapsed_ms: 300_000.0 },
            compression: Compression::Off,
            envelope: Envelope { resource, scopes: Vec::new(), semconv: Semconv::Stable },
            endpoint: true,
            held: false,
            outbox: false,
            counts: Counts::NONE,
            body: Vec::new(),
            losses: Queue::EMPTY,
            reported_by: WAITING,
            told: [0; 10],
            is_untold: false,
            reports: Vec::new(),
            reported: [false; 10],
            queue: Queue::EMPTY,
            deflater: None,
            slice_ms: f64::INFINITY,
            batches: Vec::new(),
            last_batch: 0,
            failures: 0,
            resume_ms: f64::NEG_INFINITY,
            defer_bytes: 0,
            deferred: false,
            refresh_ms: f64::INFINITY,
            offline_ms: f64::INFINITY,
            max_batch: usize::MAX,
            growth: 1.0,
            leaving: false,
            hurried: false,
            gone: false,
            forgone: false,
            late_bytes: 0,
            max_keepalive: KEEPALIVE_BYTES,
            flushing: false,
            stowing: false,
        }
    }

    // ---- in

    /// A span has ended. True when there is an effect to ask for.
    pub fn push(&mut self, scope: u8, rank: u8, bytes: Box<[u8]>, now_ms: f64) -> bool {
        self.counts.ended += 1;
        if !self.endpoint {
            self.lose(Loss::NoEndpoint, 1, 0);
        } else if self.queue.push(scope, if self.gone { LATE } else { rank }, bytes, now_ms, &self.rules) {
            self.counts.queued += 1;
        } else {
            self.lose(Loss::QueueFull, 1, 0);
        }
        let was_current = self.deferred && self.refresh_ms == f64::INFINITY;
        if was_current {
            self.refresh_ms = now_ms + REFRESH_MS;
        }
        // The first one starts the timer, a full batch goes at once, and so does what is enough for a slice.
        was_current
            || self.slice_ms > now_ms + SLICE_PAUSE_MS && self.wants_slice()
            || !self.reports.is_empty()
            || self.queue.len() == 1
            || self.queue.len() == self.batch_limit()
            || self.overflows()
    }

    /// A span has ended that will not be sent.
    pub fn push_lost(&mut self, loss: Loss) {
        self.counts.ended += 1;
        self.lose(loss, 1, 0);
    }

    /// The same, where that is nobody's mistake.
    pub fn push_unwanted(&mut self, loss: Loss) {
        self.counts.ended += 1;
        self.lose_quietly(loss, 1);
    }

    /// The page is hidden. All that waits goes now: this may be the last that we hear of it.
    pub fn hide(&mut self) {
        // What was left behind when the page went must not take what is kept for those that came since.
        self.queue.only_late = self.gone;
        self.late_bytes = 0;
        // What waits for an answer to make room is with the browser until then, if it takes it.
        self.refresh_ms = f64::NEG_INFINITY;
        self.leaving = true;
        self.hurried = true;
        self.stowing = self.failures > 0 || self.is_offline();
        // Who waits for the next attempt cannot count on it.
        self.recall(false);
    }

    /// The page goes; `kept`: into the back-forward cache, and it may come back. What is under way without `keepalive` is cut off, and goes again.
    /// Again, it is for the spans that have ended since.
    pub fn leave(&mut self, kept: bool) {
        self.hide();
        self.gone = true;
        self.forgone = !kept;
        self.counts.resent += self.recall(true);
    }

    /// The page is visible (again).
    pub fn show_page(&mut self) {
        self.leaving = false;
        self.hurried = false;
        self.gone = false;
        self.queue.only_late = false;
        self.max_keepalive = KEEPALIVE_BYTES;
        self.stowing = false;
    }

    /// A span that starts now can still be delivered. Once the page has been left there may be no way any more.
    pub fn admits(&mut self) -> bool {
        self.late_bytes += LATE_SPAN_BYTES;
        !self.gone || self.keepalive_left() > self.late_bytes + self.envelope_bytes()
    }

    /// Whether there is a network. While there is none nothing is sent, and nothing gets too old. `random` is from 0 to 1.
    pub fn set_online(&mut self, online: bool, random: f64, now_ms: f64) {
        if !online {
            self.offline_ms = self.offline_ms.min(now_ms);
            if self.outbox {
                self.stow();
            }
        } else if self.is_offline() {
            for batch in &mut self.batches {
                batch.first_sent_ms += now_ms - self.offline_ms;
            }
            self.offline_ms = f64::INFINITY;
            // Why the last attempt failed may be over.
            self.resume_ms = now_ms + random * ONLINE_JITTER_MS;
        }
    }

    /// All that waits goes into the outbox, if there is one.
    pub fn stow(&mut self) {
        self.recall(false);
        self.stowing = true;
    }

    /// A batch is in the outbox, or could not be put there: then its spans wait again, and no others are put there.
    pub fn settle_store(&mut self, id: i32, is_stored: bool) {
        // It was taken back, or it is no batch at all.
        if id <= WAITING || self.position(id).is_some() {
            return;
        }
        if is_stored {
            self.counts.stored += self.remove(id, true);
        } else {
            self.put_back(id, false);
            self.outbox = false;
            // What fits may still get away.
            self.hurried = self.leaving;
        }
    }

    /// Spans on their way into the outbox: they do not wait any more, and are kept in case that this fails.
    fn storing(&self) -> u32 {
        self.queue.total() as u32 - self.counts.queued - self.counts.in_flight
    }

    /// What waits is so much that it had better go into the outbox, which is not behind with it.
    fn overflows(&self) -> bool {
        self.outbox && self.queue.len() >= self.rules.max_queue_size && self.storing() == 0
    }

    /// Takes batches back into the queue: those that wait for their next attempt, or those that are in flight without `keepalive`. The number
    /// of their spans.
    fn recall(&mut self, in_flight: bool) -> u32 {
        let mut recalled = 0;
        while let Some(batch) =
            self.batches.iter().find(|batch| batch.in_flight == in_flight && batch.keepalive_bytes == 0 && !batch.deferred)
        {
            recalled += self.put_back(batch.id, in_flight);
        }
        recalled
    }

    /// The spans of a batch that has left, or was to be stored, wait again; their number.
    fn put_back(&mut self, id: i32, may_have_arrived: bool) -> u32 {
        let count = self.queue.put_back(id, may_have_arrived);
        *self.forget(id, false) -= count;
        self.counts.queued += count;
        count
    }

    /// Send all that has ended until now. It is settled when all of that is answered, or an attempt has failed.
    pub fn flush(&mut self) {
        self.flushing = true;
        self.queue.flushed = self.queue.total();
    }

    pub fn is_settled(&self) -> bool {
        !self.flushing
    }

    /// What has not been sent is lost, for this reason.
    pub fn discard(&mut self, loss: Loss) {
        self.recall(false);
        let storing = self.storing();
        self.lose_quietly(loss, self.counts.queued + storing);
        self.counts.stored -= storing;
        // What has left cannot be called back for certain.
        self.counts.unacknowledged += self.counts.in_flight;
        self.counts.queued = 0;
        self.counts.in_flight = 0;
        self.dissolve();
        self.queue.clear();
        self.batches.clear();
        // Neither is anything told of what somebody did not consent to.
        self.losses.clear();
        self.reported_by = WAITING;
        self.told = self.counts.dropped;
        self.is_untold = false;
        self.flushing = false;
    }

    /// What came of a request. `random` is from 0 to 1, `rejected` the spans that a partial success tells of.
    pub fn answer(&mut self, id: i32, answer: &Answer, rejected: u32, random: f64, now_ms: f64) {
        // A batch that was taken back is not waited for any more.
        let Some(batch) = self.batches.iter_mut().find(|batch| batch.id == id && batch.in_flight) else { return };
        if self.leaving && batch.keepalive_bytes > 0 && (self.gone || self.failures == 0) && *answer == Answer::FailedAtOnce {
            self.max_keepalive = batch.keepalive_bytes / 2;
            self.queue.only_late = false;
            self.hurried = true;
            self.put_back(id, false);
            return;
        }
        if self.gone && batch.keepalive_bytes > 0 && *answer == Answer::NetworkError {
            self.counts.unacknowledged += self.remove(id, true);
            return;
        }
        let status = if let Answer::Status { code, .. } = answer { *code } else { 0 };
        batch.in_flight = false;
        batch.keepalive_bytes = 0;
        // Until it goes again.
        let count = self.queue.count(id);
        self.counts.in_flight -= count;
        self.counts.queued += count;
        if batch.gzip && self.compression.doubts(answer) {
            batch.plain = true;
            // What leaves with the page goes uncompressed from now on, until a compressed request is taken: where this batch does not fit as it is,
            // it would else be compressed again, and fail again, for ever.
            self.compression = Compression::Untried { cross_origin: true };
            return;
        }
        let Batch { first_sent_ms, gzip, plain, .. } = *batch;
        let elapsed_ms = now_ms.min(self.offline_ms) - first_sent_ms;
        // Of several that left together the last one counts, for all of them.
        let failures = self.failures + u32::from(!self.awaits_answer());
        let verdict = retry::decide(*answer, &self.retry, failures, elapsed_ms, random);
        if let Verdict::Retry { after_ms } | Verdict::GiveUp { after_ms } = verdict {
            self.failures = failures;
            self.resume_ms = self.resume_ms.max(now_ms + after_ms);
            self.flushing = false;
            self.hurried = false;
        } else {
            self.failures = 0;
            self.resume_ms = now_ms;
        }
        match verdict {
            Verdict::Retry { .. } | Verdict::GiveUp { .. } => {
                let is_last = matches!(verdict, Verdict::GiveUp { .. });
                if self.outbox && (is_last || self.leaving || self.is_offline()) {
                    self.stow();
                } else if is_last {
                    let count = self.remove(id, false);
                    self.lose(Loss::Expired, count, status);
                }
            }
            Verdict::Refused => {
                if status == 413 && count > 1 {
                    // Too large for this collector, and two halves may not be.
                    self.max_batch = self.max_batch.min(count as usize / 2);
                    self.put_back(id, false);
                } else {
                    let count = self.remove(id, false);
                    self.lose(Loss::Refused, count, status);
                }
            }
            Verdict::Delivered => {
                self.max_keepalive = KEEPALIVE_BYTES;
                if gzip {
                    self.compression = Compression::Accepted;
                } else if plain && self.compression != Compression::Accepted {
                    self.compression = Compression::Off;
                    self.reports.push(Effect::Uncompressed);
                }
                let count = self.remove(id, true);
                let rejected = rejected.min(count);
                self.counts.delivered += count - rejected;
                if rejected > 0 {
                    self.lose(Loss::Rejected, rejected, status);
                }
            }
        }
    }

    /// The browser can send requests once the page is gone.
    pub fn allow_deferring(&mut self) {
        self.defer_bytes = DEFERRED_BYTES;
    }

    /// Whether the deferred request was sent, so that nobody will read the answer; if not it is taken back. `None`: the browser does not allow it,
    /// perhaps for its size.
    pub fn deferral(&mut self, id: i32, sent: Option<bool>) {
        if sent.is_none() {
            self.defer_bytes = (self.defer_bytes / 2) & !(LEAST_DEFERRED_BYTES - 1);
            self.refresh_ms = f64::NEG_INFINITY;
        }
        if self.position(id).is_none() {
            return;
        }
        if sent == Some(true) {
            self.counts.unacknowledged += self.remove(id, true);
        } else {
            self.put_back(id, false);
        }
    }

    fn position(&self, batch: i32) -> Option<usize> {
        self.batches.iter().position(|other| other.id == batch)
    }

    /// The spans of a batch are delivered, stored, or lost; their number. `told`: so is what it tells of losses.
    fn remove(&mut self, id: i32, told: bool) -> u32 {
        if self.deferred {
            self.refresh_ms = f64::NEG_INFINITY;
        }
        let count = self.queue.remove(id);
        *self.forget(id, told) -= count;
        count
    }

    fn lose(&mut self, loss: Loss, spans: u32, status: u16) {
        self.is_untold = true;
        self.lose_quietly(loss, spans);
        // Each kind of loss is told once; all are counted.
        if !core::mem::replace(&mut self.reported[loss as usize], true) {
            self.reports.push(Effect::Report { loss, status, spans });
        }
    }

    /// Spans were lost that nobody was told of, and no report is on its way.
    pub fn wants_report(&self) -> bool {
        self.is_untold && self.losses.is_empty()
    }

    /// How many spans were lost for a reason that no report has told of.
    pub fn untold(&self, loss: Loss) -> u32 {
        self.counts.dropped[loss as usize] - self.told[loss as usize]
    }

    /// A finished span that tells of what is untold. It leaves with the next spans, and again until it is delivered, always the same one: so who
    /// gets it twice can tell. It is no span of the page's, and in none of the counts.
    pub fn report(&mut self, scope: u8, bytes: Box<[u8]>) {
        self.losses.push(scope, 0, bytes, 0.0, &Rules::DEFAULT);
        self.told = self.counts.dropped;
        self.is_untold = false;
    }

    /// What is to be told of losses leaves in this batch, if it is in no other.
    fn carry_report(&mut self, batch: i32) {
        if self.reported_by == WAITING && !self.losses.is_empty() {
            self.reported_by = batch;
        }
    }

    /// A batch is none any more; `told`: what it tells of losses is. The count that its spans are in.
    fn forget(&mut self, id: i32, told: bool) -> &mut u32 {
        if self.reported_by == id {
            self.reported_by = WAITING;
            if told {
                self.losses.clear();
            }
        }
        match self.position(id) {
            Some(index) if self.batches.swap_remove(index).in_flight => &mut self.counts.in_flight,
            Some(_) => &mut self.counts.queued,
            None => &mut self.counts.stored,
        }
    }

    fn lose_quietly(&mut self, loss: Loss, spans: u32) {
        self.counts.dropped[loss as usize] += spans;
    }

    // ---- out

    /// The next effect. Ask until it is [`Effect::Wait`].
    pub fn next(&mut self, now_ms: f64) -> Effect {
        if let Some(report) = self.reports.pop() {
            return report;
        }
        if let Some(effect) = self.refresh(now_ms) {
            return effect;
        }
        if self.held {
            self.flushing = false;
            return wait(f64::INFINITY, now_ms);
        }
        // What ends later, also because of what the page does whenever something is sent, leaves when it is due.
        self.flushing &= self.queue.flushed > 0 && !(self.queue.is_empty() && self.batches.is_empty());
        let is_offline = self.is_offline();
        let mut due_ms = self.queue.due_ms(&self.rules, self.batch_limit());
        if is_offline {
            due_ms -= (self.rules.scheduled_delay_ms - STORE_DELAY_MS).max(0.0);
        }
        // Not `||`: one way to the store takes fewer bytes than three.
        if self.stowing | self.overflows() | (is_offline & (due_ms <= now_ms))
            && let Some(effect) = self.store_next(now_ms)
        {
            return effect;
        }
        if is_offline {
            self.flushing = false;
            return wait(if self.outbox { due_ms } else { f64::INFINITY }, now_ms);
        }
        if !self.wants_slice() {
            self.slice_ms = f64::INFINITY;
        } else if self.slice_ms == f64::INFINITY {
            self.slice_ms = now_ms + SLICE_PAUSE_MS;
        } else if self.slice_ms <= now_ms {
            self.compress_some(usize::MAX);
            self.slice_ms = if self.wants_slice() { now_ms + SLICE_PAUSE_MS } else { f64::INFINITY };
        }
        let in_flight = self.awaits_answer();
        let may_send = self.hurried || self.flushing || self.resume_ms <= now_ms;
        if !in_flight
            && may_send
            && let Some(&again) = self.batches.first()
        {
            return self.send_again(again);
        }
        // When the page goes, no answer to a first one will come that the others could wait for.
        let several = self.hurried && (self.gone || self.failures < DOWN_AFTER_FAILURES);
        if may_send && (several || self.batches.is_empty()) {
            let is_ready = self.slice_ms == f64::INFINITY || self.flushing;
            let is_due = due_ms <= if self.hurried || self.flushing { f64::MAX } else { now_ms };
            if is_ready
                && is_due
                && let Some(effect) = self.send_next(now_ms)
            {
                return effect;
            }
        }
        if self.hurried
            && let Some(effect) = self.store_next(now_ms)
        {
            return effect;
        }
        // All that could go has gone; the rest follows as soon as an answer makes room.
        self.hurried &= in_flight && !self.queue.is_empty();
        self.queue.only_late &= self.hurried;
        wait(self.next_ms(), now_ms)
    }

    /// The next batch of those that wait. While the page leaves it has to fit into our share; otherwise a larger one may go without
    /// `keepalive`, and alone.
    fn send_next(&mut self, now_ms: f64) -> Option<Effect> {
        let id = self.next_batch();
        let may_defer = self.gone && self.defer_bytes > 0 && !self.batches.iter().any(|batch| batch.deferred);
        let room = self.keepalive_room();
        let mut deferred = may_defer && self.forgone;
        let (mut count, mut gzip) = self.fill(id, self.leaving.then_some(if deferred { self.defer_bytes } else { room }), now_ms);
        if count == 0 && may_defer {
            deferred = !deferred;
            (count, gzip) = self.fill(id, Some(if deferred { self.defer_bytes } else { room }), now_ms);
        }
        if count == 0 && !self.hurried {
            count = self.queue.take(id, 1, usize::MAX, now_ms);
            self.encode(id);
        }
        if count == 0 {
            return None;
        }
        self.counts.queued -= count;
        self.counts.in_flight += count;
        self.batches.push(Batch { id, first_sent_ms: now_ms, in_flight: true, keepalive_bytes: 0, deferred, gzip, plain: false });
        Some(if deferred { Effect::Defer { batch: id, gzip } } else { Effect::Send { batch: id, gzip } })
    }

    /// Puts what waits into a batch, and that into the body: as much as fits into `room`, which is for what leaves with the page. The number of
    /// spans, and whether they are compressed.
    fn fill(&mut self, id: i32, room: Option<usize>, now_ms: f64) -> (u32, bool) {
        self.carry_report(id);
        if self.compression.applies(room.is_some()) && (self.queue.grouped() > 0 || self.queue.loose_bytes() >= LEAST_COMPRESSED_BYTES) {
            let count = self.take_compressed(id, room, now_ms);
            if count > 0 {
                return (count, true);
            }
        }
        self.dissolve();
        let max_bytes = room.map_or(usize::MAX, |room| ((room as f64 / self.growth) as usize).saturating_sub(self.envelope_bytes()));
        let count = self.queue.take(id, self.batch_limit(), max_bytes, now_ms);
        if count > 0 {
            self.encode(id);
        } else {
            self.forget(id, false);
        }
        (count, false)
    }

    /// The next of what waits, for the outbox. Not compressed: a page that goes has no time for that.
    fn store_next(&mut self, now_ms: f64) -> Option<Effect> {
        let id = self.next_batch();
        let mut count = 0;
        if self.outbox {
            self.queue.only_late = false;
            self.dissolve();
            let limit = self.batch_limit();
            count = self.queue.take(id, limit, RECORD_BYTES, now_ms);
            if count == 0 {
                count = self.queue.take(id, 1, usize::MAX, now_ms);
            }
        }
        if count == 0 {
            self.stowing = false;
            return None;
        }
        self.stowing = true;
        self.counts.queued -= count;
        self.counts.stored += count;
        self.carry_report(id);
        self.encode(id);
        Some(Effect::Store { batch: id, spans: count })
    }

    fn next_batch(&mut self) -> i32 {
        self.last_batch = (self.last_batch & 0x3FFF_FFFF) + 1;
        self.last_batch
    }

    /// The request for the first of the batches, again.
    fn send_again(&mut self, Batch { id, plain, .. }: Batch) -> Effect {
        let may = self.compression.applies(self.leaving) && !plain;
        let gzip = may && self.queue.batch(id).map(|(_, span)| span.len()).sum::<usize>() >= LEAST_COMPRESSED_BYTES;
        if gzip {
            self.dissolve();
            let deflater = self.deflater.get_or_insert_with(Deflater::new);
            self.envelope.put(deflater.input(), self.queue.batch(id));
            self.finish_compressed(id);
        } else {
            self.encode(id);
        }
        let count = self.queue.count(id);
        self.counts.queued -= count;
        self.counts.in_flight += count;
        if let Some(batch) = self.batches.first_mut() {
            batch.in_flight = true;
            batch.gzip = gzip;
        }
        Effect::Send { batch: id, gzip }
    }

    /// A batch into the body.
    fn encode(&mut self, id: i32) {
        self.body.clear();
        self.envelope.put(&mut self.body, self.queue.batch(id));
        if self.reported_by == id {
            self.envelope.put(&mut self.body, self.losses.batch(WAITING));
        }
    }

    /// What was compressed into the body, and behind it what the batch has to tell of losses.
    fn finish_compressed(&mut self, id: i32) {
        if let Some(deflater) = &mut self.deflater {
            if self.reported_by == id {
                self.envelope.put(deflater.input(), self.losses.batch(WAITING));
            }
            deflater.finish(&mut self.body);
        }
    }

    // ---- what the browser sends once the page is gone

    /// Brings the deferred request up to date, at once where it would deliver something twice.
    fn refresh(&mut self, now_ms: f64) -> Option<Effect> {
        // Where nobody is reached, which may be because the page must not connect, the browser would complain of each one in the console.
        let is_reachable = !self.is_offline() && self.failures < DOWN_AFTER_FAILURES;
        if self.defer_bytes == 0 || self.held || self.gone || !is_reachable || self.queue.total() == 0 {
            self.refresh_ms = f64::INFINITY;
            self.body.clear();
            return core::mem::take(&mut self.deferred).then_some(Effect::Defer { batch: 0, gzip: false });
        }
        if !self.deferred && self.refresh_ms == f64::INFINITY {
            self.refresh_ms = now_ms + REFRESH_MS;
        }
        if self.refresh_ms > now_ms {
            return None;
        }
        self.refresh_ms = f64::INFINITY;
        self.deferred = true;
        self.body.clear();
        // What was compressed ahead serves here too, and stays what it is for the next batch.
        let ahead = self.deflater.clone();
        let state = self.queue.lend();
        let reported_by = core::mem::replace(&mut self.reported_by, WAITING);
        let (_, gzip) = self.fill(DEFERRED, Some(self.defer_bytes), now_ms);
        self.reported_by = reported_by;
        self.queue.give_back(state);
        self.deflater = ahead;
        Some(Effect::Defer { batch: 0, gzip })
    }

    // ---- compression

    /// There is enough for a slice, and the batch that it is for has room for it. Whoever leaves does not wait for slices.
    fn wants_slice(&self) -> bool {
        self.compression.applies(self.leaving)
            && !self.leaving
            && !self.held
            && self.queue.loose_bytes() >= SLICE_BYTES
            && self.queue.grouped() < self.batch_limit()
    }

    /// Compresses the next of what waits, whatever fits into this. False: nothing does.
    ///
    /// Each slice is a message of its own. Such messages one behind the other are one message that has all of their `ResourceSpans`: so the
    /// lengths in front are known in time, and that resource and scopes are told again costs some bytes, as they were just told.
    /// <https://protobuf.dev/programming-guides/encoding/#last-one-wins>
    fn compress_some(&mut self, max_bytes: usize) -> bool {
        let max_spans = self.batch_limit().saturating_sub(self.queue.grouped());
        let Some(group) = self.queue.group(max_spans, SLICE_BYTES, max_bytes) else { return false };
        let deflater = self.deflater.get_or_insert_with(Deflater::new);
        self.envelope.put(deflater.input(), self.queue.spans_of(group));
        deflater.deflate();
        true
    }

    /// A compressed batch into the body: what was compressed ahead, and as much of what waits as fits. The number of its spans.
    fn take_compressed(&mut self, id: i32, room: Option<usize>, now_ms: f64) -> u32 {
        let envelope_bytes = self.envelope_bytes();
        let deflater = self.deflater.get_or_insert_with(Deflater::new);
        let has_room =
            room.is_none_or(|room| deflater.bytes() <= room && (self.losses.is_empty() || deflater.room(room) >= envelope_bytes));
        if self.queue.grouped() > self.batch_limit() || !has_room {
            self.dissolve();
        }
        loop {
            let fits = match (&self.deflater, room) {
                (Some(deflater), Some(room)) => deflater.room(room).saturating_sub(envelope_bytes),
                _ => usize::MAX,
            };
            if !self.compress_some(fits) {
                break;
            }
        }
        let count = self.queue.take_groups(id, now_ms);
        if count > 0 {
            self.finish_compressed(id);
        }
        count
    }

    /// What was compressed ahead is of no use any more.
    fn dissolve(&mut self) {
        self.queue.dissolve_groups();
        if let Some(deflater) = &mut self.deflater {
            deflater.restart();
        }
    }

    /// How long the body of a batch is as it leaves: whether it goes with `keepalive`. `None`: not now. What leaves with the page and does not
    /// fit would be cut off: its spans wait again, and [`Delivery::next`] makes the next batch smaller, or leaves out the span that is too large.
    pub fn fit(&mut self, id: i32, body_bytes: usize) -> Option<bool> {
        self.growth = body_bytes as f64 / self.body.len() as f64;
        let room = self.keepalive_room();
        let batch = self.batches.iter_mut().find(|batch| batch.id == id)?;
        let fits = body_bytes <= if batch.deferred { self.defer_bytes } else { room };
        batch.keepalive_bytes = if fits && !batch.deferred { body_bytes } else { 0 };
        // A single span does not get smaller: it lets others go first while there is hurry, and then goes as it is.
        let can_wait = self.hurried || self.queue.count(id) > 1;
        if !fits && self.leaving && can_wait {
            self.put_back(id, false);
            return None;
        }
        Some(fits)
    }

    /// What a request holds at most beside its spans.
    fn envelope_bytes(&self) -> usize {
        let bytes = self.envelope.bytes();
        if self.losses.is_empty() { bytes } else { 2 * bytes + self.losses.loose_bytes() }
    }

    /// What the next request with `keepalive` may have.
    fn keepalive_room(&self) -> usize {
        let kept = if self.gone && !self.queue.only_late { KEEPALIVE_LATE_BYTES } else { 0 };
        self.keepalive_left().saturating_sub(kept).min(self.max_keepalive)
    }

    fn keepalive_left(&self) -> usize {
        let share = if self.gone && self.defer_bytes == 0 { KEEPALIVE_LEAVING_BYTES } else { KEEPALIVE_BYTES };
        share.saturating_sub(self.keepalive_bytes())
    }

    /// What is in flight with it.
    fn keepalive_bytes(&self) -> usize {
        self.batches.iter().map(|batch| batch.keepalive_bytes).sum()
    }

    fn batch_limit(&self) -> usize {
        self.rules.max_export_batch_size.min(self.max_batch).max(1)
    }

    fn is_offline(&self) -> bool {
        self.offline_ms < f64::INFINITY
    }

    fn awaits_answer(&self) -> bool {
        self.batches.iter().any(|batch| batch.in_flight)
    }

    /// When there is something to do, if nothing happens before. Infinity: there is not.
    fn next_ms(&self) -> f64 {
        let at_ms = if self.awaits_answer() || self.batches.is_empty() && self.slice_ms < f64::INFINITY {
            // The answer always comes, as each request has a time limit; and a batch that is due waits for its last slices.
            f64::INFINITY
        } else if self.batches.is_empty() {
            self.queue.due_ms(&self.rules, self.batch_limit()).max(self.resume_ms)
        } else {
            self.resume_ms
        };
        at_ms.min(self.slice_ms).min(self.refresh_ms)
    }
}

fn wait(until_ms: f64, now_ms: f64) -> Effect {
    Effect::Wait { delay_ms: (until_ms < f64::INFINITY).then(|| (until_ms - now_ms).clamp(0.0, MAX_TIMER_MS)) }
}
