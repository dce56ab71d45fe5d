//! Matrices of a model: read from the file, and multiplied with vectors.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use candle_core::quantized::{GgmlDType, QMatMul, QStorage, QTensor};
use candle_core::{Device, Module, Tensor};

use super::q4_1;
use super::source::TreeFile;
use crate::llm::ChatError;
use crate::llm::gguf::{Gguf, TensorInfo, TensorType};

/// A matrix.
pub(super) struct Matrix {
    rows: usize,
    columns: usize,
    kind: Kind,
}

enum Kind {
    /// As it lies in the file; the code is ours.
    Q4_1(Vec<u8>),
    /// All other types; the code is candle's.
    Candle(QMatMul),
}

/// What went wrong in candle, as a sentence of ours.
pub(super) fn failed(error: candle_core::Error) -> ChatError {
    let text: String = error.to_string().chars().take(200).collect();
    ChatError::Embedded(format!("computing failed: {}", text.escape_debug()))
}

/// Reads tensors of a file.
pub(super) struct Loader<'f> {
    pub(super) file: &'f TreeFile<'f>,
    pub(super) gguf: &'f Gguf,
}

impl Loader<'_> {
    fn info(&self, name: &str, shape: &[usize]) -> Result<&TensorInfo, ChatError> {
        let info = self.gguf.tensor(name);
        let info = info.ok_or_else(|| ChatError::Embedded(format!("it has no tensor {name}")))?;
        let expected: Vec<u64> = shape.iter().map(|side| *side as u64).collect();
        if info.shape != expected {
            let what = format!("the tensor {name} is of {:?} and not of {expected:?}", info.shape);
            return Err(ChatError::Embedded(what));
        }
        Ok(info)
    }

    fn bytes(&self, info: &TensorInfo) -> Result<Vec<u8>, ChatError> {
        // The head was checked: no more than the file has.
        let mut bytes = vec![0; info.bytes as usize];
        let read = self.file.read_exact_at(info.offset, &mut bytes);
        read.map_err(|error| ChatError::Embedded(format!("its weights cannot be read: {error}")))?;
        Ok(bytes)
    }

    /// The matrix of that name, of `rows` rows.
    pub(super) fn matrix(
        &self,
        name: &str,
        rows: usize,
        columns: usize,
    ) -> Result<Matrix, ChatError> {
        let info = self.info(name, &[columns, rows])?;
        let bytes = self.bytes(info)?;
        let kind = match info.kind {
            TensorType::Q4_1 => Kind::Q4_1(bytes),
            kind => {
                let tensor = tensor(kind, bytes, &[rows, columns])?;
                Kind::Candle(QMatMul::from_qtensor(tensor).map_err(failed)?)
            }
        };
        Ok(Matrix { rows, columns, kind })
    }

    /// The vector of that name.
    pub(super) fn vector(&self, name: &str, len: usize) -> Result<Vec<f32>, ChatError> {
        let info = self.info(name, &[len])?;
        let tensor = tensor(info.kind, self.bytes(info)?, &[len])?;
        let numbers = tensor.dequantize(&Device::Cpu).and_then(|tensor| tensor.to_vec1());
        numbers.map_err(failed)
    }

    /// Whether there is a tensor of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.gguf.tensor(name).is_some()
    }
}

fn tensor(kind: TensorType, bytes: Vec<u8>, shape: &[usize]) -> Result<QTensor, ChatError> {
    let kind = match kind {
        TensorType::F32 => GgmlDType::F32,
        TensorType::F16 => GgmlDType::F16,
        TensorType::BF16 => GgmlDType::BF16,
        TensorType::Q4_0 => GgmlDType::Q4_0,
        TensorType::Q4_1 => GgmlDType::Q4_1,
        TensorType::Q5_0 => GgmlDType::Q5_0,
        TensorType::Q5_1 => GgmlDType::Q5_1,
        TensorType::Q8_0 => GgmlDType::Q8_0,
        TensorType::Q2K => GgmlDType::Q2K,
        TensorType::Q3K => GgmlDType::Q3K,
        TensorType::Q4K => GgmlDType::Q4K,
        TensorType::Q5K => GgmlDType::Q5K,
        TensorType::Q6K => GgmlDType::Q6K,
    };
    let storage = QStorage::from_data(Cow::Owned(bytes), &Device::Cpu, kind).map_err(failed)?;
    QTensor::new(storage, shape).map_err(failed)
}

impl Matrix {
    /// The product with each of some vectors, one behind another.
    pub(super) fn times(&self, vectors: &[f32]) -> Result<Vec<f32>, ChatError> {
        let count = vectors.len() / self.columns;
        match &self.kind {
            Kind::Candle(matrix) => {
                let product = Tensor::from_slice(vectors, (count, self.columns), &Device::Cpu)
                    .and_then(|vectors| matrix.forward(&vectors))
                    .and_then(|product| product.flatten_all()?.to_vec1());
                product.map_err(failed)
            }
            Kind::Q4_1(bytes) => {
                let mut rounded = Vec::new();
                q4_1::round(vectors, &mut rounded);
                Ok(self.times_q4_1(bytes, &rounded, count))
            }
        }
    }

    /// One vector is multiplied by one thread: it takes less than to wake another, and
    /// on a busy machine the other may not come for long. Many are shared out.
    fn times_q4_1(&self, bytes: &[u8], vectors: &[q4_1::Rounded], count: usize) -> Vec<f32> {
        // Written by several threads, each its own; atomics cost nothing here.
        let product: Vec<AtomicU32> = (0..count * self.rows).map(|_| AtomicU32::new(0)).collect();
        let blocks = vectors.len() / count.max(1);
        let part = |rows: Range<usize>| {
            for start in rows.clone().step_by(ROWS) {
                let rows = start..(start + ROWS).min(rows.end);
                for (at, vector) in vectors.chunks_exact(blocks).enumerate() {
                    let out = &product[at * self.rows..][..self.rows];
                    let mut put = |row: usize, number: f32| {
                        out[row].store(number.to_bits(), Ordering::Relaxed);
                    };
                    q4_1::rows(bytes, rows.clone(), vector, &mut put);
                }
            }
        };
        let threads = match count {
            0..8 => 1,
            _ => std::thread::available_parallelism().map_or(1, usize::from).min(16),
        };
        if threads == 1 {
            part(0..self.rows);
        } else {
            let (part, each) = (&part, self.rows.div_ceil(threads));
            std::thread::scope(|scope| {
                for start in (0..self.rows).step_by(each) {
                    scope.spawn(move || part(start..(start + each).min(self.rows)));
                }
            });
        }
        product.into_iter().map(|bits| f32::from_bits(bits.into_inner())).collect()
    }

    /// The numbers of some rows, one behind another.
    pub(super) fn rows(&self, ids: &[u32]) -> Result<Vec<f32>, ChatError> {
        if ids.iter().any(|id| *id as usize >= self.rows) {
            return Err(ChatError::Embedded("a token is in no row of its embedding".to_owned()));
        }
        match &self.kind {
            Kind::Candle(matrix) => {
                let rows = Tensor::from_slice(ids, ids.len(), &Device::Cpu)
                    .and_then(|ids| matrix.embedding(&ids))
                    .and_then(|rows| rows.flatten_all()?.to_vec1());
                rows.map_err(failed)
            }
            Kind::Q4_1(bytes) => {
                let row_bytes = bytes.len() / self.rows;
                let mut numbers = vec![0.0; ids.len() * self.columns];
                for (id, numbers) in ids.iter().zip(numbers.chunks_exact_mut(self.columns)) {
                    q4_1::row(&bytes[*id as usize * row_bytes..][..row_bytes], numbers);
                }
                Ok(numbers)
            }
        }
    }
}

/// Rows that stay in the fastest memory while all vectors go over them.
const ROWS: usize = 16;
