//! What the writer, the patch and the append leave in the file.

use proptest::prelude::*;

use super::*;

#[test]
fn the_reference_decoder_sees_the_payload_as_pixels() {
    for (width, channels, len) in [
        (64, Channels::Rgba, 0),
        (64, Channels::Rgba, 1),
        (64, Channels::Rgb, 64 * 3 * 7),
        (1024, Channels::Rgba, 2_500_000),
        (16383, Channels::Rgba, 1_500_000),
        (21844, Channels::Rgb, 1_200_001),
        (1024, Channels::Rgba, 1024 * 4 * 255 * 2),
    ] {
        let g = geometry(width, channels);
        let payload = pattern(len);
        let bytes = written(g, &payload);
        assert_eq!(reference_decode(&bytes), padded(g, &payload), "{width} {channels:?} {len}");
        let picture = open(&bytes).unwrap();
        assert_eq!(picture.container(), Container::SeekablePng);
        assert!(picture.tail_intact());
        assert_eq!(findings(&picture), []);
        let stream = picture.stream(channels);
        assert_eq!(read(&stream, 0, stream.len() as usize), padded(g, &payload));
    }
}

#[test]
fn the_comment_says_how_wide_the_picture_was() {
    let picture = open(&written(geometry(333, Channels::Rgba), b"x")).unwrap();
    assert!(picture.comment().unwrap().contains("333 pixels wide"));
    assert_eq!((picture.width(), picture.rows()), (333, 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn writes_patches_and_appends_equal_one_go(
        width in prop_oneof![64u32..200, 900u32..1100, 15000u32..16384],
        rgb in any::<bool>(),
        len in prop_oneof![0usize..5000, 900_000usize..2_600_000],
        cuts in proptest::collection::vec(0.0f64..1.0, 0..4),
        patches in proptest::collection::vec((0.0f64..1.0, 1usize..70_000), 0..4),
    ) {
        let g = geometry(width, if rgb { Channels::Rgb } else { Channels::Rgba });
        let payload = pattern(len);
        let whole = written(g, &payload);
        let mut cuts: Vec<usize> = cuts.iter().map(|c| (c * len as f64) as usize).collect();
        cuts.sort_unstable();

        // Zeros first where patches will go, then reopened at every cut.
        let mut draft = payload.clone();
        let ranges: Vec<_> = patches.iter().map(|(at, n)| {
            let at = (at * len as f64) as usize;
            at..(at + n).min(len)
        }).collect();
        ranges.iter().for_each(|range| draft[range.clone()].fill(0));
        let mut writer = PngWriter::create(tempfile::tempfile().unwrap(), g).unwrap();
        let mut at = 0;
        for cut in cuts {
            writer.write(&draft[at..cut]).unwrap();
            at = cut;
            let file = writer.finish().unwrap();
            prop_assert_eq!(&bytes_of(&file), &written(g, &draft[..cut]));
            writer = PngWriter::append_to(file, cut as u64).unwrap();
            prop_assert_eq!(writer.position(), cut as u64);
        }
        writer.write(&draft[at..]).unwrap();
        let (early, late) = ranges.split_at(ranges.len() / 2);
        for range in early {
            writer.patch(range.start as u64, &payload[range.clone()]).unwrap();
        }
        let file = writer.finish().unwrap();
        let layout = Layout::read(&file, 0).unwrap().unwrap();
        for range in late {
            patch_in_place(&file, &layout, range.start as u64, &payload[range.clone()]).unwrap();
        }
        prop_assert!(bytes_of(&file) == whole);
    }

    #[test]
    fn any_range_reads_as_written(
        width in 64u32..1500, at in 0.0f64..1.0, len in 0usize..600_000,
    ) {
        let g = geometry(width, Channels::Rgba);
        let payload = padded(g, &pattern(1_300_000));
        let picture = open(&written(g, &payload)).unwrap();
        let at = (at * payload.len() as f64) as usize;
        let end = (at + len).min(payload.len());
        let read = read(&picture.stream(Channels::Rgba), at as u64, end - at);
        prop_assert!(read == payload[at..end]);
    }
}

#[test]
fn patch_reaches_bands_in_the_file_and_in_the_buffer_at_once() {
    let g = geometry(1024, Channels::Rgba);
    let payload = pattern(g.band_payload() as usize * 2 + 100_000);
    let from = g.band_payload() as usize - 5000;
    let mut draft = payload.clone();
    draft[from..payload.len() - 9].fill(0x5A);
    let mut writer = PngWriter::create(tempfile::tempfile().unwrap(), g).unwrap();
    writer.write(&draft).unwrap();
    writer.patch(from as u64, &payload[from..payload.len() - 9]).unwrap();
    let beyond = writer.patch(payload.len() as u64 - 1, &[0; 2]);
    assert!(matches!(beyond, Err(PictureError::Truncated { .. })));
    assert!(bytes_of(&writer.finish().unwrap()) == written(g, &payload));
}

#[test]
fn commit_leaves_a_picture_and_goes_on() {
    let g = geometry(700, Channels::Rgba);
    let payload = pattern(2_300_000);
    let mut writer = PngWriter::create(tempfile::tempfile().unwrap(), g).unwrap();
    for (n, part) in payload.chunks(333_333).enumerate() {
        writer.write(part).unwrap();
        writer.commit().unwrap();
        let so_far = (n * 333_333 + part.len()) as u64;
        assert_eq!(writer.layout().rows(), g.rows_for(so_far).unwrap());
    }
    writer.patch(1_999_990, &payload[1_999_990..2_000_010]).unwrap();
    assert!(bytes_of(&writer.finish().unwrap()) == written(g, &payload));
}

#[test]
fn appending_at_an_earlier_length_drops_what_followed() {
    let g = geometry(300, Channels::Rgb);
    let payload = pattern(3_000_000);
    for keep in [0, 1, 899, 900, 1_046_700, 2_999_999] {
        let file = file_with(&written(g, &payload));
        let mut writer = PngWriter::append_to(file, keep as u64).unwrap();
        writer.write(b"new").unwrap();
        let want = [&payload[..keep], b"new"].concat();
        assert!(bytes_of(&writer.finish().unwrap()) == written(g, &want), "{keep}");
    }
}

#[test]
fn foreign_bytes_after_the_end_are_read_around_but_not_overwritten() {
    let g = geometry(64, Channels::Rgba);
    let bytes = [written(g, b"payload"), b"a trailer".to_vec()].concat();
    let picture = open(&bytes).unwrap();
    assert!(picture.tail_intact());
    assert_eq!(findings(&picture), []);
    let refused = PngWriter::append_to(file_with(&bytes), 7).map(|_| ());
    assert!(matches!(refused, Err(PictureError::Unsupported(_))));
}
