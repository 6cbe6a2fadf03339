//! What never leaves the page: credentials in URLs, tokens, and the values of keys that name a secret.
//!
//! One scanner reads URLs and any other text that may hold some: `url.full`, fragments, referrers, names, attributes and their keys,
//! exception messages and stack traces. It looks through percent-encoding of any depth, because URLs travel inside URLs
//! (`?redirect=https%3A%2F%2F…%3Ftoken%3D…`), and it does not ask whether a URL is well-formed, because a broken one holds the same secrets.
//!
//! - `//user:password@` becomes `//REDACTED:REDACTED@`, with or without a scheme.
//!   <https://opentelemetry.io/docs/specs/semconv/registry/attributes/url/>
//! - `key=value` becomes `key=REDACTED` where the key names a secret: at the start of the text or behind anything that is no part of a
//!   key, such as `?`, `&`, `#`, `;`, `.` or a blank.
//! - `"key":"value"`, `key: value` and `key="value"`, as in JSON, headers and sentences, become the same.
//! - JSON Web Tokens and other base64 of JSON (words that begin with `eyJ`), and what follows `Bearer`, are replaced wherever they stand.
//!
//! When in doubt it takes away too much: what was lost in a trace can be looked up elsewhere. It looks at text, never at the key under which
//! an attribute was set: whoever sets `session.id` or `error.code` means to record it. What stands in the path of a URL without a key
//! (`/reset/4f2a…`) cannot be recognised: that is what `redact.url` is for.
//!
//! # Which keys name a secret
//!
//! A key is read as words, which begin at a change from small to capital letters and behind digits, `_`, `-`, `[` and `]`: `userPass`,
//! `user_pass` and `user[pass]` have the same two. The key is secret if it, or what is left of it without its last words, ends with one of the
//! *stems* in [`KEYS`], and none of these last words says that it only describes a secret: so `csrfmiddlewaretoken`, `id_token_hint`,
//! `password1` and `user[password_confirmation]` are, but not `token_count` and `password_policy`, nor `tokens`, `tokenizer` and `secretary`.
//! Stems that often mean something else count only at the end: `user_pass` is secret, `bypass` and `pass_count` are not. Of keys and codes
//! only those count that are for something secret: `api_key` and `deviceCode`, but not `sort_key` and `country_code`.
//!
//! `code` alone is one of OAuth where a `state` stands in the same text, and in a query or fragment if it is as long as a one-time password:
//! shorter ones are those of countries, languages and errors. <https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2>
//!
//! Not secret: `key`, which is a public one as often as not (that of a map); `state` and `nonce`, which nobody can use alone. Secret, though
//! often harmless: `page_token`, which looks like all tokens; `ticket` and `policy`, because of CAS and CloudFront.

use alloc::vec::Vec;

/// What stands where a secret stood.
const REDACTED: &[u8] = b"REDACTED";

/// What stands where a user and a password stood.
const REDACTED_USER: &[u8] = b"REDACTED:REDACTED";

/// Stems of keys, in groups with an empty one between them: those that count only at the end of a key, to which the page adds its own; `code`; words that
/// describe a secret; and those that count also with words behind them.
///
/// In lower case. Between the letters of a stem there may be word boundaries: `apikey` stands for `api_key`. Where `_` stands, there has to be
/// one; where `=` stands, the beginning of the key or of what stands in brackets.
const KEYS: &[u8] = &with_lengths(
    *b" _session _pass _pin _sig _auth _ticket =policy =sign =sid  =code  \
_count _type _policy _length _limit _version _method _name _url _at _in  \
token password passwd passphrase pwd passcode secret credential credentials signature jwt otp csrf xsrf bearer hmac \
assertion verifier authorization samlart samlrequest samlresponse sessid sessionid accessid \
apikey accesskey privatekey authkey appkey applicationkey subscriptionkey sessionkey signingkey encryptionkey masterkey accountkey \
authcode accesscode devicecode usercode oobcode facode recoverycode verificationcode",
);

/// The numbers of its groups.
const LAST: u32 = 0;
const CODE: u32 = 1;
const DESCRIPTIONS: u32 = 2;

/// The words with their lengths in the place of the blanks before them: to look for blanks takes ten times as long as to compare.
const fn with_lengths<const N: usize>(mut words: [u8; N]) -> [u8; N] {
    let mut bytes = 0;
    let mut at = N;
    while at > 0 {
        at -= 1;
        if words[at] == b' ' {
            words[at] = bytes;
            bytes = 0;
        } else {
            bytes += 1;
        }
    }
    words
}

/// Letters of the longest key that is looked at, with the boundaries between its words.
const MAX_KEY: usize = 64;

/// Bytes of the shortest `code` that is taken for one of OAuth without a `state`.
const MIN_CODE: usize = 6;

/// Characters from the blank on, each as a bit.
const fn bits(chars: &[u8]) -> u64 {
    let mut bits = 0;
    let mut at = 0;
    while at < chars.len() {
        bits |= 1 << (chars[at] - b' ');
        at += 1;
    }
    bits
}

/// What ends a value; of one that stands behind a `;` outside of a query, as in `/a;session=b?c`, also what comes next in such a list. In a
/// query these two may be a part of a password. What ends a value behind a colon, and the host of a URL.
const VALUE_ENDS: u64 = bits(b"&#");
const LISTED_VALUE_ENDS: u64 = bits(b"&#;?");
const COLON_VALUE_ENDS: u64 = bits(b"&#\"");
const HOST_ENDS: u64 = bits(b"/?#\\");

/// What else ends them in text: no browser leaves these unencoded in a URL.
const TEXT_ENDS: u64 = bits(b" \"<>");

/// A text is looked through so often at most. Only one that was made for it takes more than three times.
const MAX_PASSES: u32 = 8;

/// The list of secret keys and the way to apply it.
pub struct Redactor {
    /// As [`KEYS`]. Empty: only credentials are redacted.
    keys: Vec<u8>,
}

impl Redactor {
    /// With the built-in keys.
    #[expect(clippy::new_without_default, reason = "a default could as well be a list without keys")]
    pub fn new() -> Redactor {
        Redactor { keys: KEYS.to_vec() }
    }

    /// Of the credentials before the host alone: these are never recorded.
    pub const fn of_credentials() -> Redactor {
        Redactor { keys: Vec::new() }
    }

    /// Adds a key to the built-in ones. It is compared as a whole, in lower case and without digits, `-`
    /// and `_`; of `user.email` only the last word counts, as in the URLs themselves.
    pub fn add_key(&mut self, key: &[u8]) {
        let mut letters = [0; MAX_KEY + 1];
        // One without letters would be every key without any.
        if let Some([beginning, words @ ..]) = normalise(key, &mut letters)
            && !words.is_empty()
        {
            let is_letter = |char: &&u8| !is_boundary(**char);
            let letters = words.iter().filter(is_letter);
            let mut keys = alloc::vec![letters.clone().count() as u8 + 1, *beginning];
            keys.extend(letters);
            keys.extend_from_slice(&self.keys);
            self.keys = keys;
        }
    }

    /// A URL, or any text with as many in it as there may be, without its secrets. None when there
    /// are none, and nothing was copied.
    pub fn text(&self, text: &[u8]) -> Option<Vec<u8>> {
        if !may_hold_secrets(text) {
            return None;
        }
        let mut redacted = self.pass(text)?;
        // With a value gone, a `//` and an `@` that it kept apart may meet. What is given out must
        // not change when it is redacted again, so it is, here.
        for _ in 1..MAX_PASSES {
            let Some(again) = self.pass(&redacted) else { break };
            redacted = again;
        }
        Some(redacted)
    }

    /// What is left of the text, if there is something to take away.
    fn pass(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let mut copied = 0;
        let mut has_state = None;
        let mut in_query = false;
        // The last word, until something stands behind it that does not stand between a key and its value, and what stands before it.
        let mut key: &[u8] = b"";
        let mut before_key = 0;
        // As if the text stood behind one.
        let (mut last, mut delimiter) = (0, Unit { byte: b'&', depth: 0, end: 0 });
        loop {
            let Unit { byte, depth, end: next } = delimiter;
            let (mut from, mut to, mut replacement) = (next, next, REDACTED);
            let rest = text.get(next..)?;
            if is_slash(byte) && is_slash(last) {
                (to, replacement) = (scan(text, next, depth, HOST_ENDS), REDACTED_USER);
            } else if self.keys.is_empty() {
            } else if rest.starts_with(b"eyJ") {
                to = scan(text, next, depth, LISTED_VALUE_ENDS);
            } else if rest.starts_with(b"Bearer ") {
                from = next + 7;
                to = scan(text, from, depth, VALUE_ENDS);
            } else if matches!(byte, b'=' | b':')
                && let Some(group) = self.group(key)
            {
                let ends = match before_key {
                    _ if byte == b':' => COLON_VALUE_ENDS,
                    b';' if !in_query => LISTED_VALUE_ENDS,
                    _ => VALUE_ENDS,
                };
                (from, to) = value(text, &delimiter, last != 0, ends);
                let is_long = to - from >= MIN_CODE && matches!(before_key, b'?' | b'&' | b'#' | b';');
                if group == CODE && (byte == b':' || !is_long && !*has_state.get_or_insert_with(|| holds_state(text))) {
                    to = from;
                }
            }
            let mut at = next;
            if to > from {
                at = to;
                if text.get(from..to)? != replacement {
                    out.extend_from_slice(text.get(copied..from)?);
                    out.extend_from_slice(replacement);
                    copied = to;
                }
            }
            in_query = byte == b'?' || in_query && (byte > b' ' || depth > 0);
            if !matches!(byte, b' ' | b'"' | b'\'' | b'\\') {
                key = b"";
            }
            last = byte;

            let word_start = at;
            delimiter = loop {
                match text.get(at) {
                    // Most characters are of this kind: none but these is looked at more closely.
                    Some(&char) if is_word(char) => at += 1,
                    Some(_) => {
                        let unit = unit(text, at)?;
                        if !is_word(unit.byte) {
                            break unit;
                        }
                        at = unit.end;
                    }
                    None => {
                        out.extend_from_slice(text.get(copied..)?);
                        return (copied > 0).then_some(out);
                    }
                }
            };
            if at > word_start {
                key = text.get(word_start..at)?;
                before_key = last;
                last = 0;
            }
        }
    }

    /// The group that says of a word that it is a key whose value is a secret.
    fn group(&self, word: &[u8]) -> Option<u32> {
        let mut letters = [0; MAX_KEY + 1];
        let mut key = normalise(word, &mut letters).unwrap_or_default();
        let mut is_whole = true;
        // The key, then without its last word, and so on.
        while !key.is_empty() {
            let mut group = LAST;
            let mut stems = &self.keys[..];
            while let [bytes, rest @ ..] = stems
                && let Some((stem, others)) = rest.split_at_checked(usize::from(*bytes))
            {
                stems = others;
                if stem.is_empty() {
                    group += 1;
                } else if (is_whole || group > CODE) && ends_with(key, stem) {
                    return (group != DESCRIPTIONS).then_some(group);
                }
            }
            is_whole = false;
            while let [rest @ .., last] = key {
                key = rest;
                if is_boundary(*last) {
                    break;
                }
            }
        }
        None
    }
}

/// Whether a normalised key ends with a stem.
fn ends_with(mut key: &[u8], mut stem: &[u8]) -> bool {
    while let [wanted_before @ .., wanted] = stem {
        let [before @ .., last] = key else { return false };
        key = before;
        if last == wanted || *wanted == b'_' && is_boundary(*last) {
            stem = wanted_before;
        } else if !is_boundary(*last) {
            return false;
        }
    }
    true
}

/// Whether there is a `state`. Asked once for a text: one that is nothing but codes must not be looked through for each.
fn holds_state(text: &[u8]) -> bool {
    text.windows(6).any(|chars| {
        let [s, t, a, u, e, end] = *chars else { return false };
        // This bit makes letters small.
        u32::from_le_bytes([s, t, a, u]) | 0x2020_2020 == u32::from_le_bytes(*b"stat") && e | 0x20 == b'e' && matches!(end, b'=' | b'%')
    })
}

/// Whether redaction could find anything in a text; most short texts hold none of these characters. The letters are those of `Bearer` and `eyJ`.
#[inline(always)] // Of most texts it is all that is done.
pub fn may_hold_secrets(text: &[u8]) -> bool {
    text.iter().any(|char| matches!(char, b'%' | b':' | b'=' | b'@' | b'B' | b'J'))
}

/// Brackets belong to a word, so that in `auth[token][]=` each part of it counts.
fn is_word(char: u8) -> bool {
    matches!(char, b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'_' | b'[' | b']' | 0x80..)
}

/// Browsers take the one for the other.
fn is_slash(char: u8) -> bool {
    matches!(char, b'/' | b'\\')
}

/// Where a word begins in a normalised key.
fn is_boundary(char: u8) -> bool {
    matches!(char, b'=' | b'_')
}

/// The key in the form of [`KEYS`]: its letters in lower case, with a boundary before each word.
/// None when it is too long to be looked at.
fn normalise<'a>(word: &[u8], letters: &'a mut [u8; MAX_KEY + 1]) -> Option<&'a [u8]> {
    letters[0] = b'=';
    let mut length = 1;
    let mut last = 0;
    let mut at = 0;
    while let Some(Unit { byte, end, .. }) = unit(word, at) {
        at = end;
        if !is_word(byte) {
            length = 1;
            continue;
        }
        // What is no ASCII is changed too, here as there.
        let small = byte | 0x20;
        let is_letter = matches!(small, b'a'..=b'z' | 0x80..);
        if !is_letter || byte < b'a' && last >= b'a' {
            if !is_boundary(*letters.get(length - 1)?) {
                *letters.get_mut(length)? = b'_';
                length += 1;
            }
            if byte == b'[' {
                *letters.get_mut(length - 1)? = b'=';
            }
        }
        if is_letter {
            *letters.get_mut(length)? = small;
            length += 1;
        }
        last = byte;
    }
    letters.get(..length)
}

/// From where to where the value stands that belongs to the key before the separator. `is_apart`: something stands between these two.
fn value(text: &[u8], separator: &Unit, is_apart: bool, ends: u64) -> (usize, usize) {
    let &Unit { byte, depth, end: next } = separator;
    let mut from = next;
    let mut last = 0;
    while let Some(first) = unit(text, from) {
        let small = first.byte | 0x20;
        match first.byte {
            b' ' | b'>' | b'\\' => {
                last = first.byte;
                from = first.end;
            }
            b'"' | b'\'' => {
                let end = if last == b'\\' { b'\\' } else { first.byte };
                return (first.end, scan(text, first.end, first.depth, bits(&[end])));
            }
            // No value in `token:8080` and `auth:login`.
            _ if byte == b':' && !is_apart && from == next => break,
            _ => {
                let mut to = scan(text, from, depth, ends);
                // Of `Basic` and `Bearer` the next word too.
                if small == b'b' && text.get(to) == Some(&b' ') {
                    to = scan(text, to + 1, depth, ends);
                }
                return (from, to);
            }
        }
    }
    (next, next)
}

/// Where a secret ends that begins at `at`: at the first of `ends` that is encoded as often as what stands before the secret, or less; one
/// that is encoded more often is a part of it. In quotes, these are the only one of `ends`. A user and a password end at the last `@` before
/// the end: a password may hold one too.
fn scan(text: &[u8], mut at: usize, depth: u32, ends: u64) -> usize {
    let is_quoted = ends & bits(b"&/") == 0;
    let mut last_at_sign = at;
    while let Some(unit) = unit(text, at) {
        let byte = unit.byte;
        let ends = if unit.depth > 0 || is_quoted { ends } else { ends | TEXT_ENDS };
        let bit = byte.wrapping_sub(b' ');
        if unit.depth <= depth && bit < 64 && ends >> bit & 1 != 0
            || unit.depth == 0 && byte < b' '
            // What is encoded was a value of another URL, and this begins the next.
            || unit.depth < depth && byte == b'&'
        {
            break;
        }
        if byte == b'@' && unit.depth <= depth {
            last_at_sign = at;
        }
        at = unit.end;
        if is_quoted
            && byte == b'\\'
            && let Some(escaped) = self::unit(text, at)
        {
            at = escaped.end;
        }
    }
    if ends == HOST_ENDS { last_at_sign } else { at }
}

/// One character as it is meant, however many times it was percent-encoded.
struct Unit {
    byte: u8,
    /// 0 for `=`, 1 for `%3D`, 2 for `%253D`; at most [`MAX_DEPTH`].
    depth: u32,
    /// Where the next one begins.
    end: usize,
}

/// What is encoded more often counts as encoded so often, since for each depth a text may be looked through once.
const MAX_DEPTH: u32 = 15;

fn unit(text: &[u8], at: usize) -> Option<Unit> {
    let mut unit = Unit { byte: *text.get(at)?, depth: 0, end: at + 1 };
    while unit.byte == b'%'
        && let Some(high) = hex_digit(text, unit.end)
        && let Some(low) = hex_digit(text, unit.end + 1)
    {
        unit = Unit { byte: high << 4 | low, depth: MAX_DEPTH.min(unit.depth + 1), end: unit.end + 2 };
    }
    Some(unit)
}

#[inline(never)]
fn hex_digit(text: &[u8], at: usize) -> Option<u8> {
    // This bit makes letters small and leaves digits as they are.
    match text.get(at)? | 0x20 {
        char @ b'0'..=b'9' => Some(char - b'0'),
        char @ b'a'..=b'f' => Some(char - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::{String, ToString};
    use std::{format, vec};

    fn redact(text: &str) -> String {
        let redacted = Redactor::new().text(text.as_bytes());
        redacted.map_or(text.to_string(), |bytes| String::from_utf8(bytes).unwrap())
    }

    fn check(cases: &[(&str, &str, &str)]) {
        for (name, given, wanted) in cases {
            assert_eq!(redact(given), *wanted, "{name}: {given}");
        }
    }

    #[test]
    #[rustfmt::skip]
    fn takes_credentials_out_of_urls() {
        check(&[
            ("user and password",          "https://user:pass@host/path",            "https://REDACTED:REDACTED@host/path"),
            ("user alone",                 "https://ghp_abc@host/path",              "https://REDACTED:REDACTED@host/path"),
            ("password alone",             "https://:pass@host",                     "https://REDACTED:REDACTED@host"),
            ("nothing before the sign",    "https://@host",                          "https://@host"),
            ("an at sign in the password", "https://user:p@ss@host/",                "https://REDACTED:REDACTED@host/"),
            ("encoded at sign, slash",     "https://us%40er:p%2Fw@host/",            "https://REDACTED:REDACTED@host/"),
            ("ampersand, equals sign",     "https://user:a&b=c;d@host/",             "https://REDACTED:REDACTED@host/"),
            ("with a port",                "http://user:pass@[::1]:4318/v1",         "http://REDACTED:REDACTED@[::1]:4318/v1"),
            ("other schemes",              "wss://user:pass@host",                   "wss://REDACTED:REDACTED@host"),
            ("already done",               "https://REDACTED:REDACTED@host/",        "https://REDACTED:REDACTED@host/"),
            ("at sign in the path",        "https://unpkg.com/react@19.0.0/a.js",    "https://unpkg.com/react@19.0.0/a.js"),
            ("at sign in the query",       "https://host?mail=a@b.c",                "https://host?mail=a@b.c"),
            ("at sign in the fragment",    "https://host#a@b.c",                     "https://host#a@b.c"),
            ("backslash for a slash",      "https://host\\a@b",                      "https://host\\a@b"),
            ("in an encoded URL",          "/go?u=https%3A%2F%2Fus%3Apw%40host%2Fa", "/go?u=https%3A%2F%2FREDACTED:REDACTED%40host%2Fa"),
            ("in one encoded twice",       "/go?u=https%253A%252F%252Fus%40host",    "/go?u=https%253A%252F%252FREDACTED:REDACTED%40host"),
            ("encoded URL, then a mail",   "/go?u=https%3A%2F%2Fhost&mail=a@b.c",    "/go?u=https%3A%2F%2Fhost&mail=a@b.c"),
            ("encoded URL with a path",    "/go?u=https%3A%2F%2Fhost%2Fa%40b",       "/go?u=https%3A%2F%2Fhost%2Fa%40b"),
            ("credentials and a key",      "https://u:p@host/?token=a",              "https://REDACTED:REDACTED@host/?token=REDACTED"),
        ]);
    }

    #[test]
    #[rustfmt::skip]
    fn takes_values_of_secret_keys_out_of_urls() {
        check(&[
            ("query",                      "https://host/a?token=abc",               "https://host/a?token=REDACTED"),
            ("first of several",           "https://host/a?token=abc&x=1",           "https://host/a?token=REDACTED&x=1"),
            ("last of several",            "https://host/a?x=1&token=abc#top",       "https://host/a?x=1&token=REDACTED#top"),
            ("two of them",                "/a?token=abc&x=1&sig=def",               "/a?token=REDACTED&x=1&sig=REDACTED"),
            ("one key twice",              "/a?token=abc&token=def",                 "/a?token=REDACTED&token=REDACTED"),
            ("fragment",                   "https://host/cb#access_token=abc&x=1",   "https://host/cb#access_token=REDACTED&x=1"),
            ("query within a fragment",    "https://host/#/cb?access_token=abc",     "https://host/#/cb?access_token=REDACTED"),
            ("matrix parameter",           "/a;jsessionid=abc?x=1",                  "/a;jsessionid=REDACTED?x=1"),
            ("query without its mark",     "token=abc&x=1",                          "token=REDACTED&x=1"),
            ("value of another key",       "/a?next=token=abc&x=1",                  "/a?next=token=REDACTED&x=1"),
            ("key in upper case",          "/a?TOKEN=abc",                           "/a?TOKEN=REDACTED"),
            ("key in camel case",          "/a?refreshToken=abc",                    "/a?refreshToken=REDACTED"),
            ("key with encoded letters",   "/a?%74ok%65n=abc",                       "/a?%74ok%65n=REDACTED"),
            ("key in brackets",            "/a?user[password]=abc",                  "/a?user[password]=REDACTED"),
            ("key in encoded brackets",    "/a?user%5Bpassword%5D=abc",              "/a?user%5Bpassword%5D=REDACTED"),
            ("key behind a dot",           "/a?user.password=abc",                   "/a?user.password=REDACTED"),
            ("equals sign in the value",   "/a?token=abc==&x=1",                     "/a?token=REDACTED&x=1"),
            ("slash in the value",         "/a?token=a/b+c&x=1",                     "/a?token=REDACTED&x=1"),
            ("what encodeURIComponent leaves", "/a?token=a'b(c)d!e*f~&x=1",             "/a?token=REDACTED&x=1"),
            ("encoded ampersand in it",    "/a?token=a%26b&x=1",                     "/a?token=REDACTED&x=1"),
            ("not ASCII",                  "/ä?tökén=1&token=äöü&ü=1",               "/ä?tökén=1&token=REDACTED&ü=1"),
            ("empty value",                "/a?token=&x=1",                          "/a?token=&x=1"),
            ("no value",                   "/a?token&x=1",                           "/a?token&x=1"),
            ("already done",               "/a?token=REDACTED&x=1",                  "/a?token=REDACTED&x=1"),
            ("in an encoded URL",          "/a?u=%2Fcb%3Ftoken%3Dabc%26x%3D1&y=2",   "/a?u=%2Fcb%3Ftoken%3DREDACTED%26x%3D1&y=2"),
            ("encoded, in lower case",     "/a?u=%2fcb%3ftoken%3dabc%26x%3d1&y=2",   "/a?u=%2fcb%3ftoken%3dREDACTED%26x%3d1&y=2"),
            ("encoded, last",              "/a?u=%2Fcb%3Ftoken%3Dabc&y=2",           "/a?u=%2Fcb%3Ftoken%3DREDACTED&y=2"),
            ("encoded, in a fragment",     "/a?u=%2Fcb%23token%3Dabc%23&y=2",        "/a?u=%2Fcb%23token%3DREDACTED%23&y=2"),
            ("encoded more than the key",  "/a?u=%2Fcb%3Ftoken%3Da%2526b&y=2",       "/a?u=%2Fcb%3Ftoken%3DREDACTED&y=2"),
            ("encoded twice",              "/a?u=%3Fv%3D%253Ftoken%253Dabc%2526x",   "/a?u=%3Fv%3D%253Ftoken%253DREDACTED%2526x"),
            ("half encoded",               "/a?u=%2Fcb%3Ftoken=a%26x=1&y=2",         "/a?u=%2Fcb%3Ftoken=REDACTED&y=2"),
            ("broken encoding",            "/a?u=%&v=%2&w=%25&token=%zz&x=1",        "/a?u=%&v=%2&w=%25&token=REDACTED&x=1"),
            ("OAuth",                      "/cb?code=abc&state=xyz",                 "/cb?code=REDACTED&state=xyz"),
            ("OAuth, state first",         "/cb?state=xyz&code=abc",                 "/cb?state=xyz&code=REDACTED"),
            ("OAuth, encoded",             "/a?u=cb%3Fcode%3Dabc%26state%3Dxyz",     "/a?u=cb%3Fcode%3DREDACTED%26state%3Dxyz"),
            ("Amazon",                     "/a?X-Amz-Credential=a%2F1&X-Amz-Date=1&X-Amz-Security-Token=b&X-Amz-Signature=c",
                                           "/a?X-Amz-Credential=REDACTED&X-Amz-Date=1&X-Amz-Security-Token=REDACTED&X-Amz-Signature=REDACTED"),
            ("Amazon, before 2014",        "/a?AWSAccessKeyId=a&Expires=1&Signature=b",
                                           "/a?AWSAccessKeyId=REDACTED&Expires=1&Signature=REDACTED"),
            ("Google",                     "/a?X-Goog-Credential=a&X-Goog-Date=1&X-Goog-Signature=c",
                                           "/a?X-Goog-Credential=REDACTED&X-Goog-Date=1&X-Goog-Signature=REDACTED"),
            ("Azure",                      "/a?sv=2024&sp=r&sig=a%2Bb%3D",           "/a?sv=2024&sp=r&sig=REDACTED"),
        ]);
    }

    #[test]
    fn every_kind_of_secret_is_known() {
        for key in [
            "token",
            "access_token",
            "id_token",
            "refresh_token",
            "auth_token",
            "csrf-token",
            "X-Amz-Security-Token",
            "oauth_verifier",
            "code_verifier",
            "client_assertion",
            "SAMLResponse",
            "jwt",
            "auth",
            "authorization",
            "api_key",
            "apikey",
            "api-key",
            "x-api-key",
            "access_key",
            "secretKey",
            "subscription-key",
            "GoogleAccessId",
            "AWSAccessKeyId",
            "signature",
            "sig",
            "password",
            "new_password",
            "passwd",
            "pwd",
            "pass",
            "pin",
            "otp",
            "secret",
            "client_secret",
            "credentials",
            "session",
            "session_id",
            "PHPSESSID",
            "JSESSIONID",
            "sid",
        ] {
            assert_eq!(redact(&format!("/?{key}=abc")), format!("/?{key}=REDACTED"));
        }
    }

    #[test]
    fn names_of_standards_and_frameworks_are_known() {
        for key in [
            // OpenID Connect and OAuth.
            "id_token_hint",
            "logout_token",
            "client_assertion",
            "authorization_code",
            "auth_code",
            "device_code",
            "user_code",
            "code_verifier",
            "oauth_signature",
            "bearer",
            // SAML, CAS.
            "SAMLRequest",
            "SAMLart",
            "ticket",
            // Supabase, Firebase, Clerk, Auth0, Stripe.
            "token_hash",
            "provider_refresh_token",
            "oobCode",
            "mfaPendingCredential",
            "__clerk_ticket",
            "__clerk_db_jwt",
            "setup_intent_client_secret",
            // Rails, Django, Laravel, WordPress, PHP.
            "authenticity_token",
            "user[password_confirmation]",
            "reset_password_token",
            "csrfmiddlewaretoken",
            "password1",
            "laravel_session",
            "_token",
            "remember_token",
            "user_pass",
            "PHPSESSID",
            "ASP.NET_SessionId",
            "connect.sid",
            // Signed URLs: Shopify, CloudFront, S3, Alibaba, Google, and keys of services.
            "hmac",
            "Policy",
            "AWSAccessKeyId",
            "OSSAccessKeyId",
            "sign",
            "X-Goog-Signature",
            "application_key",
            "dd-api-key",
            "auth_key",
            "Ocp-Apim-Subscription-Key",
            "session_key",
            "signing_key",
            "encryption_key",
            "SharedAccessKey",
            // Prefixes, suffixes, spellings.
            "token_v2",
            "token2",
            "new-password-again",
            "userPassword",
            "XApiKey",
            "API-KEY",
            "pass1",
            "2fa_code",
            "otp_code",
            "totp",
            "passcode",
            "_csrf",
            "xsrfToken",
            "tokenValue",
            "login[otp][0]",
            "credentials[]",
            "dbPwd",
            "access_token_secret",
        ] {
            assert_eq!(redact(&format!("/?x=1&{key}=abc&y=2")), format!("/?x=1&{key}=REDACTED&y=2"));
        }
    }

    #[test]
    fn names_that_only_look_like_those_of_secrets_are_left_alone() {
        for key in [
            "country_code",
            "countryCode",
            "zip_code",
            "zipcode",
            "status_code",
            "error.code",
            "error_code",
            "language-code",
            "promo_code",
            "keycode",
            "http.response.status_code",
            "key",
            "sort_key",
            "primary_key",
            "primaryKey",
            "public_key",
            "keyboard",
            "keyword",
            "monkey",
            "hotkey",
            "code.function.name",
            "session.previous_id",
            "session_count",
            "sessions",
            "tokens",
            "input_tokens",
            "max_tokens",
            "token_count",
            "tokenCount",
            "token_type",
            "tokenizer",
            "tokenize",
            "password_policy",
            "password[length]",
            "secret_name",
            "secretary",
            "author",
            "authority",
            "auth_method",
            "design",
            "design_state",
            "signup",
            "sign_in_method",
            "signal",
            "assign",
            "passenger",
            "compass",
            "bypass",
            "pass_count",
            "passage",
            "hash_change",
            "state",
            "nonce",
            "spin",
            "opinion",
            "pinned",
            "ticket_id",
            "outside",
            "residence",
            "insider",
            "signature_version",
        ] {
            let text = format!("/?x=1&{key}=abcdefgh&y=2");
            assert_eq!(redact(&text), text);
        }
    }

    #[test]
    #[rustfmt::skip]
    fn a_code_is_one_of_oauth_by_its_length_and_place() {
        check(&[
            ("without a state",            "/cb?code=4/0AX4XfWh&x=1",                "/cb?code=REDACTED&x=1"),
            ("in a fragment",              "/cb#code=4/0AX4XfWh",                    "/cb#code=REDACTED"),
            ("a one-time password",        "/verify?code=123456",                    "/verify?code=REDACTED"),
            ("in an encoded URL",          "/a?u=cb%3Fcode%3Dabcdefgh%26x%3D1",      "/a?u=cb%3Fcode%3DREDACTED%26x%3D1"),
            ("behind &amp;",               "/cb?x=1&amp;code=abcdefgh&amp;y=2",      "/cb?x=1&amp;code=REDACTED&amp;y=2"),
            ("short, with a state",        "/cb?Code=abc&STATE=xyz",                 "/cb?Code=REDACTED&STATE=xyz"),
            ("a language",                 "/?code=en-US",                           "/?code=en-US"),
            ("a status",                   "/error?code=404",                        "/error?code=404"),
            ("of an error",                "failed: code=ECONNREFUSED",              "failed: code=ECONNREFUSED"),
            ("the key of an attribute",    "error.code=ECONNREFUSED",                "error.code=ECONNREFUSED"),
            ("in JSON",                    r#"{"code":"NOT_FOUND","state":"NY"}"#,   r#"{"code":"NOT_FOUND","state":"NY"}"#),
        ]);
    }

    #[test]
    fn leaves_alone_what_is_no_secret() {
        for text in [
            "",
            "=",
            "@",
            "%",
            "://",
            "://@",
            "?=&=",
            "https://host/token/abc",
            "/?tokens=3",
            "/?tokenize=1",
            "/?key=AIza",
            "/?code=DE",
            "/?zipcode=1&state=NY",
            "/?code=1&statement=2",
            "/?state=xyz",
            "/?passage=2",
            "/?compass=N",
            "/?design=a",
            "/?assign=me",
            "/?config=1",
            "/?author=x",
            "/?sidebar=1",
            "/?inside=1",
            "/?spin=1",
            "a=b",
            "x == y",
            "50 %",
            "me@example.com",
            "git@host:a/b.git",
            "mailto:me@example.com?subject=a",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)",
            "data:image/png;base64,iVBORw0KGgo=",
        ] {
            assert_eq!(redact(text), text);
        }
    }

    #[test]
    #[rustfmt::skip]
    fn takes_secrets_out_of_text() {
        check(&[
            ("URL in a sentence",          "GET https://u:p@host/?token=a failed",   "GET https://REDACTED:REDACTED@host/?token=REDACTED failed"),
            ("line of a stack",            "at f (https://host/a.js?token=a:1:2)\n", "at f (https://host/a.js?token=REDACTED\n"),
            ("in double quotes",           r#"{"url":"/a?token=a","b":"c"}"#,        r#"{"url":"/a?token=REDACTED","b":"c"}"#),
            ("in single quotes",           "open('/a?token=a', 1)",                  "open('/a?token=REDACTED 1)"),
            ("in angle brackets",          "<https://host/?token=a> b",              "<https://host/?token=REDACTED> b"),
            ("two URLs",                   "/a?sig=a\n/b?sig=b",                     "/a?sig=REDACTED\n/b?sig=REDACTED"),
            ("at sign after a blank",      "http://localhost:3000 by a@b.c",         "http://localhost:3000 by a@b.c"),
            ("at sign in the next string", r#"["http://host","a@b.c"]"#,             r#"["http://host","a@b.c"]"#),
            ("no URL at all",              "retry with password=abc now",            "retry with password=REDACTED now"),
            ("connection string",          "host=db;user=me;pwd=abc;port=1",         "host=db;user=me;pwd=REDACTED;port=1"),
            ("quotes",                     r#"login with password="a b&c" failed"#,  r#"login with password="REDACTED" failed"#),
            ("single quotes",              "{ password: 'a, \\'b' }",                "{ password: 'REDACTED' }"),
            ("JSON",                       r#"{"user":"a","password":"b \"c","d":1}"#, r#"{"user":"a","password":"REDACTED","d":1}"#),
            ("JSON, a number",             r#"{"pin":1234,"user":"a"}"#,             r#"{"pin":REDACTED"user":"a"}"#),
            ("JSON in JSON",               r#"{"body":"{\"apiKey\":\"a\",\"b\":1}"}"#,
                                           r#"{"body":"{\"apiKey\":\"REDACTED\",\"b\":1}"}"#),
            ("JSON in a query",            "/graphql?variables=%7B%22password%22%3A%22a%22%2C%22b%22%3A1%7D&c=2",
                                           "/graphql?variables=%7B%22password%22%3A%22REDACTED%22%2C%22b%22%3A1%7D&c=2"),
            ("as browsers encode it",      "/graphql?variables={%22password%22:%22a%22}&c=2",
                                           "/graphql?variables={%22password%22:%22REDACTED%22}&c=2"),
            ("a header",                   "Authorization: Bearer a.b-c\nAccept: */*", "Authorization: REDACTED\nAccept: */*"),
            ("another",                    "authorization: Basic dXNlcg== x",        "authorization: REDACTED x"),
            ("bearer alone",               "sent Bearer abc.def to the API",         "sent Bearer REDACTED to the API"),
            ("spaces around",              "secret = abc, then",                     "secret = REDACTED then"),
            ("a Ruby hash",                r#"{"password"=>"abc"}"#,                 r#"{"password"=>"REDACTED"}"#),
            ("a JSON Web Token",           "/verify/eyJhbGciOi.eyJzdWIi.c2ln?x=1",   "/verify/REDACTED?x=1"),
            ("the same as state",          "/cb?state=eyJhbGciOi&x=1",               "/cb?state=REDACTED&x=1"),
            ("the same alone",             "eyJhbGciOi.eyJzdWIi.c2ln",               "REDACTED"),
            ("no scheme",                  "/a?next=//user:pass@host/b",             "/a?next=//REDACTED:REDACTED@host/b"),
            ("backslashes",                r"https:\\user:pass@host\b",              r"https:\\REDACTED:REDACTED@host\b"),
            ("slashes in JSON",            r"https:\/\/user:pass@host\/b",            r"https:\/\/REDACTED:REDACTED@host\/b"),
            ("matrix parameter in a query", "/?a=1;password=x?y&b=2",                "/?a=1;password=REDACTED&b=2"),
            ("HTML",                       "/?a=1&amp;token=x&amp;b=2",              "/?a=1&amp;token=REDACTED&amp;b=2"),
            ("an escaped ampersand",       r"/?a=1\u0026sig=x",                      r"/?a=1\u0026sig=REDACTED"),
            ("names with a colon",         "auth:login, token:refresh, http://session:8080/", "auth:login, token:refresh, http://session:8080/"),
            ("an error of a parser",       "Unexpected token '<', \"<!DOC\" is not valid JSON", "Unexpected token '<', \"<!DOC\" is not valid JSON"),
            ("an error code",              "failed: code=5, invalid state",          "failed: code=5, invalid state"),
        ]);
    }

    #[test]
    fn text_without_secrets_is_not_copied() {
        let redactor = Redactor::new();
        for text in ["plain", "https://host/a?x=1&y=2#z", "/?token=REDACTED", "https://REDACTED:REDACTED@host"] {
            assert_eq!(redactor.text(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn added_keys_are_compared_as_a_whole() {
        let mut redactor = Redactor::new();
        for key in ["E-Mail", "user.phone", "contraseña", "code", "", "12"] {
            redactor.add_key(key.as_bytes());
        }
        redactor.add_key(&[b'x'; 100]);
        let given = "/?email=a&my_email=b&phone=c&user.phone=d&contraseña=e&contrase%C3%B1a=f&x=g&token=h&code=i&=j&7=k&user[email]=l";
        let wanted = "/?email=REDACTED&my_email=b&phone=REDACTED&user.phone=REDACTED&contraseña=REDACTED\
                      &contrase%C3%B1a=REDACTED&x=g&token=REDACTED&code=REDACTED&=j&7=k&user[email]=REDACTED";
        let redacted = redactor.text(given.as_bytes()).unwrap();
        assert_eq!(core::str::from_utf8(&redacted), Ok(wanted));
    }

    #[test]
    fn a_long_key_is_compared_up_to_its_limit() {
        for (length, secret) in [(MAX_KEY, true), (MAX_KEY + 1, false)] {
            let key = "x".repeat(length - "token".len()) + "token";
            let wanted = if secret { "REDACTED" } else { "abc" };
            assert_eq!(redact(&format!("?{key}=abc")), format!("?{key}={wanted}"));
        }
    }

    /// Pieces that mean something to the scanner, in any order.
    fn pieces() -> impl Strategy<Value = String> {
        let piece = proptest::sample::select(vec![
            "://",
            "%3A%2F%2F",
            "%253A%252F%252F",
            "@",
            "%40",
            "%2540",
            "token",
            "code",
            "state",
            "=",
            "%3D",
            "%253D",
            "&",
            "%26",
            "%2526",
            "?",
            "%3F",
            "#",
            ";",
            "%3B",
            "/",
            "%2F",
            "%252F",
            ":",
            "%25",
            "%",
            "2",
            "5",
            "REDACTED",
            " ",
            "\"",
            ")",
            "'",
            "{",
            "}",
            "\\",
            "%22",
            "%5C",
            ": ",
            ",",
            "Bearer ",
            "eyJ",
            "host",
            "ä",
            "%C3%A4",
            "a",
        ]);
        proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn twice_is_as_once(text in pieces()) {
            let once = redact(&text);
            prop_assert_eq!(redact(&once), once);
        }

        #[test]
        fn any_text_stays_text(text: String) {
            redact(&text);
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            Redactor::new().text(&bytes);
        }

        #[test]
        fn what_needs_nothing_is_left_alone(text in "[^%:=@BJ]*") {
            prop_assert!(!may_hold_secrets(text.as_bytes()));
            prop_assert_eq!(Redactor::new().pass(text.as_bytes()), None);
        }

        /// However deep the URL that holds it is buried, and whatever stands around it.
        #[test]
        fn a_secret_never_comes_through(
            before in pieces(),
            after in pieces(),
            key in "(access_|X-)?[tT]oken|sig|password",
            depth in 0usize..4,
        ) {
            let encoded = (0..depth).fold(format!("?a=1&{key}=S3CR3T&b=2"), |url, _| {
                url.replace('%', "%25").replace('?', "%3F").replace('&', "%26").replace('=', "%3D")
            });
            // A percent sign right before could change what the first characters mean.
            let text = format!("{before}/{encoded}{after}");
            prop_assert!(!redact(&text).contains("S3CR3T"), "{}", text);
        }

        /// In JSON, in as many URLs and texts of JSON as there may be around it.
        #[test]
        fn a_secret_in_json_never_comes_through(
            before in "[ a-z{},:]{0,8}",
            key in "(access_|x-)?token|userPassword|api_?key1?",
            space in " ?",
            wraps in proptest::collection::vec(proptest::bool::ANY, 0..4),
        ) {
            let json = format!("{before}{{\"a\":1,\"{key}\":{space}\"S3CR3T\",\"b\":\"c\"}}");
            let text = wraps.iter().fold(json, |text, is_url| {
                if *is_url {
                    let encoded = text.replace('%', "%25").replace('"', "%22").replace(' ', "%20").replace('&', "%26").replace('=', "%3D");
                    format!("/?x=1&q={encoded}&y=2")
                } else {
                    format!("{{\"q\":\"{}\"}}", text.replace('\\', "\\\\").replace('"', "\\\""))
                }
            });
            prop_assert!(!redact(&text).contains("S3CR3T"), "{} {}", text, redact(&text));
        }
    }

    /// Texts that would take long if places in them were looked at again and again.
    #[test]
    fn takes_time_in_proportion_to_the_text() {
        let deep = |depth: usize| format!("%{}2F%{}2F", "25".repeat(depth), "25".repeat(depth));
        type Shape = fn(usize) -> String;
        let shapes: [(&str, Shape); 10] = [
            ("codes", |n| "code=a&".repeat(n)),
            ("hosts", |n| "//a@".repeat(n)),
            ("open quotes", |n| "token=\"".repeat(n)),
            ("open escaped quotes", |n| "\\\"token\\\":\\\"".repeat(n)),
            ("blanks", |n| format!("token: {}", " ".repeat(n * 7))),
            ("separators", |n| format!("token{}", " =".repeat(n * 3))),
            ("a long key", |n| format!("{}=", "token_".repeat(n))),
            ("percent signs", |n| format!("token=%{}", "25".repeat(n * 3))),
            ("tokens", |n| "eyJ.".repeat(n)),
            ("bearers", |n| "Bearer Bearer=".repeat(n / 2)),
        ];
        let took = |text: &str| {
            let times = (0..3).map(|_| {
                let start = std::time::Instant::now();
                redact(text);
                start.elapsed()
            });
            times.min().unwrap().as_secs_f64()
        };
        for (name, shape) in shapes {
            let (short, long) = (took(&shape(200)), took(&shape(12_800)));
            // 64 times the text: 4096 times as long, if each place looked at all others.
            assert!(long < 600.0 * short.max(20e-6), "{name}: {short} s, then {long} s");
        }
        // Each level encoded once more than the one before, whose end it is not.
        let levels = |count: usize| (0..count).map(deep).collect::<String>();
        let (few, many) = (levels(50), levels(200));
        let growth = many.len() as f64 / few.len() as f64;
        let (short, long) = (took(&few), took(&many));
        assert!(long < 4.0 * growth * short.max(50e-6), "levels: {short} s, then {long} s for {growth} times the text");
    }
}
