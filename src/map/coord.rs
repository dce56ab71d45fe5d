//! Where a tile is.

use std::fmt;
use std::str::FromStr;

/// The coordinates of a tile: `x` grows to the right, `y` downwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Coord {
    /// Column.
    pub x: i32,
    /// Row.
    pub y: i32,
}

impl Coord {
    /// The tile at a column and a row.
    pub fn new(x: i32, y: i32) -> Self {
        Self { x, y }
    }
}

impl fmt::Display for Coord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.x, self.y)
    }
}

impl FromStr for Coord {
    type Err = String;

    /// `3,-4`; blanks around the numbers are no harm, as in Python.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            let shown: String = text.chars().take(40).collect();
            format!("{shown:?} is not a tile: two whole numbers of 32 bits, such as 3,-4")
        };
        let (x, y) = text.split_once(',').ok_or_else(wrong)?;
        let number = |text: &str| text.trim().parse().map_err(|_| wrong());
        Ok(Self { x: number(x)?, y: number(y)? })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_are_signed_and_of_32_bits() {
        let good = [
            ("0,0", (0, 0)),
            ("-2147483648,2147483647", (i32::MIN, i32::MAX)),
            (" 1, -2 ", (1, -2)),
            ("+5,007", (5, 7)),
        ];
        for (text, (x, y)) in good {
            assert_eq!(text.parse(), Ok(Coord::new(x, y)), "{text}");
        }
        for text in ["", "1", "1,", "1,2,3", "1.5,2", "a,b", "2147483648,0", "0,-2147483649"] {
            assert!(text.parse::<Coord>().unwrap_err().contains("is not a tile"), "{text}");
        }
        assert_eq!(Coord::new(-1, 2).to_string(), "-1,2");
    }
}
