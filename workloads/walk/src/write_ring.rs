//! Writes by a ring of the kernel's own: one buffer is written while the next one is filled.
#![allow(unsafe_code, reason = "what is handed to the kernel must outlive its answer, which no type says")]

use io_uring::types::Fd;
use io_uring::{IoUring, opcode};
use rustix::io::Errno;
use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::os::fd::AsRawFd;

/// A new file, and a buffer that is on its way to it.
pub(crate) struct WriteRing {
    kernel: IoUring,
    file: File,
    /// What the kernel is writing; nobody touches it before the kernel has answered.
    flying: Vec<u8>,
    /// How many of its bytes are written.
    done: usize,
    /// Where in the file it begins.
    at: u64,
    /// Whether the kernel holds a piece of it.
    held: bool,
}

impl WriteRing {
    pub(crate) fn new(file: File) -> Result<WriteRing> {
        Ok(WriteRing { kernel: IoUring::new(2)?, file, flying: Vec::new(), done: 0, at: 0, held: false })
    }

    /// Whether this kernel has such rings, and lets us use them.
    pub(crate) fn probe() -> Result<()> {
        IoUring::new(2).map(drop)
    }

    /// Waits for the buffer before, hands over this one, and gives an empty one back in its place.
    pub(crate) fn write(&mut self, buffer: &mut Vec<u8>) -> Result<()> {
        self.wait()?;
        self.at += self.flying.len() as u64;
        self.flying.clear();
        self.done = 0;
        std::mem::swap(&mut self.flying, buffer);
        buffer.reserve(self.flying.capacity());
        self.submit()
    }

    fn submit(&mut self) -> Result<()> {
        let rest = &self.flying[self.done..];
        let len = u32::try_from(rest.len()).map_err(|_| Error::from(ErrorKind::FileTooLarge))?;
        let write = opcode::Write::new(Fd(self.file.as_raw_fd()), rest.as_ptr(), len)
            .offset(self.at + self.done as u64)
            .build();
        // SAFETY: the bytes and the file are the ring's own; until `wait` has seen the answer nobody changes them, and
        // dropping the ring waits first.
        unsafe { self.kernel.submission().push(&write) }.map_err(|_| Error::from(ErrorKind::OutOfMemory))?;
        self.held = true;
        self.kernel.submit().map(drop)
    }

    /// Waits until the buffer that flies is written.
    pub(crate) fn wait(&mut self) -> Result<()> {
        while self.held {
            let answer = self.answer()?;
            self.held = false;
            match answer {
                0 => return Err(ErrorKind::WriteZero.into()),
                1.. => self.done += usize::try_from(answer).unwrap_or(0),
                errno if Errno::from_raw_os_error(-errno) == Errno::INTR => {}
                errno => return Err(Error::from_raw_os_error(-errno)),
            }
            if self.done < self.flying.len() {
                self.submit()?;
            }
        }
        Ok(())
    }

    fn answer(&mut self) -> Result<i32> {
        loop {
            if let Some(answer) = self.kernel.completion().next() {
                return Ok(answer.result());
            }
            match self.kernel.submit_and_wait(1) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
        }
    }
}

impl Drop for WriteRing {
    fn drop(&mut self) {
        if self.held && self.answer().is_err() {
            // The kernel may still be reading: the memory is given up rather than freed.
            std::mem::forget(std::mem::take(&mut self.flying));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_out_in_order_and_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let mut ring = match WriteRing::new(File::create(&path).unwrap()) {
            Ok(ring) => ring,
            Err(error) => return technique::absent::skip("io_uring", &error.to_string()),
        };
        let mut expected = Vec::new();
        for nth in 0..20u8 {
            let mut buffer = vec![nth; 100_000 * usize::from(nth % 3) + 1];
            expected.extend_from_slice(&buffer);
            ring.write(&mut buffer).unwrap();
            assert!(buffer.is_empty());
        }
        ring.wait().unwrap();
        assert_eq!(std::fs::read(path).unwrap(), expected);
    }

    #[test]
    fn what_cannot_be_written_is_an_error() {
        let Ok(full) = File::options().write(true).open("/dev/full") else {
            return technique::absent::skip("full", "there is no /dev/full");
        };
        let Ok(mut ring) = WriteRing::new(full) else {
            return technique::absent::skip("io_uring", "there is none");
        };
        ring.write(&mut vec![1; 100]).unwrap();
        assert_eq!(ring.wait().unwrap_err().kind(), ErrorKind::StorageFull);
    }
}
