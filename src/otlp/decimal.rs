//! Numbers as decimal text, for JSON. The standard library's way costs 6.9 KB in the page.

use alloc::vec::Vec;

/// Bits of a double's significand that are stored; one more is implied.
const FRACTION_BITS: u32 = 52;

/// What the exponent stored in a double is ahead of that of its significand taken as an integer.
const EXPONENT_BIAS: i32 = 1075;

/// 32-bit words of the largest number that [`push_f64`] needs: 10 times 2^1076, with room.
const WORDS: usize = 35;

pub fn push_u64(value: u64, out: &mut Vec<u8>) {
    if value > 9 {
        push_u64(value / 10, out);
    }
    out.push(b'0' + (value % 10) as u8);
}

pub fn push_i64(value: i64, out: &mut Vec<u8>) {
    if value < 0 {
        out.extend_from_slice(b"-");
    }
    push_u64(value.unsigned_abs(), out);
}

/// Appends a number that reads back as the very same double, in at most 17 digits and, but for
/// powers of two, in as few as that takes; laid out as JavaScript does. The value has to be finite:
/// JSON has no number for the others.
///
/// Digits come one by one out of the exact fraction `rest / unit`, until what is left is nearer to
/// zero or to one more of the last digit than any neighbouring double could be. (Steele and White,
/// "How to print floating-point numbers accurately", 1990.)
#[inline(never)] // Half a kilobyte of stack, which no recursive caller should take over.
pub fn push_f64(value: f64, out: &mut Vec<u8>) {
    let bits = value.to_bits();
    if value.is_sign_negative() {
        out.extend_from_slice(b"-");
    }
    let fraction = bits & ((1 << FRACTION_BITS) - 1);
    let stored_exponent = (bits >> FRACTION_BITS & 0x7ff) as i32;
    // Subnormal numbers lack the implied bit and share the exponent of the smallest normal ones.
    let significand = if stored_exponent == 0 { fraction } else { fraction | 1 << FRACTION_BITS };
    let exponent = stored_exponent.max(1) - EXPONENT_BIAS;
    if significand == 0 {
        out.extend_from_slice(b"0");
        return;
    }

    // value = rest / unit; the middle between it and its neighbours is margin / unit away. The
    // neighbour below a power of two is only half as far, which is taken for both sides.
    let spare = 1 + u32::from(fraction == 0);
    let (up, down) = (exponent.max(0) as u32, (-exponent).max(0) as u32);
    let mut rest = Big::new(significand, up + spare);
    let mut margin = Big::new(1, up);
    let mut unit = Big::new(1, down + spare);
    // What lies in that middle reads back as the even one of the two.
    let even = significand & 1 == 0;

    // Digits before the point, or one more: log10(2) is 78913 / 2^18.
    let top_bit = exponent + 63 - significand.leading_zeros() as i32;
    let mut point = ((top_bit * 78_913) >> 18) + 2;
    for _ in 1..point {
        unit.multiply(10);
    }
    for _ in point..1 {
        rest.multiply(10);
        margin.multiply(10);
    }

    let mut count = 0;
    // The same as `point`, or 1 where JavaScript would write an exponent.
    let mut shown_point = 0;
    loop {
        let mut digit = b'0';
        while !rest.is_below(&unit, &Big::ZERO, false) {
            rest.subtract(&unit);
            digit += 1;
        }
        let near_this = rest.is_below(&margin, &Big::ZERO, even);
        let near_next = unit.is_below(&rest, &margin, even);
        if near_next && (!near_this || unit.is_below(&rest, &rest, true)) {
            digit += 1;
        }
        if count == 0 {
            shown_point = if (-5..=21).contains(&point) { point } else { 1 };
        }
        if count == 0 && digit == b'0' {
            point -= 1;
        } else {
            if count == 0 && shown_point < 1 {
                out.extend_from_slice(b"0.00000".get(..(2 - shown_point) as usize).unwrap_or_default());
            } else if count == shown_point {
                out.extend_from_slice(b".");
            }
            out.push(digit);
            count += 1;
        }
        if near_this || near_next {
            break;
        }
        rest.multiply(10);
        margin.multiply(10);
    }
    out.extend_from_slice(b"00000000000000000000".get(..(shown_point - count) as usize).unwrap_or_default());
    if shown_point != point {
        out.extend_from_slice(b"e");
        push_i64(i64::from(point - 1), out);
    }
}

/// An integer of any size that [`push_f64`] meets, least significant word first.
struct Big([u32; WORDS]);

impl Big {
    const ZERO: Big = Big([0; WORDS]);

    /// `value` times 2^`shift`.
    fn new(value: u64, shift: u32) -> Big {
        let mut big = Big::ZERO;
        if let Some([low, high, ..]) = big.0.get_mut((shift / 32) as usize..) {
            (*low, *high) = (value as u32, (value >> 32) as u32);
        }
        big.multiply(1 << (shift % 32));
        big
    }

    #[inline(never)] // Called from many places: saves 400 bytes in the page.
    fn multiply(&mut self, factor: u32) {
        let mut carry = 0;
        for word in &mut self.0 {
            carry += u64::from(*word) * u64::from(factor);
            *word = carry as u32;
            carry >>= 32;
        }
    }

    /// The other one must not be larger.
    fn subtract(&mut self, other: &Big) {
        let mut carry = 0;
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            carry += i64::from(*word) - i64::from(*other);
            *word = carry as u32;
            carry >>= 32;
        }
    }

    /// Whether this is less than, or equal to if that will do, the sum of two others.
    #[inline(never)]
    fn is_below(&self, one: &Big, other: &Big, or_equal: bool) -> bool {
        let mut carry = -i64::from(or_equal);
        for ((word, one), other) in self.0.iter().zip(&one.0).zip(&other.0) {
            carry += i64::from(*word) - i64::from(*one) - i64::from(*other);
            carry >>= 32;
        }
        carry < 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::format;
    use std::string::{String, ToString};

    fn text(push: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        push(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn double(value: f64) -> String {
        text(|out| push_f64(value, out))
    }

    #[test]
    fn doubles_look_as_in_javascript() {
        let cases = [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-1.0, "-1"),
            (10.0, "10"),
            (0.1, "0.1"),
            (0.2, "0.2"),
            (0.1 + 0.2, "0.30000000000000004"),
            (2.5, "2.5"),
            (99.99, "99.99"),
            (123.456, "123.456"),
            (1_700_000_000_000.125, "1700000000000.125"),
            (1.0 / 3.0, "0.3333333333333333"),
            (2.0 / 3.0, "0.6666666666666666"),
            (0.5, "0.5"),
            (0.0009765625, "0.0009765625"),
            (4096.0, "4096"),
            (9_007_199_254_740_991.0, "9007199254740991"),
            (9_007_199_254_740_993.0, "9007199254740992"),
            (9.5, "9.5"),
            (9.999999999999998, "9.999999999999998"),
            (0.000001, "0.000001"),
            (0.0000001, "1e-7"),
            (0.00000123, "0.00000123"),
            (0.000000123, "1.23e-7"),
            (123_456_789_012_345_680_000.0, "123456789012345680000"),
            (1e21, "1e21"),
            (1e20, "100000000000000000000"),
            (1.5e300, "1.5e300"),
            (1e23, "1e23"),
            (5e-324, "5e-324"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (f64::MAX, "1.7976931348623157e308"),
            (f64::EPSILON, "2.220446049250313e-16"),
        ];
        for (value, wanted) in cases {
            assert_eq!(double(value), wanted, "{value:e}");
        }
    }

    #[test]
    fn every_power_of_two_and_of_ten_and_its_neighbours_read_back() {
        let powers_of_two = (0..2047).map(|exponent| f64::from_bits(exponent << FRACTION_BITS));
        let powers_of_ten = (-323..=308).map(|exponent| format!("1e{exponent}").parse().unwrap());
        for value in powers_of_two.chain(powers_of_ten) {
            for value in [value, value.next_up(), value.next_down(), -value] {
                assert_eq!(double(value).parse::<f64>().unwrap().to_bits(), value.to_bits(), "{value:e}");
            }
        }
    }

    #[test]
    fn integers_are_written_to_their_limits() {
        for value in [0, 1, 9, 10, 11, 99, 100, 12_345, u64::MAX - 1, u64::MAX] {
            assert_eq!(text(|out| push_u64(value, out)), value.to_string());
        }
        for value in [0, 1, -1, 9, -10, i64::MAX, i64::MIN] {
            assert_eq!(text(|out| push_i64(value, out)), value.to_string());
        }
        assert_eq!(text(|out| [12, 34].into_iter().for_each(|value| push_u64(value, out))), "1234");
    }

    /// Significant digits, without zeros at either end.
    fn significant(number: &str) -> String {
        let mantissa = number.split('e').next().unwrap();
        let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
        digits.trim_matches('0').to_string()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn any_double_reads_back_in_as_few_digits_as_it_takes(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let ours = double(value);
            prop_assert_eq!(ours.parse::<f64>().unwrap().to_bits(), bits, "{}", ours);
            prop_assert!(significant(&ours).len() <= 17, "{}", ours);
            if bits << (64 - FRACTION_BITS) != 0 {
                prop_assert_eq!(significant(&ours), significant(&format!("{value:e}")), "{}", ours);
            }
        }

        #[test]
        fn any_measured_time_reads_back(micros in 0u64..4_000_000_000_000_000, thousandth in 0u32..1000) {
            let value = micros as f64 / 1000.0 + f64::from(thousandth) / 1e6;
            prop_assert_eq!(double(value).parse::<f64>().unwrap(), value);
        }

        #[test]
        fn any_double_is_a_number_in_json(value in proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL) {
            let number: serde_json::Value = serde_json::from_str(&double(value)).unwrap();
            prop_assert!(number.is_number());
        }

        #[test]
        fn any_integer_is_written(unsigned: u64, signed: i64) {
            prop_assert_eq!(text(|out| push_u64(unsigned, out)), unsigned.to_string());
            prop_assert_eq!(text(|out| push_i64(signed, out)), signed.to_string());
        }
    }
}
