//! Streams that no tar program writes: made by hand, cut off and damaged.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use super::{mkfs, pxfs, run, scratch, text};

/// A member of a stream made by hand: a header, which `patch` may change, and content.
fn member_with(
    name: &str,
    kind: u8,
    link: &str,
    data: &[u8],
    patch: impl Fn(&mut [u8]),
) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[100..108].copy_from_slice(b"0000755\0");
    block[124..136].copy_from_slice(format!("{:011o}\0", data.len()).as_bytes());
    block[156] = kind;
    block[157..157 + link.len()].copy_from_slice(link.as_bytes());
    block[257..265].copy_from_slice(b"ustar\x0000");
    patch(&mut block);
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block.extend_from_slice(data);
    block.resize(block.len().next_multiple_of(512), 0);
    block
}

fn member(name: &str, kind: u8, link: &str, data: &[u8]) -> Vec<u8> {
    member_with(name, kind, link, data, |_| {})
}

/// A file `f` with an extended header before it.
fn extended(records: &[(&str, &[u8])], data: &[u8]) -> Vec<u8> {
    let mut pax = Vec::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let mut len = rest;
        while len != rest + len.to_string().len() {
            len = rest + len.to_string().len();
        }
        pax.extend([format!("{len} {key}=").as_bytes(), value, b"\n"].concat());
    }
    [member("x", b'x', "", &pax), member("f", b'0', "", data)].concat()
}

fn end(stream: &[u8]) -> Vec<u8> {
    [stream, &[0; 1024]].concat()
}

struct Bench(tempfile::TempDir);

impl Bench {
    /// What becomes of a stream: the exit status and what was said.
    fn feed(&self, stream: &[u8]) -> (i32, String) {
        let (path, image) = (self.0.path().join("s"), self.0.path().join("x.png"));
        fs::write(&path, stream).unwrap();
        let output = mkfs(&path, &image, &[]);
        let said = text(&output);
        fs::remove_file(path).unwrap();
        if output.status.success() {
            assert_eq!(said, "");
            fs::remove_file(image).unwrap();
        }
        assert_eq!(fs::read_dir(self.0.path()).unwrap().count(), 0, "{said}");
        (output.status.code().unwrap(), said)
    }

    /// A stream that must be refused with one sentence.
    fn refuse(&self, stream: &[u8], because: &str) {
        let (status, said) = self.feed(stream);
        assert_eq!(status, 1, "{because}: {said}");
        assert!(said.contains("tar stream: ") && said.contains(because), "{because}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn hostile_streams_are_refused_with_a_sentence() {
    let bench = Bench(scratch());
    let file = member("f", b'0', "", b"content");
    let refuse = |members: &[&[u8]], because| bench.refuse(&end(&members.concat()), because);
    assert_eq!(bench.feed(&end(&file)), (0, String::new()));
    // Names and links.
    refuse(&[&member("../f", b'0', "", b"")], "'../f': '..' cannot be a name");
    refuse(&[&member("a/../../f", b'0', "", b"")], "'..' cannot be a name");
    refuse(&[&member("", b'0', "", b"")], "without a name");
    let long = member("x", b'L', "", &[b'n'; 256]);
    refuse(&[&long, &file], "no file can have a name of 256 bytes");
    refuse(&[&member("./", b'2', "x", b"")], "the root is not a directory");
    refuse(&[&file, &member("f/g", b'0', "", b"")], "'f' is used as a directory");
    refuse(&[&member("l", b'2', "..", b""), &member("l/f", b'0', "", b"")], "'l' is used as");
    refuse(&[&member("d/f", b'0', "", b""), &member("d", b'0', "", b"")], "both a directory");
    refuse(&[&file, &member("d/g", b'5', "", b""), &member("d", b'1', "f", b"")], "both a dir");
    refuse(&[&member("d", b'5', "", b""), &member("h", b'1', "d", b"")], "link to a directory");
    refuse(&[&member("h", b'1', "gone", b"")], "'h': it is a hard link to 'gone'");
    refuse(&[&member("a", b'1', "b", b""), &member("b", b'1', "a", b"")], "hard link to 'b'");
    refuse(&[&member("a", b'1', "a", b"")], "hard link to 'a'");
    refuse(&[&file, &member("a", b'1', "../f", b"")], "'..' cannot be a name");
    refuse(&[&member("a", b'2', "", b"")], "a link without a target");
    // Headers.
    for (at, value, because) in [
        (124, &b"77777777777\0"[..], "'f': the stream ends inside it"),
        (124, b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", "'f': the stream ends inside it"),
        (124, b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", "its size"),
        (124, &[0xff; 12], "its size"),
        (124, b"00000000009\0", "its size"),
        (108, &[0xff; 8], "its owner"),
        (116, b"\x80\0\0\x01\0\0\0\0", "its group"),
        (136, b"yesterday\0", "its time"),
        (156, b"M", "another volume"),
        (156, b"N", "type 'N'"),
        (156, b"\n", "type '\\n'"),
    ] {
        let patch = |block: &mut [u8]| block[at..at + value.len()].copy_from_slice(value);
        refuse(&[&member_with("f", b'0', "", b"content", patch)], because);
    }
    let mut wrong_sum = end(&file);
    wrong_sum[3] ^= 1;
    bench.refuse(&wrong_sum, "this is no tar archive");
    refuse(&[&file, &wrong_sum], "after 'f': no header follows");
    refuse(&[&file, &[0; 512], &file], "after 'f': more follows");
    bench.refuse(&file, "after 'f': no mark of the end");
    bench.refuse(b"", "is empty");
    bench.refuse(b"short", "incomplete");
    bench.refuse(&[b'x'; 2000], "this is no tar archive");
}

#[test]
fn lies_in_extensions_are_refused_with_a_sentence() {
    let bench = Bench(scratch());
    let refuse = |stream: &[u8], because| bench.refuse(&end(stream), because);
    let (huge, size) = ("9223372036854775807".as_bytes(), "GNU.sparse.size");
    for pax in [&b"99 path=x\n"[..], b"3 path=x\n", b"path=x\n", b"8 path=x\n", b"4 =\n", b"5 x\n"]
    {
        let stream = [member("x", b'x', "", pax), member("f", b'0', "", b"")].concat();
        refuse(&stream, "extended header 'x': a record");
    }
    let large = |block: &mut [u8]| block[124..136].copy_from_slice(b"00777777777\0");
    for (kind, because) in [(b'x', "extended header"), (b'g', "global header"), (b'L', "long name")]
    {
        refuse(&member_with("x", kind, "", b"", large), because);
    }
    refuse(&member("x", b'x', "", b"9 path=x\n"), "the member that this belongs to is missing");
    refuse(&member("x", b'g', "", b"23 GNU.sparse.size=100\n"), "cannot be for all members");
    for (key, value, because) in [
        ("size", &b"-1"[..], "the value of 'size'"),
        ("size", huge, "'f': the stream ends inside it"),
        ("size", b"18446744073709551615", "'f': it cannot be"),
        ("mtime", b"soon", "the value of 'mtime'"),
        ("uid", b"4294967296", "the value of 'uid'"),
        ("path", b"a\0b", "cannot be a name"),
        ("path", &[b'/'; 65_537], "no path can be 65537 bytes long"),
        ("linkpath", &[b'/'; 65_537], "no path can be 65537 bytes long"),
        ("path", b"new\nline/..", "'new\\nline/..': '..' cannot"),
        ("SCHILY.xattr.", b"x", "the name of an extended attribute"),
        ("SCHILY.xattr.user.a", &[0; 65_537], "'user.a' has 65537 bytes"),
        ("SCHILY.acl.access", b"user::rwx", "its ACL is incomplete"),
        ("SCHILY.xattr.system.posix_acl_access", b"\x02\0\0\0\x09", "'f': its ACL"),
        (
            "SCHILY.acl.access",
            b"user:no such user:rwx",
            "'f': its ACL names the user 'no such user'",
        ),
        (size, huge, "'f': it is sparse and of"),
        (size, b"100", "tells of 0 bytes, its header of 7"),
        ("GNU.sparse.map", b"0,7", "its size is not told"),
        ("GNU.sparse.map", b"0,7,8", "the value of 'GNU.sparse.map'"),
        ("GNU.sparse.major", b"2", "format 2.0 is unknown"),
    ] {
        refuse(&extended(&[(key, value)], b"content"), because);
    }
    for map in ["90,7", "0,3,2,4", "0,8", "4,18446744073709551615"] {
        let records = [(size, &b"90"[..]), ("GNU.sparse.map", map.as_bytes())];
        refuse(&extended(&records, b"content"), "its map of holes");
    }
    for map in ["", "x\n", "1\n0\n", "1\n0\n600\n", "1\n5\n18446744073709551615\n"] {
        let records = [("GNU.sparse.major", &b"1"[..]), ("GNU.sparse.realsize", b"600")];
        let content = [map.as_bytes(), &vec![0; 512 - map.len()]].concat();
        refuse(&extended(&records, &content), "'f': its map of holes");
    }
    let old = |block: &mut [u8]| {
        block[386..398].copy_from_slice(b"00000000000\0");
        block[398..410].copy_from_slice(b"00000000007\0");
        block[482] = 1;
    };
    refuse(&[member_with("f", b'S', "", b"", old), vec![b' '; 512]].concat(), "'f': its map");
}

#[test]
fn streams_that_are_odd_but_good_are_read() {
    let dir = scratch();
    let many: Vec<(String, Vec<u8>)> =
        (0..100).map(|n| (format!("SCHILY.xattr.user.{n}"), vec![n; 65_536])).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|(key, value)| (&key[..], &value[..])).collect();
    let stream = end(&[
        member("x", b'g', "", b"20 comment=anything\n"),
        member("/abs//./f", b'0', "", b"old"),
        member("/abs/f", b'0', "", b"new"),
        member("abs/f", b'1', "/abs/f", b""),
        // Sizes where there is no content.
        member_with("d", b'5', "", b"", |block| block[124..135].fill(b'1')),
        member_with("h", b'1', "abs/f", b"", |block| block[124..135].fill(b'1')),
        extended(&many, b"with attributes"),
    ]
    .concat());
    let (path, image) = (dir.path().join("s"), dir.path().join("x.png"));
    // One block of zeros is enough.
    fs::write(&path, &stream[..stream.len() - 512]).unwrap();
    let made = mkfs(&path, &image, &[]);
    assert!(made.status.success(), "{}", text(&made));
    for name in ["abs/f", "h"] {
        assert_eq!(run(pxfs().arg("cat").arg(&image).arg(name)), b"new");
    }
    let again = run(pxfs().args(["export", "--numeric"]).arg(&image));
    for value in [10, 61, 99] {
        assert!(again.windows(65_536).any(|part| part == [value; 65_536]), "{value}");
    }
}

#[test]
fn a_cut_or_damaged_stream_never_makes_half_a_tree() {
    let bench = Bench(scratch());
    let map = [("GNU.sparse.size", &b"9000"[..]), ("GNU.sparse.map", b"0,3,8000,4")];
    let long = "n/".repeat(350) + "n";
    let stream = end(&[
        member("d", b'5', "", b""),
        extended(&map, b"content"),
        member("x", b'L', "", long.as_bytes()),
        member("f", b'0', "", &[7; 1300]),
    ]
    .concat());
    let mut random = 1u32;
    let mut next = |below: usize| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 8) as usize % below
    };
    let whole = stream.len() - 512;
    let mut places: Vec<usize> = (0..stream.len()).step_by(512).collect();
    places.extend((0..40).map(|_| next(whole)));
    for len in places {
        let (status, said) = bench.feed(&stream[..len]);
        assert_eq!(status, i32::from(len < whole), "{len}: {said}");
        assert!(len >= whole || said.contains("tar stream: "), "{len}: {said}");
    }
    let mut pipe =
        Command::new("gzip").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    pipe.stdin.take().unwrap().write_all(&stream).unwrap();
    let packed = pipe.wait_with_output().unwrap().stdout;
    for len in [1, 10, packed.len() / 2, packed.len() - 5, packed.len() - 1] {
        assert_eq!(bench.feed(&packed[..len]).0, 1, "{len}");
    }
    for _ in 0..150 {
        let mut damaged = stream.clone();
        for _ in 0..=next(3) {
            damaged[next(whole)] = [0, b'0', b'9', 0xff, next(256) as u8][next(5)];
        }
        let (status, said) = bench.feed(&damaged);
        assert!(status == 0 || (status == 1 && said.lines().count() == 1), "{said}");
    }
}
