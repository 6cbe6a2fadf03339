//! Spans to the bytes of OTLP: [`wire`] holds the primitives, [`trace`] the messages. What reads them again is `js/otlp.ts`.

pub mod trace;
pub mod wire;
