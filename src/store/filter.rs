//! The x86 filter: calls and jumps of machine code carry the distance to their
//! target, so that two calls of one function differ. With the target itself in
//! its place they are alike, and compress.
//!
//! Codec 2 of docs/format.md, section 4. [`apply`] and [`undo`] are exact
//! inverses for any bytes, code or not. Both go through them in the same steps:
//! what is found to be an opcode is never changed, as every distance is passed
//! over, whether it was replaced or not.

/// Bytes of a distance.
const DISTANCE: usize = 4;

/// Distances and targets are kept modulo 2^25, with the sign extended.
const SIGN: u32 = 1 << 24;

/// Turns distances into targets.
pub(super) fn apply(bytes: &mut [u8]) {
    filter(bytes, |distance, next| distance.wrapping_add(next));
}

/// Turns targets back into distances.
pub(super) fn undo(bytes: &mut [u8]) {
    filter(bytes, |target, next| target.wrapping_sub(next));
}

#[inline(always)]
fn filter(bytes: &mut [u8], change: impl Fn(u32, u32) -> u32) {
    let mut at = 0;
    while let Some(operand) = find_distance(bytes, at) {
        at = operand + DISTANCE;
        let Some(distance) = bytes.get_mut(operand..at) else {
            return;
        };
        // Longer ones are hardly ever code.
        if !matches!(distance[3], 0 | 0xff) {
            continue;
        }
        let value = u32::from_le_bytes([distance[0], distance[1], distance[2], distance[3]]);
        let changed = change(value, at as u32) & (2 * SIGN - 1);
        let extended = (changed ^ SIGN).wrapping_sub(SIGN);
        distance.copy_from_slice(&extended.to_le_bytes());
    }
}

/// Where the distance of the next call or jump is: behind E8 (CALL), E9 (JMP) or
/// 0F 80..8F (conditional jumps).
#[inline(always)]
fn find_distance(bytes: &[u8], from: usize) -> Option<usize> {
    let is_start = |byte: u8| byte & 0xfe == 0xe8 || byte == 0x0f;
    let mut at = from;
    loop {
        let rest = bytes.get(at..)?;
        // Sixteen at a time, in one comparison.
        let none = |piece: &&[u8; 16]| !piece.iter().fold(false, |any, &b| any | is_start(b));
        at += 16 * rest.as_chunks::<16>().0.iter().take_while(none).count();
        at += bytes[at..].iter().position(|&byte| is_start(byte))?;
        match (bytes[at], bytes.get(at + 1)) {
            (0x0f, Some(0x80..=0x8f)) => return Some(at + 2),
            (0x0f, _) => at += 1,
            _ => return Some(at + 1),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn calls_of_one_function_become_alike() {
        let mut code = vec![0x90; 40];
        code[3..8].copy_from_slice(&[0xe8, 0x18, 0, 0, 0]);
        code[20..25].copy_from_slice(&[0xe8, 0x07, 0, 0, 0]);
        code[30..35].copy_from_slice(&[0xe9, 0xfd, 0xff, 0xff, 0xff]);
        let plain = code.clone();
        apply(&mut code);
        assert_eq!(code[3..8], [0xe8, 0x20, 0, 0, 0]);
        assert_eq!(code[20..25], [0xe8, 0x20, 0, 0, 0]);
        assert_eq!(code[30..35], [0xe9, 0x20, 0, 0, 0]);
        undo(&mut code);
        assert_eq!(code, plain);
    }

    #[test]
    fn conditional_jumps_are_changed_as_well() {
        let mut code = [0x0f, 0x84, 0x0a, 0, 0, 0, 0x0f, 0x0f, 0x8f, 0xf0, 0xff, 0xff, 0xff];
        let plain = code;
        apply(&mut code);
        assert_eq!(code, [0x0f, 0x84, 0x10, 0, 0, 0, 0x0f, 0x0f, 0x8f, 0xfd, 0xff, 0xff, 0xff]);
        undo(&mut code);
        assert_eq!(code, plain);
    }

    #[test]
    fn the_end_of_the_bytes_is_left_alone() {
        for len in 0..=DISTANCE {
            let mut code = [0xe8; DISTANCE];
            apply(&mut code[..len]);
            assert_eq!(code, [0xe8; DISTANCE]);
        }
    }

    proptest! {
        /// Bytes of the few kinds that the filter looks at, in any order.
        #[test]
        fn undo_is_the_inverse(
            plain in vec(
                prop_oneof![
                    Just(0xe8), Just(0xe9), Just(0x0f), Just(0x84),
                    Just(0), Just(0xff), Just(1), any::<u8>(),
                ],
                0..400,
            ),
        ) {
            let mut bytes = plain.clone();
            apply(&mut bytes);
            undo(&mut bytes);
            prop_assert_eq!(&bytes, &plain);
            undo(&mut bytes);
            apply(&mut bytes);
            prop_assert_eq!(&bytes, &plain);
        }
    }
}
