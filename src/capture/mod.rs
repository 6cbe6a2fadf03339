//! Facts to spans: one file for each kind of browser event. Every name stands in [`names`].

pub mod exception;
pub mod fetch;
pub mod http;
pub mod names;
pub mod timing;
