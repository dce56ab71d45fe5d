//! Numbers, texts and values from the head of a file, within what the file has
//! and within what a head may take in memory.

use std::io::{self, Read};

use super::{GgufError, Value};

/// What all metadata may take in memory, in bytes: a vocabulary of 256,000 tokens
/// and its merges take 40 MB.
const BUDGET: u64 = 128 << 20;
/// What a text takes beside its bytes.
const TEXT_COST: u64 = size_of::<String>() as u64;
/// Bytes of a key or a tensor's name.
const MAX_NAME: u64 = 1024;

/// Bytes of a value of a type, the types of whole numbers and whether they have a sign.
fn width(kind: u32) -> Option<u64> {
    Some(match kind {
        0 | 1 | 7 => 1,
        2 | 3 => 2,
        4..=6 => 4,
        10..=12 => 8,
        _ => return None,
    })
}

const BOOL: u32 = 7;
const TEXT: u32 = 8;
const ARRAY: u32 = 9;

/// Reads a head.
pub(super) struct HeadReader<'r> {
    reader: &'r mut dyn Read,
    position: u64,
    len: u64,
    budget: u64,
}

impl<'r> HeadReader<'r> {
    pub(super) fn new(reader: &'r mut dyn Read, len: u64) -> Self {
        Self { reader, position: 0, len, budget: BUDGET }
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Whether the file can still hold so many bytes.
    fn check_left(&self, bytes: u64) -> Result<(), GgufError> {
        if bytes > self.len.saturating_sub(self.position) {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(())
    }

    fn spend(&mut self, bytes: u64) -> Result<(), GgufError> {
        match self.budget.checked_sub(bytes) {
            Some(rest) => self.budget = rest,
            None => {
                let what = format!("the metadata takes more than {BUDGET} bytes of memory");
                return Err(GgufError::Bad(what));
            }
        }
        Ok(())
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], GgufError> {
        let mut bytes = [0; N];
        self.check_left(N as u64)?;
        self.reader.read_exact(&mut bytes)?;
        self.position += N as u64;
        Ok(bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, GgufError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, GgufError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A count with a bound.
    pub(super) fn count(&mut self, what: &'static str, limit: u64) -> Result<u64, GgufError> {
        match self.u64()? {
            value if value > limit => Err(GgufError::TooMany { what, value, limit }),
            value => Ok(value),
        }
    }

    /// A key, or a tensor's name.
    pub(super) fn name(&mut self) -> Result<String, GgufError> {
        let len = self.count("the length of a name", MAX_NAME)?;
        self.text_of(len)
    }

    fn text(&mut self) -> Result<String, GgufError> {
        let len = self.u64()?;
        self.text_of(len)
    }

    fn text_of(&mut self, len: u64) -> Result<String, GgufError> {
        self.check_left(len)?;
        self.spend(len.saturating_add(TEXT_COST))?;
        // At most the budget, and no more than the file has.
        let mut bytes = vec![0; len as usize];
        self.reader.read_exact(&mut bytes)?;
        self.position += len;
        Ok(String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    /// A value with its type.
    pub(super) fn value(&mut self) -> Result<Value, GgufError> {
        self.spend(size_of::<Value>() as u64)?;
        match self.u32()? {
            TEXT => Ok(Value::Text(self.text()?)),
            ARRAY => self.list(),
            kind => self.scalar(kind),
        }
    }

    fn scalar(&mut self, kind: u32) -> Result<Value, GgufError> {
        Ok(match kind {
            0 => Value::Int(self.array::<1>()?[0].into()),
            1 => Value::Int(i8::from_le_bytes(self.array()?).into()),
            2 => Value::Int(u16::from_le_bytes(self.array()?).into()),
            3 => Value::Int(i16::from_le_bytes(self.array()?).into()),
            4 => Value::Int(self.u32()?.into()),
            5 => Value::Int(i32::from_le_bytes(self.array()?).into()),
            6 => Value::Float(f32::from_le_bytes(self.array()?).into()),
            BOOL => match self.array::<1>()?[0] {
                0 => Value::Bool(false),
                1 => Value::Bool(true),
                other => return Err(GgufError::Bad(format!("{other} is neither yes nor no"))),
            },
            10 => Value::Int(self.u64()?.into()),
            11 => Value::Int(i64::from_le_bytes(self.array()?).into()),
            12 => Value::Float(f64::from_le_bytes(self.array()?)),
            other => return Err(GgufError::Bad(format!("there is no type {other} of a value"))),
        })
    }

    fn list(&mut self) -> Result<Value, GgufError> {
        let (kind, count) = (self.u32()?, self.u64()?);
        if kind == TEXT {
            // Each has its length before it.
            self.check_left(count.saturating_mul(8))?;
            let mut texts = Vec::new();
            for _ in 0..count {
                texts.push(self.text()?);
            }
            return Ok(Value::Texts(texts));
        }
        let Some(width) = width(kind) else {
            return Err(GgufError::Bad(format!("lists of values of type {kind} are not known")));
        };
        self.check_left(count.saturating_mul(width))?;
        if matches!(kind, 6 | BOOL | 12) {
            self.skip(count * width)?;
            return Ok(Value::Other(count));
        }
        self.spend(count.saturating_mul(size_of::<i64>() as u64))?;
        let mut ints = Vec::new();
        for _ in 0..count {
            if let Value::Int(n) = self.scalar(kind)? {
                ints.push(i64::try_from(n).unwrap_or(i64::MAX));
            }
        }
        Ok(Value::Ints(ints))
    }

    fn skip(&mut self, bytes: u64) -> Result<(), GgufError> {
        let skipped = io::copy(&mut self.reader.take(bytes), &mut io::sink())?;
        self.position += skipped;
        match skipped == bytes {
            true => Ok(()),
            false => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        }
    }
}
