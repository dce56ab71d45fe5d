//! Numbers in headers (octal, base-256) and in pax records (decimal).

/// A numeric field of a header; `None` if it is no number or too large a one.
/// A field of blanks is 0, as all readers take it.
pub(super) fn parse_field(field: &[u8]) -> Option<i64> {
    match field.first() {
        Some(first) if first & 0x80 != 0 => parse_base_256(field),
        _ => parse_octal(field),
    }
}

/// Octal digits after blanks, up to a blank, a NUL or the end of the field.
fn parse_octal(field: &[u8]) -> Option<i64> {
    let start = field.iter().position(|&byte| byte != b' ').unwrap_or(field.len());
    let mut value = 0i64;
    for &byte in &field[start..] {
        match byte {
            b'0'..=b'7' => value = value.checked_mul(8)?.checked_add(i64::from(byte - b'0'))?,
            b' ' | 0 => break,
            _ => return None,
        }
    }
    Some(value)
}

/// GNU's extension: a number of two's complement, highest byte first. The top
/// bit only marks it; the next one is the sign.
fn parse_base_256(field: &[u8]) -> Option<i64> {
    let (first, rest) = field.split_first()?;
    let is_negative = first & 0x40 != 0;
    let mut value = i128::from(first & 0x3f) - if is_negative { 0x40 } else { 0 };
    for &byte in rest {
        value = value.checked_mul(256)?.checked_add(i128::from(byte))?;
    }
    i64::try_from(value).ok()
}

/// Decimal digits and nothing else.
pub(super) fn parse_decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// A pax time: decimal seconds with a fraction, negative before 1970. Digits
/// beyond nanoseconds are dropped.
pub(super) fn parse_time(value: &[u8]) -> Option<(i64, u32)> {
    let is_negative = value.first() == Some(&b'-');
    let value = &value[usize::from(is_negative)..];
    let (whole, fraction) = match value.iter().position(|&byte| byte == b'.') {
        Some(dot) => (&value[..dot], &value[dot + 1..]),
        None => (value, &b""[..]),
    };
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut digits = *b"000000000";
    let len = fraction.len().min(digits.len());
    digits[..len].copy_from_slice(&fraction[..len]);
    let nanos = parse_decimal(&digits)? as u32;
    let secs = i64::try_from(parse_decimal(whole)?).ok()?;
    Some(match (is_negative, nanos) {
        (false, nanos) => (secs, nanos),
        (true, 0) => (-secs, 0),
        // Nanoseconds count forwards also before 1970.
        (true, nanos) => (-secs - 1, 1_000_000_000 - nanos),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_octal_or_base_256() {
        let cases: [(&[u8], Option<i64>); 12] = [
            (b"0000644\0", Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"77777777", Some(0o77_777_777)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"        ", Some(0)),
            (b"12\0junk", Some(0o12)),
            (b"0000648\0", None),
            (b"-1\0", None),
            (&[0x80, 0, 0, 0, 0, 0, 1, 2], Some(258)),
            (&[0xff; 12], Some(-1)),
            (&[0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Some(i64::MAX)),
            (&[0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0], None),
        ];
        for (field, expected) in cases {
            assert_eq!(parse_field(field), expected, "{field:?}");
        }
        assert_eq!(parse_field(&[0xbf; 40]), None);
        assert_eq!(parse_field(&[0xc0; 40]), None);
    }

    #[test]
    fn times_keep_their_nanoseconds() {
        let cases: [(&str, Option<(i64, u32)>); 14] = [
            ("1700000000", Some((1_700_000_000, 0))),
            ("1.5", Some((1, 500_000_000))),
            ("-0.000000001", Some((-1, 999_999_999))),
            ("-2208988800.25", Some((-2_208_988_801, 750_000_000))),
            ("-3", Some((-3, 0))),
            ("9.1234567899", Some((9, 123_456_789))),
            ("7.", Some((7, 0))),
            ("9223372036854775807", Some((i64::MAX, 0))),
            ("9223372036854775808", None),
            ("x", None),
            ("", None),
            ("-", None),
            ("1.+5", None),
            ("+1", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_time(text.as_bytes()), expected, "{text}");
        }
    }
}
