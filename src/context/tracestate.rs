//! The `tracestate` header of W3C Trace Context, level 2.
//! <https://www.w3.org/TR/trace-context-2/#tracestate-header>
//!
//! A comma-separated list of `key=value`, one per tracing system, the latest first. It is opaque:
//! it goes on as it came, canonical and within the limits.

use super::trim;
use crate::split::{split_before, take_part};
use alloc::vec::Vec;

/// Characters that are passed on; the specification asks for at least these.
/// <https://www.w3.org/TR/trace-context-2/#tracestate-limits>
pub const MAX_LENGTH: usize = 512;

/// List members allowed in one header. <https://www.w3.org/TR/trace-context-2/#list>
const MAX_MEMBERS: usize = 32;

/// Characters allowed in a key, and in a value.
const MAX_NAME: usize = 256;

/// Members longer than this many characters go first when the whole is too long.
const LONG_MEMBER: usize = 128;

/// The header's value without blanks, empty members and duplicates, cut to [`MAX_LENGTH`] by whole
/// members. None when it is empty or breaks the grammar: then it is not passed on, while
/// `traceparent` still counts.
///
/// Several headers of this name are one list: the caller joins them with commas, in order.
///
/// Of members with the same key the first stays, being the latest position in the trace. (Level 1
/// wanted the whole header discarded; level 2 lets duplicates of others be dropped.)
pub fn read(value: &[u8]) -> Option<Vec<u8>> {
    let mut members = [&[][..]; MAX_MEMBERS];
    let mut count = 0;
    let mut length = 0;
    let mut rest = value;
    while let Some(member) = take_part(&mut rest, b",") {
        let member = trim(member);
        if member.is_empty() {
            continue;
        }
        let (key, equals_and_value) = split_before(member, b"=");
        if !is_key(key) || !is_value(equals_and_value) {
            return None;
        }
        if !members.iter().any(|earlier| split_before(earlier, b"=").0 == key) {
            *members.get_mut(count)? = member;
            count += 1;
            length += member.len() + 1;
        }
    }
    for droppable in [LONG_MEMBER + 1, 1] {
        for member in members.iter_mut().rev() {
            if length > MAX_LENGTH + 1 && member.len() >= droppable {
                length -= member.len() + 1;
                *member = &[];
            }
        }
    }
    let mut out = Vec::new();
    for member in &members {
        if !member.is_empty() {
            out.extend_from_slice(member);
            out.extend_from_slice(b",");
        }
    }
    out.pop()?;
    Some(out)
}

fn is_key(key: &[u8]) -> bool {
    let is_letter_or_digit = |char: &u8| matches!(char, b'a'..=b'z' | b'0'..=b'9');
    key.len() <= MAX_NAME
        && key.first().is_some_and(is_letter_or_digit)
        && key.iter().all(|char| is_letter_or_digit(char) || b"_-*/@".contains(char))
}

/// The caller has cut off trailing blanks, which are no part of the value; leading ones are.
fn is_value(equals_and_value: &[u8]) -> bool {
    let [_, value @ ..] = equals_and_value else { return false };
    (1..=MAX_NAME).contains(&value.len()) && value.iter().all(|&char| matches!(char, b' '..=b'~') && char != b'=')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::{String, ToString};
    use std::{format, vec};

    fn read_text(value: &str) -> Option<String> {
        read(value.as_bytes()).map(|text| String::from_utf8(text).unwrap())
    }

    fn numbered(range: core::ops::RangeInclusive<u32>) -> String {
        range.map(|n| format!("bar{n:02}={n:02}")).collect::<Vec<_>>().join(",")
    }

    /// The values that the W3C's own test suite sends to a service
    /// (<https://github.com/w3c/trace-context/tree/main/test>), several headers joined by commas as
    /// HTTP does it, and some at the edges between them.
    #[test]
    fn passes_on_what_the_specification_allows_and_nothing_else() {
        let all_key_chars = "abcdefghijklmnopqrstuvwxyz0123456789_-*/";
        let all_value_chars: String = (' '..='~').filter(|char| !matches!(char, ',' | '=')).collect();
        let all_chars = format!("{all_key_chars}={all_value_chars}");
        let all_chars_with_tenant = format!("{all_key_chars}@a-z0-9_-*/={all_value_chars}");
        let long_key = |length| format!("foo=1,{}=1", "z".repeat(length));
        let tenant = |tenant, system| format!("foo=1,{}@{}=1", "t".repeat(tenant), "v".repeat(system));
        let long_value = |length| format!("foo={}", "1".repeat(length));

        let same = |value: &str| (value.to_string(), Some(value.to_string()));
        let becomes = |value: &str, canonical: &str| (value.to_string(), Some(canonical.to_string()));
        let refused = |value: &str| (value.to_string(), None);
        let cases = [
            ("one member", same("foo=1")),
            ("two members", same("foo=1,bar=2")),
            ("several headers keep their order", same("foo=1,bar=2,rojo=1,congo=2,baz=3")),
            ("empty", refused("")),
            ("blank", refused(" \t ")),
            ("only empty members", refused(",, ,")),
            ("an empty header after", becomes("foo=1,", "foo=1")),
            ("an empty header before", becomes(",foo=1", "foo=1")),
            ("a blank member between", becomes("foo=1, ,bar=2", "foo=1,bar=2")),
            ("every allowed character", same(&all_chars)),
            ("every allowed character, with a tenant", same(&all_chars_with_tenant)),
            ("blanks around members", becomes("foo=1 \t , \t bar=2, \t baz=3", "foo=1,bar=2,baz=3")),
            ("tabs around members", becomes("foo=1\t \t,\t \tbar=2,\t \tbaz=3", "foo=1,bar=2,baz=3")),
            ("space before", becomes(" foo=1", "foo=1")),
            ("tab before", becomes("\tfoo=1", "foo=1")),
            ("space after", becomes("foo=1 ", "foo=1")),
            ("tab after", becomes("foo=1\t", "foo=1")),
            ("blanks on both sides", becomes("\t foo=1 \t", "foo=1")),
            ("leading blanks of a value are its own", same("foo=  1")),
            ("blanks within a value", same("foo=1 2")),
            ("same key, same value: first stays", becomes("foo=1,foo=1", "foo=1")),
            ("same key, other value: first stays", becomes("foo=1,bar=3,foo=2", "foo=1,bar=3")),
            ("a key that begins like another", same("foo=1,fo=2,foo2=3")),
            ("key with a blank", refused("foo =1")),
            ("key in upper case", refused("FOO=1")),
            ("key with a dot", refused("foo.bar=1")),
            ("key that starts with a digit", same("1foo=1")),
            ("key that starts with an underscore", refused("_foo=1")),
            ("key that starts with an at sign", refused("@foo=1,bar=2")),
            ("key that ends with an at sign", same("foo@=1,bar=2")),
            ("key with two at signs", same("foo@@bar=1,bar=2")),
            ("key with two tenants", same("foo@bar@baz=1,bar=2")),
            ("empty key", refused("=1,foo=2")),
            ("no equals sign", refused("foo,bar=2")),
            ("two equals signs", refused("foo=bar=baz")),
            ("empty value", refused("foo=,bar=3")),
            ("blank value", refused("foo= ,bar=3")),
            ("control character in a value", refused("foo=1\n2")),
            ("delete character in a value", refused("foo=\x7f")),
            ("not ASCII", refused("foo=ä")),
            ("32 members", same(&numbered(1..=32))),
            ("33 members", refused(&numbered(1..=33))),
            ("32 members and an empty one", becomes(&format!("{},,", numbered(1..=32)), &numbered(1..=32))),
            ("key of 256 characters", same(&long_key(256))),
            ("key of 257 characters", refused(&long_key(257))),
            ("tenant and system of 256 characters", same(&tenant(241, 14))),
            ("long tenant", same(&tenant(242, 1))),
            ("long system", same(&tenant(1, 15))),
            ("tenant and system of 257 characters", refused(&tenant(242, 14))),
            ("value of 256 characters", same(&long_value(256))),
            ("value of 257 characters", refused(&long_value(257))),
        ];
        for (name, (value, canonical)) in cases {
            assert_eq!(read_text(&value), canonical, "{name}: {value:?}");
        }
    }

    #[test]
    fn too_long_drops_long_members_first_and_from_the_end() {
        let member = |key: &str, length: usize| format!("{key}={}", "x".repeat(length - key.len() - 1));
        let list = |members: &[String]| members.join(",");
        let (long_a, long_b) = (member("long-a", 129), member("long-b", 200));
        let (short_c, short_d, short_e) = (member("short-c", 128), member("short-d", 128), member("short-e", 128));
        let (short_f, short_g) = (member("short-f", 125), member("short-g", 127));

        let cases = [
            ("512 characters", vec![&short_c, &short_d, &short_e, &short_f], vec![&short_c, &short_d, &short_e, &short_f]),
            ("one long member is enough", vec![&long_a, &short_c, &short_d, &long_b], vec![&long_a, &short_c, &short_d]),
            ("both long members", vec![&long_a, &short_c, &short_d, &short_e, &long_b], vec![&short_c, &short_d, &short_e]),
            ("then from the end", vec![&short_c, &short_d, &short_e, &long_a, &short_g], vec![&short_c, &short_d, &short_e]),
        ];
        for (name, given, kept) in cases {
            let owned = |members: Vec<&String>| members.into_iter().cloned().collect::<Vec<_>>();
            assert_eq!(read_text(&list(&owned(given))), Some(list(&owned(kept))), "{name}");
        }
        assert_eq!(list(&[short_c, short_d, short_e, short_f]).len(), MAX_LENGTH);
    }

    proptest! {
        #[test]
        fn what_is_passed_on_is_canonical(value in "([a-c@]{1,3}=[ -~]{1,90}[, \t]{1,3}){0,40}") {
            if let Some(canonical) = read(value.as_bytes()) {
                prop_assert!(canonical.len() <= MAX_LENGTH);
                prop_assert_eq!(read(&canonical), Some(canonical.clone()));
            }
        }

        #[test]
        fn any_bytes_are_read_without_panic(value: Vec<u8>) {
            let _ = read(&value);
        }
    }
}
