//! The same pixels in other containers, other channels, other places.

use std::io::Cursor;

use image::{ExtendedColorType, ImageEncoder};

use super::*;

#[test]
fn a_picture_inside_a_larger_file_is_found_by_its_offset() {
    let g = geometry(128, Channels::Rgba);
    let payload = padded(g, &pattern(200_000));
    for inner in [written(g, &payload), encode_png(&payload, 128, png::Filter::Paeth)] {
        let bytes = [vec![7; 5001], inner, vec![9; 100]].concat();
        let options = OpenOptions { offset: 5001, ..OpenOptions::default() };
        let picture = Picture::from_file(file_with(&bytes), &options).unwrap();
        let read = read(&picture.stream(Channels::Rgba), 0, payload.len());
        assert!(read == payload);
        assert_eq!(findings(&picture), []);
        if let Some(layout) = picture.layout() {
            let file = file_with(&bytes);
            patch_in_place(&file, layout, 70_000, &[1; 900]).unwrap();
            let patched = Picture::from_file(file, &options).unwrap();
            assert_eq!(findings(&patched), []);
        }
    }
    for offset in [5000, 1 << 40, u64::MAX] {
        let options = OpenOptions { offset, ..OpenOptions::default() };
        assert!(Picture::from_file(file_with(&[0; 6000]), &options).is_err());
    }
}

#[test]
fn a_recompressed_png_holds_the_same_stream() {
    let payload = pattern(100 * 64 * 4);
    for filter in [png::Filter::NoFilter, png::Filter::Sub, png::Filter::Adaptive] {
        let bytes = encode_png(&payload, 100, filter);
        let picture = open(&bytes).unwrap();
        assert_eq!(picture.container(), Container::Png);
        assert!(read(&picture.stream(Channels::Rgba), 0, payload.len()) == payload);
        // Cut in its data, it is refused, not half read.
        assert!(open(&bytes[..bytes.len() * 2 / 3]).is_err());
    }
}

#[test]
fn fewer_channels_and_palettes_decode_by_the_rules_of_png() {
    let png = |colour, depth, data: &[u8], palette: Option<Vec<u8>>| {
        let mut out = Vec::new();
        let mut encoder = png::Encoder::new(&mut out, 2, 1);
        encoder.set_color(colour);
        encoder.set_depth(depth);
        palette.into_iter().for_each(|palette| encoder.set_palette(palette));
        encoder.write_header().unwrap().write_image_data(data).unwrap();
        out
    };
    use png::{BitDepth::*, ColorType::*};
    for (bytes, want) in [
        (png(Rgb, Eight, &[1, 2, 3, 4, 5, 6], None), [1, 2, 3, 255, 4, 5, 6, 255]),
        (png(Grayscale, One, &[0b0100_0000], None), [0, 0, 0, 255, 255, 255, 255, 255]),
        (png(GrayscaleAlpha, Eight, &[9, 8, 7, 6], None), [9, 9, 9, 8, 7, 7, 7, 6]),
        (png(Indexed, Eight, &[1, 0], Some(vec![1, 2, 3, 4, 5, 6])), [4, 5, 6, 255, 1, 2, 3, 255]),
    ] {
        assert_eq!(read(&open(&bytes).unwrap().stream(Channels::Rgba), 0, 8), want);
    }
    let wide = open(&png(Rgba, Sixteen, &[0; 16], None));
    assert!(matches!(wide, Err(PictureError::Unsupported(reason)) if reason.contains("8 bits")));
}

#[test]
fn other_lossless_containers_hold_the_same_stream() {
    let (width, rows) = (120, 70);
    let payload = pattern(width as usize * rows as usize * 4);
    let encode = |container| {
        let mut out = Cursor::new(Vec::new());
        let colour = ExtendedColorType::Rgba8;
        match container {
            Container::WebP => image::codecs::webp::WebPEncoder::new_lossless(&mut out)
                .write_image(&payload, width, rows, colour),
            Container::Qoi => image::codecs::qoi::QoiEncoder::new(&mut out)
                .write_image(&payload, width, rows, colour),
            Container::Tiff => image::codecs::tiff::TiffEncoder::new(&mut out)
                .write_image(&payload, width, rows, colour),
            Container::Bmp => image::codecs::bmp::BmpEncoder::new(&mut out)
                .write_image(&payload, width, rows, colour),
            _ => image::codecs::pnm::PnmEncoder::new(&mut out)
                .with_subtype(image::codecs::pnm::PnmSubtype::ArbitraryMap)
                .write_image(&payload, width, rows, colour),
        }
        .unwrap();
        out.into_inner()
    };
    use Container::*;
    for container in [WebP, Qoi, Tiff, Bmp, Pnm] {
        let bytes = encode(container);
        let picture = open(&bytes).unwrap();
        assert_eq!(
            (picture.container(), picture.width(), picture.rows()),
            (container, width, rows)
        );
        assert!(read(&picture.stream(Channels::Rgba), 0, payload.len()) == payload, "{container}");
        let options = OpenOptions { mem: 20_000, ..OpenOptions::default() };
        let refused = Picture::from_file(file_with(&bytes), &options).unwrap_err();
        assert!(refused.to_string().contains("-o mem="), "{container}: {refused}");
        for cut in (0..bytes.len()).step_by(1 + bytes.len() / 50) {
            // Whatever a decoder makes of half a picture, it must not panic.
            let _ = open(&bytes[..cut]);
        }
    }
}

#[test]
fn a_png_larger_than_the_budget_is_spilled() {
    let options = OpenOptions { mem: 400_000, ..OpenOptions::default() };
    let open = |payload: &[u8]| {
        let bytes = encode_png(payload, 300, png::Filter::Up);
        Picture::from_file(file_with(&bytes), &options).unwrap().stream(Channels::Rgba)
    };
    let mut payload = pattern(300 * 400 * 4);
    // A photograph is not: it is no file system, whatever comes after.
    assert!(open(&payload).len() < 20_000);
    for slot in [0, 8192] {
        payload[slot..slot + 4].copy_from_slice(b"PXFS");
        assert!(read(&open(&payload), 0, payload.len()) == payload);
        payload[slot] = 0;
    }
}

#[test]
fn rgba_is_seen_as_rgb_and_rgb_as_rgba() {
    let payload = padded(geometry(200, Channels::Rgba), &pattern(200_000));
    let picture = open(&written(geometry(200, Channels::Rgba), &payload)).unwrap();
    let rgb: Vec<u8> = payload.chunks(4).flat_map(|p| [p[0], p[1], p[2]]).collect();
    let stream = picture.stream(Channels::Rgb);
    assert_eq!(stream.len(), rgb.len() as u64);
    for (at, len) in [(0, rgb.len()), (1, 5), (2, 1), (100, 99_999)] {
        assert!(read(&stream, at as u64, len) == rgb[at..at + len]);
    }

    let picture = open(&written(geometry(200, Channels::Rgb), &rgb)).unwrap();
    assert_eq!(picture.layout().unwrap().geometry().channels(), Channels::Rgb);
    let opaque: Vec<u8> = rgb.chunks(3).flat_map(|p| [p[0], p[1], p[2], 255]).collect();
    let stream = picture.stream(Channels::Rgba);
    for (at, len) in [(0, opaque.len()), (3, 6), (99_999, 99_999)] {
        assert!(read(&stream, at as u64, len) == opaque[at..at + len]);
    }
}

#[test]
fn an_interlaced_png_is_decoded_within_the_budget_or_refused() {
    // Two by two pixels in Adam7: pass 1 holds the first, pass 6 its right
    // neighbour, pass 7 the second row; the deflate stream is one stored block.
    let passes = [&[0][..], &[1; 4], &[0], &[2; 4], &[0], &[3; 4], &[4; 4]].concat();
    let mut zlib = vec![0x78, 1, 1, passes.len() as u8, 0, !(passes.len() as u8), 0xFF];
    zlib.extend(&passes);
    zlib.extend(simd_adler32::adler32(&&passes[..]).to_be_bytes());
    let bytes = [
        head::SIGNATURE.to_vec(),
        head::chunk(b"IHDR", &[0, 0, 0, 2, 0, 0, 0, 2, 8, 6, 0, 0, 1]),
        head::chunk(b"IDAT", &zlib),
        head::chunk(b"IEND", &[]),
    ]
    .concat();
    let picture = open(&bytes).unwrap();
    assert_eq!(picture.container(), Container::Png);
    let want = [[1; 4], [2; 4], [3; 4], [4; 4]].concat();
    assert_eq!(read(&picture.stream(Channels::Rgba), 0, 16), want);
    let options = OpenOptions { mem: 15, ..OpenOptions::default() };
    let refused = Picture::from_file(file_with(&bytes), &options);
    assert!(matches!(refused, Err(PictureError::TooLarge { .. })));
}
