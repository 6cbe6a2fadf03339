//! Exceptions as span events: the one place that records them, so that a log record can be put beside it.
//! <https://opentelemetry.io/docs/specs/semconv/exceptions/exceptions-spans/>

use super::names;

/// What is known of something that was thrown. Text that is not known is empty.
pub struct Exception<'a> {
    /// `error.name`, or the JavaScript type of a value that is no Error.
    pub kind: &'a [u8],
    pub message: &'a [u8],
    pub stacktrace: &'a [u8],
}

impl<'a> Exception<'a> {
    /// The attributes of the event [`names::EVENT_EXCEPTION`]; what is not known is empty.
    pub fn attributes(&self) -> [(&'static str, &'a [u8]); 3] {
        [(names::EXCEPTION_TYPE, self.kind), (names::EXCEPTION_MESSAGE, self.message), (names::EXCEPTION_STACKTRACE, self.stacktrace)]
    }
}
