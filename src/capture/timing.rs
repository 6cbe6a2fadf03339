//! What resource timing tells of a request beside its times. Zero and empty text mean that the browser does not tell.
//! <https://www.w3.org/TR/resource-timing/>

use super::names;
use crate::attributes::Value;
use crate::limits::Limits;
use crate::span::Span;

pub struct Timing<'a> {
    /// `nextHopProtocol`: an ALPN id such as `h2`. <https://www.iana.org/assignments/tls-extensiontype-values/#alpn-protocol-ids>
    pub protocol: &'a [u8],
    pub encoded_body_bytes: f64,
    pub decoded_body_bytes: f64,
}

pub fn describe(span: &mut Span, timing: &Timing, limits: &Limits) {
    let &Timing { protocol, encoded_body_bytes, decoded_body_bytes } = timing;
    // `http/1.1` and `h2`: the version stands behind the name.
    if let Some(version) = protocol.strip_prefix(b"http/").or(protocol.strip_prefix(b"h")) {
        span.set_text(names::NETWORK_PROTOCOL_VERSION, version, limits);
    }
    if encoded_body_bytes > 0.0 {
        span.set(names::HTTP_RESPONSE_BODY_SIZE, Value::number(encoded_body_bytes), limits);
    }
    if decoded_body_bytes > 0.0 && decoded_body_bytes != encoded_body_bytes {
        span.set(names::HTTP_RESPONSE_BODY_DECODED_SIZE, Value::number(decoded_body_bytes), limits);
    }
}
