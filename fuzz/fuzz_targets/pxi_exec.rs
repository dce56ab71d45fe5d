//! Any pixels as a program of either generation, with files of any bytes: it ends
//! in a typed stop, within its fuel and limits, and in the same state if it is
//! run in small parts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxfs::pxi::host::{Stat, Which};
use pxfs::pxi::{
    BlobError, BlobReply, BlobRequest, CallError, Files, Host, Limits, LlmError, LlmRequest,
    Machine, Pixel, Program, Raster, ScreenError, Stop,
};

const FUEL: u64 = 20_000;
const STACK: usize = 4096;

fuzz_target!(|data: &[u8]| {
    let Some((&[kind, slice], data)) = data.split_first_chunk() else { return };
    let pixels: Vec<Pixel> = data.as_chunks::<4>().0.iter().copied().map(Pixel::from).collect();
    let Ok(raster) = Raster::new(pixels.len() as u32, 1, pixels) else { return };
    let whole = run(kind, &raster, data, FUEL);
    let parts = run(kind, &raster, data, u64::from(slice).max(1));
    assert_eq!(whole, parts);
});

/// Everything that can be seen at the end.
type End = (Stop, u64, usize, Vec<u32>, Vec<u32>, Raster, Raster, String);

fn run(kind: u8, raster: &Raster, data: &[u8], slice: u64) -> End {
    let limits = Limits { stack_bytes: STACK, host_bytes: 1 << 20 };
    let machine = match kind % 3 {
        0 => Program::raw(raster.clone()).into_machine(),
        1 => Machine::new2(raster.clone(), raster.clone(), 0),
        _ => Machine::new(raster.clone(), raster.pixels().len() / 2, 0),
    };
    let mut machine = machine.with_limits(limits).with_seed(kind.into());
    let mut world = World { screen: String::new(), disk: Disk(data.to_vec()) };
    let stop = loop {
        let stop = machine.run(&mut world, slice.min(FUEL.saturating_sub(machine.steps())));
        if stop != Stop::OutOfFuel || machine.steps() >= FUEL {
            break stop;
        }
    };
    // A COPY or FILL that has begun is finished.
    assert!(machine.steps() <= FUEL + raster.pixels().len() as u64 / 16);
    assert!(machine.stack().len() * 4 <= STACK);
    (
        stop,
        machine.steps(),
        machine.pc(),
        machine.registers().to_vec(),
        machine.stack().to_vec(),
        machine.memory().clone(),
        machine.frame().clone(),
        world.screen,
    )
}

struct World {
    screen: String,
    disk: Disk,
}

/// The input is every file, too.
struct Disk(Vec<u8>);

impl Host for World {
    fn print(&mut self, c: char) -> Result<(), ScreenError> {
        if self.screen.len() >= 4096 {
            return Err(ScreenError::Full { limit: 4096 });
        }
        self.screen.push(c);
        Ok(())
    }

    fn blob(&mut self, request: &BlobRequest) -> BlobReply {
        let result = if request.id.is_multiple_of(4) {
            Err(BlobError::NotFound(request.id))
        } else {
            Ok(self.disk.0.iter().copied().take(request.max_len).collect())
        };
        BlobReply { result, cost: 100 }
    }

    fn llm(&mut self, request: &LlmRequest) -> Result<String, LlmError> {
        Ok(format!("no {}", request.prompt))
    }

    fn files(&self) -> Option<&dyn Files> {
        Some(&self.disk)
    }
}

impl Files for Disk {
    fn canonical(&self, path: &str) -> Result<String, CallError> {
        Ok(path.to_owned())
    }

    fn stat(&self, _: &str) -> Result<Stat, CallError> {
        Ok(Stat { kind: 1, size: self.0.len() as u64, ..Stat::default() })
    }

    fn resolve(&self, path: &str) -> Result<u32, CallError> {
        Ok(path.len() as u32)
    }

    fn list(&self, _: &str) -> Result<Vec<Vec<u8>>, CallError> {
        Ok(self.0.chunks(16).take(20).map(<[u8]>::to_vec).collect())
    }

    fn read(&self, _: Which<'_>, offset: u64, len: usize) -> Result<Vec<u8>, CallError> {
        let rest = self.0.get(offset as usize..).unwrap_or_default();
        Ok(rest[..rest.len().min(len)].to_vec())
    }

    /// A picture of the input, which may be a module.
    fn checked(&self, which: Which<'_>, _: u64) -> Result<(Vec<u8>, u32), CallError> {
        let skip = match which {
            Which::Path(path) => path.len() * 4,
            Which::Id(id) => (id % 1024) as usize * 4,
        };
        let bytes = self.0.get(skip..).ok_or(CallError::NotFound)?;
        let pixels: Vec<Pixel> =
            bytes.as_chunks::<4>().0.iter().copied().map(Pixel::from).collect();
        let raster = Raster::new(pixels.len() as u32, 1, pixels);
        let raster = raster.map_err(|_| CallError::BadModule)?;
        Ok((raster.to_png().map_err(|_| CallError::Io)?, skip as u32))
    }

    fn requires(&self, path: &str) -> Result<Vec<String>, CallError> {
        Ok(vec![path.to_owned()])
    }
}
