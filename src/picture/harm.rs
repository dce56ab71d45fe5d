//! What happened to a picture whose pixels are no longer the ones written:
//! eight known pixels, the canary, tell by how they changed.
//!
//! Implements "Harm" of `docs/format-picture.md`.

use std::fmt;

/// The canary of an RGBA picture: two opaque pixels, four with partial alpha
/// and two transparent ones, all far from grey and unlike their neighbours.
pub const CANARY: [[u8; 4]; 8] = [
    [0xE0, 0x3A, 0x5C, 0xFF],
    [0xC8, 0x51, 0x9F, 0x80],
    [0x9B, 0x26, 0xD3, 0x00],
    [0x12, 0xB7, 0x64, 0xFF],
    [0x2D, 0xF4, 0x07, 0x40],
    [0x41, 0xEE, 0x8A, 0x00],
    [0x77, 0x05, 0xBA, 0xFE],
    [0xF9, 0xA2, 0x1D, 0x01],
];

/// The canary of an opaque picture: the same colours without alpha.
pub const CANARY_RGB: [[u8; 3]; 8] = [
    [0xE0, 0x3A, 0x5C],
    [0xC8, 0x51, 0x9F],
    [0x9B, 0x26, 0xD3],
    [0x12, 0xB7, 0x64],
    [0x2D, 0xF4, 0x07],
    [0x41, 0xEE, 0x8A],
    [0x77, 0x05, 0xBA],
    [0xF9, 0xA2, 0x1D],
];

/// Mean difference of a colour sample below which the canary was recoloured;
/// unrelated pixels differ by some 85.
const LOSSY_MEAN: u32 = 40;

/// What happened to the pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Harm {
    /// Transparent pixels lost their colours.
    TransparentBlackened,
    /// Colours were multiplied by alpha (and perhaps divided again).
    AlphaPremultiplied,
    /// Every pixel is opaque now.
    AlphaRemoved,
    /// Colours are near what they were, not equal.
    LossyColours,
    /// Channels changed places.
    ChannelsSwapped,
    /// Nothing that is known.
    Unknown,
}

impl fmt::Display for Harm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TransparentBlackened => {
                "a program erased the colours of its transparent pixels (many optimisers do unless \
                 told to be exact)"
            }
            Self::AlphaPremultiplied => {
                "a program that stores colours multiplied by alpha (a browser canvas, for example) \
                 saved it"
            }
            Self::AlphaRemoved => "its transparency was removed, and with it a quarter of its data",
            Self::LossyColours => {
                "its colours were changed: it went through a lossy format, fewer colours or a \
                 colour conversion"
            }
            Self::ChannelsSwapped => "its colour channels were put in another order",
            Self::Unknown => "its pixels are not the ones that were written",
        })
    }
}

/// A pixel of an opaque picture in the form that [`diagnose`] takes.
pub const fn opaque([r, g, b]: [u8; 3]) -> [u8; 4] {
    [r, g, b, 255]
}

/// What turned the canary `expected` into the pixels `seen`; None if nothing did.
pub fn diagnose(expected: &[[u8; 4]], seen: &[[u8; 4]]) -> Option<Harm> {
    if expected == seen {
        return None;
    }
    if expected.len() != seen.len() || expected.is_empty() {
        return Some(Harm::Unknown);
    }
    let all = |test: fn(&[u8; 4], &[u8; 4]) -> bool| {
        expected.iter().zip(seen).all(|(expected, seen)| test(expected, seen))
    };
    // From the most particular change to the vaguest: the first that explains
    // every pixel is the answer.
    Some(
        if SWAPS
            .iter()
            .any(|order| expected.iter().map(|e| order.map(|i| e[i])).eq(seen.iter().copied()))
        {
            Harm::ChannelsSwapped
        } else if all(|e, s| e == s || (e[3] == 0 && s[3] == 0)) {
            Harm::TransparentBlackened
        } else if all(premultiplied) || all(premultiplied_and_back) {
            Harm::AlphaPremultiplied
        } else if seen.iter().all(|s| s[3] == 255) && expected.iter().any(|e| e[3] != 255) {
            alpha_removed_or_worse(expected, seen)
        } else if mean_difference(expected, seen, |_| true) < LOSSY_MEAN {
            Harm::LossyColours
        } else {
            Harm::Unknown
        },
    )
}

/// Orders of channels in use beside RGBA.
const SWAPS: [[usize; 4]; 3] = [[2, 1, 0, 3], [3, 0, 1, 2], [3, 2, 1, 0]];

/// Alpha is gone: were the opaque pixels at least left alone?
fn alpha_removed_or_worse(expected: &[[u8; 4]], seen: &[[u8; 4]]) -> Harm {
    let untouched = |(e, s): (&[u8; 4], &[u8; 4])| e[3] != 255 || e == s;
    if expected.iter().zip(seen).all(untouched) {
        Harm::AlphaRemoved
    } else if mean_difference(expected, seen, |e| e[3] == 255) < LOSSY_MEAN {
        Harm::LossyColours
    } else {
        Harm::Unknown
    }
}

/// Each colour times alpha; programs round differently.
fn premultiplied(expected: &[u8; 4], seen: &[u8; 4]) -> bool {
    let alpha = u32::from(expected[3]);
    (0..3).all(|i| {
        let product = (u32::from(expected[i]) * alpha + 127) / 255;
        product.abs_diff(u32::from(seen[i])) <= 1
    }) && expected[3] == seen[3]
}

/// Each colour times alpha, rounded, and divided by it again: exact where
/// opaque, off by up to half a step of 255/alpha elsewhere.
fn premultiplied_and_back(expected: &[u8; 4], seen: &[u8; 4]) -> bool {
    let alpha = u32::from(expected[3]);
    if alpha == 0 {
        return seen[3] == 0;
    }
    let slack = if alpha == 255 { 0 } else { 255 / alpha + 1 };
    (0..3).all(|i| u32::from(expected[i]).abs_diff(u32::from(seen[i])) <= slack)
        && expected[3] == seen[3]
}

/// Mean absolute difference of the colour samples of the pixels that count.
fn mean_difference(
    expected: &[[u8; 4]],
    seen: &[[u8; 4]],
    counts: impl Fn(&[u8; 4]) -> bool,
) -> u32 {
    let (mut sum, mut samples) = (0, 0);
    for (e, s) in expected.iter().zip(seen).filter(|(e, _)| counts(e)) {
        sum += (0..3).map(|i| u32::from(e[i].abs_diff(s[i]))).sum::<u32>();
        samples += 3;
    }
    sum.checked_div(samples).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(change: impl Fn([u8; 4]) -> [u8; 4]) -> Option<Harm> {
        diagnose(&CANARY, &CANARY.map(change))
    }

    fn scaled(value: u8, by: u32, of: u32) -> u8 {
        ((u32::from(value) * by + of / 2) / of).min(255) as u8
    }

    #[test]
    fn each_harm_is_told_from_the_others() {
        let multiply = |[r, g, b, a]: [u8; 4]| {
            let by = u32::from(a);
            [scaled(r, by, 255), scaled(g, by, 255), scaled(b, by, 255), a]
        };
        let divide = |[r, g, b, a]: [u8; 4]| match u32::from(a) {
            0 => [0; 4],
            of => [scaled(r, 255, of), scaled(g, 255, of), scaled(b, 255, of), a],
        };
        let over = |background: u8| {
            move |[r, g, b, a]: [u8; 4]| {
                let mix = |c: u8| {
                    scaled(c, u32::from(a), 255) + scaled(background, 255 - u32::from(a), 255)
                };
                [mix(r), mix(g), mix(b), 255]
            }
        };
        let blackened = |p: [u8; 4]| if p[3] == 0 { [0; 4] } else { p };
        let whitened = |p: [u8; 4]| if p[3] == 0 { [255, 255, 255, 0] } else { p };
        let wobble = |[r, g, b, a]: [u8; 4]| [r ^ 9, g ^ 20, b ^ 5, a];
        for (seen, want) in [
            (changed(|p| p), None),
            (changed(blackened), Some(Harm::TransparentBlackened)),
            (changed(whitened), Some(Harm::TransparentBlackened)),
            (changed(multiply), Some(Harm::AlphaPremultiplied)),
            (changed(|p| divide(multiply(p))), Some(Harm::AlphaPremultiplied)),
            (changed(|[r, g, b, _]| [r, g, b, 255]), Some(Harm::AlphaRemoved)),
            (changed(over(0)), Some(Harm::AlphaRemoved)),
            (changed(over(254)), Some(Harm::AlphaRemoved)),
            (changed(wobble), Some(Harm::LossyColours)),
            (changed(|p| over(0)(wobble(p))), Some(Harm::LossyColours)),
            (changed(|[r, g, b, a]| [b, g, r, a]), Some(Harm::ChannelsSwapped)),
            (changed(|[r, g, b, a]| [a, r, g, b]), Some(Harm::ChannelsSwapped)),
            (changed(|_| [0; 4]), Some(Harm::Unknown)),
            (changed(|[r, g, b, _]| [!r, !g, !b, 77]), Some(Harm::Unknown)),
            (diagnose(&CANARY, &CANARY[1..]), Some(Harm::Unknown)),
        ] {
            assert_eq!(seen, want);
        }
    }

    #[test]
    fn an_opaque_canary_knows_no_alpha() {
        let expected = CANARY_RGB.map(opaque);
        let swapped = CANARY_RGB.map(|[r, g, b]| opaque([b, g, r]));
        let lossy = CANARY_RGB.map(|[r, g, b]| opaque([r ^ 3, g ^ 7, b ^ 1]));
        assert_eq!(diagnose(&expected, &expected), None);
        assert_eq!(diagnose(&expected, &swapped), Some(Harm::ChannelsSwapped));
        assert_eq!(diagnose(&expected, &lossy), Some(Harm::LossyColours));
        assert_eq!(diagnose(&expected, &[[9; 4]; 8]), Some(Harm::Unknown));
    }

    #[test]
    fn both_canaries_have_the_same_colours() {
        assert_eq!(CANARY.map(|[r, g, b, _]| [r, g, b]), CANARY_RGB);
    }
}
