//! PXI-1, bit for bit as the old machine ran it, with limits it did not have.
//!
//! Registers hold Python integers there; here 32 bits without a sign are enough
//! and exact: LOAD gives 0..255, ADD and SUB wrap at 256, and whatever else
//! reaches a register through POP or a system call is an address or a count, at
//! most the number of pixels, which [`Raster`] bounds far below 2^32.
//!
//! A program may run at a base: every address it names (jump targets, return
//! addresses on the stack, the memory addresses of system calls) is then
//! relative to the base, so it runs the same wherever it lies. Raw programs have
//! base 0, where this is the old machine.

use crate::pxi::host::Host;
use crate::pxi::isa;
use crate::pxi::stop::{Stop, Trap};
use crate::pxi::{Pixel, Raster};

/// What a run may use beyond its fuel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of stack, four an entry. Fuel bounds it too: one push a step.
    pub stack_bytes: usize,
    /// Bytes that system calls may make the host read and inflate.
    pub host_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        // 16 million calls deep; about a second of inflating.
        Self { stack_bytes: 64 << 20, host_bytes: 1 << 30 }
    }
}

/// The machine: memory and frame of the same size, registers, stack.
#[derive(Debug, Clone)]
pub struct Machine {
    pub(super) memory: Raster,
    pub(super) frame: Raster,
    pub(super) registers: [u32; isa::REGISTERS as usize],
    stack: Vec<u32>,
    pc: usize,
    pub(super) base: usize,
    steps: u64,
    pub(super) host_bytes: u64,
    pub(super) limits: Limits,
}

/// Why the inner loop came back: what it cannot do without the whole machine.
enum Pause {
    Stop(Stop),
    Blob,
    Llm,
}

impl Machine {
    /// A machine whose memory is `memory`, about to run at `entry`, an address
    /// relative to `base`.
    pub fn new(memory: Raster, base: usize, entry: usize) -> Self {
        let frame = Raster::blank(memory.width(), memory.height());
        Self {
            memory,
            frame,
            registers: [0; isa::REGISTERS as usize],
            stack: Vec::new(),
            pc: base.saturating_add(entry),
            base,
            steps: 0,
            host_bytes: 0,
            limits: Limits::default(),
        }
    }

    /// The same machine with other limits.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The memory: the program, and what it loaded.
    pub fn memory(&self) -> &Raster {
        &self.memory
    }

    /// The frame: what the program drew.
    pub fn frame(&self) -> &Raster {
        &self.frame
    }

    /// R0 to R15.
    pub fn registers(&self) -> &[u32] {
        &self.registers
    }

    /// The stack, bottom first.
    pub fn stack(&self) -> &[u32] {
        &self.stack
    }

    /// The program counter: an index into the memory, or beyond it.
    pub fn pc(&self) -> usize {
        self.pc
    }

    /// Instructions completed. The one that stops a run is not among them.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Runs until the program stops or `fuel` more steps are done.
    pub fn run<H: Host>(&mut self, host: &mut H, fuel: u64) -> Stop {
        let mut left = fuel;
        loop {
            let before = left;
            let pause = self.burst(host, &mut left);
            self.steps += before - left;
            let done = match pause {
                Pause::Stop(stop) => return stop,
                Pause::Blob => self.sys_blob(host),
                Pause::Llm => {
                    self.sys_llm(host);
                    Ok(())
                }
            };
            if let Err(trap) = done {
                return Stop::Trap(trap);
            }
            self.pc += 1;
            self.steps += 1;
            left -= 1;
        }
    }

    /// Runs up to a stop or a system call. Registers, program counter and fuel
    /// live in locals here, so that the compiler keeps them in machine registers.
    fn burst<H: Host>(&mut self, host: &mut H, fuel: &mut u64) -> Pause {
        let (width, height) = (self.memory.width(), self.memory.height());
        let memory = self.memory.pixels();
        let frame = self.frame.pixels_mut();
        let (base, stack_entries) = (self.base, self.limits.stack_bytes / size_of::<u32>());
        let stack = &mut self.stack;
        let mut regs = self.registers;
        let mut pc = self.pc;
        let mut left = *fuel;
        let pause = loop {
            if left == 0 {
                break Pause::Stop(Stop::OutOfFuel);
            }
            let Some(pixel) = memory.get(pc) else {
                break Pause::Stop(Stop::EndOfMemory);
            };
            let args = Args(pixel.word());
            let mut next = pc + 1;
            match args.opcode() {
                isa::LOAD if args.first_is_register() => regs[args.r1()] = args.byte2(),
                isa::ADD if args.all_are_registers() => {
                    regs[args.r1()] = regs[args.r2()].wrapping_add(regs[args.r3()]) & 255;
                }
                isa::SUB if args.all_are_registers() => {
                    regs[args.r1()] = regs[args.r2()].wrapping_sub(regs[args.r3()]) & 255;
                }
                isa::JNZ if args.first_is_register() && regs[args.r1()] != 0 => {
                    next = base + args.target();
                }
                isa::JMP => next = base + args.target(),
                isa::CALL => {
                    if stack.len() >= stack_entries {
                        break Pause::Stop(stack_full(stack.len(), self.limits));
                    }
                    stack.push((next - base) as u32);
                    next = base + args.target();
                }
                isa::RET => match stack.pop() {
                    Some(address) => next = base + address as usize,
                    None => break Pause::Stop(Stop::Return),
                },
                isa::PUSH if args.first_is_register() => {
                    if stack.len() >= stack_entries {
                        break Pause::Stop(stack_full(stack.len(), self.limits));
                    }
                    stack.push(regs[args.r1()]);
                }
                isa::POP if args.first_is_register() => {
                    if let Some(value) = stack.pop() {
                        regs[args.r1()] = value;
                    }
                }
                isa::STORE if args.first_is_register() => {
                    if let Some(cell) = frame.get_mut(args.byte2() as usize) {
                        *cell = Pixel::grey(regs[args.r1()]);
                    }
                }
                isa::DRAW if args.all_are_registers() => {
                    let (x, y) = (regs[args.r1()], regs[args.r2()]);
                    if x < width && y < height {
                        let index = y as usize * width as usize + x as usize;
                        frame[index] = Pixel::grey(regs[args.r3()]);
                    }
                }
                isa::PRINT if args.first_is_register() => {
                    let code = u8::try_from(regs[args.r1()]).unwrap_or(b'?');
                    if let Err(error) = host.print(char::from(code)) {
                        break Pause::Stop(Stop::Trap(error.into()));
                    }
                }
                isa::SYS_BLOB => break Pause::Blob,
                isa::SYS_LLM => break Pause::Llm,
                isa::HALT => break Pause::Stop(Stop::Halt),
                // No such opcode or register, or a JNZ not taken: a step that does nothing.
                _ => {}
            }
            pc = next;
            left -= 1;
        };
        self.registers = regs;
        self.pc = pc;
        *fuel = left;
        pause
    }
}

#[cold]
fn stack_full(entries: usize, limits: Limits) -> Stop {
    Stop::Trap(Trap::StackFull { entries, bytes: limits.stack_bytes })
}

/// The argument bytes of an instruction word: opcode lowest, argument 3 highest.
#[derive(Clone, Copy)]
struct Args(u32);

impl Args {
    fn opcode(self) -> u8 {
        self.0 as u8
    }

    fn first_is_register(self) -> bool {
        self.0 & 0x0000_F000 == 0
    }

    /// All three at once: no high nibble of an argument is set.
    fn all_are_registers(self) -> bool {
        self.0 & 0xF0F0_F000 == 0
    }

    /// Register numbers, masked: callers have tested them, the mask spares the bounds check.
    fn r1(self) -> usize {
        (self.0 >> 8 & 15) as usize
    }

    fn r2(self) -> usize {
        (self.0 >> 16 & 15) as usize
    }

    fn r3(self) -> usize {
        (self.0 >> 24 & 15) as usize
    }

    fn byte2(self) -> u32 {
        self.0 >> 16 & 255
    }

    /// Argument 2 is the high byte: the two upper bytes of the word, swapped.
    fn target(self) -> usize {
        usize::from(((self.0 >> 16) as u16).swap_bytes())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
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
}
