//! Products with matrices of type Q4_1: blocks of 32 numbers of four bits, each
//! with a step and a least value.
//!
//! candle has no vector code for this type on x86-64 (0.11), and the model that is
//! shown off is of it. What is computed is what llama.cpp computes: the vector is rounded to eight
//! bits a block, the sums are whole numbers.
#![allow(unsafe_code)] // One call of a function for which the processor was asked first.

use std::ops::Range;

/// Numbers of a block, and its bytes: step and least value in 16 bits, then the
/// low halves of 16 bytes are the first numbers, the high ones the others.
const BLOCK: usize = 32;
pub(super) const BLOCK_BYTES: usize = 20;

/// 32 numbers of a vector in eight bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rounded {
    step: f32,
    /// The sum of the numbers.
    sum: f32,
    numbers: [i8; BLOCK],
}

/// Rounds a vector whose length is a multiple of 32.
pub(super) fn round(vector: &[f32], rounded: &mut Vec<Rounded>) {
    rounded.clear();
    for block in vector.chunks_exact(BLOCK) {
        let most = block.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        let step = most / 127.0;
        let inverse = if step > 0.0 { 1.0 / step } else { 0.0 };
        let mut numbers = [0_i8; BLOCK];
        let mut sum = 0_i32;
        for (number, x) in numbers.iter_mut().zip(block) {
            // Never beyond 127, and 0 for what is no number.
            *number = (x * inverse).round_ties_even() as i8;
            sum += i32::from(*number);
        }
        rounded.push(Rounded { step, sum: step * sum as f32, numbers });
    }
}

/// The products of a rounded vector with some rows of a matrix, each given to `put`.
pub(super) fn rows(
    matrix: &[u8],
    rows: Range<usize>,
    vector: &[Rounded],
    put: &mut dyn FnMut(usize, f32),
) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c")
    {
        // SAFETY: the processor has what the function is compiled for.
        return unsafe { x86::rows(matrix, rows, vector, put) };
    }
    let row_bytes = vector.len() * BLOCK_BYTES;
    for row in rows {
        put(row, dot(&matrix[row * row_bytes..][..row_bytes], vector));
    }
}

/// One product, on any processor.
fn dot(row: &[u8], vector: &[Rounded]) -> f32 {
    let mut total = 0.0;
    for (block, part) in row.chunks_exact(BLOCK_BYTES).zip(vector) {
        let (step, least) = (half(block[0], block[1]), half(block[2], block[3]));
        let mut sum = 0;
        for (at, byte) in block[4..].iter().enumerate() {
            sum += i32::from(byte & 15) * i32::from(part.numbers[at]);
            sum += i32::from(byte >> 4) * i32::from(part.numbers[at + BLOCK / 2]);
        }
        total += step * part.step * sum as f32 + least * part.sum;
    }
    total
}

/// A number of 16 bits.
fn half(low: u8, high: u8) -> f32 {
    let bits = u32::from(u16::from_le_bytes([low, high]));
    let (sign, exponent, fraction) = (bits >> 15 << 31, bits >> 10 & 31, bits & 0x3FF);
    let size = match exponent {
        0 => fraction as f32 / (1 << 24) as f32,
        31 => f32::from_bits(0x7F80_0000 | fraction << 13),
        _ => f32::from_bits((exponent + 112) << 23 | fraction << 13),
    };
    f32::from_bits(size.to_bits() | sign)
}

/// The numbers of one row.
pub(super) fn row(row: &[u8], numbers: &mut [f32]) {
    for (block, numbers) in row.chunks_exact(BLOCK_BYTES).zip(numbers.chunks_exact_mut(BLOCK)) {
        let (step, least) = (half(block[0], block[1]), half(block[2], block[3]));
        for (at, byte) in block[4..].iter().enumerate() {
            numbers[at] = f32::from(byte & 15) * step + least;
            numbers[at + BLOCK / 2] = f32::from(byte >> 4) * step + least;
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;
    use std::ops::Range;

    use super::{BLOCK_BYTES, Rounded};

    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) fn rows(
        matrix: &[u8],
        rows: Range<usize>,
        vector: &[Rounded],
        put: &mut dyn FnMut(usize, f32),
    ) {
        let row_bytes = vector.len() * BLOCK_BYTES;
        for row in rows {
            put(row, dot(&matrix[row * row_bytes..][..row_bytes], vector));
        }
    }

    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    fn dot(row: &[u8], vector: &[Rounded]) -> f32 {
        let (blocks, _) = row.as_chunks::<BLOCK_BYTES>();
        let ones = _mm256_set1_epi16(1);
        let (mut total, mut least) = (_mm256_setzero_ps(), 0.0);
        for (block, part) in blocks.iter().zip(vector) {
            let (head, halves) = numbers(block);
            // Below 16 times 127 and twice that: no sum of two leaves 16 bits.
            let pairs = _mm256_maddubs_epi16(halves, signed(&part.numbers));
            let sums = _mm256_cvtepi32_ps(_mm256_madd_epi16(pairs, ones));
            let head = _mm_mul_ps(head, _mm_set_ps(0.0, 0.0, part.sum, part.step));
            total = _mm256_fmadd_ps(_mm256_broadcastss_ps(head), sums, total);
            least += _mm_cvtss_f32(_mm_movehdup_ps(head));
        }
        let half = _mm_add_ps(_mm256_castps256_ps128(total), _mm256_extractf128_ps::<1>(total));
        let half = _mm_add_ps(half, _mm_movehl_ps(half, half));
        _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half))) + least
    }

    /// Step and least value of a block, and its numbers as bytes.
    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    fn numbers(block: &[u8; BLOCK_BYTES]) -> (__m128, __m256i) {
        let word = |at: usize| {
            let bytes = [0, 1, 2, 3, 4, 5, 6, 7].map(|byte| block[at + byte]);
            i64::from_le_bytes(bytes)
        };
        let head = i32::from_le_bytes([block[0], block[1], block[2], block[3]]);
        let both = _mm_set_epi64x(word(12), word(4));
        let halves = _mm256_set_m128i(_mm_srli_epi16::<4>(both), both);
        (_mm_cvtph_ps(_mm_cvtsi32_si128(head)), _mm256_and_si256(halves, _mm256_set1_epi8(15)))
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn signed(numbers: &[i8; 32]) -> __m256i {
        let word = |at: usize| {
            let bytes = [0, 1, 2, 3, 4, 5, 6, 7].map(|byte| numbers[at + byte] as u8);
            i64::from_le_bytes(bytes)
        };
        _mm256_set_epi64x(word(24), word(16), word(8), word(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_read() {
        let cases = [(0x3C00_u16, 1.0_f32), (0xC000, -2.0), (0x0001, 5.960_464_5e-8), (0, 0.0)];
        for (bits, expected) in cases {
            let [low, high] = bits.to_le_bytes();
            assert_eq!(half(low, high), expected);
        }
        assert!(half(0, 0x7C).is_infinite() && half(1, 0x7C).is_nan());
    }

    #[test]
    fn the_fast_way_and_the_plain_one_agree_with_the_numbers() {
        const COLUMNS: usize = 96;
        let mut state = 1_u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 24
        };
        let mut matrix = Vec::new();
        for _ in 0..7 * COLUMNS / BLOCK {
            // Steps and least values near 1 and -8.
            matrix.extend([random() as u8, 0x3C, random() as u8, 0xC8]);
            matrix.extend((0..16).map(|_| random() as u8));
        }
        let vector: Vec<f32> = (0..COLUMNS).map(|_| random() as f32 / 64.0 - 2.0).collect();
        let mut rounded = Vec::new();
        round(&vector, &mut rounded);
        let row_bytes = COLUMNS / BLOCK * BLOCK_BYTES;
        let mut seen = 0;
        rows(&matrix, 0..7, &rounded, &mut |at, product| {
            let bytes = &matrix[at * row_bytes..][..row_bytes];
            let mut numbers = vec![0.0; COLUMNS];
            row(bytes, &mut numbers);
            let exact: f32 = numbers.iter().zip(&vector).map(|(a, b)| a * b).sum();
            let plain = dot(bytes, &rounded);
            assert!((product - plain).abs() < 1e-2, "{product} {plain}");
            assert!((product - exact).abs() < 5.0, "{product} {exact}");
            seen += 1;
        });
        assert_eq!(seen, 7);
    }
}
