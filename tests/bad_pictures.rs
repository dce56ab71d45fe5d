//! Pictures harmed in every way: each is refused with one sentence and the
//! right exit status, or gives errors for the files concerned only. Never a
//! panic, a hang or a wrong byte; `pxfs verify` overlooks nothing.
//!
//! What is right comes from the JSON beside the test vectors.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, unused_crate_dependencies)]

#[path = "vectors/expect.rs"]
#[allow(dead_code)]
mod expect;
#[path = "bad_pictures/flipped.rs"]
mod flipped;
#[path = "bad_pictures/forge.rs"]
mod forge;
#[path = "bad_pictures/forged_files.rs"]
mod forged_files;
#[path = "bad_pictures/forged_trees.rs"]
mod forged_trees;
#[path = "bad_pictures/harmed.rs"]
mod harmed;
#[path = "bad_pictures/judge.rs"]
mod judge;
#[path = "vectors/source.rs"]
#[allow(dead_code)]
mod source;

use forge::Forge;
use judge::{Verdict, base, judge, pxfs, verify};

#[test]
fn what_is_no_picture_of_ours_is_refused_in_one_sentence() {
    let png = |width: u32, pixels: &[u8]| {
        let mut out = Vec::new();
        let mut encoder = png::Encoder::new(&mut out, width, pixels.len() as u32 / width / 4);
        encoder.set_color(png::ColorType::Rgba);
        encoder.write_header().unwrap().write_image_data(pixels).unwrap();
        out
    };
    let photo: Vec<u8> = source::noise(1, 64 * 64 * 4);
    let mut jpeg = Vec::new();
    let rgb = image::DynamicImage::from(image::RgbImage::from_pixel(40, 40, [9, 8, 7].into()));
    rgb.write_to(&mut std::io::Cursor::new(&mut jpeg), image::ImageFormat::Jpeg).unwrap();
    let cases: [(&str, Vec<u8>, &str); 8] = [
        ("empty", vec![], "not a picture"),
        ("text", b"just a text\n".to_vec(), "not a picture"),
        ("zeros", vec![0; 100_000], "not a picture"),
        ("photo", png(64, &photo), "no pxfs file system"),
        ("one pixel", png(1, &[1, 2, 3, 4]), "single pixel"),
        ("jpeg", jpeg, "JPEG is lossy"),
        ("signature only", b"\x89PNG\r\n\x1a\n".to_vec(), "cut short"),
        ("gif", b"GIF89a\x01\x00\x01\x00\x00\x00\x00;".to_vec(), "GIF"),
    ];
    for (name, bytes, words) in cases {
        let verdict = judge(name, &bytes, &serde_json::json!({}));
        assert!(verdict.refusal().contains(words), "{name}: {verdict:?}");
        let (status, out, err) = verify(&bytes, &[]);
        assert_eq!((status, out.as_str()), (8, ""), "{name}: {err}");
        assert!(err.contains(words) && err.lines().count() == 1, "{name}: {err}");
        let (status, out, _) = verify(&bytes, &["--json"]);
        let json: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!((status, &json["ok"]), (8, &false.into()), "{name}");
        assert!(json["error"].as_str().unwrap().contains(words), "{name}");
    }
}

#[test]
fn tools_tell_what_they_cannot_open() {
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().join("text.png");
    std::fs::write(&text, "no picture").unwrap();
    let missing = dir.path().join("missing.png");
    for (path, words) in [
        (text.as_path(), "not a picture"),
        (&missing, "No such file"),
        (dir.path(), "is a directory"),
    ] {
        let path = path.to_str().unwrap();
        for (tool, expected) in [("ls", 1), ("info", 1), ("tree", 1), ("verify", 8)] {
            let (status, out, err) = pxfs(&[tool, path]);
            assert_eq!((status, out.as_str()), (expected, ""), "{tool} {path}: {err}");
            assert!(err.contains(words) && err.contains(path), "{tool}: {err}");
            assert_eq!(err.lines().count(), 1, "{tool}: {err}");
        }
    }
    for wrong in [&["verify"][..], &["verify", "--unknown", "x"], &["verify", "a", "b"]] {
        assert_eq!(pxfs(wrong).0, 16, "{wrong:?}");
    }
    assert_eq!(pxfs(&["verify", "--help"]).0, 0);
}

#[test]
fn a_pinned_digest_that_does_not_match_is_refused() {
    let base = base("rgba");
    let digest = expect::hex(&Forge::of(&base.bytes).superblock.digest);
    assert_eq!(verify(&base.bytes, &["--digest", &digest]).0, 0);
    let other = digest.replace(|c: char| c.is_ascii_digit(), "0");
    let (status, _, err) = verify(&base.bytes, &["--digest", &other]);
    assert_eq!(status, 8, "{err}");
    assert!(err.contains(&digest) && err.contains("pinned"), "{err}");
    assert_eq!(verify(&base.bytes, &["--digest", "abc"]).0, 16);
}

#[test]
fn truncated_pictures_are_refused_or_miss_only_their_end() {
    for name in ["rgba", "rgb", "many", "chunks"] {
        let base = base(name);
        let mut cuts = chunk_borders(&base.bytes);
        let random = source::noise(7, 200 * 8);
        let places = random.as_chunks::<8>().0.iter();
        cuts.extend(places.map(|r| u64::from_le_bytes(*r) as usize % base.bytes.len()));
        for cut in cuts {
            let shown = format!("{name} cut at {cut}");
            match judge(&shown, &base.bytes[..cut], &base.entries) {
                Verdict::Refused(reason) => {
                    let known = ["cut short", "truncated", "not a picture", "holds no pixels"];
                    assert!(known.iter().any(|word| reason.contains(word)), "{shown}: {reason}");
                }
                Verdict::Opened(failed, report) => {
                    assert!(failed.is_empty(), "{shown}: {failed:?}");
                    assert!(!report.ok, "{shown}");
                }
            }
        }
        let cut = base.bytes.len() / 2;
        let (status, _, err) = verify(&base.bytes[..cut], &[]);
        assert_eq!((status, err.lines().count()), (8, 1), "{name}: {err}");
        let (status, out, _) = verify(&base.bytes[..base.bytes.len() - 1], &[]);
        assert_eq!(status, 4, "{name}: {out}");
        assert!(out.starts_with("error: container: "), "{name}: {out}");
    }
}

/// Where chunks start and end, the places around included.
fn chunk_borders(png: &[u8]) -> Vec<usize> {
    let mut cuts = vec![0, 7, 8];
    let mut at = 8;
    while let Some(head) = png.get(at..at + 8) {
        let len = u32::from_be_bytes(head[..4].try_into().unwrap()) as usize;
        at += 12 + len;
        cuts.extend([at - 5, at - 4, at - 1, at, at + 1, at + 8]);
    }
    cuts.retain(|cut| *cut < png.len());
    cuts
}
