//! The operations: what a decoded word can be, and the functions that run them.
//!
//! An operation is an instruction, a variant of one that is quicker, or several
//! instructions in a row, joined. A joined operation stands in the word of its
//! first instruction and takes the operands of the others from their own words;
//! so each of them can still be jumped to, and a fuel that ends between them, or
//! a store into one of them, is seen.
//!
//! Every function ends by calling the next one with the same arguments, which the
//! compiler turns into a jump: there is no loop around them. Nothing depends on
//! that but speed: the caller gives fuel in slices, so that the stack would
//! hold the calls of a slice.

use std::cell::Cell;

use super::code::{Place, Word};
use super::state::{Exit, Registers, State, Step};
use super::step;

/// Runs an instruction and all that follow it.
type Run = for<'m, 's> fn(
    &'s mut State<'m>,
    &'s mut Registers,
    usize,
    &'m [Cell<Word>],
    Place<'m>,
) -> Exit;

/// Runs from `pc` on, in the decoded pixels that the fuel reaches.
#[inline(always)]
pub(super) fn dispatch<'m>(
    state: &mut State<'m>,
    registers: &mut Registers,
    pc: usize,
    live: &'m [Cell<Word>],
) -> Exit {
    match live.get(pc) {
        Some(cell) => {
            let word = Place(cell);
            RUN[word.op()](state, registers, pc, live, word)
        }
        None => state.leave(pc, Exit::End),
    }
}

/// Goes on after the instruction at `pc` wrote among decoded pixels. A function
/// like the others, so that they need not save anything for coming back.
#[inline(never)]
fn written<'m>(
    state: &mut State<'m>,
    registers: &mut Registers,
    pc: usize,
    live: &'m [Cell<Word>],
    _: Place<'m>,
) -> Exit {
    state.forget_written();
    dispatch(state, registers, pc.wrapping_add(1), live)
}

/// Runs from `pc` on until something needs the whole machine.
pub(super) fn run(state: &mut State<'_>, registers: &mut Registers, pc: usize) -> Exit {
    let live = live(state);
    dispatch(state, registers, pc, live)
}

/// Goes to `target` after the instruction at `pc`.
#[inline(always)]
fn jump(state: &mut State<'_>, registers: &mut Registers, pc: usize, target: u32) -> Exit {
    // What is left of the fuel is counted from there now.
    state.end = state.end.wrapping_add(u64::from(target)).wrapping_sub(pc as u64 + 1);
    let live = live(state);
    dispatch(state, registers, target as usize, live)
}

/// The decoded pixels up to where the fuel ends.
#[inline(always)]
fn live<'m>(state: &State<'m>) -> &'m [Cell<Word>] {
    let code = state.code;
    &code[..state.end.min(code.len() as u64) as usize]
}

/// Defines all operations: those of one instruction, then those of several.
macro_rules! operations {
    ($($single:ident)* ; $($joined:ident = $first:ident $($then:ident)+ ;)*) => {
        /// What a word is, as a number.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        #[allow(non_camel_case_types, clippy::upper_case_acronyms, reason = "named as the instructions they are")]
        pub(super) enum Operation {
            $($single,)*
            $($joined,)*
        }

        impl Operation {
            /// All of them, by number.
            const ALL: &[Self] = &[$(Self::$single,)* $(Self::$joined,)*];

            /// The operation of the first instruction alone.
            pub(super) fn alone(self) -> Self {
                match self {
                    $(Self::$joined => Self::$first,)*
                    single => single,
                }
            }

            /// The operation that does the first few of these at once, if there is one.
            pub(super) fn join(row: &[Self]) -> Option<Self> {
                match row {
                    $([Self::$first, $(Self::$then,)+ ..] => Some(Self::$joined),)*
                    _ => None,
                }
            }
        }

        const RUN: [Run; 256] = {
            let mut table: [Run; 256] = [each::UNKNOWN; 256];
            $(table[Operation::$single as usize] = each::$single;)*
            $(table[Operation::$joined as usize] = each::$joined;)*
            table
        };

        /// A function for each operation.
        #[allow(non_snake_case, reason = "named as the instructions they are")]
        mod each {
            use super::*;
            $(function!($single: $single);)*
            $(function!($joined: $first $($then)+);)*
        }
    };
}

/// The function of an operation of one instruction, or of several.
macro_rules! function {
    // From four on it pays to look once whether the fuel reaches all of them; if it
    // does not they are run one by one.
    ($name:ident: $first:ident $a:ident $b:ident $c:ident) => {
        pub(super) fn $name<'m>(
            state: &mut State<'m>,
            registers: &mut Registers,
            pc: usize,
            here: &'m [Cell<Word>],
            word: Place<'m>,
        ) -> Exit {
            let Some([_, a, b, c]) = here.get(pc..).and_then(|rest| rest.first_chunk()) else {
                return $first(state, registers, pc, here, word);
            };
            one!($first, state, registers, pc, here, word);
            let (pc, word) = (pc.wrapping_add(1), Place(a));
            one!($a, state, registers, pc, here, word);
            let (pc, word) = (pc.wrapping_add(1), Place(b));
            one!($b, state, registers, pc, here, word);
            let (pc, word) = (pc.wrapping_add(1), Place(c));
            one!($c, state, registers, pc, here, word);
            dispatch(state, registers, pc.wrapping_add(1), here)
        }
    };
    ($name:ident: $first:ident $($then:ident)*) => {
        pub(super) fn $name<'m>(
            state: &mut State<'m>,
            registers: &mut Registers,
            pc: usize,
            here: &'m [Cell<Word>],
            word: Place<'m>,
        ) -> Exit {
            one!($first, state, registers, pc, here, word);
            let pc = pc.wrapping_add(1);
            $(
                let Some(cell) = here.get(pc) else {
                    return state.leave(pc, Exit::End);
                };
                let word = Place(cell);
                one!($then, state, registers, pc, here, word);
                let pc = pc.wrapping_add(1);
            )*
            dispatch(state, registers, pc, here)
        }
    };
}

/// One step of a function; falls through to what comes next.
macro_rules! one {
    ($name:ident, $state:ident, $registers:ident, $pc:ident, $here:ident, $word:ident) => {
        match step::$name($state, $registers, $pc, $word) {
            Step::Next => {}
            Step::Written => return written($state, $registers, $pc, $here, $word),
            Step::Branch => {
                let target = ($pc as u32).wrapping_add($word.number());
                return jump($state, $registers, $pc, target);
            }
            Step::Goto => return jump($state, $registers, $pc, $word.number()),
            Step::Jump(target) => return jump($state, $registers, $pc, target),
            Step::Leave(exit) => return $state.leave($pc, exit),
        }
    };
}

operations! {
    UNKNOWN NOTHING ILLEGAL OUTSIDE HALT
    LOAD ADD SUB JMP JNZ CALL RET PUSH POP POP_OR_TRAP
    LI LIH MOV LEA LD ST LDX STX LDB STB LDBX STBX COPY FILL
    ADDW SUBW MULW ADDV SUBV MULV ADDU SUBU MULU DIVS REMS DIVU REMU DIVF MODF
    AND OR XOR SHL SHR SAR SHLV SHLU ADDI ADDIV ADDIU ANDI SHLI SHRI SARI
    SEQ SNE SLT SLE SLTU SLEU
    BEQ BNE BLT BGE BLTU BGEU BZ BNZ BRA BSR JR JSR
    PUSHM POPM PUSH2 PUSH3 POP2 POP3 PEEK POKE GROW DROP;

    LDX_STX_ADDI_BLT = LDX STX ADDI BLT;
    LDB_STB_ADDI_BLT = LDB STB ADDI BLT;
    XOR_ADDW_ADDI_BLT = XOR ADDW ADDI BLT;

    LOAD_SUB_JNZ = LOAD SUB JNZ;
    LOAD_SUB_BNZ = LOAD SUB BNZ;
    SUB_LOAD_JNZ = SUB LOAD JNZ;
    ADDW_ADDI_BLT = ADDW ADDI BLT;
    ADDV_ADDI_BLT = ADDV ADDI BLT;
    MOV_ADDI_BLT = MOV ADDI BLT;
    STX_ADDI_BLT = STX ADDI BLT;
    ST_ADDI_BLT = ST ADDI BLT;
    STX_ADDW_BLT = STX ADDW BLT;
    ADDI_ADDI_BLT = ADDI ADDI BLT;
    MOV_ADDI_BSR = MOV ADDI BSR;
    MOV_MOV_BSR = MOV MOV BSR;
    ADDW_POP2_RET = ADDW POP2 RET;
    MOV_POP2_RET = MOV POP2 RET;
    MOV_POP3_RET = MOV POP3 RET;
    MOV_POPM_RET = MOV POPM RET;
    LD_LD_BGEU = LD LD BGEU;
    LI_MULV_ADDIV = LI MULV ADDIV;
    ANDI_SHRI_BZ = ANDI SHRI BZ;
    XOR_ANDI_LDX = XOR ANDI LDX;

    SUB_JNZ = SUB JNZ;
    SUB_BNZ = SUB BNZ;
    ADDI_BLT = ADDI BLT;
    ADDI_BNE = ADDI BNE;
    ADDI_BNZ = ADDI BNZ;
    ADDI_BLTU = ADDI BLTU;
    ADDI_BRA = ADDI BRA;
    ADDI_BSR = ADDI BSR;
    ADDI_ADDI = ADDI ADDI;
    ADDIV_BSR = ADDIV BSR;
    ADDIV_BRA = ADDIV BRA;
    ADDIV_LI = ADDIV LI;
    ADDV_BLT = ADDV BLT;
    ADDV_ADDV = ADDV ADDV;
    ADDW_BLT = ADDW BLT;
    ADDW_LD = ADDW LD;
    ADDW_ST = ADDW ST;
    MULV_ADDIV = MULV ADDIV;
    MULV_ADDV = MULV ADDV;
    XOR_ADDW = XOR ADDW;
    XOR_ANDI = XOR ANDI;
    XOR_BRA = XOR BRA;
    SHRI_XOR = SHRI XOR;
    SHRI_MOV = SHRI MOV;
    ANDI_LDX = ANDI LDX;
    ANDI_BZ = ANDI BZ;
    ANDI_BNZ = ANDI BNZ;
    LDX_BNZ = LDX BNZ;
    LDX_BZ = LDX BZ;
    LDX_BEQ = LDX BEQ;
    LDX_STX = LDX STX;
    LDBX_XOR = LDBX XOR;
    LD_BNZ = LD BNZ;
    LD_BZ = LD BZ;
    LD_BGEU = LD BGEU;
    LD_LD = LD LD;
    LD_LI = LD LI;
    LD_ST = LD ST;
    LDB_STB = LDB STB;
    ST_ST = ST ST;
    LI_BLT = LI BLT;
    LI_BGE = LI BGE;
    LI_BEQ = LI BEQ;
    LI_BNE = LI BNE;
    LI_BRA = LI BRA;
    LI_MULV = LI MULV;
    LI_ADDV = LI ADDV;
    LEA_LI = LEA LI;
    LEA_LD = LEA LD;
    PUSH2_MOV = PUSH2 MOV;
    PUSH3_MOV = PUSH3 MOV;
    PUSHM_MOV = PUSHM MOV;
    MOV_ADDI = MOV ADDI;
    MOV_BSR = MOV BSR;
    MOV_MOV = MOV MOV;
    MOV_LI = MOV LI;
    MOV_BRA = MOV BRA;
    POP2_RET = POP2 RET;
    POP3_RET = POP3 RET;
    POPM_RET = POPM RET;
    SLT_BZ = SLT BZ;
    SLT_BNZ = SLT BNZ;
    SEQ_BZ = SEQ BZ;
    SEQ_BNZ = SEQ BNZ;
}

impl Operation {
    /// The operation of a number, which a word holds.
    pub(super) fn of(number: usize) -> Self {
        Self::ALL.get(number).copied().unwrap_or(Self::UNKNOWN)
    }

    /// Whether what lies behind it is never run after it.
    pub(super) fn ends_a_row(self) -> bool {
        matches!(self, Self::ILLEGAL | Self::HALT | Self::JMP | Self::BRA | Self::RET | Self::JR)
    }
}
