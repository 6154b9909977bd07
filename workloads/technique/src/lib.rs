//! The door of the lab. Start reading here.
//!
//! A **technique** is one way of doing a job, as code. A **variant** is a technique with its knobs set, and a name.
//! A **workload** is a question, and the variants that answer it: a table whose first row is the baseline.
//! No technique knows how it is watched, and none grades itself.

pub mod absent;
pub mod calls;
pub mod checkout;
pub mod clock;
pub mod lap;
pub mod load;
pub mod outcome;
pub mod peer;
pub mod phase;
pub mod promise;
pub mod servant;
pub mod site;
pub mod trace;
pub mod tree;
pub mod trouble;

pub use absent::Absent;
pub use calls::Calls;
pub use clock::Clock;
pub use lap::{Lap, PhaseTime, Times};
pub use outcome::Outcome;
pub use peer::Peer;
pub use phase::Phase;
pub use promise::{Concession, Promise, Promises};
pub use site::Site;
pub use trace::Trace;

use anyhow::Result;
use std::any::Any;
use std::panic::Location;

/// One way of doing a workload's job.
///
/// ```
/// use technique::{Lap, Site, Technique, phase::WRITE};
/// struct CopyOne;
/// impl Technique for CopyOne {
///     type Ready = (Vec<u8>, std::path::PathBuf);
///     fn prepare(&self, site: &Site) -> anyhow::Result<Self::Ready> {
///         Ok((std::fs::read(site.source.join("one"))?, site.target.join("one")))
///     }
///     fn work(&self, (bytes, to): &mut Self::Ready, lap: &mut Lap) -> anyhow::Result<()> {
///         std::fs::write(to, bytes)?;
///         lap.mark(WRITE);
///         Ok(())
///     }
/// }
/// ```
pub trait Technique: Sync + 'static {
    /// All that must exist before the clock starts: packed archives, mounts, open pools.
    type Ready;

    /// Gets ready. No clock runs. What cannot run here answers [`Absent`].
    fn prepare(&self, site: &Site) -> Result<Self::Ready>;

    /// Does the work, once, under the clock. What is ready is dropped after the clock stops.
    fn work(&self, ready: &mut Self::Ready, lap: &mut Lap) -> Result<()>;

    /// Puts on the site what the work left in memory, so that the workload's yardstick can see it. No clock runs.
    fn settle(&self, _ready: &mut Self::Ready, _site: &Site) -> Result<()> {
        Ok(())
    }

    /// Whether the work may be done again with what is ready: it leaves nothing on the site, and wears nothing out.
    fn repeats(&self) -> bool {
        false
    }

    /// Makes what is ready fit for one more run on the same site, whose target is an empty directory again. No clock
    /// runs. False where it has to be prepared anew.
    fn renew(&self, _ready: &mut Self::Ready, _site: &Site) -> Result<bool> {
        Ok(false)
    }

    /// What it guarantees besides being right.
    fn promises(&self) -> Promises {
        Promises::NONE
    }

    /// The file system calls that one run of the work makes, where the technique says so: a claim that is held
    /// against the kernel's count.
    fn calls(&self, _ready: &Self::Ready) -> Option<Calls> {
        None
    }

    /// What the work itself counted while it ran, by name: what no instrument outside can see. Asked after it is
    /// settled.
    fn counted(&self, _ready: &Self::Ready) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}

/// A technique whose kind of readiness nobody needs to know: what a table's row holds.
pub trait AnyTechnique: Sync {
    /// Gets ready. No clock runs.
    fn prepare(&self, site: &Site) -> Result<Box<dyn Prepared + '_>>;
    /// What it guarantees besides being right.
    fn promises(&self) -> Promises;
    /// Whether the work may be done again with what is ready.
    fn repeats(&self) -> bool;
    /// The name of its type, which tells where its code is.
    fn type_name(&self) -> &'static str;
    /// The technique itself, knobs and all, for a tool that works as a row does.
    fn as_any(&self) -> &dyn Any;
}

/// A technique that is ready to work.
pub trait Prepared {
    /// Does the work, once, under the clock.
    fn work(&mut self, lap: &mut Lap) -> Result<()>;
    /// Puts on the site what the work left in memory.
    fn settle(&mut self, site: &Site) -> Result<()>;
    /// Makes it fit for one more run on the same site, emptied. False where it has to be prepared anew.
    fn renew(&mut self, _site: &Site) -> Result<bool> {
        Ok(false)
    }
    /// The file system calls that one run of the work makes.
    fn calls(&self) -> Option<Calls>;
    /// What the work itself counted.
    fn counted(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}

impl<T: Technique> AnyTechnique for T {
    fn prepare(&self, site: &Site) -> Result<Box<dyn Prepared + '_>> {
        let ready = Technique::prepare(self, site)?;
        Ok(Box::new(Readied { technique: self, ready }))
    }

    fn promises(&self) -> Promises {
        Technique::promises(self)
    }

    fn repeats(&self) -> bool {
        Technique::repeats(self)
    }

    fn type_name(&self) -> &'static str {
        std::any::type_name::<T>()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

struct Readied<'a, T: Technique> {
    technique: &'a T,
    ready: T::Ready,
}

impl<T: Technique> Prepared for Readied<'_, T> {
    fn work(&mut self, lap: &mut Lap) -> Result<()> {
        self.technique.work(&mut self.ready, lap)
    }

    fn settle(&mut self, site: &Site) -> Result<()> {
        self.technique.settle(&mut self.ready, site)
    }

    fn renew(&mut self, site: &Site) -> Result<bool> {
        self.technique.renew(&mut self.ready, site)
    }

    fn calls(&self) -> Option<Calls> {
        self.technique.calls(&self.ready)
    }

    fn counted(&self) -> Vec<(&'static str, u64)> {
        self.technique.counted(&self.ready)
    }
}

/// A row of a workload's table: a technique with its knobs set, and a name.
#[derive(Clone, Copy)]
pub struct Variant {
    /// The word by which it is asked for.
    pub name: &'static str,
    /// What it does, as a phrase.
    pub what: &'static str,
    /// The technique, knobs set.
    pub technique: &'static dyn AnyTechnique,
    /// What it leaves out, where it is no way of doing the job but a question: what if that took no time?
    pub stub: Option<Stub>,
    /// Whether it runs only where it is named or all rows are asked for: a table may be longer than anybody reads.
    pub aside: bool,
    /// Where the row stands.
    pub row: &'static Location<'static>,
}

impl Variant {
    /// The same row, which runs only where it is named or all rows are asked for.
    #[must_use]
    pub const fn aside(self) -> Variant {
        Variant { aside: true, ..self }
    }
}

/// Another row with a phase taken away: done before the clock starts or after it stops, so that even a stub's outcome
/// is held against what should come out. It shows what that phase's share promises, without any formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stub {
    /// The row.
    pub of: &'static str,
    /// The phase that is not under the clock.
    pub without: Phase,
}

/// A row of a workload's table.
#[track_caller]
pub const fn variant(name: &'static str, technique: &'static dyn AnyTechnique, what: &'static str) -> Variant {
    Variant { name, what, technique, stub: None, aside: false, row: Location::caller() }
}

/// A row that is another one with a phase taken away.
#[track_caller]
pub const fn stub(
    name: &'static str,
    technique: &'static dyn AnyTechnique,
    of: &'static str,
    without: Phase,
    what: &'static str,
) -> Variant {
    Variant { name, what, technique, stub: Some(Stub { of, without }), aside: false, row: Location::caller() }
}

/// A question, and the ways to answer it.
pub struct Workload {
    /// The word by which it is asked for.
    pub name: &'static str,
    /// What it asks, as a question.
    pub question: &'static str,
    /// The fixtures that suit it; the first is taken where none is named.
    pub fixtures: &'static [&'static str],
    /// The ways to answer; the first row is the baseline.
    pub variants: &'static [Variant],
    /// The rows that build on each other, in order. Empty for most parts.
    pub ladder: &'static [&'static str],
    /// The row that does only what cannot be left out: the limit to hold the others against.
    pub floor: Option<&'static str>,
    /// What should be on the site after the work, read from the source.
    pub expected: fn(&Site) -> Result<Outcome>,
    /// What is on the site after the work: one yardstick for every row.
    pub outcome: fn(&Site) -> Result<Outcome>,
}

impl Workload {
    /// The row that all others are held against.
    pub fn baseline(&self) -> &Variant {
        &self.variants[0]
    }

    /// The row of that name.
    pub fn variant(&self, name: &str) -> Option<&Variant> {
        self.variants.iter().find(|variant| variant.name == name)
    }
}
