//! The assembler and the disassembler, through the library.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;

use pxfs::pxi::asm::{Form, Options, assemble};
use pxfs::pxi::disasm::disassemble;
use pxfs::pxi::host::Sealed;
use pxfs::pxi::{Layout, Pixel, Program, Raster, Stop, isa};

fn asm(source: &str) -> Raster {
    assemble(source, Options::default()).unwrap().raster
}

fn channels(raster: &Raster) -> Vec<[u8; 4]> {
    raster.pixels().iter().map(|pixel| pixel.channels()).collect()
}

#[test]
fn every_instruction_and_directive_becomes_its_pixels() {
    let cases: &[(&str, &[[u8; 4]])] = &[
        ("NOP", &[[0, 0, 0, 255]]),
        ("HALT", &[[0xFF, 0, 0, 0]]),
        ("LOAD R3, 0x41", &[[0x10, 3, 0x41, 0]]),
        ("load r3, 'A' | 9", &[[0x10, 3, 65, 9]]),
        ("STORE R1, 255", &[[0x11, 1, 255, 0]]),
        ("ADD R1, R2, R15", &[[0x20, 1, 2, 15]]),
        ("SUB R1, R2, R3", &[[0x21, 1, 2, 3]]),
        ("JMP 0x1234", &[[0x30, 0, 0x12, 0x34]]),
        ("JMP 5 | 7", &[[0x30, 7, 0, 5]]),
        ("JNZ R4, 258", &[[0x31, 4, 1, 2]]),
        ("CALL 1", &[[0x32, 0, 0, 1]]),
        ("RET | 1, 2, 3", &[[0x33, 1, 2, 3]]),
        ("PUSH R1", &[[0x34, 1, 0, 0]]),
        ("POP R1", &[[0x35, 1, 0, 0]]),
        ("DRAW R1, R2, R3", &[[0x40, 1, 2, 3]]),
        ("PRINT R9 ; comment", &[[0x41, 9, 0, 0]]),
        ("SYS_LLM", &[[0xC8, 0, 0, 0]]),
        ("SYS_BLOB", &[[0xCC, 0, 0, 0]]),
        (".pixel 1, 2, 3, 4", &[[1, 2, 3, 4]]),
        (".fill 2, 1, 2, 3, 4", &[[1, 2, 3, 4], [1, 2, 3, 4]]),
        (".size 1\n.fill 2", &[[0, 0, 0, 255], [0, 0, 0, 255]]),
        (".size 2\n.bytes 1, lo(0x1234)", &[[1, 0, 0, 255], [0x34, 0, 0, 255]]),
        (".size 2\n.text \"a\\xe9\"", &[[97, 97, 97, 255], [233, 233, 233, 255]]),
        (".size 2\n.say R2, \"!\"", &[[0x10, 2, 33, 0], [0x41, 2, 0, 0]]),
        (".equ N, 2+3-1\nLOAD R0, N", &[[0x10, 0, 4, 0]]),
        (
            ".size 3\n.org 1\nx: LOAD R0, lo(x)\nHALT",
            &[[0, 0, 0, 255], [16, 0, 1, 0], [255, 0, 0, 0]],
        ),
        ("", &[[0, 0, 0, 255]]),
    ];
    for (source, pixels) in cases {
        let raster = asm(&format!(".size {}\n{}", pixels.len(), source.replace(".size", ";")));
        assert_eq!(channels(&raster), *pixels, "{source}");
    }
}

#[test]
fn labels_may_be_used_before_they_are_defined() {
    let source = "start: JMP end\n JNZ R1, start\nend: HALT\n";
    let expected = [[0x30, 0, 0, 2], [0x31, 1, 0, 0], [0xFF, 0, 0, 0]];
    assert_eq!(channels(&asm(source))[..3], expected);
}

#[test]
fn a_module_has_a_header_and_runs_from_its_entry() {
    let source = ".module\n.entry main\n.say R0, \"no\"\nmain: .say R0, \"yes\"\nRET\n";
    let program = Program::parse(asm(source)).unwrap();
    assert_eq!((program.layout(), program.entry()), (Layout::Phase5, 8));
    let mut host = Sealed::new(99);
    assert_eq!(program.into_machine().run(&mut host, 99), Stop::Return);
    assert_eq!(host.screen, "yes");
    let raw =
        assemble(".module\nHALT", Options { width: Some(1), form: Form::Raw }).unwrap().raster;
    assert_eq!(channels(&raw), [[0xFF, 0, 0, 0]]);
    let module = Options { form: Form::Module, ..Options::default() };
    for source in ["", "HALT"] {
        let raster = assemble(source, module).unwrap().raster;
        assert_eq!(Program::parse(raster).unwrap().entry(), 4);
    }
}

#[test]
fn errors_name_the_place_and_the_reason() {
    let cases = [
        ("FOO R1", 1, 1, "no instruction or macro 'FOO'"),
        ("\n LOAD R16, 1", 2, 7, "register R16 does not exist"),
        ("LOAD R99999999999, 1", 1, 6, "a register R0 to R15 is expected"),
        ("LOAD R1, 256", 1, 10, "256 is out of range: 0 to 255"),
        ("LOAD R1, -1", 1, 10, "-1 is out of range"),
        ("LOAD R1 1", 1, 9, "',' expected"),
        ("LOAD R1,", 1, 9, "a number, a character or a name is expected"),
        ("HALT R1", 1, 6, "nothing more is expected"),
        ("JMP 65536", 1, 5, "out of range: 0 to 65535"),
        ("JMP nowhere", 1, 5, "nowhere is not defined"),
        ("x:\nx:", 2, 1, "x is defined twice"),
        ("R1: HALT", 1, 1, "R1 is a register"),
        ("HALT: HALT", 1, 1, "HALT is an instruction"),
        (".foo", 1, 1, "no directive '.foo'"),
        (".org 5\n.org 4", 2, 6, "lies behind: 5 pixels are taken"),
        (".fill 99999999", 1, 7, "out of range"),
        (".fill 16777216\nHALT", 2, 1, "more than 16777216 pixels"),
        (".fill later\nlater: HALT", 1, 7, "later is not defined"),
        (".size 0", 1, 7, "out of range"),
        (".size 2, 1\nHALT\nHALT\nHALT", 4, 1, "3 pixels do not fit the .size of 2x1"),
        (".entry 4", 1, 8, "only a module has an entry"),
        (".module\n.entry 3\nHALT", 2, 8, "3 is out of range: 4 to 4"),
        (".text 'a'", 1, 7, "a text in double quotes"),
        (".text \"abc", 1, 7, "closing quote is missing"),
        (".text \"\u{20ac}\"", 1, 8, "beyond U+00FF"),
        (".text \"\\q\"", 1, 8, "escapes are"),
        (".text \"\\x+1\"", 1, 8, "two hex digits"),
        ("LOAD R1, 'ab'", 1, 10, "one sign in single quotes"),
        ("LOAD R1, 0xZZ", 1, 10, "not a number"),
        ("LOAD R1, 99999999999", 1, 10, "larger than 32 bits"),
        ("LOAD R1, mid(5)", 1, 10, "no function 'mid'"),
        ("LOAD R1, @", 1, 10, "'@' has no meaning"),
        ("JMP 1 | 2, 3", 1, 10, "nothing more is expected"),
        (".pixel 1, 2, 3", 1, 15, "four channels"),
    ];
    for (source, line, column, message) in cases {
        let errors = assemble(source, Options::default()).unwrap_err();
        let error = &errors[0];
        assert_eq!(
            (error.place.line, error.place.column),
            (line, column),
            "{source}: {}",
            error.message
        );
        assert!(error.message.contains(message), "{source}: {}", error.message);
    }
}

#[test]
fn hostile_sources_end_in_errors_and_not_in_exhaustion() {
    let nested = format!("LOAD R1, {}1{}", "lo(".repeat(100_000), ")".repeat(100_000));
    assert!(assemble(&nested, Options::default()).is_err());
    let doubling: String = (0..70)
        .map(|n| format!(".equ n{}, n{n}+n{n}\n", n + 1))
        .fold(".equ n0, 0xFFFFFFFF\n".to_owned(), |text, line| text + &line);
    let errors = assemble(&doubling, Options::default()).unwrap_err();
    assert!(errors[0].message.contains("64 bits"), "{}", errors[0].message);
    let many = "BLAH\n".repeat(1000);
    assert_eq!(assemble(&many, Options::default()).unwrap_err().len(), 20);
}

#[test]
fn a_rendered_error_shows_the_line_and_a_mark_below_it() {
    let source = "NOP\n\tLOAD R1, 256\n";
    let error = &assemble(source, Options::default()).unwrap_err()[0];
    let expected = "error: 256 is out of range: 0 to 255\n --> source:2:11\n  |\n\
                    2 | \tLOAD R1, 256\n  | \t         ^^^\n";
    assert_eq!(error.render(), expected);
}

fn assert_round_trip(raster: &Raster, what: &str) {
    let text = disassemble(raster);
    match assemble(&text, Options::default()) {
        Ok(again) => assert_eq!(&again.raster, raster, "{what}\n{text}"),
        Err(errors) => panic!("{what}: {}", errors[0].render()),
    }
}

#[test]
fn every_sample_disassembles_to_text_that_gives_it_back() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pxi/png");
    let mut count = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let raster = Raster::from_png(&std::fs::read(&path).unwrap()).unwrap();
        assert_round_trip(&raster, &path.display().to_string());
        count += 1;
    }
    assert_eq!(count, 96);
}

#[test]
fn random_pixels_and_headers_disassemble_to_text_that_gives_them_back() {
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for round in 0..300 {
        let (width, height) = (next() % 9 + 1, next() % 9 + 1);
        let opcodes = isa::TABLE;
        let mut pixels: Vec<Pixel> = (0..width * height)
            .map(|_| {
                let [mut op, mut a, b, c, d, ..] = next().to_le_bytes();
                if d % 4 > 0 {
                    (op, a) = (opcodes[usize::from(d) % opcodes.len()].opcode, a % 17);
                }
                if d % 32 == 0 { Pixel::BACKGROUND } else { Pixel::new(op, a, b % 20, c % 20) }
            })
            .collect();
        if round % 3 == 0 {
            let header = [*b"PXIM", [1, 0, 0, 0], [next() as u8 % 9, 0, 1, 0], [0, 0, 0, 0]];
            for (cell, pixel) in pixels.iter_mut().zip(header) {
                *cell = Pixel::from(pixel);
            }
        }
        let raster = Raster::new(width as u32, height as u32, pixels).unwrap();
        assert_round_trip(&raster, &format!("round {round}"));
    }
}

#[test]
fn the_document_holds_the_generated_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pxi-isa.md");
    let document = std::fs::read_to_string(path).unwrap();
    for table in [isa::instruction_table(), isa::calls_table()] {
        assert!(document.contains(&table), "docs/pxi-isa.md must contain exactly this:\n\n{table}");
    }
}
