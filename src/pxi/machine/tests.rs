//! Edges of the machine; whole programs are in `tests/`.

use super::*;
use crate::pxi::host::{ScreenError, Sealed};

fn machine(code: &[[u8; 4]], base: usize, entry: usize) -> Machine {
    let pixels = code.iter().copied().map(Pixel::from).collect::<Vec<_>>();
    Machine::new(Raster::new(code.len() as u32, 1, pixels).unwrap(), base, entry)
}

#[test]
fn halt_is_no_step_and_is_not_seen_at_the_end_of_the_fuel() {
    let code = [[isa::NOP, 0, 0, 0], [isa::HALT, 0, 0, 0]];
    let mut one = machine(&code, 0, 0);
    assert_eq!(one.run(&mut Sealed::new(9), 1), Stop::OutOfFuel);
    assert_eq!(one.run(&mut Sealed::new(9), 1), Stop::Halt);
    assert_eq!((one.steps(), one.pc()), (1, 1));
}

#[test]
fn endless_recursion_traps_at_the_stack_limit() {
    let limits = Limits { stack_bytes: 4000, ..Limits::default() };
    let mut machine = machine(&[[isa::CALL, 0, 0, 0]], 0, 0).with_limits(limits);
    let stop = machine.run(&mut Sealed::new(9), u64::MAX);
    assert_eq!(stop, Stop::Trap(Trap::StackFull { entries: 1000, bytes: 4000 }));
    assert_eq!(machine.steps(), 1000);
}

#[test]
fn print_traps_when_the_screen_is_full() {
    let code = [[isa::PRINT, 0, 0, 0], [isa::JMP, 0, 0, 0]];
    let stop = machine(&code, 0, 0).run(&mut Sealed::new(5), 100);
    assert_eq!(stop, Stop::Trap(Trap::Screen(ScreenError::Full { limit: 5 })));
}

#[test]
fn at_a_base_jumps_and_return_addresses_are_relative_to_it() {
    let code = [
        [isa::HALT, 0, 0, 0],
        [isa::CALL, 0, 0, 3],
        [isa::LOAD, 5, 1, 0],
        [isa::RET, 0, 0, 0],
        [isa::POP, 4, 0, 0],
        [isa::PUSH, 4, 0, 0],
        [isa::RET, 0, 0, 0],
    ];
    let mut machine = machine(&code, 1, 0);
    assert_eq!(machine.run(&mut Sealed::new(9), 99), Stop::Return);
    assert_eq!((machine.registers()[4], machine.registers()[5]), (1, 1));
    assert_eq!(machine.pc(), 3);
}
