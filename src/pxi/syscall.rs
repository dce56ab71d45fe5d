//! SYS_BLOB and SYS_LLM of PXI-1: from registers to a request of the host, and back.

use crate::pxi::host::{BlobRequest, Host, LlmRequest};
use crate::pxi::isa::calls;
use crate::pxi::stop::Trap;
use crate::pxi::{Machine, Pixel};

/// Bytes that SYS_BLOB loads when R2 is 0.
const DEFAULT_BLOB_LEN: u32 = 65_536;
/// Characters that SYS_LLM writes when R2 is 0, and the longest prompt.
const DEFAULT_LLM_LEN: u32 = 1024;
const MAX_PROMPT: usize = 1024;

const FLAG_INFLATE: u32 = 1;
const FLAG_TEXT: u32 = 2;

impl Machine {
    /// SYS_BLOB: R0 = bytes written, 0 on any error.
    pub(super) fn sys_blob<H: Host>(&mut self, host: &mut H) -> Result<(), Trap> {
        let [id, destination, length, flags, ..] = self.registers;
        if let Err(error) = self.permit_content(calls::BLOB) {
            host.denied("SYS_BLOB", error);
            self.registers[0] = 0;
            return Ok(());
        }
        let memory = &mut self.memory.pixels_mut()[self.window.clone()];
        let start = (destination as usize).min(memory.len());
        let room = &mut memory[start..];
        let wanted = if length == 0 { DEFAULT_BLOB_LEN } else { length } as usize;
        let max_len = wanted.min(room.len());
        let reply = host.blob(&BlobRequest { id, max_len, inflate: flags & FLAG_INFLATE != 0 });
        let bytes = reply.result.unwrap_or_default();
        let written = bytes.len().min(max_len);
        for (cell, &byte) in room.iter_mut().zip(&bytes[..written]) {
            *cell = if flags & FLAG_TEXT != 0 {
                Pixel::new(byte, byte, byte, 255)
            } else {
                Pixel::new(byte, 0, 0, 255)
            };
        }
        self.forget(start..start + written);
        self.registers[0] = written as u32;
        self.charge(reply.cost)
    }

    /// SYS_LLM: R0 = characters written. An empty prompt asks nobody. A refusal
    /// gives 0 and leaves the frame alone: the old machine wrote the error's
    /// text there as if a model had said it.
    pub(super) fn sys_llm<H: Host>(&mut self, host: &mut H) {
        let [address, output, length, model, ..] = self.registers;
        let max_len = if length == 0 { DEFAULT_LLM_LEN } else { length };
        let prompt = self.prompt(address as usize);
        let answer = if prompt.is_empty() {
            None
        } else {
            match self.permit_model(host, calls::LLM, &prompt, model) {
                Ok(max_tokens) => {
                    let request = LlmRequest { prompt, max_len, model, max_tokens };
                    self.ask_model(host, &request).ok()
                }
                Err(error) => {
                    host.denied("SYS_LLM", error);
                    None
                }
            }
        };
        self.registers[0] =
            answer.map_or(0, |text| self.write_answer(&text, output as usize, max_len as usize));
    }

    /// The green channel from `start` up to a zero, the memory's end or 1024 characters.
    fn prompt(&self, start: usize) -> String {
        let memory = &self.memory.pixels()[self.window.clone()];
        let cells = memory.get(start..).unwrap_or_default();
        let greens = cells.iter().map(|cell| cell.channels()[1]);
        greens.take(MAX_PROMPT).take_while(|&green| green != 0).map(char::from).collect()
    }

    /// Writes an answer into the frame, with a zero after it if there is room.
    fn write_answer(&mut self, text: &str, start: usize, max_len: usize) -> u32 {
        let frame = self.frame.pixels_mut();
        let start = start.min(frame.len());
        let room = &mut frame[start..];
        let mut written = 0;
        for (cell, c) in room.iter_mut().zip(text.chars().take(max_len)) {
            *cell = Pixel::grey(u32::from(u8::try_from(c).unwrap_or(b'?')));
            written += 1;
        }
        if written < max_len
            && let Some(cell) = room.get_mut(written)
        {
            *cell = Pixel::BACKGROUND;
        }
        written as u32
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::pxi::host::{BlobError, BlobReply, LlmError, ScreenError};
    use crate::pxi::{Limits, Raster, Stop, isa};

    struct Scripted {
        blob: Vec<u8>,
        answer: Result<String, LlmError>,
        asked: Vec<LlmRequest>,
    }

    impl Host for Scripted {
        fn print(&mut self, _c: char) -> Result<(), ScreenError> {
            Ok(())
        }

        fn blob(&mut self, request: &BlobRequest) -> BlobReply {
            let result = if request.id == 7 {
                Ok(self.blob.iter().copied().take(request.max_len).collect())
            } else {
                Err(BlobError::NotFound(request.id))
            };
            BlobReply { result, cost: 10 }
        }

        fn llm(&mut self, request: &LlmRequest) -> Result<String, LlmError> {
            self.asked.push(request.clone());
            self.answer.clone()
        }
    }

    fn host(blob: &[u8], answer: Result<&str, LlmError>) -> Scripted {
        let answer = answer.map(str::to_owned);
        Scripted { blob: blob.to_vec(), answer, asked: Vec::new() }
    }

    /// Loads R0..R3, runs one system call, then data pixels.
    fn machine(call: u8, regs: [u8; 4], data: &[[u8; 4]]) -> Machine {
        let mut pixels: Vec<Pixel> =
            (0..4).map(|n| Pixel::new(isa::LOAD, n, regs[usize::from(n)], 0)).collect();
        pixels.push(Pixel::new(call, 0, 0, 0));
        pixels.push(Pixel::new(isa::HALT, 0, 0, 0));
        pixels.extend(data.iter().copied().map(Pixel::from));
        Machine::new(Raster::new(pixels.len() as u32, 1, pixels).unwrap(), 0, 0)
    }

    #[test]
    fn a_blob_stops_at_the_end_of_memory() {
        let mut machine = machine(isa::SYS_BLOB, [7, 6, 0, 2], &[[0; 4]; 2]);
        machine.run(&mut host(b"abc", Ok("")), 99);
        assert_eq!(machine.registers()[0], 2);
        assert_eq!(machine.memory().pixels()[7].channels(), [b'b', b'b', b'b', 255]);
    }

    #[test]
    fn costly_calls_end_at_the_host_budget() {
        let limits = Limits { host_bytes: 9, ..Limits::default() };
        let mut machine = machine(isa::SYS_BLOB, [1, 0, 0, 0], &[]).with_limits(limits);
        let stop = machine.run(&mut host(b"", Ok("")), 99);
        assert_eq!(stop, Stop::Trap(Trap::HostBudget { used: 10, limit: 9 }));
    }

    #[test]
    fn an_empty_prompt_asks_nobody() {
        let mut machine = machine(isa::SYS_LLM, [6, 0, 0, 0], &[[65, 0, 65, 65]]);
        let mut host = host(b"", Ok("hi"));
        machine.run(&mut host, 99);
        assert_eq!(machine.registers()[0], 0);
        assert!(host.asked.is_empty());
    }

    #[test]
    fn an_answer_lands_in_the_frame_with_a_zero_after_it() {
        let mut machine = machine(isa::SYS_LLM, [6, 1, 0, 9], &[[1, 72, 3, 4], [0, 233, 0, 0]]);
        machine.frame.pixels_mut().fill(Pixel::grey(9));
        let mut host = host(b"", Ok("a\u{e9}\u{20ac}"));
        assert_eq!(machine.run(&mut host, 99), Stop::Halt);
        assert_eq!(machine.registers()[0], 3);
        let frame: Vec<u8> = machine.frame().pixels().iter().map(|p| p.channels()[0]).collect();
        assert_eq!(frame[..6], [9, 97, 233, b'?', 0, 9]);
        let prompt = "H\u{e9}".into();
        let expected = LlmRequest { prompt, max_len: 1024, model: 9, max_tokens: None };
        assert_eq!(host.asked, [expected]);
    }

    #[test]
    fn a_refusal_gives_zero_and_leaves_the_frame_alone() {
        let mut machine = machine(isa::SYS_LLM, [6, 1, 0, 0], &[[1, 72, 3, 4]]);
        assert_eq!(machine.run(&mut host(b"", Err(LlmError::NoModel)), 99), Stop::Halt);
        assert_eq!(machine.registers()[0], 0);
        assert_eq!(machine.frame().pixels()[1], Pixel::BACKGROUND);
    }
}
