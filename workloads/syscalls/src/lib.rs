//! What does it cost to make one file with its mode and time?
//!
//! The bytes come from memory, and directories and links stand before the clock starts: only the calls differ.
//! A job takes a [`Way`] and gets a [`Sink`] a file; the rows below make a whole tree so.

mod make;
mod mapped;
mod part;
mod ringed;
mod sink;
mod uring;
mod way;

pub use make::{MakeFiles, Naming};
pub use ringed::RingFiles;
pub use sink::Sink;
pub use uring::{Ring, RingFile};
pub use way::{Attributes, Way};

use Naming::{Absolute, FromRoot, HeldDirectory};
use technique::{Workload, tree, variant};

/// The question, and the ways to answer it.
pub static WORKLOAD: Workload = Workload {
    name: "syscalls",
    question: "What does it cost to make one file with its mode and time?",
    fixtures: &["python-small", "tiny", "python-env"],
    variants: &[
        variant("seven-calls", &make(Way::SevenCalls, Absolute), "temp, write, close, rename, chmod, chtimes, remove"),
        variant("by-descriptor", &make(Way::ByDescriptor, Absolute), "temp; mode and time by descriptor; one rename"),
        variant("direct-absolute", &make(Way::Direct, Absolute), "the final name at once, its mode in open"),
        variant("direct", &make(Way::Direct, FromRoot), "the same below a held root"),
        variant("direct-held", &make(Way::Direct, HeldDirectory), "the same below the held parent, a bare name"),
        variant("direct-no-times", &make(Way::DirectNoTimes, FromRoot), "no times: what they cost"),
        variant("tmpfile", &make(Way::TmpFile, FromRoot), "a file without a name, linked when complete"),
        variant("mapped", &make(Way::Mapped, FromRoot), "bytes copied into a shared mapping"),
        variant("uring-32", &RingFiles { chains: 32, times: false }, "32 files at once by io_uring, no times"),
        variant("uring-128", &RingFiles { chains: 128, times: false }, "128 files at once by io_uring, no times"),
        variant("uring-128-times", &RingFiles { chains: 128, times: true }, "and their times, a call a file"),
    ],
    ladder: &[],
    floor: Some("direct-no-times"),
    expected: |site| tree::outcome(&site.source),
    outcome: |site| tree::outcome(&site.target),
};

const fn make(way: Way, naming: Naming) -> MakeFiles {
    MakeFiles { way, naming }
}
