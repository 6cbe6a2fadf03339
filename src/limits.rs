//! How much one span may hold. <https://opentelemetry.io/docs/specs/otel/trace/sdk/#span-limits>

#[derive(Clone, Copy)]
pub struct Limits {
    /// Attributes of a span.
    pub attribute_count: u32,
    /// Characters of a text value, also within a list.
    pub attribute_value_length: u32,
    /// Events of a span.
    pub event_count: u32,
    /// Links of a span.
    pub link_count: u32,
    /// Attributes of one event.
    pub attribute_per_event_count: u32,
    /// Attributes of one link.
    pub attribute_per_link_count: u32,
}

impl Limits {
    pub const DEFAULT: Limits = Limits {
        attribute_count: 128,
        attribute_value_length: u32::MAX,
        event_count: 128,
        link_count: 128,
        attribute_per_event_count: 128,
        attribute_per_link_count: 128,
    };
}

/// The first `characters` of UTF-8 text.
pub fn cut(text: &[u8], characters: u32) -> &[u8] {
    // Never more characters than bytes: nearly all text ends here.
    if text.len() <= characters as usize {
        return text;
    }
    let starts_character = |byte: &u8| byte & 0xC0 != 0x80;
    let end = text.iter().enumerate().filter(|(_, byte)| starts_character(byte)).nth(characters as usize);
    end.and_then(|(index, _)| text.get(..index)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters() {
        let cases =
            [("abc", 3, "abc"), ("abc", 2, "ab"), ("abc", 0, ""), ("äöü", 2, "äö"), ("äöü", 3, "äöü"), ("a😀b", 2, "a😀"), ("", 0, "")];
        for (text, characters, wanted) in cases {
            assert_eq!(cut(text.as_bytes(), characters), wanted.as_bytes(), "{text:?} to {characters}");
        }
    }
}
