//! `desktop.png`: a labelled tile for each file, in the colour of its pixel.

use font8x8::{BASIC_FONTS, UnicodeFonts};

use super::walk::{Step, walk};
use crate::fs::{FileKind, FsError, PixelTree, ROOT_INO, Result};

/// Tiles that are drawn: a picture that a person can look at.
const MAX_TILES: usize = 1024;

const TILE_WIDTH: usize = 112;
const TILE_HEIGHT: usize = 72;
const COLOUR_HEIGHT: usize = 44;
const GLYPH: usize = 8;
const LABEL_CHARS: usize = (TILE_WIDTH - 8) / GLYPH;

const BACKGROUND: [u8; 3] = [24, 26, 32];
const TEXT: [u8; 3] = [222, 226, 232];
const DIM: [u8; 3] = [140, 146, 158];

struct Tile {
    name: String,
    kind: &'static str,
    colour: [u8; 4],
}

/// The picture as a PNG: a near-square of tiles in path order.
pub(super) fn draw_desktop(tree: &dyn PixelTree) -> Result<Vec<u8>> {
    let tiles = collect_tiles(tree)?;
    let columns = ((tiles.len() as f64).sqrt().ceil() as usize).max(3);
    let rows = tiles.len().div_ceil(columns).max(1);
    let mut canvas = Canvas::new(columns * TILE_WIDTH, rows * TILE_HEIGHT);
    for (index, tile) in tiles.iter().enumerate() {
        let (x, y) = (index % columns * TILE_WIDTH, index / columns * TILE_HEIGHT);
        draw_tile(&mut canvas, x, y, tile);
    }
    canvas.encode().map_err(|error| FsError::Io(std::io::Error::other(error)))
}

fn collect_tiles(tree: &dyn PixelTree) -> Result<Vec<Tile>> {
    let mut tiles = Vec::new();
    walk(tree, ROOT_INO, &mut |step| {
        let Step::Entry(path, attr) = step else { return Ok(false) };
        if attr.kind == FileKind::Regular
            && tiles.len() < MAX_TILES
            && let Ok(pixel) = tree.pixel(attr.ino)
        {
            let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
            let name = String::from_utf8_lossy(name).into_owned();
            let kind = tree.pixel_type(attr.ino)?.name();
            tiles.push(Tile { name, kind, colour: pixel.id });
        }
        Ok(tiles.len() < MAX_TILES)
    })?;
    Ok(tiles)
}

fn draw_tile(canvas: &mut Canvas, x: usize, y: usize, tile: &Tile) {
    let [red, green, blue, _] = tile.colour;
    let width = TILE_WIDTH - 8;
    canvas.fill(x + 4, y + 4, width, COLOUR_HEIGHT, [red, green, blue]);
    canvas.text(x + 4, y + COLOUR_HEIGHT + 8, &shortened(&tile.name), TEXT);
    canvas.text(x + 4, y + COLOUR_HEIGHT + 18, tile.kind, DIM);
}

/// What fits under a tile, with the end of the name kept: it tells the type.
fn shortened(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    if chars.len() <= LABEL_CHARS {
        return name.to_owned();
    }
    let tail = &chars[chars.len() - 4..];
    let head = &chars[..LABEL_CHARS - 5];
    head.iter().chain(&['~']).chain(tail).collect()
}

struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Canvas {
    fn new(width: usize, height: usize) -> Self {
        Self { width, height, pixels: BACKGROUND.repeat(width * height) }
    }

    fn fill(&mut self, x: usize, y: usize, width: usize, height: usize, colour: [u8; 3]) {
        for row in y..y + height {
            let start = (row * self.width + x) * 3;
            for pixel in self.pixels[start..start + width * 3].as_chunks_mut::<3>().0 {
                *pixel = colour;
            }
        }
    }

    fn text(&mut self, x: usize, y: usize, text: &str, colour: [u8; 3]) {
        for (index, c) in text.chars().enumerate() {
            let glyph = BASIC_FONTS.get(c).or_else(|| BASIC_FONTS.get('?')).unwrap_or_default();
            for (row, bits) in glyph.into_iter().enumerate() {
                for column in (0..GLYPH).filter(|column| bits >> column & 1 == 1) {
                    self.fill(x + index * GLYPH + column, y + row, 1, 1, colour);
                }
            }
        }
    }

    fn encode(&self) -> Result<Vec<u8>, png::EncodingError> {
        let mut out = Vec::new();
        let mut encoder = png::Encoder::new(&mut out, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.write_header()?.write_image_data(&self.pixels)?;
        Ok(out)
    }
}
