//! What never leaves the page: credentials in URLs, and the values of query keys that name a secret.
//!
//! One scanner reads URLs and any other text that may hold some: `url.full`, fragments, referrers,
//! attribute values, exception messages. It looks through percent-encoding of any depth, because
//! URLs travel inside URLs (`?redirect=https%3A%2F%2F…%3Ftoken%3D…`), and it does not ask whether a
//! URL is well-formed, because a broken one holds the same secrets.
//!
//! - `://user:password@` becomes `://REDACTED:REDACTED@`.
//!   <https://opentelemetry.io/docs/specs/semconv/registry/attributes/url/>
//! - `key=value` becomes `key=REDACTED` where `key` is a word of letters and digits that names a
//!   secret, at the start of the text or behind anything that is no part of a word: `?`, `&`, `#`,
//!   `;`, `=`, a blank.
//!
//! When in doubt it takes away too much: what was lost in a trace can be looked up elsewhere.

use alloc::vec::Vec;

/// What stands where a secret stood.
const REDACTED: &[u8] = b"REDACTED";

/// What stands where a user and a password stood.
const REDACTED_USER: &[u8] = b"REDACTED:REDACTED";

/// Endings of keys whose values are secrets, one word each. Keys are compared in lower case and
/// without `-` and `_`, so that `token` stands for `access_token`, `idToken` and
/// `X-Amz-Security-Token`; a word that begins with `=` stands for the whole key only.
///
/// Not in the list: `key` (as often public, as in a map's, as not), `state` and `nonce` (no one can
/// use them alone).
const SECRET_KEYS: &[u8] = b"token jwt =auth authorization assertion samlresponse verifier \
password passwd passphrase =pass pwd =pin =otp secret \
apikey accesskey secretkey privatekey authkey subscriptionkey accesskeyid accessid credential credentials \
signature =sig =session sessionid sessid =sid";

/// A one-time code of OAuth, if `state` comes with it. Alone it is a country, a coupon or an error.
/// <https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2>
const OAUTH_CODE: &[u8] = b"=code";

/// Letters and digits of the longest key that is looked at.
const MAX_KEY: usize = 64;

/// The list of secret keys and the way to apply it.
pub struct Redactor {
    /// As [`SECRET_KEYS`].
    words: Vec<u8>,
}

/// Where a secret ends besides at the delimiters of a URL.
#[derive(Clone, Copy, PartialEq)]
enum Within {
    Url,
    /// Also at blanks, quotes, angle brackets and a closing parenthesis.
    Text,
}

/// One character as it is meant, however many times it was percent-encoded.
#[derive(Clone, Copy)]
struct Unit {
    byte: u8,
    /// 0 for `=`, 1 for `%3D`, 2 for `%253D`.
    depth: u8,
    /// Where the next one begins.
    end: usize,
}

impl Redactor {
    /// With the built-in keys.
    #[expect(clippy::new_without_default, reason = "a default could as well be a list without keys")]
    pub fn new() -> Redactor {
        Redactor { words: SECRET_KEYS.to_vec() }
    }

    /// Adds a key to the built-in ones. It is compared as a whole, in lower case and without `-`
    /// and `_`; of `user.email` only the last word counts, as in the URLs themselves.
    pub fn add_key(&mut self, key: &[u8]) {
        let word = key.rsplit(|&char| !is_word(char)).next().unwrap_or(key);
        let mut letters = [0; MAX_KEY];
        if let Some(letters) = normalise(word, &mut letters) {
            self.words.push(b' ');
            self.words.extend_from_slice(letters);
        }
    }

    /// A URL without its secrets; None when there are none, and nothing was copied.
    pub fn url(&self, url: &[u8]) -> Option<Vec<u8>> {
        self.redact(url, Within::Url)
    }

    /// As [`url`](Redactor::url) for any text, with as many URLs in it as there may be.
    pub fn text(&self, text: &[u8]) -> Option<Vec<u8>> {
        self.redact(text, Within::Text)
    }

    fn redact(&self, text: &[u8], within: Within) -> Option<Vec<u8>> {
        if !may_hold_secrets(text) {
            return None;
        }
        let mut redacted = self.pass(text, within)?;
        // With a value gone, a `://` and an `@` that it kept apart may meet. What is given out must
        // not change when it is redacted again, so it is, here.
        while let Some(again) = self.pass(&redacted, within) {
            redacted = again;
        }
        Some(redacted)
    }

    /// What is left of the text, if there is something to take away.
    fn pass(&self, text: &[u8], within: Within) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let mut copied = 0;
        let mut key_start = 0;
        let mut at = 0;
        while let Some(unit) = unit(text, at) {
            at = unit.end;
            let secret = match unit.byte {
                b':' => user_end(text, unit, within).map(|(start, end)| (start, end, REDACTED_USER)),
                b'=' if self.is_secret(text, text.get(key_start..).unwrap_or_default()) => {
                    Some((at, value_end(text, unit, within), REDACTED))
                }
                _ => None,
            };
            if !is_word(unit.byte) {
                key_start = at;
            }
            if let Some((start, end, replacement)) = secret
                && let Some(value) = text.get(start..end)
                && let Some(before) = text.get(copied..start)
            {
                at = end;
                key_start = end;
                if !value.is_empty() && value != replacement {
                    out.extend_from_slice(before);
                    out.extend_from_slice(replacement);
                    copied = end;
                }
            }
        }
        out.extend_from_slice(text.get(copied..)?);
        (copied > 0).then_some(out)
    }

    /// Whether the word at the start of `key`, which an equals sign follows, names a secret.
    fn is_secret(&self, text: &[u8], key: &[u8]) -> bool {
        let mut letters = [0; MAX_KEY];
        let Some(letters) = normalise(key, &mut letters) else { return false };
        self.words.split(|&char| char == b' ').any(|word| letters.ends_with(word))
            || letters == OAUTH_CODE && text.windows(6).any(|chars| matches!(chars, b"state=" | b"state%"))
    }
}

/// Whether redaction could find anything in a text; most texts hold none of these characters.
pub fn may_hold_secrets(text: &[u8]) -> bool {
    text.iter().any(|char| matches!(char, b'=' | b'@' | b'%'))
}

/// The word at the start of `key` in lower case, without `-`, `_` and what encodes its characters,
/// behind a `=` that marks its beginning. None when it is too long to be looked at.
fn normalise<'a>(key: &[u8], letters: &'a mut [u8; MAX_KEY]) -> Option<&'a [u8]> {
    letters[0] = b'=';
    let mut length = 1;
    let mut at = 0;
    while let Some(unit) = unit(key, at)
        && is_word(unit.byte)
    {
        if !matches!(unit.byte, b'-' | b'_' | b']') {
            *letters.get_mut(length)? = unit.byte.to_ascii_lowercase();
            length += 1;
        }
        at = unit.end;
    }
    letters.get(..length)
}

/// A closing bracket counts, so that `user[password]=` ends in the word `password`.
fn is_word(char: u8) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, b'-' | b'_' | b']' | 0x80..)
}

/// Start and end of what stands between `://` and `@`, if `colon` begins that.
fn user_end(text: &[u8], colon: Unit, within: Within) -> Option<(usize, usize)> {
    let mut at = colon.end;
    for _ in 0..2 {
        let slash = unit(text, at).filter(|unit| unit.byte == b'/')?;
        at = slash.end;
    }
    let start = at;
    let mut last_at_sign = None;
    while let Some(unit) = unit(text, at) {
        let ends = match unit.byte {
            // In an encoded URL these may be characters of a password, encoded once more.
            b'/' | b'?' | b'#' | b'\\' => unit.depth <= colon.depth,
            // The encoded URL was a value of another one, and this begins the next.
            b'&' => unit.depth < colon.depth,
            _ => ends_text(&unit, within),
        };
        if ends {
            break;
        }
        if unit.byte == b'@' && unit.depth <= colon.depth {
            // A password may hold one too: the last one counts.
            last_at_sign = Some((start, at));
        }
        at = unit.end;
    }
    last_at_sign
}

/// Where the value behind `equals` ends: at a delimiter that is encoded as often as the equals sign
/// or less. One that is encoded more often is part of the value.
fn value_end(text: &[u8], equals: Unit, within: Within) -> usize {
    let mut at = equals.end;
    while let Some(unit) = unit(text, at) {
        let delimits = matches!(unit.byte, b'&' | b'#' | b';' | b'?') && unit.depth <= equals.depth;
        if delimits || ends_text(&unit, within) {
            break;
        }
        at = unit.end;
    }
    at
}

fn ends_text(unit: &Unit, within: Within) -> bool {
    within == Within::Text
        && unit.depth == 0
        && matches!(unit.byte, 0..=b' ' | b'"' | b'\'' | b'`' | b'<' | b'>' | b')')
}

fn unit(text: &[u8], at: usize) -> Option<Unit> {
    let byte = *text.get(at)?;
    if byte == b'%' {
        let mut digits = at + 1;
        let mut depth: u8 = 1;
        // `%25` is an encoded `%`: what follows may make it a character encoded twice.
        while text.get(digits..digits + 2) == Some(b"25") && encoded(text, digits + 2).is_some() {
            digits += 2;
            depth = depth.saturating_add(1);
        }
        if let Some(byte) = encoded(text, digits) {
            return Some(Unit { byte, depth, end: digits + 2 });
        }
    }
    Some(Unit { byte, depth: 0, end: at + 1 })
}

/// The byte that two hex digits, of either case, stand for.
fn encoded(text: &[u8], at: usize) -> Option<u8> {
    let digit = |at| Some((*text.get(at)? as char).to_digit(16)? as u8);
    Some(digit(at)? << 4 | digit(at + 1)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::{String, ToString};
    use std::{format, vec};

    fn redact(text: &str, within: Within) -> String {
        let redacted = Redactor::new().redact(text.as_bytes(), within);
        redacted.map_or(text.to_string(), |bytes| String::from_utf8(bytes).unwrap())
    }

    fn check(within: Within, cases: &[(&str, &str, &str)]) {
        for (name, given, wanted) in cases {
            assert_eq!(redact(given, within), *wanted, "{name}: {given}");
        }
    }

    #[test]
    #[rustfmt::skip]
    fn takes_credentials_out_of_urls() {
        check(Within::Url, &[
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
        check(Within::Url, &[
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
            ("quote, blank, parenthesis",  "/a?token=a'b c)d&x=1",                   "/a?token=REDACTED&x=1"),
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
            assert_eq!(redact(&format!("/?{key}=abc"), Within::Url), format!("/?{key}=REDACTED"));
        }
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
            assert_eq!(redact(text, Within::Url), text);
            assert_eq!(redact(text, Within::Text), text);
        }
    }

    #[test]
    #[rustfmt::skip]
    fn takes_secrets_out_of_text() {
        check(Within::Text, &[
            ("URL in a sentence",          "GET https://u:p@host/?token=a failed",   "GET https://REDACTED:REDACTED@host/?token=REDACTED failed"),
            ("line of a stack",            "at f (https://host/a.js?token=a:1:2)\n", "at f (https://host/a.js?token=REDACTED)\n"),
            ("in double quotes",           r#"{"url":"/a?token=a","b":"c"}"#,        r#"{"url":"/a?token=REDACTED","b":"c"}"#),
            ("in single quotes",           "open('/a?token=a', 1)",                  "open('/a?token=REDACTED', 1)"),
            ("in backticks",               "open `/a?token=a`, 1",                   "open `/a?token=REDACTED`, 1"),
            ("in angle brackets",          "<https://host/?token=a> b",              "<https://host/?token=REDACTED> b"),
            ("two URLs",                   "/a?sig=a\n/b?sig=b",                     "/a?sig=REDACTED\n/b?sig=REDACTED"),
            ("at sign after a blank",      "http://localhost:3000 by a@b.c",         "http://localhost:3000 by a@b.c"),
            ("at sign in the next string", r#"["http://host","a@b.c"]"#,             r#"["http://host","a@b.c"]"#),
            ("no URL at all",              "retry with password=abc now",            "retry with password=REDACTED now"),
            ("connection string",          "host=db;user=me;pwd=abc;port=1",         "host=db;user=me;pwd=REDACTED;port=1"),
            ("an error code",              "failed: code=5, invalid state",          "failed: code=5, invalid state"),
        ]);
    }

    #[test]
    fn text_without_secrets_is_not_copied() {
        let redactor = Redactor::new();
        for text in ["plain", "https://host/a?x=1&y=2#z", "/?token=REDACTED", "https://REDACTED:REDACTED@host"] {
            assert_eq!(redactor.url(text.as_bytes()), None, "{text}");
            assert_eq!(redactor.text(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn added_keys_are_compared_as_a_whole() {
        let mut redactor = Redactor::new();
        for key in ["E-Mail", "user.phone", "contraseña", ""] {
            redactor.add_key(key.as_bytes());
        }
        redactor.add_key(&[b'x'; 100]);
        let given = "/?email=a&my_email=b&phone=c&user.phone=d&contraseña=e&contrase%C3%B1a=f&x=g&token=h";
        let wanted = "/?email=REDACTED&my_email=b&phone=REDACTED&user.phone=REDACTED&contraseña=REDACTED\
                      &contrase%C3%B1a=REDACTED&x=g&token=REDACTED";
        let redacted = redactor.url(given.as_bytes()).unwrap();
        assert_eq!(core::str::from_utf8(&redacted), Ok(wanted));
    }

    #[test]
    fn a_long_key_is_compared_up_to_its_limit() {
        for (length, secret) in [(MAX_KEY - 1, true), (MAX_KEY, false)] {
            let key = "x".repeat(length - "token".len()) + "token";
            let wanted = if secret { "REDACTED" } else { "abc" };
            assert_eq!(redact(&format!("?{key}=abc"), Within::Url), format!("?{key}={wanted}"));
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
            for within in [Within::Url, Within::Text] {
                let once = redact(&text, within);
                prop_assert_eq!(redact(&once, within), once);
            }
        }

        #[test]
        fn any_text_stays_text(text: String) {
            redact(&text, Within::Url);
            redact(&text, Within::Text);
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            Redactor::new().text(&bytes);
            Redactor::new().url(&bytes);
        }

        #[test]
        fn what_needs_nothing_is_left_alone(text in "[^=@%]*") {
            prop_assert!(!may_hold_secrets(text.as_bytes()));
            prop_assert_eq!(Redactor::new().pass(text.as_bytes(), Within::Text), None);
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
            prop_assert!(!redact(&text, Within::Url).contains("S3CR3T"), "{}", text);
            prop_assert!(!redact(&text, Within::Text).contains("S3CR3T"), "{}", text);
        }
    }
}
