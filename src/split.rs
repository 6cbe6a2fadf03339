//! Taking text apart. One function for all rooms: the standard library's `split`, `windows` and `position` are compiled anew for each closure.

/// What stands before the first of the bytes `ends`, and the rest from that byte on: nothing if there is none.
#[inline(never)]
pub fn split_before<'a>(text: &'a [u8], ends: &[u8]) -> (&'a [u8], &'a [u8]) {
    let end = text.iter().position(|byte| ends.contains(byte)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, b""))
}

/// What stands before the first of the bytes `ends`, and takes it with that byte off the text. `None`: nothing is left.
#[inline(never)]
pub fn take_part<'a>(text: &mut &'a [u8], ends: &[u8]) -> Option<&'a [u8]> {
    if text.is_empty() {
        return None;
    }
    let (part, rest) = split_before(text, ends);
    *text = rest.get(1..).unwrap_or_default();
    Some(part)
}
