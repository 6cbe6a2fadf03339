//! Exceptions as span events: the one place that records them, so that a log record can be put beside it.
//! <https://opentelemetry.io/docs/specs/semconv/exceptions/exceptions-spans/>

use super::names;
use crate::attributes::{Attributes, Value};

/// What is known of something that was thrown. Text that is not known is empty.
pub struct Exception<'a> {
    /// `error.name`, or the JavaScript type of a value that is no Error.
    pub kind: &'a [u8],
    pub message: &'a [u8],
    pub stacktrace: &'a [u8],
}

/// The attributes of the event [`names::EVENT_EXCEPTION`].
pub fn describe(attributes: &mut Attributes, exception: &Exception, count_limit: u32) {
    for (name, text) in [
        (names::EXCEPTION_TYPE, exception.kind),
        (names::EXCEPTION_MESSAGE, exception.message),
        (names::EXCEPTION_STACKTRACE, exception.stacktrace),
    ] {
        if !text.is_empty() {
            attributes.set(name.as_bytes(), Value::Text(text), count_limit);
        }
    }
}
