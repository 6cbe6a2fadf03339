//! How a request ends: `fetch()` with its response's body, XHR with `loadend`.

use super::names;
use crate::attributes::Value;
use crate::limits::Limits;
use crate::span::Span;

/// How much is known of the end of a request whose headers came.
#[derive(Clone, Copy, PartialEq)]
pub enum End {
    /// The end of the body, or of a request that has none.
    Known,
    /// Nobody read the body, or the browser does not tell: the span ends with the headers.
    BodyUnknown,
    /// The page is going while the request is under way.
    Unfinished,
}

pub fn describe_end(span: &mut Span, end: End, limits: &Limits) {
    let mark = match end {
        End::Known => return,
        End::BodyUnknown => names::BODY_END_UNKNOWN,
        End::Unfinished => {
            span.unfinished = true;
            names::UNFINISHED
        }
    };
    span.set(mark, Value::Bool(true), limits);
}
