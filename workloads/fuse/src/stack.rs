//! What a row mounts, and what that stands on.

use crate::job::Where;
use crate::knobs::Held;
use crate::native::{Native, NativeMount};
use crate::peers::PeerMount;
use crate::server::Server;
use anyhow::{Context, Result};
use std::path::Path;

/// What is mounted until this is dropped. Fields are dropped in this order.
#[derive(Debug)]
pub struct Stack {
    /// A file system of the kernel's that clients see.
    pub on_top: Option<NativeMount>,
    /// Somebody else's server.
    pub peer: Option<PeerMount>,
    /// A server of ours, which clients see unless something stands on it.
    pub server: Option<Server>,
    /// Where it keeps files.
    below: Option<NativeMount>,
}

impl Where {
    /// Mounts it at `mount`, with room for so many bytes; its server stays on that processor. `beside` is for what it
    /// keeps. Both directories are empty; beside them more may be made.
    pub fn mount(&self, mount: &Path, beside: &Path, bytes: u64, processor: Option<usize>) -> Result<Stack> {
        let mut stack = Stack { on_top: None, peer: None, server: None, below: None };
        match self {
            Where::Native(kind) => stack.on_top = Some(kind.mount(mount, beside, bytes)?),
            Where::Served(knobs) => {
                if knobs.store == Held::Files {
                    stack.below = Some(Native::Tmpfs.mount(beside, mount, 0)?);
                }
                stack.server = Some(Server::start(knobs, mount, beside, processor)?);
            }
            Where::OnOneFile(knobs) => {
                let under = mount.with_file_name("under");
                std::fs::create_dir(&under).with_context(|| format!("making {}", under.display()))?;
                stack.server = Some(Server::start(knobs, &under, beside, processor)?);
                stack.on_top = Some(NativeMount::ext4_on(&under.join("image"), mount, bytes)?);
            }
            Where::Peer(peer) => {
                peer.possible()?;
                stack.below = Some(Native::Tmpfs.mount(beside, mount, 0)?);
                stack.peer = Some(peer.mount(mount, beside, processor)?);
            }
        }
        Ok(stack)
    }
}
