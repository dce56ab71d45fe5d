//! The assembler for modules of version 2, macros and includes, and what hostile
//! sources cannot do.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::HashMap;
use std::time::{Duration, Instant};

use pxfs::pxi::asm::{
    Assembly, Diagnostic, Options, Source, SourceMap, SymbolKind, assemble, assemble_source,
    built_in,
};
use pxfs::pxi::disasm::disassemble;
use pxfs::pxi::isa;
use pxfs::pxi::pxim2::{HEADER, Header};
use pxfs::pxi::verify::{Problem, verify, verify_old};
use pxfs::pxi::{Pixel, Raster};

fn asm(source: &str) -> Assembly {
    match assemble(source, Options::default()) {
        Ok(assembly) => assembly,
        Err(errors) => panic!("{source}\n{}", errors[0].render()),
    }
}

fn fails(source: &str) -> Vec<Diagnostic> {
    match assemble(source, Options::default()) {
        Ok(_) => panic!("assembles:\n{source}"),
        Err(errors) => errors,
    }
}

fn header(assembly: &Assembly) -> Header {
    Header::parse(assembly.raster.pixels()).unwrap()
}

/// The pixels of code and data as numbers.
fn body(source: &str) -> Vec<u32> {
    let assembly = asm(&format!(".module 2\n{source}"));
    let length = header(&assembly).length as usize;
    let pixels = &assembly.raster.pixels()[HEADER as usize..length];
    pixels.iter().map(|pixel| pixel.value()).collect()
}

#[test]
fn every_instruction_of_pxi_2_becomes_its_pixel() {
    let cases: &[(&str, &[u32])] = &[
        ("LI R3, -2", &[0x123F_FFFE]),
        ("LIH R3, 0xABCD", &[0x1303_ABCD]),
        ("MOV R1, R2", &[0x1401_0200]),
        ("mov r1, r2 | 7", &[0x1401_0207]),
        ("LEA R1, 0", &[0x151F_FFF0]),
        ("x: LEA R1, x", &[0x1510_0000]),
        ("LD R1, R2, -1", &[0x5001_02FF]),
        ("STBX R1, R2, R3", &[0x5701_0203]),
        ("BEQ R1, R2, 18", &[0xA012_0002]),
        ("BZ R1, 15", &[0xA601_FFFF]),
        ("BRA .", &[0xA800_0000]),
        ("BRA . + 2", &[0xA800_0002]),
        ("BSR 0", &[0xA9FF_FFF0]),
        ("PUSHM {R6-R8, R10}", &[0x3600_05C0]),
        ("POPM {}", &[0x3700_0000]),
        ("PUSHM 3", &[0x3600_0003]),
        ("SYS WRITE", &[0xC000_0001]),
        ("sys exit", &[0xC000_0000]),
        ("SYS 77", &[0xC000_004D]),
        ("ANDI R1, R2, 255", &[0x8401_02FF]),
        ("LOAD R1, 'A'", &[0x1001_4100]),
    ];
    for (source, pixels) in cases {
        assert_eq!(body(source), *pixels, "{source}");
    }
}

#[test]
fn built_in_instructions_are_made_of_others() {
    let cases: &[(&str, &str)] = &[
        ("SET R1, 524287", "LI R1, 524287"),
        ("SET R1, -524288", "LI R1, -524288"),
        ("SET R1, 524288", "LI R1, 0\nLIH R1, 8"),
        ("SET R1, 0xFFFFFFFF", "LI R1, 0xFFFF\nLIH R1, 0xFFFF"),
        ("SET R1, -2147483648", "LI R1, 0\nLIH R1, 0x8000"),
        ("SET R1, later\nlater: HALT", "LI R1, 18\nLIH R1, 0\nHALT"),
        ("CLR R1", "LI R1, 0"),
        ("INC R1", "ADDI R1, R1, 1"),
        ("DEC R1", "ADDI R1, R1, -1"),
        ("SUBI R1, R2, 5", "ADDI R1, R2, -5"),
        ("NOT R1, R2", "LI R1, -1\nXOR R1, R1, R2"),
        ("NOT R1, R1", "LI R9, -1\nXOR R1, R9, R1"),
        ("NEG R1, R2", "LI R1, 0\nSUBW R1, R1, R2"),
        ("NEG R1, R1", "LI R9, 0\nSUBW R1, R9, R1"),
        ("SGT R1, R2, R3", "SLT R1, R3, R2"),
        ("SGE R1, R2, R3", "SLE R1, R3, R2"),
        ("SGTU R1, R2, R3", "SLTU R1, R3, R2"),
        ("SGEU R1, R2, R3", "SLEU R1, R3, R2"),
        ("BGT R1, R2, 16", "BLT R2, R1, 16"),
        ("BLE R1, R2, 16", "BGE R2, R1, 16"),
        ("BGTU R1, R2, 16", "BLTU R2, R1, 16"),
        ("BLEU R1, R2, 16", "BGEU R2, R1, 16"),
        ("BEQI R1, 7, 16", "LI R9, 7\nBEQ R1, R9, 16"),
        ("BNEI R1, 7, 16", "LI R9, 7\nBNE R1, R9, 16"),
        ("BLTI R1, 7, 16", "LI R9, 7\nBLT R1, R9, 16"),
        ("BGEI R1, 7, 16", "LI R9, 7\nBGE R1, R9, 16"),
        ("BGTI R1, 7, 16", "LI R9, 7\nBLT R9, R1, 16"),
        ("BLEI R1, 7, 16", "LI R9, 7\nBGE R9, R1, 16"),
        ("BLTUI R1, 7, 16", "LI R9, 7\nBLTU R1, R9, 16"),
        ("BGEUI R1, 7, 16", "LI R9, 7\nBGEU R1, R9, 16"),
        ("BGTUI R1, 7, 16", "LI R9, 7\nBLTU R9, R1, 16"),
        ("BLEUI R1, 7, 16", "LI R9, 7\nBGEU R9, R1, 16"),
        ("LDA R1, 20", "LEA R1, 20\nLD R1, R1, 0"),
        ("STA R1, 20", "LEA R9, 20\nST R1, R9, 0"),
        ("LEAB R1, 20", "LEA R1, 20\nSHLI R1, R1, 2"),
        (
            "LEAT R1, R2, t\n.data\nt: .ascii \"hello\"",
            "LEA R1, 19\nSHLI R1, R1, 2\nLI R2, 5\n.data\n.word 0x68656C6C, 0x6F000000",
        ),
        (
            "LEAT R1, R2, \"hello\"\nLEAT R3, R4, \"hello\"",
            "LEA R1, 22\nSHLI R1, R1, 2\nLI R2, 5\nLEA R3, 22\nSHLI R3, R3, 2\nLI R4, 5\n.data\n\
             .word 0x68656C6C, 0x6F000000",
        ),
        (
            ".write \"hi\"",
            "LEA R0, 20\nSHLI R0, R0, 2\nLI R1, 2\nSYS WRITE\n.data\n.word 0x68690000",
        ),
        ("CALLX 20", "LEA R9, 20\nLD R9, R9, 0\nJSR R9"),
    ];
    for (source, same) in cases {
        assert_eq!(body(source), body(same), "{source}");
    }
    for name in built_in() {
        let is_tested = cases.iter().any(|(source, _)| source.starts_with(name));
        assert!(is_tested, "{name}");
    }
}

#[test]
fn directives_of_version_2_reach_header_and_memory() {
    let source = "
        .module 2
        .frame  8, 4
        .memory 10
        .requires \"/boot/00_bios\", \"/boot/01_kernel\"
        .import print, \"/lib/text\", \"print line\"
        .entry  main
        .func   helper
        RET
        main: CALLX print
        LEA R1, buffer
        LEA R2, __heap
        LEA R3, __end - 1
        HALT
        .export main, \"start here\"
        .data
        table: .word 1, -1, main, table, end - table
        end:   .space 2
        .heap
        buffer: .space 5
        rest:   .space 6";
    let assembly = asm(source);
    let header = header(&assembly);
    assert_eq!((header.entry, header.code_end), (17, 24));
    assert_eq!(header.frame, Some((8, 4)));
    assert_eq!(header.memory, header.length + 21);
    assert_eq!(header.requires, ["/boot/00_bios", "/boot/01_kernel"]);
    let functions: Vec<_> = header.functions.iter().map(|f| (f.name.as_str(), f.address)).collect();
    assert_eq!(functions, [("helper", 16), ("start here", 17)]);
    let import = &header.imports[0];
    assert_eq!((import.slot, &*import.path, &*import.name), (24, "/lib/text", "print line"));
    let pixels: Vec<u32> = assembly.raster.pixels()[24..32].iter().map(|p| p.value()).collect();
    assert_eq!(pixels, [0, 1, u32::MAX, 17, 25, 5, 0, 0]);
    let map = &assembly.map;
    assert_eq!(map.value_of("buffer"), Some(i64::from(header.length)));
    assert_eq!(map.value_of("rest"), Some(i64::from(header.length) + 5));
    let targets: Vec<i64> = (20..23)
        .map(|at| 20 + i64::from(assembly.raster.pixels()[at].value() & 0xF_FFFF) + at as i64 - 20)
        .collect();
    let length = i64::from(header.length);
    assert_eq!(targets, [length, length + 11, length + 20]);
    assert!(verify(assembly.raster.pixels(), &header).is_ok());
}

#[test]
fn expressions_are_computed_as_written() {
    let cases: &[(&str, i64)] = &[
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("-7 / 2", -3),
        ("-7 % 3", -1),
        ("1 << 31", 1 << 31),
        ("0xFFFFFFFF >> 4", 0x0FFF_FFFF),
        ("~0", -1),
        ("- - 3", 3),
        ("+3", 3),
        ("6 & 3 | 8 ^ 1", 11),
        ("1 | 2", 3),
        ("2 + 3 == 5", 1),
        ("2 != 2", 0),
        ("1 < 2", 1),
        ("2 <= 1", 0),
        ("3 > 2", 1),
        ("3 >= 4", 0),
        ("lo(0x1234) + hi(0x1234)", 0x46),
        ("bytes(3)", 12),
        ("bytes(text)", 68),
        ("len(text)", 11),
        ("len(text) + 3 >> 2", 3),
        ("defined(text) + defined(nothing)", 1),
        ("'\\u{20ac}'", 0x20AC),
        ("0b1010_1010", 0xAA),
        ("E_NOT_FOUND * 100 + E_NOT_SUPPORTED", 201),
        ("(later - text) * 4", 16),
        ("4 * later", 84),
        ("0x7FFFFFFF * 0xFFFFFFFF / 0x7FFFFFFF", 0xFFFF_FFFF),
    ];
    for (source, value) in cases {
        let source = format!(
            ".module 2\nHALT\n.data\ntext: .ascii \"hell\\u{{f6}} wor\\xC3\"\n.word 0\n\
             later: .word {source}"
        );
        let assembly = asm(&source);
        let found = assembly.raster.pixels()[21].value();
        assert_eq!(found, *value as u32, "{source}");
    }
}

#[test]
fn texts_are_packed_four_bytes_a_pixel() {
    assert_eq!(
        body("HALT\n.data\n.ascii \"ab\", \"c\\u{20AC}\"\n.ascii \"\"\n.ascii \"\\x00\\xFFz\\n\""),
        [0xFF00_0000, 0x6162_63E2, 0x82AC_0000, 0x00FF_7A0A]
    );
}

#[test]
fn local_labels_belong_to_the_label_before_them() {
    let source = "one: BRA @end\n.data\nd: .word 0\n@x: .word @x\n.code\n@end: HALT\n\
                  two: BRA @end\nHALT\n@end: BRA one@end";
    assert_eq!(
        body(source),
        [0xA800_0001, 0xFF00_0000, 0xA800_0002, 0xFF00_0000, 0xA8FF_FFFD, 0, 22]
    );
    let map = asm(&format!(".module 2\n{source}")).map;
    assert_eq!(map.value_of("two@end"), Some(20));
    assert_eq!(map.label_at(18), Some(("two", 0)));
    assert_eq!(map.label_at(19), Some(("two", 1)));
}

#[test]
fn macros_have_parameters_and_labels_of_their_own() {
    let source = "
        .macro wait register, count
            SET register, count
        @again: DEC register
            BNZ register, @again
        .endm
        .macro twice what, r
            what r, 2
        @again: what r, (1 + 2)
        .endm
        start: wait R1, 5
        twice wait, R2
        @again: wait R3, 1
        BRA @again";
    let expected = "
        LI R1, 5\nDEC R1\nBNZ R1, 17
        LI R2, 2\nDEC R2\nBNZ R2, 20
        LI R2, 3\nDEC R2\nBNZ R2, 23
        LI R3, 1\nDEC R3\nBNZ R3, 26
        BRA 25";
    assert_eq!(body(source), body(expected));
}

#[test]
fn macros_take_register_sets_texts_and_local_labels() {
    let source = "
        .macro save set, text, to
        @to: PUSHM set
            .ascii text
            BRA to
            BRA @to
        .endm
        main:
        @to: save {R1, R3-R4}, \"a,b\", @to";
    assert_eq!(body(source), [0x3600_001A, 0x612C_6200, 0xA8FF_FFFE, 0xA8FF_FFFD]);
}

#[test]
fn conditions_choose_lines_and_repetitions_count() {
    let source = "
        .equ N, 3
        .if N == 3
            .if 0
                nonsense here
            .elif N > 2
                .word 1
            .else
                .word 2
            .endif
        .else
            .include \"nowhere\"
            .macro broken
        .endif
        .if defined(N)
        .word 3
        .endif
        .rept 3, i
        @x: .word i * 10, @x
        .endr
        .rept 0
        nonsense
        .endr
        .rept 2
            .rept 2, k
                .word k
            .endr
        .endr";
    assert_eq!(body(source), [1, 3, 0, 18, 10, 20, 20, 22, 0, 1, 0, 1]);
}

#[test]
fn aliases_name_registers() {
    let source = ".alias sum, R3\n.alias n, R4\nADDW sum, sum, n\n.alias n, sum\nPUSHM {n}";
    assert_eq!(body(source), [0x6003_0304, 0x3600_0008]);
}

fn assemble_files(files: &[(&str, &str)]) -> Result<Assembly, Vec<Diagnostic>> {
    let files: HashMap<String, String> =
        files.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect();
    let source = |name: &str| {
        let text = files.get(name).ok_or_else(|| format!("cannot read {name}"))?;
        Ok(Source { name: name.to_owned(), text: text.clone() })
    };
    let mut include = |_: &str, path: &str| source(path);
    assemble_source(source("main").unwrap(), Options::default(), &mut include)
}

#[test]
fn includes_are_read_where_they_stand() {
    let assembly = assemble_files(&[
        ("main", ".module 2\n.include \"lib\"\nstart: put 7\n.include \"end\"\nHALT\n"),
        ("lib", ".equ BASE, 100\n.macro put n\nLI R1, BASE + n\n.endm\n"),
        ("end", "x: LI R2, 1"),
    ])
    .unwrap();
    let pixels: Vec<u32> = assembly.raster.pixels()[16..19].iter().map(|p| p.value()).collect();
    assert_eq!(pixels, [0x1210_006B, 0x1220_0001, 0xFF00_0000]);
    let map = &assembly.map;
    assert_eq!(map.files, ["main", "lib", "end"]);
    assert_eq!(map.line_at(16), Some(("lib", 3)));
    assert_eq!(map.line_at(17), Some(("end", 1)));
    assert_eq!(map.line_at(18), Some(("main", 5)));
    assert_eq!(map.line_at(15), None);
}

#[test]
fn cycles_of_includes_are_named() {
    let errors = assemble_files(&[
        ("main", "NOP\n.include \"a\""),
        ("a", ".include \"b\""),
        ("b", ".include \"a\""),
    ])
    .unwrap_err();
    assert_eq!(errors[0].message, "files include each other: a -> b -> a");
    let places: Vec<_> = errors[0].notes.iter().map(|n| n.place.as_ref().unwrap()).collect();
    assert_eq!((&*errors[0].place.file, errors[0].place.line), ("b", 1));
    assert_eq!((&*places[0].file, &*places[1].file), ("a", "main"));
    let errors = assemble_files(&[("main", ".include \"gone\"")]).unwrap_err();
    assert_eq!(errors[0].message, "cannot read gone");
}

#[test]
fn an_error_in_a_macro_shows_how_it_came_about() {
    let source = ".module 2\n.macro inner a\n LI a, 999999\n.endm\n.macro outer r\n inner r\n.endm\n\
                  outer R1\n outer R2 + 1\n";
    let errors = fails(source);
    let expected = "\
error: 999999 is out of range: -524288 to 524287
 --> source:3:8
  |
3 |  LI a, 999999
  |        ^^^^^^
  = note: SET takes any number of 32 bits
note: in this expansion of macro 'inner'
 --> source:6:2
  |
6 |  inner r
  |  ^^^^^
note: in this expansion of macro 'outer'
 --> source:8:1
  |
8 | outer R1
  | ^^^^^
";
    assert_eq!(errors[0].render(), expected);
    // What came from an argument is marked where the argument stands.
    let place = &errors[1].place;
    assert_eq!((place.line, place.column), (9, 11), "{}", errors[1].render());
}

#[test]
fn errors_of_version_2_name_the_place_and_the_reason() {
    let cases = [
        ("JMP 5", 2, 1, "JMP is PXI-1 only"),
        ("JNZ R1, 5", 2, 1, "JNZ is PXI-1 only"),
        ("CALL 5", 2, 1, "CALL is PXI-1 only"),
        ("SYS_LLM", 2, 1, "SYS_LLM is PXI-1 only"),
        ("SYS_BLOB", 2, 1, "SYS_BLOB is PXI-1 only"),
        ("BEQ R1, R2, 40000", 2, 13, "too far for BEQ: 39984 pixels"),
        ("BRA 16777216", 2, 5, "too far for BRA"),
        ("LI R1, 524288", 2, 8, "524288 is out of range: -524288 to 524287"),
        ("SET R1, 4294967295 + 1", 2, 9, "4294967296 is out of range"),
        ("PUSHM {R3-R1}", 2, 8, "R1 comes before R3"),
        ("PUSHM {R16}", 2, 8, "register R16 does not exist"),
        ("PUSHM {R1", 2, 10, "'}' expected behind a set"),
        ("PUSHM 65536", 2, 7, "out of range: 0 to 65535"),
        ("SYS READX", 2, 5, "READX is not defined"),
        ("NOT R9, R9", 2, 1, "made with R9"),
        ("STA R9, 16", 2, 1, "made with R9"),
        ("BEQI R9, 1, 16", 2, 1, "made with R9"),
        ("SGT R1, R2", 2, 11, "',' expected: SGT has 3 operands"),
        ("LEAT R1, R2, 5", 2, 14, "a text or the label of one"),
        ("x: LEAT R1, R2, x\n", 2, 17, "x is not the label of an .ascii text"),
        ("HALT\n.equ N, later\nlater:", 3, 9, "later is not defined"),
        ("HALT\n.data\n.fill d\nd:", 4, 7, "d is not defined"),
        ("HALT\n.data\nd: .fill d", 4, 10, "where data and heap lie is not known"),
        ("HALT\n.heap\nHALT", 4, 1, "the heap holds no pixels"),
        ("HALT\n.heap\n.space 16777216", 4, 1, "more than 16777216 pixels"),
        ("HALT\n.memory 16777216", 3, 9, "the module wants"),
        ("HALT\n.frame 0, 5", 3, 8, "0 is out of range: 1 to 65535"),
        ("HALT\n.frame 4096, 4097", 3, 14, "4097 is out of range: 1 to 4096"),
        (".data\n.word 1", 3, 1, "needs at least one instruction"),
        ("HALT\n.data\nd: .word 1\n.export d", 5, 9, "d is not in the code"),
        ("HALT\n.export gone", 3, 9, "gone is not defined"),
        ("x: HALT\n.export x\n.export x", 4, 9, "x is exported twice"),
        ("HALT\n.entry d\n.data\nd: .word 1", 3, 8, "17 is out of range: 16 to 16"),
        ("HALT\n.import p", 3, 10, "expected: .import NAME"),
        ("HALT\n.import p, \"\", \"f\"", 3, 12, "an empty text is no name"),
        ("HALT\n.import p, \"a\", \"\\xFF\"", 3, 17, "no UTF-8 text"),
        ("HALT\n.requires \"a\\nb\"", 3, 11, "cannot hold a line feed"),
        ("HALT\n.word 4294967296", 3, 7, "larger than 32 bits"),
        ("HALT\n.word 0-2147483649", 3, 7, "out of range"),
        ("HALT\n.word 1/0", 3, 8, "division by zero"),
        ("HALT\n.word 1<<64", 3, 8, "a shift by 64 is out of range"),
        ("HALT\n.word 1<<62<<2", 3, 12, "does not fit 64 bits"),
        ("SET: HALT", 2, 1, "SET is an instruction"),
        (".alias x, R1\nx: HALT", 3, 1, "x is a register, by .alias,"),
        (".alias R1, R2", 2, 8, "R1 is a register"),
        ("E_IO: HALT", 2, 1, "E_IO is defined twice"),
        ("HALT\n__heap: HALT", 3, 1, "__heap is a name of the assembler"),
        ("x: HALT\nx: HALT", 3, 1, "x is defined twice"),
        ("m 1", 2, 1, "no instruction or macro 'm'"),
        (".macro m a\n.endm\nm", 4, 1, "macro m takes 1 argument, 0 given"),
        (".macro m\n.endm\nm 1, 2", 4, 1, "macro m takes 0 arguments, 2 given"),
        (".macro m\n.endm\n.macro m\n.endm", 4, 8, "macro m is defined twice"),
        (".macro m a, a\n.endm", 2, 13, "two parameters are called a"),
        (".macro HALT\n.endm", 2, 8, "HALT is an instruction"),
        (".macro halt\n.endm", 2, 8, "halt is an instruction and cannot be a macro"),
        (".macro m\nHALT", 2, 1, ".endm is missing"),
        (".rept 2\nHALT", 2, 1, ".endr is missing"),
        (".rept -1\n.endr", 2, 7, "-1 is out of range"),
        (".rept x\n.endr\nx:", 2, 7, "x is not defined"),
        (".endm", 2, 1, ".endm without .macro"),
        (".endr", 2, 1, ".endr without .rept"),
        (".endif", 2, 1, ".endif without .if"),
        (".else", 2, 1, ".else without .if"),
        (".if 1\nHALT", 2, 1, ".endif is missing"),
        (".if 1\n.else\n.else\n.endif", 4, 1, ".else behind .else"),
        (".if x\n.endif", 2, 5, "x is not defined"),
        (".macro m\n.endif\n.endm\n.if 1\nm\n.endif", 3, 1, ".endif without .if"),
        (".macro m\n.if 1\n.endm\nm\nHALT", 3, 1, ".endif is missing"),
        (".macro m\n.module 2\n.endm\nm", 3, 1, "belongs into the main file"),
        (".include \"x\"", 2, 10, "nothing can be included here"),
        ("LI R1, len(5)", 2, 12, "a label is expected"),
        ("LI R1, (1", 2, 10, "')' expected"),
        ("LI R1, @", 2, 8, "'@' has no meaning here"),
        ("BRA @gone", 2, 5, "@gone is not defined"),
        (".ascii \"\\u{110000}\"", 2, 9, "number of a character in braces"),
    ];
    for (source, line, column, message) in cases {
        let errors = fails(&format!(".module 2\n{source}"));
        let error = &errors[0];
        let place = (error.place.line, error.place.column);
        assert!(error.message.contains(message), "{source}: {}", error.render());
        assert_eq!(place, (line, column), "{source}: {}", error.render());
        assert_eq!(errors.len(), 1, "{source}: {}", errors[errors.len() - 1].render());
    }
}

#[test]
fn pxi_1_names_what_needs_pxi_2() {
    for source in ["ADDW R1, R2, R3", "SET R1, 5", ".data", ".func f", ".write \"x\""] {
        let errors = fails(source);
        assert!(errors[0].message.contains("needs PXI-2"), "{}", errors[0].render());
        assert!(errors[0].render().contains("= note: write .module 2 at its start"));
    }
    // Names that are instructions of PXI-2 only stay free in old sources.
    assert!(assemble("copy: JMP set\nset: HALT", Options::default()).is_ok());
}

#[test]
fn names_defined_twice_show_both_places() {
    let errors = fails("x: NOP\n NOP\nx: NOP\n");
    let note = &errors[0].notes[0];
    assert_eq!((note.message.as_str(), note.place.as_ref().unwrap().line), ("defined here", 1));
}

#[test]
fn the_map_survives_json() {
    let assembly = asm(".module 2\n.func main\nLI R1, 5\nRET\n.data\nt: .ascii \"abc\"\n.equ N, 9");
    let text = serde_json::to_string(&assembly.map).unwrap();
    assert_eq!(serde_json::from_str::<SourceMap>(&text).unwrap(), assembly.map);
    let names: Vec<_> =
        assembly.map.symbols.iter().map(|s| (s.name.as_str(), s.value, s.kind)).collect();
    let expected = [
        ("N", 9, SymbolKind::Constant),
        ("main", 16, SymbolKind::Function),
        ("t", 18, SymbolKind::Label),
    ];
    assert_eq!(names, expected);
    assert_eq!(assembly.map.symbols[2].bytes, Some(3));
    let listing = assembly.listing();
    assert!(listing.contains("; source:3: LI R1, 5\n      16 12100005\n"), "{listing}");
}

fn assert_round_trip(raster: &Raster, what: &str) {
    let text = disassemble(raster);
    match assemble(&text, Options::default()) {
        Ok(again) => assert_eq!(&again.raster, raster, "{what}\n{text}"),
        Err(errors) => panic!("{what}: {}\n{text}", errors[0].render()),
    }
}

fn random() -> impl FnMut() -> u64 {
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    }
}

#[test]
fn modules_disassemble_with_their_names() {
    let source = "
        .module 2
        .size 9, 9
        .requires \"/boot/00_bios\"
        .import print, \"/lib/text\", \"print\"
        .func main
        PUSHM {R6-R8}
        LEAT R0, R1, \"hello, w\\u{f6}rld\\n\"
        CALLX print
        @loop: BNZ R0, @loop
        SYS EXIT
        .data
        zeros: .space 6
        .word 5, 0x80000000";
    let raster = asm(source).raster;
    let text = disassemble(&raster);
    assert_round_trip(&raster, "module");
    let expected = [
        ".module 2\n",
        ".entry main\n",
        ".requires \"/boot/00_bios\"\n",
        ".export main\n",
        "main:\n        PUSHM {R6-R8}",
        "LEA R9, print",
        ".import print, \"/lib/text\", \"print\"",
        ".ascii \"hello, w\u{f6}rld\\n\"",
        "SYS EXIT",
        ".space 6",
    ];
    for part in expected {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

/// A module of random parts, not always one that the assembler would write.
fn random_module(next: &mut dyn FnMut() -> u64) -> Raster {
    use pxfs::pxi::pxim2::{Function, Import, Parts};
    let pixel = |n: u64| {
        let [mut op, a, b, c, d, e, ..] = n.to_le_bytes();
        if d % 8 > 0 {
            op = isa::TABLE[usize::from(d) % isa::TABLE.len()].opcode;
        }
        match e % 8 {
            0 => Pixel::BACKGROUND,
            1 => Pixel::default(),
            2 => Pixel::new(b'a' + a % 26, b'a' + b % 26, b' ', 0),
            3 => Pixel::new(op, 0, 0, a % 8),
            _ => Pixel::new(op, a % 18, b % 18, c % 18),
        }
    };
    let names = ["main", "L17", "a b", "SET", "x\u{202e}y\"\\", "import_0", "E_IO", "p.q", "R3"];
    let name = |n: u64| names[(n % 9) as usize].to_owned();
    let code: Vec<Pixel> = (0..next() % 30 + 1).map(|_| pixel(next())).collect();
    let data: Vec<Pixel> = (0..next() % 30).map(|_| pixel(next())).collect();
    let all = (code.len() + data.len()) as u64;
    let function =
        |n: u64| Function { name: name(n), address: 16 + (n >> 8) as u32 % code.len() as u32 };
    let import =
        |n: u64| Import { slot: 16 + ((n >> 8) % all) as u32, path: name(n >> 16), name: name(n) };
    let parts = Parts {
        entry: 16 + (next() % code.len() as u64) as u32,
        heap: (next() % 3) as u32,
        frame: next().is_multiple_of(2).then_some((5, 7)),
        functions: (0..next() % 3).map(|_| function(next())).collect(),
        imports: (0..next() % 3).map(|_| import(next())).collect(),
        requires: (0..next() % 3).map(|_| name(next())).collect(),
        code,
        data,
    };
    parts.build(None).unwrap()
}

#[test]
fn random_modules_disassemble_to_text_that_gives_them_back() {
    let mut next = random();
    let mut shown = 0;
    for round in 0..2000 {
        let mut raster = random_module(&mut next);
        if round % 4 == 0 {
            let count = raster.pixels().len() as u64;
            raster.pixels_mut()[(next() % count) as usize] = Pixel::of_value(next() as u32);
        }
        shown += usize::from(disassemble(&raster).contains(".module 2"));
        assert_round_trip(&raster, &format!("round {round}"));
    }
    assert!(shown > 1000, "{shown}");
}

#[test]
fn the_verifier_finds_what_cannot_be_meant() {
    let cases = [
        (".pixel 1, 2, 3, 4\nRET", 16, Problem::Opcode(1)),
        (".pixel 0x60, 1, 16, 2\nRET", 16, Problem::Register(16)),
        ("JNZ: .pixel 0x31, 1, 0, 0\nRET", 16, Problem::Opcode(0x31)),
        ("BRA 15\nRET", 16, Problem::Target { target: 15, first: 16, last: 17 }),
        ("BZ R1, 18\nRET", 16, Problem::Target { target: 18, first: 16, last: 17 }),
        ("LEA R1, 18\nRET", 16, Problem::Address { target: 18, memory: 18 }),
        ("LEA R1, -1\nRET", 16, Problem::Address { target: -1, memory: 18 }),
        ("SYS 999\nRET", 16, Problem::Call(999)),
        ("RET\nNOP", 17, Problem::FallsOut),
        ("RET\nBSR 16", 17, Problem::FallsOut),
        ("RET\nSYS WRITE", 17, Problem::FallsOut),
        (
            ".import p, \"a\", \"b\", 16\nRET\n.data\n.word 0",
            16,
            Problem::Slot { first: 17, last: 28 },
        ),
    ];
    for (source, address, problem) in cases {
        let source = source.replace("JNZ:", "");
        let assembly = asm(&format!(".module 2\n{source}"));
        let header = header(&assembly);
        let findings = verify(assembly.raster.pixels(), &header).unwrap_err();
        match problem {
            Problem::Slot { first, .. } => {
                assert!(
                    matches!(findings[0].problem, Problem::Slot { first: f, .. } if f == first)
                );
            }
            _ => assert_eq!(findings[0].problem, problem, "{source}"),
        }
        assert_eq!((findings.len(), findings[0].address), (1, address), "{source}");
    }
    for last in ["RET", "HALT", "BRA 16", "JR R1", "SYS EXIT"] {
        let assembly = asm(&format!(".module 2\nNOP\nSYS WRITE\n{last}"));
        let report = verify(assembly.raster.pixels(), &header(&assembly)).unwrap();
        assert_eq!(report.instructions, 3);
        assert_eq!(report.calls.last(), Some(&1));
        assert!(report.warnings.is_empty());
    }
}

#[test]
fn the_verifier_trusts_no_header() {
    let assembly = asm(".module 2\n.func f\nRET");
    let good = header(&assembly);
    let pixels = assembly.raster.pixels();
    let lengths = [
        Header { code_end: 16, ..good.clone() },
        Header { code_end: 99, ..good.clone() },
        Header { length: u32::MAX, memory: u32::MAX, ..good.clone() },
        Header { memory: 1, ..good.clone() },
    ];
    for header in lengths {
        let findings = verify(pixels, &header).unwrap_err();
        assert!(matches!(findings[0].problem, Problem::Lengths { .. }));
    }
    let mut bad = Header { entry: 17, ..good };
    bad.functions[0].address = u32::MAX;
    let findings = verify(pixels, &bad).unwrap_err();
    assert!(matches!(findings[0].problem, Problem::Entry { first: 16, last: 16 }));
    assert!(matches!(findings[1].problem, Problem::Function { .. }));
    assert!(verify(&[], &bad).is_err());
}

#[test]
fn old_programs_get_warnings_only() {
    let cases = [
        ("HALT", None),
        ("JMP end\n.pixel 9, 9, 9, 9\nend: RET", None),
        ("NOP", Some(Problem::FallsOut)),
        (".pixel 9, 9, 9, 9\nHALT", Some(Problem::Opcode(9))),
        (".pixel 0x10, 16, 0, 0\nHALT", Some(Problem::Register(16))),
        ("JNZ R1, 99\nHALT", Some(Problem::Target { target: 99, first: 0, last: 1 })),
    ];
    for (source, problem) in cases {
        let raster = asm(&format!(".size {}\n{source}", source.lines().count())).raster;
        let report = verify_old(raster.pixels(), 0);
        let found = report.warnings.first().map(|finding| finding.problem);
        assert_eq!(found, problem, "{source}");
    }
    assert_eq!(verify_old(&[], 5).warnings.len(), 1);
}

fn ends_soon(what: &str, source: &str) -> Vec<Diagnostic> {
    let start = Instant::now();
    let result = assemble(source, Options::default());
    let took = start.elapsed();
    assert!(took < Duration::from_secs(20), "{what} took {took:?}");
    let errors = result.map_or_else(|errors| errors, |_| Vec::new());
    for error in &errors {
        assert!(error.render().len() < 20_000, "{what}");
    }
    errors
}

#[test]
fn hostile_sources_end_in_bounded_time_with_an_error() {
    let deep = 200_000;
    let chain: String = (0..100)
        .fold(String::new(), |text, n| text + &format!(".macro m{n} a\n m{} a a\n.endm\n", n + 1));
    let cases = [
        ("a line of 10 MB", "A".repeat(10 << 20), "the line has more than"),
        (
            "10 MB of operators",
            format!(".word {}1", "1+".repeat(5 << 20)),
            "the line has more than",
        ),
        ("parentheses", format!(".word {}1", "(".repeat(deep)), "nested too deeply"),
        ("signs", format!(".word {}1", "-".repeat(deep)), "nested too deeply"),
        ("functions", format!(".word {}1", "lo(".repeat(deep / 3)), "nested too deeply"),
        ("a macro in itself", ".macro m\nm\n.endm\nm".into(), "more than 64 deep"),
        ("two macros", ".macro a\nb\n.endm\n.macro b\na\n.endm\na".into(), "more than 64 deep"),
        (
            "a macro that doubles",
            ".macro m a\n m a a\n.endm\nm x x x x".into(),
            "a line has more than 65536 words",
        ),
        ("macros that double", format!(".module 2\n{chain}m0 x"), "a line has more than"),
        (
            "long texts",
            format!(".module 2\n.rept 999999\n.write \"{}\"\n.endr", "x".repeat(100_000)),
            "macros and .rept make more than",
        ),
        (
            "a million texts",
            ".module 2\n.rept 999999\n.write \"{}\"\n.endr".into(),
            "macros and .rept make",
        ),
        ("waiting names", ".rept 999999\nJMP x\nJMP x\n.endr".into(), "macros and .rept make"),
        (
            "repetitions",
            format!("{}NOP\n{}", ".rept 4000000\n".repeat(9), ".endr\n".repeat(9)),
            "more than",
        ),
        (
            "deep repetitions",
            format!("{}{}", ".rept 2\n".repeat(99), ".endr\n".repeat(99)),
            "64 deep",
        ),
        ("empty repetitions", format!("{}.equ a, 1\n{}", ".rept 4000000\n", ".endr"), "twice"),
        ("conditions", ".if 1\n".repeat(100_000), ".endif is missing"),
        ("skipped conditions", ".if 0\n".repeat(100_000), ".endif is missing"),
        ("pixels", ".rept 100\n.fill 1000000\n.endr".into(), "more than 16777216 pixels"),
        ("an endless .org", ".org 0x7FFFFFFF".into(), "more than 16777216 pixels"),
        ("exports", ".module 2\nx: HALT\n.rept 9999, i\n.export x\n.endr".into(), "twice"),
    ];
    for (what, source, message) in cases {
        let errors = ends_soon(what, &source);
        let found = errors.first().map_or("no error", |error| error.message.as_str());
        assert!(found.contains(message), "{what}: {found}");
    }
    // A long sum is no nesting: it neither fails nor overflows the stack.
    assert!(ends_soon("a sum", &format!(".word {}1", "1+".repeat(200_000))).is_empty());
}

#[test]
fn includes_are_bounded() {
    let start = Instant::now();
    let mut count = 0u64;
    let mut endless = |_: &str, _: &str| {
        count += 1;
        Ok(Source { name: format!("f{count}"), text: ".include \"again\"\n".to_owned() })
    };
    let main = Source { name: "main".into(), text: ".include \"x\"".into() };
    let errors = assemble_source(main, Options::default(), &mut endless).unwrap_err();
    assert!(errors[0].message.contains("more than 64 deep"), "{}", errors[0].message);
    let mut wide = |_: &str, _: &str| Ok(Source { name: "w".into(), text: String::new() });
    let text = ".rept 4000000\n.include \"w\"\n.endr".to_owned();
    let main = Source { name: "main".into(), text };
    let errors = assemble_source(main, Options::default(), &mut wide).unwrap_err();
    assert!(errors[0].message.contains("all included files"), "{}", errors[0].message);
    assert!(start.elapsed() < Duration::from_secs(20));
}

fn document() -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pxi-asm.md");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_document_knows_every_directive_and_every_built_in_instruction() {
    let document = document();
    let directives = ".module .size .entry .org .equ .alias .pixel .word .fill .space .ascii .bytes \
        .text .say .code .data .heap .memory .frame .func .export .import .requires .write .macro \
        .endm .if .elif .else .endif .rept .endr .include";
    for name in directives.split_whitespace().chain(built_in()) {
        assert!(document.contains(&format!("`{name}")), "{name}");
    }
}

#[test]
fn the_program_of_the_document_assembles_and_passes() {
    let document = document();
    let lines = document.lines().skip_while(|line| !line.starts_with("        .module 2"));
    let program: Vec<&str> = lines.take_while(|line| line.starts_with("    ")).collect();
    assert!(program.len() > 15);
    let assembly = asm(&program.join("\n"));
    assert!(verify(assembly.raster.pixels(), &header(&assembly)).is_ok());
}
