//! Standard input and output as the terminal of a shell, and standard output or
//! error as the place of a log that nobody need read.

use std::io::{self, BufRead, Read, Write};

use crate::boot::Terminal;

/// Standard input and output.
pub(super) struct StdTerminal<R, W> {
    input: R,
    output: W,
}

impl StdTerminal<io::StdinLock<'static>, io::Stdout> {
    /// Those of this process.
    pub(super) fn of_process() -> Self {
        Self { input: io::stdin().lock(), output: io::stdout() }
    }
}

impl<R: BufRead, W: Write> Terminal for StdTerminal<R, W> {
    fn show(&mut self, text: &str) -> io::Result<()> {
        self.output.write_all(text.as_bytes())?;
        self.output.flush()
    }

    fn line(&mut self, max: usize) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        // Two more for the end of a line that just fits.
        (&mut self.input).take(max as u64 + 2).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(None);
        }
        if line.pop_if(|byte| *byte == b'\n').is_none() {
            self.input.skip_until(b'\n')?;
        } else {
            line.pop_if(|byte| *byte == b'\r');
        }
        line.truncate(max);
        Ok(Some(line))
    }
}

/// An output that may be closed: a boot goes on when nobody watches.
pub(super) struct Console<W>(pub(super) W);

impl<W: Write> Write for Console<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(bytes.len()),
            result => result,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.0.flush() {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_without_their_ends_and_no_longer_than_asked_for() {
        let input = b"ls\ncat x\r\n\n123456789\nab\r\nlast".as_slice();
        let mut terminal = StdTerminal { input, output: Vec::new() };
        let mut lines = Vec::new();
        while let Some(line) = terminal.line(5).unwrap() {
            lines.push(String::from_utf8(line).unwrap());
        }
        assert_eq!(lines, ["ls", "cat x", "", "12345", "ab", "last"]);
        assert_eq!(terminal.line(5).unwrap(), None);
    }
}
