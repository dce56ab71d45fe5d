//! The layer as its users see it: what one part writes, the others and the
//! reference decoders read.

use std::fs::File;
use std::io::{Cursor, Read, Seek, Write};

use super::*;

mod containers;
mod damage;
mod write;

/// Payload with no period that a row or block could share.
fn pattern(len: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

fn geometry(width: u32, channels: Channels) -> Geometry {
    Geometry::new(width, channels).unwrap()
}

fn file_with(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn bytes_of(file: &File) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut file = file;
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

/// A picture written in one go.
fn written(geometry: Geometry, payload: &[u8]) -> Vec<u8> {
    let mut writer = PngWriter::create(tempfile::tempfile().unwrap(), geometry).unwrap();
    writer.write(payload).unwrap();
    bytes_of(&writer.finish().unwrap())
}

fn open(bytes: &[u8]) -> Result<Picture> {
    Picture::from_file(file_with(bytes), &OpenOptions::default())
}

fn read(stream: &PixelStream, offset: u64, len: usize) -> Vec<u8> {
    let mut buf = vec![0; len];
    stream.read_at(offset, &mut buf).unwrap();
    buf
}

fn findings(picture: &Picture) -> Vec<Finding> {
    check_container(picture, &mut |_, _| {}).unwrap()
}

/// Payload padded with zeros to whole rows.
fn padded(geometry: Geometry, payload: &[u8]) -> Vec<u8> {
    let rows = geometry.rows_for(payload.len() as u64).unwrap();
    let mut payload = payload.to_vec();
    payload.resize(geometry.payload_len(rows) as usize, 0);
    payload
}

/// What the reference decoder says the pixels are; it verifies all checksums.
fn reference_decode(bytes: &[u8]) -> Vec<u8> {
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.ignore_checksums(false);
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    reader.finish().unwrap();
    pixels
}

fn encode_png(rgba: &[u8], width: u32, filter: png::Filter) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width, rgba.len() as u32 / 4 / width);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_filter(filter);
    encoder.write_header().unwrap().write_image_data(rgba).unwrap();
    out
}
