//! A file that grows through windows of shared memory.
#![allow(unsafe_code, reason = "a mapping is memory that the kernel hands out")]

use rustix::fs::{FallocateFlags, fallocate, ftruncate};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::fs::File;
use std::ptr::NonNull;

/// The size of a window. Room for all of it is made in the file, so a small one wastes little.
const WINDOW: usize = 4 << 20;

/// A new file that bytes are copied to, window by window.
pub(crate) struct Mapped {
    file: File,
    window: Option<Window>,
    /// How many bytes the file is to have.
    len: u64,
}

struct Window {
    start: NonNull<u8>,
    filled: usize,
}

// SAFETY: a window is memory of the process and not of a thread, and only its owner knows where it is.
unsafe impl Send for Window {}

impl Mapped {
    pub(crate) fn new(file: File) -> Mapped {
        Mapped { file, window: None, len: 0 }
    }

    /// Copies bytes behind those that are there.
    pub(crate) fn put(&mut self, mut bytes: &[u8]) -> Result<(), Errno> {
        while !bytes.is_empty() {
            let mut window = match self.window.take() {
                Some(window) if window.filled < WINDOW => window,
                full => {
                    drop(full);
                    Window::open(&self.file, self.len)?
                }
            };
            let taken = window.fill(bytes);
            bytes = &bytes[taken..];
            self.len += taken as u64;
            self.window = Some(window);
        }
        Ok(())
    }

    /// Ends the file where the bytes end.
    pub(crate) fn finish(&mut self) -> Result<(), Errno> {
        self.window = None;
        ftruncate(&self.file, self.len)
    }
}

impl Window {
    /// Makes room in the file, and maps it. `ftruncate` would not do: a full disk would then answer a copy into the
    /// mapping by killing the process.
    fn open(file: &File, at: u64) -> Result<Window, Errno> {
        fallocate(file, FallocateFlags::empty(), at, WINDOW as u64)?;
        // SAFETY: the kernel chooses the address, so no other memory is touched.
        let start = unsafe {
            mmap(std::ptr::null_mut(), WINDOW, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, file, at)?
        };
        let start = NonNull::new(start.cast()).ok_or(Errno::NOMEM)?;
        Ok(Window { start, filled: 0 })
    }

    /// Copies as many of the bytes as fit; says how many.
    fn fill(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(WINDOW - self.filled);
        // SAFETY: the place lies within the window, as was just seen; `bytes` cannot overlap it, for nobody gets a
        // reference into it; the file has room for every page, so none is lost.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.start.as_ptr().add(self.filled), taken) };
        self.filled += taken;
        taken
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // SAFETY: start and length are those of `mmap`, and nothing else unmaps it. That a mapping lingers where this
        // fails harms nobody, so the answer is not needed.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), WINDOW) };
    }
}
