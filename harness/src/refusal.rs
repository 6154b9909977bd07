//! Refusals: errors that say what, why and what to do, with the exit code that scripts read.

/// How the command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Fine = 0,
    /// A gate failed: something got worse, and was confirmed.
    Worse = 1,
    /// The data do not decide.
    Open = 3,
    /// Bad arguments, or a place that must not be used.
    Usage = 2,
    /// The machine cannot do this.
    Unfit = 4,
    /// A row crashed, hung, or came out otherwise than it should.
    Differ = 5,
    /// Data are missing, damaged, or of another schema.
    Data = 6,
    /// Records that do not belong together: of another plan, or of another schema.
    Apart = 7,
    /// The user stopped it; what was measured is kept.
    Interrupted = 130,
}

/// An error with a way out.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// How the command ends.
    pub exit: Exit,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub mend: String,
}

impl Refusal {
    /// Bad arguments.
    pub fn usage(what: impl Into<String>, mend: impl Into<String>) -> anyhow::Error {
        Refusal { exit: Exit::Usage, what: what.into(), mend: mend.into() }.into()
    }

    /// The machine cannot do this.
    pub fn unfit(what: impl Into<String>, mend: impl Into<String>) -> anyhow::Error {
        Refusal { exit: Exit::Unfit, what: what.into(), mend: mend.into() }.into()
    }

    /// Data are missing or damaged.
    pub fn data(what: impl Into<String>, mend: impl Into<String>) -> anyhow::Error {
        Refusal { exit: Exit::Data, what: what.into(), mend: mend.into() }.into()
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\n  do  {}", self.what, self.mend)
    }
}

impl std::error::Error for Refusal {}

/// How the command ends for an error that nobody foresaw: the machine refused something.
pub fn exit_of(error: &anyhow::Error) -> Exit {
    error.downcast_ref::<Refusal>().map_or(Exit::Unfit, |refusal| refusal.exit)
}
