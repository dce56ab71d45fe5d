//! Feature flags: what a picture uses, and which of it a reader must know.

use super::FormatError;

/// Incompatible: blocks and nodes may be compressed with zstd.
pub const INCOMPAT_ZSTD: u64 = 1 << 0;

/// Incompatible: blocks may have gone through the x86 filter before zstd.
pub const INCOMPAT_X86: u64 = 1 << 1;

/// All incompatible features this program knows, with their names.
const KNOWN_INCOMPAT: &[(u64, &str)] = &[(INCOMPAT_ZSTD, "zstd"), (INCOMPAT_X86, "x86")];

/// Refuses a picture whose incompatible features are not all known.
///
/// Compatible and read-only-compatible features never keep a reader out.
///
/// # Errors
/// [`FormatError::Features`] with the unknown bits by number.
pub fn check_features(incompat: u64) -> Result<(), FormatError> {
    let known = KNOWN_INCOMPAT.iter().fold(0, |bits, (bit, _)| bits | bit);
    let unknown: Vec<String> = (0..64)
        .filter(|bit| incompat & !known & (1 << bit) != 0)
        .map(|bit| format!("incompat-{bit}"))
        .collect();
    if unknown.is_empty() { Ok(()) } else { Err(FormatError::Features(unknown.join(", "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_features_are_named() {
        assert_eq!(check_features(INCOMPAT_ZSTD | INCOMPAT_X86), Ok(()));
        let error = check_features(INCOMPAT_ZSTD | 1 << 5 | 1 << 63).expect_err("unknown bits");
        assert!(error.to_string().contains("incompat-5, incompat-63"), "{error}");
    }
}
