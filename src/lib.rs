//! The core of webspan: every rule of tracing in the browser, and no browser.
//!
//! JavaScript touches the browser, this crate decides. An input comes through [`abi`] as numbers, and as text in a scratch area; the
//! [`engine`] takes it through the rooms in order and leaves effects behind: bytes to send, a time to be woken at. What happens outside
//! (an answer arrived, time passed, the page is hidden) comes back as the next input. So all of it runs in `cargo test`, with a clock wound by hand.
//!
//! ```text
//! facts -> capture -> sampler -> span (bytes) -> batch (due?) -> otlp (envelope) -> send
//!                                                  retry <- answer
//! ```
//!
//! | room | what it holds |
//! |---|---|
//! | [`abi`] | the door: numbers and the scratch area; translates, has no opinion |
//! | [`engine`] | the order of the rooms: inputs in, effects out |
//! | [`attributes`], [`span`], [`open`] | a span that grows as finished protobuf bytes, and the table of those that are open |
//! | [`id`], [`time`] | random ids; page milliseconds to Unix nanoseconds |
//! | [`context`] | `traceparent` and `tracestate` |
//! | [`sampler`], [`limits`], [`runaway`], [`redact`] | what is recorded, how much of it, and what never leaves the page |
//! | [`capture`] | facts of one kind of browser event to the names of the semantic conventions |
//! | [`resource`] | who sends: the service, the SDK, the browser |
//! | [`otlp`] | spans to the bytes of OTLP |
//! | [`compression`], [`deflate`] | whether requests are compressed, and compression that is ready whenever the page goes |
//! | [`delivery`] | from spans that have ended to requests and their answers; where every span is |
//! | [`batch`], [`retry`] | when spans leave, together with which, and what an answer means |
#![no_std]
extern crate alloc;
#[cfg(not(feature = "page"))]
extern crate std;

#[cfg(feature = "abi")]
pub mod abi;
pub mod attributes;
#[cfg(all(feature = "page", target_arch = "wasm32"))]
mod bare;
pub mod batch;
pub mod capture;
pub mod compression;
pub mod context;
pub mod deflate;
pub mod delivery;
pub mod engine;
pub mod id;
pub mod limits;
pub mod open;
pub mod otlp;
pub mod redact;
pub mod resource;
pub mod retry;
pub mod runaway;
pub mod sampler;
pub mod span;
mod split;
pub mod time;
