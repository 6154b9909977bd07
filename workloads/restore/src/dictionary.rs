//! The dictionary of a store whose small contents are packed with what they have in common.

use crate::form::Layout;
use crate::store::{Source, Tree};
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// The name of the dictionary in a store. An empty one is none: too few contents were there to learn from.
pub(crate) const NAME: &str = "dictionary";
/// How long it is at most, and on how many bytes it is trained: a hundred times that, as zstd advises.
const LENGTH: usize = 112 << 10;
const SAMPLES: usize = 100 * LENGTH;
/// Contents that are longer gain nothing from it.
const LONGEST: u64 = 16 << 10;

/// Trains one on small files from all over the tree, and puts it into the store.
pub(crate) fn train(source: Source, tree: &Tree, lengths: &[u64], store: &Path) -> Result<Option<Vec<u8>>> {
    let small: Vec<usize> = (0..lengths.len()).filter(|at| (1..=LONGEST).contains(&lengths[*at])).collect();
    let all: u64 = small.iter().map(|at| lengths[*at]).sum();
    let step = usize::try_from(all)?.div_ceil(SAMPLES).max(1);
    let read = |at: &usize| {
        let path = source.dir.join(&tree.files[*at].0.path);
        fs::read(&path).with_context(|| format!("reading {}", path.display()))
    };
    let samples = small.iter().step_by(step).map(read).collect::<Result<Vec<_>>>()?;
    let borrowed: Vec<&[u8]> = samples.iter().map(Vec::as_slice).collect();
    // A tree that is too small to learn from is packed without.
    let trained = codecs::train(&borrowed, LENGTH).ok();
    let path = store.join(NAME);
    fs::write(&path, trained.as_deref().unwrap_or_default()).with_context(|| format!("writing {}", path.display()))?;
    Ok(trained)
}

/// The dictionary of a store of that layout; none where it has none.
pub(crate) fn read(layout: Layout, store: &Path) -> Result<Option<Vec<u8>>> {
    if !layout.has_dictionary() {
        return Ok(None);
    }
    let path = store.join(NAME);
    let bytes = fs::read(&path).with_context(|| format!("reading the dictionary {}", path.display()))?;
    Ok((!bytes.is_empty()).then_some(bytes))
}
