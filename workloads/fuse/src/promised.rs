//! What each trick costs in meaning: what a row promises is what its knobs leave of what a file system means.
//! `tests/promises.rs` holds each row to what it promises, and shows of what it does not promise that it is gone.

use crate::job::Where;
use crate::knobs::{Data, Held, Knobs, Privileges, Transport};
use crate::native::Native;
use technique::{Promise, Promises};

/// What no trick here takes away.
const ALWAYS: Promises = Promises::NONE.with(Promise::WriteTimes).with(Promise::Appends).with(Promise::Locks);
/// What the kernel's own file systems promise.
const KERNELS: Promises = ALWAYS
    .with(Promise::SyncStores)
    .with(Promise::SetuidDropped)
    .with(Promise::Mappable)
    .with(Promise::Fresh)
    .with(Promise::Labels)
    .with(Promise::Guarded)
    .with(Promise::Killable);

impl Where {
    /// What it promises besides being right.
    pub(crate) fn promises(&self) -> Promises {
        match self {
            Where::Native(Native::Tmpfs) => KERNELS.with(Promise::ToldAtClose),
            // What cannot be written to what it lies on, a sync tells, and a close does not. A server that has one file
            // with a file system in it serves blocks, and no file of a client's.
            Where::Native(Native::Ext4) | Where::OnOneFile(_) => KERNELS,
            Where::Served(knobs) => knobs.promises().with(Promise::Served),
            // What else others promise is theirs to say, and no test here holds them to it.
            Where::Peer(_) => Promises::NONE.with(Promise::Served),
        }
    }
}

impl Knobs {
    fn promises(&self) -> Promises {
        let writes_behind = matches!(self.store, Held::Blocks(layer) if layer.behind);
        let kept = [
            // Close asks nobody, or asks who does not know yet.
            (Promise::ToldAtClose, self.flush && !writes_behind),
            (Promise::SyncStores, self.syncs),
            (Promise::SetuidDropped, self.privileges != Privileges::Kept),
            // Without a page cache there is nothing to map.
            (Promise::Mappable, self.data != Data::Direct),
            // Who gathers writes believes himself, and who believes for an hour does not ask.
            (Promise::Fresh, self.lifetime_s == 0 && self.data != Data::Writeback),
            // Who says that he knows no labels, so that he is not asked before each write, has none.
            (Promise::Labels, self.privileges != Privileges::Refused),
            // Our server trusts everybody: only the kernel asks who may.
            (Promise::Guarded, self.default_permissions),
            // What lies in a ring already, the kernel does not take back from a server that stands still.
            (Promise::Killable, self.transport != Transport::Rings),
        ];
        let kept = kept.into_iter().filter(|(_, kept)| *kept);
        kept.fold(ALWAYS, |promises, (promise, _)| promises.with(promise))
    }
}
