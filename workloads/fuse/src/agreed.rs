//! What is agreed on with the kernel before the first request, knob by knob.

use crate::knobs::{Data, Knobs, Privileges, Transport};
use fuser::{InitFlags, KernelConfig};
use std::io::{Error, Result};

/// Asks the kernel for what the knobs need. What it lacks, the error names.
pub(crate) fn agree(knobs: &Knobs, config: &mut KernelConfig) -> Result<()> {
    let mut wanted = InitFlags::FUSE_PARALLEL_DIROPS;
    if !knobs.opens {
        wanted |= InitFlags::FUSE_NO_OPEN_SUPPORT | InitFlags::FUSE_NO_OPENDIR_SUPPORT;
    }
    if matches!(knobs.privileges, Privileges::Dropped | Privileges::Kept) {
        wanted |= InitFlags::FUSE_HANDLE_KILLPRIV_V2;
    }
    match knobs.data {
        Data::Writeback => wanted |= InitFlags::FUSE_WRITEBACK_CACHE,
        Data::Passthrough => {
            wanted |= InitFlags::FUSE_PASSTHROUGH;
            config.set_max_stack_depth(1).map_err(|_| Error::other("no stacking"))?;
        }
        Data::Cached | Data::Direct => {}
    }
    if knobs.transport == Transport::Rings {
        wanted |= InitFlags::FUSE_OVER_IO_URING;
    }
    let lacks = |lacks: InitFlags| Error::other(format!("this kernel's FUSE has no {lacks:?}"));
    config.add_capabilities(wanted).map_err(lacks)?;
    config.set_max_write(knobs.max_write).map_err(|most| Error::other(format!("max_write is at most {most}")))?;
    Ok(())
}
