//! A ring of one processor: places for requests that lie in memory shared with the kernel, and the commands by which a
//! place is given to the kernel and comes back with a request.
#![allow(unsafe_code, reason = "the kernel reads and writes memory that must stay where it is while a place is lent")]

use crate::answer::Answered;
use io_uring::squeue::Entry128;
use io_uring::types::Fd;
use io_uring::{IoUring, cqueue, opcode};
use rustix::io::Errno;
use std::io::{Error, Result};
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr::NonNull;

// include/uapi/linux/fuse.h: enum fuse_uring_cmd.
const REGISTER: u32 = 1;
const COMMIT_AND_FETCH: u32 = 2;
/// How many pieces of memory a place is made of.
const PIECES: u32 = 2;
/// Where an entry says how many pieces there are: the builder knows no such field for commands.
const LEN_IN_ENTRY: usize = 24;

/// `struct fuse_uring_req_header`.
#[repr(C)]
struct Head {
    /// `fuse_in_header`, and in the answer `fuse_out_header`.
    in_out: [u8; 128],
    /// The first argument of a request.
    argument: [u8; 128],
    flags: u64,
    /// By what the answer is known.
    commit: u64,
    /// How much lies in the payload.
    payload_len: u32,
    padding: u32,
    reserved: u64,
}

/// `struct iovec`.
#[repr(C)]
struct Piece {
    start: *mut u8,
    len: usize,
}

/// A place for one request. Its memory is given back when it is dropped, so it must not be while the kernel has it.
struct Place {
    head: NonNull<Head>,
    payload: NonNull<[u8]>,
    pieces: NonNull<[Piece; 2]>,
}

/// What was asked: the kernel's header of the request, and its first argument.
pub(crate) struct Asked {
    /// `fuse_in_header`.
    pub(crate) header: [u8; 128],
    /// The first argument; what is beyond its length is left from earlier.
    pub(crate) argument: [u8; 128],
    /// How much lies in the payload.
    pub(crate) payload_len: usize,
}

/// The ring of one processor.
pub(crate) struct Queue {
    kernel: IoUring<Entry128, cqueue::Entry>,
    device: OwnedFd,
    id: u16,
    places: Vec<Place>,
    /// How many places the kernel has.
    lent: usize,
}

impl Place {
    fn new(room: usize) -> Place {
        let head =
            Head { in_out: [0; 128], argument: [0; 128], flags: 0, commit: 0, payload_len: 0, padding: 0, reserved: 0 };
        let head = NonNull::from(Box::leak(Box::new(head)));
        let payload = NonNull::from(Box::leak(vec![0u8; room].into_boxed_slice()));
        let pieces = [
            Piece { start: head.as_ptr().cast(), len: size_of::<Head>() },
            Piece { start: payload.as_ptr().cast(), len: room },
        ];
        Place { head, payload, pieces: NonNull::from(Box::leak(Box::new(pieces))) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // SAFETY: all three were leaked from boxes by `new`, and `Queue` drops no place that the kernel has.
        unsafe {
            drop(Box::from_raw(self.head.as_ptr()));
            drop(Box::from_raw(self.payload.as_ptr()));
            drop(Box::from_raw(self.pieces.as_ptr()));
        }
    }
}

impl Queue {
    /// A ring for that processor of so many places, each with so much room.
    pub(crate) fn new(device: OwnedFd, id: u16, depth: usize, room: usize) -> Result<Queue> {
        let entries = u32::try_from(depth.next_power_of_two()).map_err(Error::other)?;
        let kernel = IoUring::<Entry128, cqueue::Entry>::builder().build(entries)?;
        Ok(Queue { kernel, device, id, places: (0..depth).map(|_| Place::new(room)).collect(), lent: 0 })
    }

    /// Lends all places to the kernel, and answers whatever comes in one, until the mount is gone.
    pub(crate) fn serve(&mut self, mut answer: impl FnMut(&Asked, &mut [u8]) -> Answered) -> Result<()> {
        for place in 0..self.places.len() {
            self.lend(place, REGISTER, 0)?;
        }
        let mut back = Vec::with_capacity(self.places.len());
        while self.lent > 0 {
            match self.kernel.submit_and_wait(1) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
                Ok(_) => {}
            }
            back.extend(self.kernel.completion().map(|one| (one.user_data(), one.result())));
            for (place, result) in back.drain(..) {
                self.lent -= 1;
                match result {
                    0 => {
                        let place = usize::try_from(place).map_err(Error::other)?;
                        let commit = self.places[place].answer(&mut answer);
                        self.lend(place, COMMIT_AND_FETCH, commit)?;
                    }
                    // The mount is gone, or its connection was cut.
                    result if gone(result) => {}
                    result => return Err(Error::from_raw_os_error(-result)),
                }
            }
        }
        Ok(())
    }

    /// Gives a place to the kernel: to be filled, after its answer was taken if there is one.
    fn lend(&mut self, place: usize, command: u32, commit: u64) -> Result<()> {
        // struct fuse_uring_cmd_req: flags, commit id, queue.
        let mut told = [0; 80];
        told[8..16].copy_from_slice(&commit.to_ne_bytes());
        told[16..18].copy_from_slice(&self.id.to_ne_bytes());
        let mut entry = opcode::UringCmd80::new(Fd(self.device.as_raw_fd()), command)
            .cmd(told)
            .addr(Some(self.places[place].pieces.as_ptr() as u64))
            .build()
            .user_data(place as u64);
        // SAFETY: an entry is the kernel's `struct io_uring_sqe` of 128 bytes and nothing else; four of them, at this
        // place, are its field `len`.
        unsafe { (&raw mut entry).cast::<u8>().add(LEN_IN_ENTRY).cast::<u32>().write_unaligned(PIECES) };
        // SAFETY: the pieces and what they point to stay until `drop` has seen that no place is lent.
        unsafe { self.kernel.submission().push(&entry) }.map_err(Error::other)?;
        self.lent += 1;
        Ok(())
    }
}

impl Place {
    /// Has the request in it answered, in it: by what the answer is known.
    fn answer(&mut self, answer: &mut impl FnMut(&Asked, &mut [u8]) -> Answered) -> u64 {
        // SAFETY: the kernel has given the place back, and nobody else knows it: both references are the only ones to
        // their memory until the place is lent again, which is after they have ended.
        let (head, payload) = unsafe { (self.head.as_mut(), self.payload.as_mut()) };
        let payload_len = (head.payload_len as usize).min(payload.len());
        let asked = Asked { header: head.in_out, argument: head.argument, payload_len };
        let answered = answer(&asked, payload);
        // struct fuse_out_header: length, error, and the request's own number.
        let (len, error) = match answered {
            Ok(len) => (u32::try_from(len).unwrap_or(u32::MAX), 0),
            Err(errno) => (0, -errno),
        };
        head.in_out[..4].copy_from_slice(&(len + 16).to_ne_bytes());
        head.in_out[4..8].copy_from_slice(&error.to_ne_bytes());
        // The number stands where it stood in the request.
        head.payload_len = len;
        head.commit
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        if self.lent > 0 {
            // The kernel may still write there: better lost than given to somebody else.
            std::mem::forget(std::mem::take(&mut self.places));
        }
    }
}

/// Whether that is how the kernel says that there is nobody to answer any more.
fn gone(result: i32) -> bool {
    let told = [Errno::NOTCONN, Errno::CONNABORTED, Errno::CANCELED, Errno::NODEV];
    told.iter().any(|errno| errno.raw_os_error() == -result)
}
