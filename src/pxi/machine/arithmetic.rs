//! Arithmetic that the language has no word for.

/// What a division with signs leaves.
pub(super) fn remainder(left: u32, right: u32) -> Option<i32> {
    // The least number divided by -1 does not fit, but what it leaves is 0.
    (right != 0).then(|| (left as i32).wrapping_rem(right as i32))
}

/// Division with signs, rounded down.
pub(super) fn divide_floor(left: u32, right: u32) -> Option<i32> {
    let (left, right) = (left as i32, right as i32);
    let quotient = left.checked_div(right)?;
    let rest = left.wrapping_rem(right);
    Some(if rest != 0 && (rest < 0) != (right < 0) { quotient - 1 } else { quotient })
}

/// What that leaves.
pub(super) fn modulo_floor(left: u32, right: u32) -> Option<i32> {
    let rest = remainder(left, right)?;
    let right = right as i32;
    Some(if rest != 0 && (rest < 0) != (right < 0) { rest + right } else { rest })
}

/// A number with a sign shifted left, if no bit that counts is lost.
pub(super) fn shift_signed(value: u32, by: u32) -> Option<u32> {
    let shifted = value.checked_shl(by).unwrap_or(0);
    let back = (shifted as i32) >> by.min(31);
    (by < 32 && back == value as i32 || value == 0).then_some(shifted)
}

/// A number without a sign shifted left, if no bit that is set is lost.
pub(super) fn shift_unsigned(value: u32, by: u32) -> Option<u32> {
    let shifted = value.checked_shl(by).unwrap_or(0);
    (by < 32 && shifted >> by == value || value == 0).then_some(shifted)
}
