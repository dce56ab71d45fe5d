//! Pictures that are cut, changed or none: the right error, never a panic.

use super::*;

#[test]
fn an_append_cut_off_anywhere_keeps_the_old_picture_and_can_be_repeated() {
    let g = geometry(256, Channels::Rgba);
    let payload = pattern(3_500_000);
    let old = 1_200_000;
    let before = written(g, &payload[..old]);
    // What reaches the file before the commit's own writes: bands, nothing else.
    let file = file_with(&before);
    let mut writer = PngWriter::append_to(file.try_clone().unwrap(), old as u64).unwrap();
    writer.write(&payload[old..]).unwrap();
    drop(writer);
    let picture = Picture::from_file(file.try_clone().unwrap(), &OpenOptions::default()).unwrap();
    assert!(picture.is_seekable() && !picture.tail_intact());
    assert_eq!(read(&picture.stream(Channels::Rgba), 0, old), payload[..old]);
    assert_eq!(
        findings(&picture),
        [Finding::HeightTooSmall { rows: picture.rows() }, Finding::Tail,]
    );
    let mut writer = PngWriter::append_to(file, old as u64).unwrap();
    writer.write(&payload[old..]).unwrap();
    assert!(bytes_of(&writer.finish().unwrap()) == written(g, &payload));
}

#[test]
fn a_small_picture_cut_anywhere_never_lies() {
    let g = geometry(64, Channels::Rgba);
    let payload = padded(g, &pattern(1000));
    let bytes = written(g, &payload);
    for cut in 0..bytes.len() {
        check_cut(g, &payload, &bytes[..cut]);
    }
}

#[test]
fn a_larger_picture_cut_at_many_places_never_lies() {
    let g = geometry(1000, Channels::Rgba);
    let payload = padded(g, &pattern(2_400_000));
    let bytes = written(g, &payload);
    let at = |position: u64| position as usize + 150;
    let edges = (0..40).map(|i| at(g.band_len()) + i * 7);
    for cut in (3000..bytes.len()).step_by(97_003).chain(edges) {
        check_cut(g, &payload, &bytes[..cut]);
    }
}

/// A cut picture opens and gives what is there, or says that it is cut.
fn check_cut(g: Geometry, payload: &[u8], bytes: &[u8]) {
    let picture = match open(bytes) {
        Ok(picture) => picture,
        Err(PictureError::NotAPicture) if bytes.len() < 8 => return,
        Err(PictureError::Truncated { have, need }) => {
            assert_eq!(have, bytes.len() as u64);
            assert!(need > have && bytes.len() < 200);
            return;
        }
        Err(e) => panic!("cut at {}: {e}", bytes.len()),
    };
    assert!(!picture.tail_intact());
    assert_ne!(findings(&picture), []);
    let stream = picture.stream(g.channels());
    let held = stream.len() as usize;
    assert!(held <= bytes.len() && held <= payload.len());
    assert!(read(&stream, 0, held) == payload[..held]);
    if held < payload.len() {
        let mut byte = [0; 2];
        let beyond = stream.read_at(held as u64 - held.min(1) as u64, &mut byte);
        assert!(matches!(beyond, Err(PictureError::Truncated { .. })));
    }
}

#[test]
fn a_file_that_shrinks_after_opening_gives_truncated() {
    let g = geometry(512, Channels::Rgba);
    let file = file_with(&written(g, &pattern(900_000)));
    let picture = Picture::from_file(file.try_clone().unwrap(), &OpenOptions::default()).unwrap();
    file.set_len(300_000).unwrap();
    let mut buf = vec![0; 100_000];
    let late = picture.stream(Channels::Rgba).read_at(250_000, &mut buf);
    assert!(matches!(late, Err(PictureError::Truncated { have: 290_000..300_000, need: 350_000 })));
}

#[test]
fn reads_beyond_every_end_are_refused() {
    let stream = open(&written(geometry(64, Channels::Rgba), b"x")).unwrap();
    let stream = stream.stream(Channels::Rgba);
    for offset in [256, 255, 1 << 50, u64::MAX] {
        let refused = stream.read_at(offset, &mut [0; 2]);
        assert!(matches!(refused, Err(PictureError::Truncated { have: 256, .. })), "{offset}");
    }
    assert!(stream.read_at(256, &mut []).is_ok());
}

#[test]
fn check_names_what_changed() {
    let g = geometry(1024, Channels::Rgba);
    let bytes = written(g, &pattern(2_500_000));
    let bands = open(&bytes).unwrap().layout().unwrap().bands_at as usize;
    let band = bands + g.band_len() as usize;
    let tail = bytes.len() - 33;
    let names = |at: usize| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x10;
        let findings = findings(&open(&bytes).unwrap());
        findings
            .iter()
            .map(|f| format!("{f:?}").split([' ', '{']).next().unwrap().to_owned())
            .collect::<Vec<_>>()
            .join(" ")
    };
    for (at, want) in [
        (50, "HeadChecksum"),
        (bands - 1, "HeadChecksum"),
        (bands + 5000, "BandChecksum Adler"),
        (band - 1, "BandChecksum"),
        (band + 2, "BandHeader"),
        (band + 5, "BandHeader"),
        (band + 9, "BandChecksum BlockHeader"),
        (band + 13 + 4097, "BandChecksum FilterByte Adler"),
        (tail + 14, "Tail"),
        (tail + 30, "Tail"),
    ] {
        assert_eq!(names(at), want, "byte {at}");
    }
    let mut adler = bytes.clone();
    adler.truncate(tail);
    adler.extend(head::build_tail(12345));
    assert!(matches!(findings(&open(&adler).unwrap())[..], [Finding::Adler { stored: 12345, .. }]));
}

#[test]
fn check_of_noise_is_bounded_and_tells_progress() {
    let g = geometry(64, Channels::Rgba);
    let mut bytes = written(g, &pattern(2_000_000));
    let start = 300;
    let noise = pattern(bytes.len() - start);
    bytes[start..].copy_from_slice(&noise);
    let picture = open(&bytes).unwrap();
    let mut last = (0, 0);
    let findings = check_container(&picture, &mut |done, total| {
        assert!(done > last.0 && done <= total);
        last = (done, total);
    })
    .unwrap();
    assert!(findings.len() <= 1001);
    assert!(matches!(findings.last(), Some(Finding::Omitted { count: 1.. })));
    assert_eq!(last.1, bytes.len() as u64);
}

#[test]
fn every_flipped_byte_of_a_head_is_survived() {
    let bytes = written(geometry(64, Channels::Rgba), &pattern(3000));
    for at in 0..200 {
        for flip in [1, 0x80, 0xFF] {
            let mut bytes = bytes.clone();
            bytes[at] ^= flip;
            if let Ok(picture) = open(&bytes) {
                let stream = picture.stream(Channels::Rgba);
                let _ = stream.read_at(0, &mut vec![0; stream.len().min(9000) as usize]);
                let _ = findings(&picture);
            }
        }
    }
}

#[test]
fn an_unfinished_picture_is_refused() {
    let file = tempfile::tempfile().unwrap();
    let mut writer =
        PngWriter::create(file.try_clone().unwrap(), geometry(64, Channels::Rgba)).unwrap();
    writer.write(&pattern(3_000_000)).unwrap();
    drop(writer);
    let refused = Picture::from_file(file, &OpenOptions::default()).unwrap_err();
    assert!(refused.to_string().contains("never finished"), "{refused}");
}

#[test]
fn what_is_no_picture_file_is_refused_without_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    for path in [dir.path(), &fifo] {
        let refused = Picture::open(path, &OpenOptions::default());
        assert!(matches!(refused, Err(PictureError::Unsupported(_))));
    }
    let missing = Picture::open(&dir.path().join("none"), &OpenOptions::default());
    assert!(matches!(missing, Err(PictureError::Io { .. })));
    assert!(matches!(open(b""), Err(PictureError::NotAPicture)));
    assert!(matches!(open(b"plain text"), Err(PictureError::NotAPicture)));
}

#[test]
fn a_height_that_reached_the_disk_before_its_rows_does_not_hide_the_old_ones() {
    let g = geometry(100, Channels::Rgba);
    let payload = pattern(500_000);
    let old = 3000;
    let file = file_with(&written(g, &payload[..old]));
    let rows = g.rows_for(payload.len() as u64).unwrap();
    patch::write_at(&file, head::IHDR_AT, &head::Ihdr::chunk(g, rows)).unwrap();
    let picture = Picture::from_file(file.try_clone().unwrap(), &OpenOptions::default()).unwrap();
    assert!(picture.is_seekable() && !picture.tail_intact());
    assert_eq!(read(&picture.stream(Channels::Rgba), 0, old), payload[..old]);
    let mut writer = PngWriter::append_to(file, old as u64).unwrap();
    writer.write(&payload[old..]).unwrap();
    assert!(bytes_of(&writer.finish().unwrap()) == written(g, &payload));
}

#[test]
fn a_picture_without_its_end_is_not_patched() {
    let g = geometry(100, Channels::Rgba);
    let bytes = written(g, &pattern(5000));
    let file = file_with(&bytes[..bytes.len() - 1]);
    let layout = Layout::read(&file, 0).unwrap().unwrap();
    let refused = patch_in_place(&file, &layout, 0, b"new");
    assert!(matches!(refused, Err(PictureError::Damaged(_))));
    assert!(bytes_of(&file) == bytes[..bytes.len() - 1]);
    let file = file_with(&bytes);
    let beyond = patch_in_place(&file, &layout, layout.payload_len() - 2, b"new");
    assert!(matches!(beyond, Err(PictureError::Truncated { .. })));
    patch_in_place(&file, &layout, 7, b"").unwrap();
    assert!(bytes_of(&file) == bytes);
}

#[test]
fn patching_a_damaged_band_does_not_hide_the_damage() {
    let g = geometry(100, Channels::Rgba);
    let mut bytes = written(g, &pattern(50_000));
    let at = bytes.len() - 5000;
    bytes[at] ^= 4;
    let file = file_with(&bytes);
    let layout = Layout::read(&file, 0).unwrap().unwrap();
    patch_in_place(&file, &layout, 0, b"superblock").unwrap();
    let picture = Picture::from_file(file, &OpenOptions::default()).unwrap();
    let found = findings(&picture);
    assert!(
        matches!(found[..], [Finding::BandChecksum { .. }, Finding::Adler { .. }]),
        "{found:?}"
    );
}
