//! Lists of words, each list as one text. A table of texts would cost an address and a length for each word.

/// The words between the blanks of a list.
pub fn words(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|&byte| byte == b' ')
}
