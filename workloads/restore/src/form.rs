//! Forms of stores: how contents lie in one, how they are packed, and what verifies them; all of it stands in a name.

use codecs::{Codec, Hash};

/// How contents lie in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Each content is a packed object of its own, named by its hash.
    Loose,
    /// The same, packed with a dictionary that was trained on the small ones.
    Trained,
    /// Contents stand side by side in blocks of so many bytes, each packed by itself, all in one file.
    Pack {
        /// The plain size of a block.
        block: usize,
    },
    /// The same, and each block has a hash of what it is packed to: one long hash costs less than many short ones, and
    /// there are fewer bytes to hash than come out. Nothing is made of a block whose hash does not fit; there each content
    /// is held against its own, so that damage has a name.
    Sealed {
        /// The plain size of a block.
        block: usize,
    },
    /// A pack whose blocks are packed with a dictionary that was trained on the small contents.
    Primed {
        /// The plain size of a block.
        block: usize,
    },
    /// Contents stand side by side in one file, packed as one: who wants the last unpacks all before it. What is longer
    /// than `STRETCH` is several such, one after the other.
    Stream,
}

impl Layout {
    /// The plain size of a block, where contents stand in blocks.
    pub(crate) const fn block(self) -> Option<usize> {
        match self {
            Layout::Pack { block } | Layout::Sealed { block } | Layout::Primed { block } => Some(block),
            Layout::Loose | Layout::Trained | Layout::Stream => None,
        }
    }

    /// Whether each content is an object of its own.
    pub(crate) const fn is_loose(self) -> bool {
        matches!(self, Layout::Loose | Layout::Trained)
    }

    /// Whether contents are packed with a dictionary.
    pub(crate) const fn has_dictionary(self) -> bool {
        matches!(self, Layout::Trained | Layout::Primed { .. })
    }

    /// The word that its name begins with.
    const fn word(self) -> &'static str {
        match self {
            Layout::Loose => "loose",
            Layout::Trained => "trained",
            Layout::Pack { .. } => "pack",
            Layout::Sealed { .. } => "sealed",
            Layout::Primed { .. } => "primed",
            Layout::Stream => "stream",
        }
    }
}

/// What a store is made of: its layout, codec and hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// How contents lie in it.
    pub layout: Layout,
    /// How they are packed.
    pub codec: Codec,
    /// What names and verifies them.
    pub hash: Hash,
}

impl Form {
    /// The form of that name, as a catalogue has it: `pack-256k-zstd-3-blake3`.
    pub fn named(name: &str) -> Option<Form> {
        let (layout, rest) = match name.split_once('-')? {
            ("loose", rest) => (Layout::Loose, rest),
            ("trained", rest) => (Layout::Trained, rest),
            ("stream", rest) => (Layout::Stream, rest),
            (word @ ("pack" | "sealed" | "primed"), rest) => {
                let (size, rest) = rest.split_once('-')?;
                let (digits, unit) = size.split_at_checked(size.len().checked_sub(1)?)?;
                let unit = match unit {
                    "k" => 1024,
                    "b" => 1,
                    _ => return None,
                };
                let block = digits.parse::<usize>().ok()?.checked_mul(unit).filter(|block| *block > 0)?;
                let layout = match word {
                    "pack" => Layout::Pack { block },
                    "sealed" => Layout::Sealed { block },
                    _ => Layout::Primed { block },
                };
                (layout, rest)
            }
            _ => return None,
        };
        let (codec, hash) = rest.rsplit_once('-')?;
        Some(Form { layout, codec: Codec::named(codec)?, hash: Hash::named(hash)? })
    }
}

impl std::fmt::Display for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.layout.word())?;
        match self.layout.block() {
            Some(block) if block % 1024 == 0 => write!(f, "-{}k", block >> 10)?,
            Some(block) => write!(f, "-{block}b")?,
            None => {}
        }
        write!(f, "-{}-{}", self.codec.name(), self.hash.name())
    }
}
