//! Any bytes as what single pixels lead to: registries of god pixels and of
//! projects, their payloads, META pictures, 1x1 PNGs. Answers or typed errors.
#![no_main]

use std::io::{self, Read as _};
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use pxfs::builder::{Raster, extract_meta};
use pxfs::legacy::god::{GOD_REGISTRY, read_gods};
use pxfs::legacy::pixel_png::{parse_pixel, pixel_png};
use pxfs::legacy::project::{PROJECT_REGISTRY, find_project};
use pxfs::legacy::root::{Origin, ReadAt, RootFiles};

/// A registry, and the payload that it names.
#[derive(Debug)]
struct Files {
    registry: Arc<Bytes>,
    payload: Arc<Bytes>,
}

#[derive(Debug)]
struct Bytes(Vec<u8>);

impl ReadAt for Bytes {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|at| self.0.get(at..)).unwrap_or_default();
        let len = rest.len().min(buf.len());
        buf[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }
}

impl RootFiles for Files {
    fn open(&self, path: &str) -> io::Result<Arc<dyn ReadAt>> {
        let file = match path {
            GOD_REGISTRY | PROJECT_REGISTRY => &self.registry,
            _ => &self.payload,
        };
        Ok(Arc::clone(file) as Arc<dyn ReadAt>)
    }

    fn origin(&self, _path: &str) -> io::Result<Origin> {
        Ok(Origin::default())
    }
}

fuzz_target!(|data: &[u8]| {
    if let Ok(id) = parse_pixel(data) {
        assert_eq!(parse_pixel(&pixel_png(id).unwrap()), Ok(id));
    }
    // Sides that are whole: the raster of a real picture always is.
    for width in [8, 32] {
        let rows = data.len() / (4 * width);
        let rgba = data[..rows * 4 * width].to_vec();
        if let Ok(Some(inner)) = extract_meta(&Raster { size: (width as u32, rows as u32), rgba }) {
            assert_eq!(
                inner.rgba.len() as u64,
                4 * u64::from(inner.size.0) * u64::from(inner.size.1)
            );
        }
    }
    let mut parts = data.splitn(2, |&byte| byte == 0).map(|part| Arc::new(Bytes(part.to_vec())));
    let mut part = || parts.next().unwrap_or_else(|| Arc::new(Bytes(Vec::new())));
    let files = Files { registry: part(), payload: part() };
    if let Ok((gods, _)) = read_gods(&files) {
        for god in gods.iter().filter(|god| god.raw_len() <= 1 << 20) {
            let mut raw = Vec::new();
            if god.inflate(&files, &mut raw).is_ok() {
                assert_eq!(raw.len() as u64, god.raw_len());
            }
        }
    }
    for id in [0x89D7_898B, 0, u32::MAX] {
        if let Ok(project) = find_project(&files, id)
            && let Ok(archive) = project.archive(&files, 1 << 20)
        {
            let _ = archive.take(1 << 21).read_to_end(&mut Vec::new());
        }
    }
});
