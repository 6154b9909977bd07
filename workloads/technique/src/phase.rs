//! The phases of all workloads: one vocabulary, so that a word (and its colour) means one thing on every page.

/// What sort of work a phase is; the hue of its bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Names, modes, times: calls that move no bytes.
    Metadata,
    /// The processor computes.
    Compute,
    /// Bytes move in or out.
    Data,
    /// A worker has nothing to do, or waits for another.
    Wait,
    /// Time that no mark has named.
    Unnamed,
}

/// A named stretch of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phase(u8);

macro_rules! phases {
    ($($constant:ident $name:literal $kind:ident $what:literal)*) => {
        phases!(@ 0u8; $($constant $what)*);
        /// Every phase, in the order in which a run meets them.
        const TABLE: &[(&str, Kind, &str)] = &[$(($name, Kind::$kind, $what)),*];
    };
    (@ $index:expr; $constant:ident $what:literal $($rest:tt)*) => {
        #[doc = $what]
        pub const $constant: Phase = Phase($index);
        phases!(@ $index + 1; $($rest)*);
    };
    (@ $index:expr;) => {};
}

phases! {
    CATALOGUE "catalogue" Compute  "Read and decode the list of what there is."
    MKDIR     "mkdir"     Metadata "Make directories."
    OPEN      "open"      Metadata "Open what is read."
    LIST      "list"      Metadata "Read the names in a directory."
    STAT      "stat"      Metadata "Ask the kernel what a name stands for."
    READ      "read"      Data     "Read the packed bytes."
    SETUP     "set up"    Compute  "Get a decoder or a context ready."
    ACQUIRE   "acquire"   Compute  "Get a buffer."
    TOUCH     "touch"     Data     "Write to every page of a buffer."
    DECODE    "decode"    Compute  "Unpack bytes."
    HASH      "hash"      Compute  "Verify the contents."
    COMPRESS  "compress"  Compute  "Pack bytes."
    ENCODE    "encode"    Compute  "Make parity of data."
    REBUILD   "rebuild"   Compute  "Make lost shards of those that are left."
    COPY      "copy"      Data     "Move bytes from memory to memory, or only to the processor."
    RECORD    "record"    Compute  "Put a record together."
    PROGRESS  "progress"  Compute  "Count for all to see how far the work has come."
    CREATE    "create"    Metadata "Make the file's name and open it."
    WRITE     "write"     Data     "Write the file's bytes."
    CHMOD     "chmod"     Metadata "Set the mode."
    TIMES     "times"     Metadata "Set the modification time."
    CLOSE     "close"     Metadata "Close a file."
    RENAME    "rename"    Metadata "Give the file its final name."
    UNLINK    "unlink"    Metadata "Remove a name."
    LINK      "link"      Metadata "Give a file one more name, hard or symbolic."
    SPILL     "spill"     Data     "Write bytes to a temporary file."
    RELOAD    "reload"    Data     "Read bytes back from a temporary file."
    SEND      "send"      Data     "Hand bytes to a server, and wait until it has them."
    RECEIVE   "receive"   Data     "Get bytes from a server."
    SUBMIT    "submit"    Data     "Hand a batch to the kernel and collect its answers."
    SYNC      "sync"      Data     "Wait until bytes are stored."
    RELEASE   "release"   Compute  "Give a buffer back."
    COMMAND   "command"   Data     "Another program works; it cannot be seen into."
    WAIT      "wait"      Wait     "A worker starts, waits, or has run out of work."
    REST      "rest"      Unnamed  "Time that no mark has named."
}

/// How many phases there are.
pub const COUNT: usize = TABLE.len();

impl Phase {
    /// Every phase, in the order in which a run meets them.
    pub fn all() -> impl Iterator<Item = Phase> {
        (0..COUNT).map(|index| Phase(u8::try_from(index).expect("there are fewer than 256 phases")))
    }

    /// The phase of that name.
    pub fn named(name: &str) -> Option<Phase> {
        Phase::all().find(|phase| phase.name() == name)
    }

    /// The word that tables and pages print.
    pub fn name(self) -> &'static str {
        TABLE[self.index()].0
    }

    /// What sort of work it is.
    pub fn kind(self) -> Kind {
        TABLE[self.index()].1
    }

    /// What happens in it, as a sentence.
    pub fn what(self) -> &'static str {
        TABLE[self.index()].2
    }

    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_and_table_agree() {
        assert_eq!(CATALOGUE.name(), "catalogue");
        assert_eq!(DECODE.name(), "decode");
        assert_eq!(REST.name(), "rest");
        assert_eq!(REST.index() + 1, COUNT);
    }

    #[test]
    fn names_are_unique_and_found() {
        for phase in Phase::all() {
            assert_eq!(Phase::named(phase.name()), Some(phase));
        }
        assert_eq!(Phase::named("lunch"), None);
    }
}
