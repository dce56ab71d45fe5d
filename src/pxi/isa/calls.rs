//! The system calls of PXI-2: numbers, registers, errors.

/// One system call.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// Its number, the operand of SYS.
    pub number: u16,
    /// Its name in assembly.
    pub name: &'static str,
    /// The arguments, register by register.
    pub takes: &'static str,
    /// The results besides R1, which is the error.
    pub gives: &'static str,
    /// What it does.
    pub effect: &'static str,
}

/// Generates the constants and the table from one list.
macro_rules! calls {
    ($($name:ident = $number:literal, $takes:literal, $gives:literal, $effect:literal;)*) => {
        $(
            #[doc = $effect]
            pub const $name: u16 = $number;
        )*

        /// All system calls, by number.
        pub const CALLS: &[Call] = &[
            $(Call {
                number: $number,
                name: stringify!($name),
                takes: $takes,
                gives: $gives,
                effect: $effect,
            }),*
        ];
    };
}

calls! {
    EXIT = 0, "R0 status", "", "ends the program, or the module that RUN runs, with a status";
    WRITE = 1, "R0 text, R1 length", "", "prints a text (UTF-8; what is none becomes U+FFFD)";
    LOG = 2, "R0 text, R1 length, R2 level, R3 event, R4 its length", "", "writes a line into the host's log; level 0 info, 1 warning, 2 error; the event is a word, `log` if its length is 0";
    STAGE = 3, "R0 text, R1 length", "", "says which stage the log lines from here on belong to: number, name and path with tabs between; length 0: none";
    TIME = 4, "R0 0: since the start, 1: of the world", "R0", "milliseconds since the run began (they wrap), or seconds since 1970";
    RANDOM = 5, "", "R0", "32 random bits; the same seed gives the same ones";
    RESOLVE = 6, "R0 path, R1 length", "R0", "the pixel id of a file's content";
    STAT = 7, "R0 path, R1 length, R2 address of 8 pixels", "R0", "kind (1 file, 2 directory, 3 other), size high, size low, id, mode, modified (seconds since 1970, 0 before), links, type of a file in pxOS (a code); R0 = kind";
    LIST = 8, "R0 path, R1 length, R2 buffer, R3 room, R4 names to skip", "R0, R2", "names in a directory, sorted, each with a zero behind; R0 = bytes, R2 = names written, 0 at the end";
    READ = 9, "R0 path, R1 length, R2 buffer, R3 room, R4 offset", "R0", "reads a file; R0 = bytes, 0 at its end";
    BLOB = 10, "R0 id, R1 buffer, R2 room, R3 offset", "R0", "reads a content by its pixel id; R0 = bytes, 0 at its end";
    CHECK = 11, "R0 path, R1 length", "R0", "reads a whole file and compares its SHA-256 with the declared one; R0 = id";
    REQUIRES = 12, "R0 path, R1 length, R2 buffer, R3 room", "R0", "the paths that a file requires, each with a line feed behind; R0 = bytes";
    MODULE = 13, "R0 path, R1 length (0: R0 is an id), R2 destination, R3 room", "R0, R2", "loads a module: digest compared, picture decoded, header and code verified, imports linked; destination and room in pixels; R0 = pixels it wants, R2 = id";
    RUN = 14, "R0 module, R1 pixels, R2 fuel (0: all that is left), R3 and R4 for its R0 and R1", "R0, R2, R3", "runs a loaded module that sees only those pixels; R0 = 0 it ended, 1 out of fuel, 2 trap; R2 = its exit status or the trap's code, R3 = steps";
    POLICY = 15, "R0 text, R1 length", "", "narrows what the stages from here on may do; the text is JSON";
    LLM = 16, "R0 prompt, R1 length, R2 buffer, R3 room, R4 model id (0: default)", "R0", "asks a model; R0 = bytes of the answer, cut at a character";
    ORACLE = 17, "R0 question, R1 length", "R0", "asks a model for yes (1) or no (0)";
    INPUT = 18, "R0 buffer, R1 room", "R0", "reads a line of input without its end; R0 = bytes";
    STOPPED = 19, "R0 buffer, R1 room", "R0", "why the last module that RUN ran stopped, as a text; R0 = bytes";
    JOURNAL = 20, "R0 buffer, R1 room, R2 offset", "R0", "reads the host's log so far, as lines of JSON; R0 = bytes, 0 at its end";
    ROUTE = 21, "R0 target, R1 length, R2 model id", "", "enters a model into the routing table: what is asked of this id goes to the cartridge of that name or, if it begins with /, to the file with weights at that path; what is asked of id 0 goes to the first one entered";
}

/// The system call of a number.
pub fn by_number(number: u16) -> Option<&'static Call> {
    CALLS.get(usize::from(number))
}

/// The system call of a name, in upper or lower case.
pub fn by_name(name: &str) -> Option<&'static Call> {
    CALLS.iter().find(|call| call.name.eq_ignore_ascii_case(name))
}

/// What R1 says after a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[repr(u32)]
pub enum CallError {
    /// The host has no such thing to offer, or the number is no call.
    #[error("not supported")]
    NotSupported = 1,
    /// Nothing of that path or id.
    #[error("not found")]
    NotFound = 2,
    /// The policy forbids it.
    #[error("the policy forbids it")]
    Denied = 3,
    /// Memory outside what the module sees.
    #[error("address outside the memory")]
    BadAddress = 4,
    /// It does not fit the room given.
    #[error("not enough room")]
    NoRoom = 5,
    /// An argument that cannot be meant.
    #[error("bad argument")]
    BadArgument = 6,
    /// Reading failed.
    #[error("cannot be read")]
    Io = 7,
    /// The content is not what its digest says.
    #[error("digest does not match")]
    Digest = 8,
    /// A header or code that cannot be right.
    #[error("not a module that runs")]
    BadModule = 9,
    /// A directory or the like where a file must be, or the other way round.
    #[error("wrong kind of file")]
    WrongKind = 10,
    /// There is no model to ask.
    #[error("no model to ask")]
    NoModel = 11,
    /// The model failed.
    #[error("the model failed")]
    ModelFailed = 12,
    /// More model calls than the policy allows in a minute.
    #[error("too many model calls")]
    RateLimited = 13,
    /// No more input.
    #[error("end of input")]
    EndOfInput = 14,
    /// Modules that run modules, too deep.
    #[error("modules nested too deeply")]
    TooDeep = 15,
    /// What a module requires is missing, failed, or leads in a circle.
    #[error("requirements not met")]
    Requires = 16,
    /// Not a picture whose pixels could be a program.
    #[error("not a picture of a program")]
    NotAProgram = 17,
    /// A module, but what it imports cannot be had.
    #[error("an import cannot be had")]
    Import = 18,
}

impl CallError {
    /// All of them, by code.
    pub const ALL: &[Self] = &[
        Self::NotSupported,
        Self::NotFound,
        Self::Denied,
        Self::BadAddress,
        Self::NoRoom,
        Self::BadArgument,
        Self::Io,
        Self::Digest,
        Self::BadModule,
        Self::WrongKind,
        Self::NoModel,
        Self::ModelFailed,
        Self::RateLimited,
        Self::EndOfInput,
        Self::TooDeep,
        Self::Requires,
        Self::NotAProgram,
        Self::Import,
    ];

    /// The number in R1.
    pub fn code(self) -> u32 {
        self as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_lie_at_their_numbers_and_errors_at_their_codes() {
        for (index, call) in CALLS.iter().enumerate() {
            assert_eq!(usize::from(call.number), index, "{}", call.name);
        }
        for (index, error) in CallError::ALL.iter().enumerate() {
            assert_eq!(error.code() as usize, index + 1);
        }
    }
}
