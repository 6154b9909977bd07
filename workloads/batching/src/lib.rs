//! Does it help to gather small files, or to spread them?
//!
//! The bytes come from memory, and each file costs the same four calls: only who makes it, and when, differs.
//! A job takes a [`Spread`] for its items, and [`Directories`] for what they lie in.

mod create;
mod directories;
mod fill;
mod hand_out;
mod spread;

pub use directories::{Directories, make_parents, make_up_front};
pub use fill::Fill;
pub use spread::Spread;

use Spread::{Batches, OneByOne, Stealing, UpTo, Workers};
use technique::{Workload, tree, variant};

/// The question, and the ways to answer it.
pub static WORKLOAD: Workload = Workload {
    name: "batching",
    question: "Does it help to gather small files, or to spread them?",
    fixtures: &["python-small", "tiny", "python-env"],
    variants: &[
        variant("one-by-one", &spread(OneByOne), "a plain loop"),
        variant("batches-8", &spread(Batches { items: 8 }), "gathers 8 files, then makes them"),
        variant("batches-64", &spread(Batches { items: 64 }), "gathers 64 files, then makes them"),
        variant("up-to-200k", &spread(UpTo { bytes: 200 << 10 }), "gathers 200 KiB, as the post-mortem's code did"),
        variant("workers-1", &spread(Workers(1)), "one thread beside the calling one: what threads cost"),
        variant("workers-2", &spread(Workers(2)), "2 threads, one queue"),
        variant("workers-4", &spread(Workers(4)), "4 threads, one queue"),
        variant("workers-8", &spread(Workers(8)), "8 threads, one queue"),
        variant("stealing-2", &spread(Stealing(2)), "2 threads, a stretch each, stealing"),
        variant("stealing-8", &spread(Stealing(8)), "8 threads, a stretch each, stealing"),
        variant("dirs-on-demand", &directories(Directories::OnDemand), "one by one, parents made before each file"),
        variant("dirs-up-front", &directories(Directories::UpFront), "one by one, all directories made first, once"),
    ],
    ladder: &[],
    floor: None,
    expected: |site| tree::outcome(&site.source),
    outcome: |site| tree::outcome(&site.target),
};

/// The directories stand before the clock starts.
const fn spread(spread: Spread) -> Fill {
    Fill { spread, directories: None }
}

/// The directories are made under the clock.
const fn directories(directories: Directories) -> Fill {
    Fill { spread: OneByOne, directories: Some(directories) }
}
