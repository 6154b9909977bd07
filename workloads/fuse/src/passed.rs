//! The files that the kernel was pointed to, so that it need not ask for their bytes.

use crate::numbered::Numbered;
use crate::vectors::lock;
use blocks::Ino;
use fuser::BackingId;
use std::io::Result;
use std::sync::{Arc, Mutex};

/// What the kernel was pointed to for each file, and how often that is open. All who open one file must be pointed to
/// the same: to a second one the kernel says EIO.
#[derive(Default)]
pub(crate) struct Passed(Mutex<Numbered<(Arc<BackingId>, u64)>>);

impl Passed {
    /// The file is opened once more; `tell` tells the kernel of it, if it does not know yet.
    pub(crate) fn open(&self, ino: Ino, tell: impl FnOnce() -> Result<BackingId>) -> Result<Arc<BackingId>> {
        let mut passed = lock(&self.0);
        if let Some((id, opens)) = passed.get_mut(&ino) {
            *opens += 1;
            return Ok(Arc::clone(id));
        }
        let id = Arc::new(tell()?);
        passed.insert(ino, (Arc::clone(&id), 1));
        Ok(id)
    }

    /// It is closed once.
    pub(crate) fn close(&self, ino: Ino) {
        let mut passed = lock(&self.0);
        if let Some((_, opens)) = passed.get_mut(&ino) {
            *opens -= 1;
            if *opens == 0 {
                passed.remove(&ino);
            }
        }
    }
}
