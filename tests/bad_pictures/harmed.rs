//! Pixels that a program changed: the sentence says what happened.

use std::io::Cursor;

use image::{ImageFormat, RgbImage, RgbaImage, imageops};

use super::judge::{Verdict, base, judge, verify};

/// Saves as any program would: no comment, filters, compression.
fn saved(pixels: RgbaImage) -> Vec<u8> {
    let mut out = Vec::new();
    pixels.write_to(&mut Cursor::new(&mut out), ImageFormat::Png).unwrap();
    out
}

fn decoded(bytes: &[u8]) -> RgbaImage {
    image::load_from_memory(bytes).unwrap().to_rgba8()
}

fn each_pixel(mut pixels: RgbaImage, change: impl Fn([u8; 4]) -> [u8; 4]) -> RgbaImage {
    pixels.pixels_mut().for_each(|pixel| pixel.0 = change(pixel.0));
    pixels
}

fn premultiplied([r, g, b, a]: [u8; 4]) -> [u8; 4] {
    let times = |c: u8| ((u32::from(c) * u32::from(a) + 127) / 255) as u8;
    [times(r), times(g), times(b), a]
}

fn noisy([r, g, b, a]: [u8; 4]) -> [u8; 4] {
    let near = |c: u8| c.saturating_add(c % 7).max(3);
    [near(r), near(g), near(b), a]
}

#[test]
fn a_picture_saved_again_without_loss_is_the_same_file_system() {
    for name in ["rgba", "rgb", "kinds", "chunks"] {
        let base = base(name);
        let pixels = decoded(&base.bytes);
        let mut formats = vec![ImageFormat::Png, ImageFormat::WebP, ImageFormat::Qoi];
        formats.extend([ImageFormat::Tiff, ImageFormat::Pnm]);
        for format in formats {
            let mut out = Vec::new();
            pixels.write_to(&mut Cursor::new(&mut out), format).unwrap();
            let verdict = judge(&format!("{name} as {format:?}"), &out, &base.entries);
            assert!(verdict.is_clean(), "{name} as {format:?}: {verdict:?}");
        }
    }
}

#[test]
fn the_sentence_says_what_was_done_to_the_pixels() {
    let resized = |factor: f64| {
        move |pixels: RgbaImage| {
            let size = |n: u32| (f64::from(n) * factor) as u32;
            let (width, height) = (size(pixels.width()), size(pixels.height()));
            imageops::resize(&pixels, width, height, imageops::FilterType::Triangle)
        }
    };
    type Change = Box<dyn Fn(RgbaImage) -> RgbaImage>;
    let crop = |x, y, less_w, less_h| {
        move |p: RgbaImage| {
            let (w, h) = (p.width() - x - less_w, p.height() - y - less_h);
            imageops::crop_imm(&p, x, y, w, h).to_image()
        }
    };
    let cases: Vec<(&str, Change, &str)> = vec![
        (
            "transparent pixels blackened",
            Box::new(|p| each_pixel(p, |p| if p[3] == 0 { [0; 4] } else { p })),
            "erased the colours of its transparent pixels",
        ),
        ("premultiplied", Box::new(|p| each_pixel(p, premultiplied)), "multiplied by alpha"),
        (
            "alpha removed",
            Box::new(|p| each_pixel(p, |[r, g, b, _]| [r, g, b, 255])),
            "transparency was removed",
        ),
        ("lossy", Box::new(|p| each_pixel(p, noisy)), "colours were changed"),
        (
            "channels swapped",
            Box::new(|p| each_pixel(p, |[r, g, b, a]| [b, g, r, a])),
            "another order",
        ),
        ("half the size", Box::new(resized(0.5)), "no pxfs file system"),
        ("twice the size", Box::new(resized(2.0)), "resized"),
        ("columns cut off", Box::new(crop(0, 0, 9, 0)), "cropped or resized"),
        ("rows cut off", Box::new(crop(0, 0, 0, 3)), "truncated"),
        ("top rows cut off", Box::new(crop(0, 1, 0, 0)), "no pxfs file system"),
        ("all black", Box::new(|p| each_pixel(p, |_| [0; 4])), "no pxfs file system"),
    ];
    for name in ["rgba", "kinds", "many", "chunks"] {
        let base = base(name);
        for (harm, change, words) in &cases {
            let harmed = saved(change(decoded(&base.bytes)));
            let verdict = judge(&format!("{name} {harm}"), &harmed, &base.entries);
            println!("{name} {harm}: {verdict:?}");
            assert!(verdict.refusal().contains(words), "{name} {harm}: {verdict:?}");
            let (status, _, err) = verify(&harmed, &[]);
            assert!(status == 8 && err.contains(words), "{name} {harm}: {status} {err}");
        }
    }
}

#[test]
fn opaque_pictures_survive_without_alpha_and_tell_of_the_rest() {
    let base = base("rgb");
    let pixels = decoded(&base.bytes);
    let rgb = RgbImage::from_fn(pixels.width(), pixels.height(), |x, y| {
        let [r, g, b, _] = pixels.get_pixel(x, y).0;
        [r, g, b].into()
    });
    let mut without_alpha = Vec::new();
    rgb.write_to(&mut Cursor::new(&mut without_alpha), ImageFormat::Bmp).unwrap();
    assert!(judge("rgb as BMP", &without_alpha, &base.entries).is_clean());
    for (harm, change, words) in [
        ("swapped", (|[r, g, b, a]| [b, g, r, a]) as fn([u8; 4]) -> [u8; 4], "another order"),
        ("lossy", noisy, "colours were changed"),
    ] {
        let harmed = saved(each_pixel(pixels.clone(), change));
        let verdict = judge(harm, &harmed, &base.entries);
        assert!(verdict.refusal().contains(words), "{harm}: {verdict:?}");
    }
}

/// Harm to single pixels, far from the superblock, is damage like any other.
#[test]
fn a_retouched_corner_costs_what_lies_there() {
    for name in ["kinds", "many"] {
        let base = base(name);
        let mut pixels = decoded(&base.bytes);
        let (width, height) = pixels.dimensions();
        for y in height * 3 / 4..height * 3 / 4 + 2 {
            for x in width / 2..width / 2 + 5 {
                pixels.put_pixel(x, y, [200, 10, 10, 255].into());
            }
        }
        let verdict = judge(name, &saved(pixels), &base.entries);
        let Verdict::Opened(_, report) = &verdict else { panic!("{verdict:?}") };
        assert!(!report.ok);
    }
}
