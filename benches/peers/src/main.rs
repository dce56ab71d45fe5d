//! Runs the same programs on the PXI machine, in wasmi and in Lua, taking turns,
//! and prints the medians. `scripts/bench-pxi` is the way to call it.

use std::error::Error;
use std::process::Command;
use std::time::Duration;

use pxfs::pxi::asm::{Options, assemble};
use pxfs::pxi::host::Sealed;
use pxfs::pxi::{Machine, Pixel, Program, Raster, Stop, isa};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A program in three languages, and what it is given.
struct Bench {
    name: &'static str,
    /// Whether PXI must be the fastest.
    goal: bool,
    argument: u32,
    expected: u32,
    pxs: &'static str,
    wat: &'static str,
    lua: &'static str,
}

macro_rules! bench {
    ($name:literal, $goal:literal, $argument:literal, $expected:literal) => {
        Bench {
            name: $name,
            goal: $goal,
            argument: $argument,
            expected: $expected,
            pxs: include_str!(concat!("../programs/", $name, ".pxs")),
            wat: include_str!(concat!("../programs/", $name, ".wat")),
            lua: concat!(env!("CARGO_MANIFEST_DIR"), "/programs/", $name, ".lua"),
        }
    };
}

const BENCHES: &[Bench] = &[
    bench!("loop", true, 10_000_000, 2280707264),
    bench!("nested", true, 3000, 3846100704),
    bench!("fib", true, 27, 196418),
    bench!("copy_loop", true, 1000, 70000),
    bench!("copy_block", true, 1000, 70000),
    bench!("sieve", true, 200, 1229),
    bench!("sort", false, 2000, 4149189026),
    bench!("crc", false, 300, 3672812492),
];

/// Seconds of each language, round by round.
#[derive(Default)]
struct Times {
    pxi: Vec<f64>,
    wasmi: Vec<f64>,
    lua: Vec<f64>,
}

fn main() -> Result<()> {
    let mut json = false;
    let mut rounds = 7;
    let mut only = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--json" => json = true,
            "--rounds" => rounds = arguments.next().ok_or("--rounds N")?.parse()?,
            name => only = Some(name.to_owned()),
        }
    }
    let chosen = BENCHES.iter().filter(|bench| only.as_deref().is_none_or(|n| n == bench.name));
    let rows =
        chosen.map(|bench| Ok((bench, measure(bench, rounds)?))).collect::<Result<Vec<_>>>()?;
    let rates = [("PXI-1", rate(rounds, pxi1_loop)?), ("PXI-2", rate(rounds, pxi2_loop)?)];
    if json {
        print_json(&rows, &rates)
    } else {
        print_table(&rows, &rates)
    }
    let behind = rows.iter().any(|(bench, [pxi, wasmi, lua])| bench.goal && *pxi > wasmi.min(*lua));
    if behind { Err("PXI is not ahead everywhere".into()) } else { Ok(()) }
}

/// The medians of PXI, wasmi and Lua.
fn measure(bench: &Bench, rounds: usize) -> Result<[f64; 3]> {
    let mut times = Times::default();
    for _ in 0..rounds.max(1) {
        times.pxi.push(run_pxi(bench)?);
        times.wasmi.push(run_wasmi(bench)?);
        times.lua.push(run_lua(bench)?);
    }
    Ok([times.pxi, times.wasmi, times.lua].map(median))
}

/// Processor time: on a busy machine the clock on the wall says nothing.
fn cpu_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn check(bench: &Bench, who: &str, found: u32) -> Result<()> {
    if found == bench.expected {
        return Ok(());
    }
    Err(format!("{}: {who} gives {found}, expected {}", bench.name, bench.expected).into())
}

fn assembled(source: &str) -> Result<Machine> {
    let assembly = assemble(source, Options::default());
    let raster = assembly.map_err(|errors| format!("{errors:?}"))?.raster;
    Ok(Program::parse(raster)?.into_machine())
}

fn run_pxi(bench: &Bench) -> Result<f64> {
    let mut machine = assembled(bench.pxs)?;
    machine.registers_mut()[0] = bench.argument;
    let begun = cpu_time();
    let stop = machine.run(&mut Sealed::new(0), u64::MAX);
    let seconds = (cpu_time() - begun).as_secs_f64();
    if stop != Stop::Return {
        return Err(format!("{}: PXI stopped: {stop}", bench.name).into());
    }
    check(bench, "PXI", machine.registers()[0])?;
    Ok(seconds)
}

fn run_wasmi(bench: &Bench) -> Result<f64> {
    let engine = wasmi::Engine::default();
    let module = wasmi::Module::new(&engine, bench.wat)?;
    let mut store = wasmi::Store::new(&engine, ());
    let instance = wasmi::Linker::new(&engine).instantiate_and_start(&mut store, &module)?;
    let run = instance.get_typed_func::<i32, i32>(&store, "run")?;
    let begun = cpu_time();
    let found = run.call(&mut store, bench.argument as i32)?;
    let seconds = (cpu_time() - begun).as_secs_f64();
    check(bench, "wasmi", found as u32)?;
    Ok(seconds)
}

/// Lua measures itself: its start is not what is compared.
fn run_lua(bench: &Bench) -> Result<f64> {
    let program = format!(
        "local f = assert(loadfile('{}')) local t = os.clock() local r = f({}) \
         print(r & 0xFFFFFFFF, os.clock() - t)",
        bench.lua, bench.argument
    );
    let output = Command::new("lua5.4").args(["-e", &program]).output()?;
    let text = String::from_utf8(output.stdout)?;
    let (found, seconds) = text.trim().split_once('\t').ok_or("lua5.4 failed")?;
    check(bench, "Lua", found.parse()?)?;
    Ok(seconds.parse()?)
}

/// Millions of instructions a second.
fn rate(rounds: usize, machine: fn() -> Result<Machine>) -> Result<f64> {
    let mut rates = Vec::new();
    for _ in 0..rounds.max(1) {
        let mut machine = machine()?;
        let begun = cpu_time();
        machine.run(&mut Sealed::new(0), 100_000_000);
        rates.push(machine.steps() as f64 / (cpu_time() - begun).as_secs_f64() / 1e6);
    }
    Ok(median(rates))
}

/// LOAD, SUB, JNZ: the loop by which the old machine was measured.
fn pxi1_loop() -> Result<Machine> {
    let code = [
        [isa::LOAD, 1, 200, 0],
        [isa::LOAD, 2, 1, 0],
        [isa::LOAD, 3, 5, 0],
        [isa::SUB, 1, 1, 2],
        [isa::JNZ, 1, 0, 2],
        [isa::JMP, 0, 0, 0],
    ];
    let pixels = code.map(Pixel::from).to_vec();
    Ok(Program::raw(Raster::new(code.len() as u32, 1, pixels)?).into_machine())
}

/// The same in PXI-2.
fn pxi2_loop() -> Result<Machine> {
    let source = "
                .module 2
        start:  LOAD R1, 200
                LOAD R2, 1
        next:   LOAD R3, 5
                SUB R1, R1, R2
                BNZ R1, next
                BRA start";
    assembled(source)
}

fn print_table(rows: &[(&Bench, [f64; 3])], rates: &[(&str, f64)]) {
    println!(
        "{:12} {:>9} {:>9} {:>9} {:>12} {:>10}",
        "", "PXI ms", "wasmi ms", "Lua ms", "wasmi / PXI", "Lua / PXI"
    );
    for (bench, [pxi, wasmi, lua]) in rows {
        let ms = [pxi, wasmi, lua].map(|seconds| seconds * 1e3);
        println!(
            "{:12} {:9.1} {:9.1} {:9.1} {:12.2} {:10.2}",
            bench.name,
            ms[0],
            ms[1],
            ms[2],
            wasmi / pxi,
            lua / pxi
        );
    }
    for (name, rate) in rates {
        println!("{name} LOAD/SUB/JNZ: {rate:.0} million instructions a second");
    }
}

fn print_json(rows: &[(&Bench, [f64; 3])], rates: &[(&str, f64)]) {
    let rows = rows.iter().map(|(bench, [pxi, wasmi, lua])| {
        format!(
            "\"{}\": {{\"pxi\": {pxi:.6}, \"wasmi\": {wasmi:.6}, \"lua\": {lua:.6}}}",
            bench.name
        )
    });
    let rates = rates.iter().map(|(name, rate)| format!("\"{name}\": {rate:.1}"));
    println!(
        "{{\"seconds\": {{{}}}, \"million_instructions_a_second\": {{{}}}}}",
        rows.collect::<Vec<_>>().join(", "),
        rates.collect::<Vec<_>>().join(", ")
    );
}
