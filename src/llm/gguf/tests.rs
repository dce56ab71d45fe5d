//! Good heads are read, and each thing that can be wrong is said.

use super::*;

#[derive(Default)]
struct Head(Vec<u8>);

impl Head {
    fn new(tensors: u64, keys: u64) -> Self {
        Self(b"GGUF\x03\0\0\0".to_vec()).u64(tensors).u64(keys)
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    fn u32(self, n: u32) -> Self {
        self.bytes(&n.to_le_bytes())
    }

    fn u64(self, n: u64) -> Self {
        self.bytes(&n.to_le_bytes())
    }

    fn text(self, text: &str) -> Self {
        self.u64(text.len() as u64).bytes(text.as_bytes())
    }

    fn tensor(self, name: &str, shape: &[u64], kind: u32, offset: u64) -> Self {
        let mut head = self.text(name).u32(shape.len() as u32);
        for side in shape {
            head = head.u64(*side);
        }
        head.u32(kind).u64(offset)
    }

    fn read(&self) -> Result<Gguf, GgufError> {
        Gguf::read(&mut self.0.as_slice(), self.0.len() as u64)
    }

    fn error(&self) -> String {
        self.read().unwrap_err().to_string()
    }
}

#[test]
fn a_head_is_read_with_values_of_all_types() {
    let head = Head::new(1, 6)
        .text("n")
        .u32(4)
        .u32(7)
        .text("x")
        .u32(6)
        .u32(1.5_f32.to_bits())
        .text("t")
        .u32(8)
        .text("text")
        .text("b")
        .u32(7)
        .bytes(&[1])
        .text("l")
        .u32(9)
        .u32(8)
        .u64(2)
        .text("a")
        .text("b")
        .text("i")
        .u32(9)
        .u32(5)
        .u64(2)
        .u32(1)
        .u32(u32::MAX)
        .tensor("w", &[32, 2], 3, 0);
    let len = head.0.len().next_multiple_of(32);
    let mut bytes = head.0;
    bytes.resize(len + 40, 0);
    let gguf = Head(bytes).read().unwrap();
    assert_eq!(gguf.int::<u32>("n"), Some(7));
    assert_eq!(gguf.float("x"), Some(1.5));
    assert_eq!(gguf.text("t"), Some("text"));
    assert_eq!(gguf.flag("b"), Some(true));
    assert_eq!(gguf.texts("l").unwrap(), ["a", "b"]);
    assert_eq!(gguf.ints("i").unwrap(), [1, -1]);
    let expected =
        TensorInfo { kind: TensorType::Q4_1, shape: vec![32, 2], offset: len as u64, bytes: 40 };
    assert_eq!(gguf.tensor("w"), Some(&expected));
}

#[test]
fn what_cannot_be_is_said_in_a_sentence() {
    let tensor = |shape: &[u64], kind, offset| Head::new(1, 0).tensor("w", shape, kind, offset);
    let cases = [
        (Head(b"GGUX\x03\0\0\0".to_vec()), "no GGUF file"),
        (Head(b"GGUF\x01\0\0\0".to_vec()), "version 1"),
        (Head(b"GG".to_vec()), "cannot be read"),
        (Head::new(u64::MAX, 0), "number of tensors is 18446744073709551615"),
        (Head::new(0, 1 << 40), "number of metadata entries"),
        (Head::new(0, 1).u64(1 << 50), "length of a name"),
        (Head::new(0, 1).text("k").u32(8).u64(1 << 50), "cannot be read"),
        (Head::new(0, 1).text("k").u32(9).u32(4).u64(u64::MAX), "cannot be read"),
        (Head::new(0, 1).text("k").u32(9).u32(9).u64(1), "lists of values of type 9"),
        (Head::new(0, 1).text("k").u32(99), "no type 99"),
        (Head::new(0, 1).text("k").u32(7).bytes(&[2]), "neither yes nor no"),
        (Head::new(0, 1).text("general.alignment").u32(4).u32(0), "an alignment of 0"),
        (tensor(&[32, 2], 3, 0), "leads out of the file"),
        (tensor(&[32, 2], 3, u64::MAX), "leads out of the file"),
        (tensor(&[33, 2], 3, 0), "no whole blocks of 32"),
        (tensor(&[u64::MAX, 2], 0, 0), "larger than any file"),
        (tensor(&[0, 2], 0, 0), "is empty"),
        (tensor(&[1; 5], 0, 0), "has 5 dimensions"),
        (tensor(&[32, 2], 77, 0), "type 77"),
    ];
    for (head, expected) in cases {
        let error = head.error();
        assert!(error.contains(expected), "{error:?} lacks {expected:?}");
        assert!(!error.contains('\n'), "{error:?}");
    }
}

#[test]
fn a_long_list_costs_no_more_than_the_budget() {
    // 20 million texts of no bytes are 160 MB in the file and 480 MB in memory.
    let head = Head::new(0, 1).text("k").u32(9).u32(8).u64(20_000_000);
    let zeros = std::io::repeat(0).take(160_000_000);
    let mut reader = head.0.as_slice().chain(zeros);
    let error = Gguf::read(&mut reader, 1 << 30).unwrap_err().to_string();
    assert!(error.contains("of memory"), "{error}");
}
