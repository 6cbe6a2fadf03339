#![cfg(not(target_arch = "wasm32"))]
//! The engine from outside: spans go in as the page would give them, and what comes out is read by a decoder that is not ours.
//!
//! One test program, since each one is linked anew with all its decoders.

mod books;
mod compression;
mod deferred;
mod deflate;
mod delivery;
mod driver;
mod encoding;
mod fetch;
mod globals;
mod leaving;
mod losses;
mod outage;
mod outbox;
mod sampling;
mod spans;
mod time;
