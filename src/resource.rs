//! Who sends: the service, this SDK, the browser. <https://opentelemetry.io/docs/specs/semconv/resource/>

use crate::attributes::{Attributes, Value};
use crate::capture::names;
use crate::limits::Limits;

/// What the browser tells of itself. Text that it does not tell is empty.
pub struct Browser<'a> {
    /// Content of an `ArrayValue`: "brand version" for each, from `navigator.userAgentData`.
    pub brands: &'a [u8],
    pub platform: &'a [u8],
    /// `None` where there is no `navigator.userAgentData`.
    pub mobile: Option<bool>,
    pub language: &'a [u8],
    pub user_agent: &'a [u8],
}

pub const SDK_NAME: &[u8] = b"webspan";
pub const SDK_VERSION: &[u8] = env!("CARGO_PKG_VERSION").as_bytes();

pub fn describe_sdk(resource: &mut Attributes) {
    set_told(resource, names::TELEMETRY_SDK_NAME, SDK_NAME);
    set_told(resource, names::TELEMETRY_SDK_LANGUAGE, b"webjs");
    set_told(resource, names::TELEMETRY_SDK_VERSION, SDK_VERSION);
}

pub fn describe_service(resource: &mut Attributes, name: &[u8], version: &[u8]) {
    set(resource, names::SERVICE_NAME, Value::Text(name));
    set_told(resource, names::SERVICE_VERSION, version);
}

pub fn describe_browser(resource: &mut Attributes, browser: &Browser) {
    if let Some(mobile) = browser.mobile {
        set(resource, names::BROWSER_BRANDS, Value::Array(browser.brands));
        set_told(resource, names::BROWSER_PLATFORM, browser.platform);
        set(resource, names::BROWSER_MOBILE, Value::Bool(mobile));
        set_told(resource, names::BROWSER_LANGUAGE, browser.language);
    }
    set_told(resource, names::USER_AGENT_ORIGINAL.stable, browser.user_agent);
}

fn set_told(resource: &mut Attributes, name: &str, text: &[u8]) {
    if !text.is_empty() {
        set(resource, name, Value::Text(text));
    }
}

fn set(resource: &mut Attributes, name: &str, value: Value) {
    resource.set(name.as_bytes(), value, Limits::DEFAULT.attribute_count);
}
