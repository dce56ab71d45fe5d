//! Tensors as the head lists them: type, shape and place, checked.

use super::GgufError;
use super::reader::HeadReader;

/// Dimensions of a tensor.
const MAX_DIMENSIONS: u64 = 4;

/// How numbers are kept, by the codes of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum TensorType {
    F32 = 0,
    F16 = 1,
    Q4_0 = 2,
    Q4_1 = 3,
    Q5_0 = 6,
    Q5_1 = 7,
    Q8_0 = 8,
    Q2K = 10,
    Q3K = 11,
    Q4K = 12,
    Q5K = 13,
    Q6K = 14,
    BF16 = 30,
}

impl TensorType {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::F32,
        Self::F16,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q8_0,
        Self::Q2K,
        Self::Q3K,
        Self::Q4K,
        Self::Q5K,
        Self::Q6K,
        Self::BF16,
    ];

    /// Numbers of a block, and bytes of one.
    pub fn block(self) -> (u64, u64) {
        match self {
            Self::F32 => (1, 4),
            Self::F16 | Self::BF16 => (1, 2),
            Self::Q4_0 => (32, 18),
            Self::Q4_1 => (32, 20),
            Self::Q5_0 => (32, 22),
            Self::Q5_1 => (32, 24),
            Self::Q8_0 => (32, 34),
            Self::Q2K => (256, 84),
            Self::Q3K => (256, 110),
            Self::Q4K => (256, 144),
            Self::Q5K => (256, 176),
            Self::Q6K => (256, 210),
        }
    }
}

/// A tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// How its numbers are kept.
    pub kind: TensorType,
    /// Its dimensions, the one whose numbers lie beside one another first.
    pub shape: Vec<u64>,
    /// Where it begins in the file.
    pub offset: u64,
    /// Its bytes.
    pub bytes: u64,
}

impl TensorInfo {
    /// Says where it lies in a file of `len` bytes whose tensors begin at `start`.
    pub(super) fn place(&mut self, name: &str, start: u64, len: u64) -> Result<(), GgufError> {
        let end = start.checked_add(self.offset).and_then(|begin| {
            self.offset = begin;
            begin.checked_add(self.bytes)
        });
        if end.is_none_or(|end| end > len) {
            let bytes = self.bytes;
            let what = format!("the tensor {name:?} of {bytes} bytes leads out of the file");
            return Err(GgufError::Bad(what));
        }
        Ok(())
    }
}

/// Reads a tensor's entry; its offset is still counted from where tensors begin.
pub(super) fn read(reader: &mut HeadReader<'_>) -> Result<(String, TensorInfo), GgufError> {
    let name = reader.name()?;
    let bad = |what: String| GgufError::Bad(format!("the tensor {name:?} {what}"));
    let dimensions = u64::from(reader.u32()?);
    if dimensions > MAX_DIMENSIONS {
        return Err(bad(format!("has {dimensions} dimensions")));
    }
    let mut shape = Vec::new();
    for _ in 0..dimensions {
        shape.push(reader.u64()?);
    }
    let code = reader.u32()?;
    let kind = TensorType::ALL.into_iter().find(|kind| *kind as u32 == code);
    let kind = kind.ok_or_else(|| bad(format!("is of type {code}, which is not known")))?;
    let offset = reader.u64()?;
    let (block, block_bytes) = kind.block();
    if shape.first().copied().unwrap_or(1) % block != 0 {
        return Err(bad(format!("has rows of {shape:?} that are no whole blocks of {block}")));
    }
    let numbers = shape.iter().try_fold(1_u64, |product, side| product.checked_mul(*side));
    let bytes = numbers.and_then(|numbers| (numbers / block).checked_mul(block_bytes));
    let bytes = bytes.ok_or_else(|| bad("is larger than any file".to_owned()))?;
    if bytes == 0 {
        return Err(bad("is empty".to_owned()));
    }
    Ok((name.clone(), TensorInfo { kind, shape, offset, bytes }))
}
