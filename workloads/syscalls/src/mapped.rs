//! A file's bytes as memory: a shared mapping that can be filled piece by piece.
#![allow(unsafe_code, reason = "a mapping is memory that the kernel hands out")]

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;

/// The mapping of a whole new file that no one else knows yet.
pub(crate) struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

impl Mapping {
    /// Makes the file `len` bytes long, with room for each of them, and maps it. `ftruncate` would not do: a full disk
    /// would then answer a copy into the mapping by killing the process.
    pub(crate) fn new(file: BorrowedFd<'_>, len: u64) -> Result<Mapping, Errno> {
        let size = usize::try_from(len).map_err(|_| Errno::FBIG)?;
        fallocate(file, FallocateFlags::empty(), 0, len)?;
        // SAFETY: the kernel chooses the address, so no other memory is touched; `size` is not zero, or it refuses.
        let start =
            unsafe { mmap(std::ptr::null_mut(), size, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, file, 0)? };
        let start = NonNull::new(start.cast()).ok_or(Errno::NOMEM)?;
        Ok(Mapping { start, len: size })
    }

    /// Copies a piece to its place; false where it would not fit.
    pub(crate) fn fill(&mut self, at: u64, bytes: &[u8]) -> bool {
        let Some(at) =
            usize::try_from(at).ok().filter(|at| at.checked_add(bytes.len()).is_some_and(|end| end <= self.len))
        else {
            return false;
        };
        // SAFETY: the place lies within the mapping, as was just seen; `bytes` cannot overlap it, for nobody gets a
        // reference into the mapping; the file was made just now and has room for every page, so none is lost.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.start.as_ptr().add(at), bytes.len()) };
        true
    }

    /// Unmaps, and tells how that went.
    pub(crate) fn close(self) -> Result<(), Errno> {
        let mapping = std::mem::ManuallyDrop::new(self);
        mapping.unmap()
    }

    fn unmap(&self) -> Result<(), Errno> {
        // SAFETY: start and length are those of `mmap`, and only `close` and `drop` come here, once in all.
        unsafe { munmap(self.start.as_ptr().cast(), self.len) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // The file is given up; that its mapping lingers until the process ends would harm nobody.
        let _ = self.unmap();
    }
}
