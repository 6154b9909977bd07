//! Where one row is tried again and again, and what is whole there.

use crate::child::{Ended, send_by, send_halting};
use crate::once::{Answer, Errand, Pass};
use crate::removal::remove_tree;
use crate::stage::Stage;
use anyhow::{Context, Result, bail};
use fixtures::Fixture;
use fixtures::tree::{Kind, hashed, scan};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use technique::{Absent, Outcome, Variant, Workload};

/// A row, of the catalogue or of the user's.
pub(crate) struct Row {
    pub(crate) workload: &'static Workload,
    pub(crate) variant: Variant,
    /// The text that makes it, where it is a program of the user's.
    pub(crate) peer: Option<String>,
}

impl Row {
    /// Whether other people's code does the work. What it says and leaves is its own.
    pub(crate) fn is_peer(&self) -> bool {
        self.variant.technique.type_name().contains("peer")
    }
}

/// What a run finds when it begins.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Under {
    /// The permissions that new files are denied.
    pub(crate) umask: Option<u32>,
    /// How many files may be open.
    pub(crate) descriptors: Option<u32>,
}

/// A place where a row is ready.
pub(crate) struct Ground<'a> {
    pub(crate) row: &'a Row,
    stage: Stage,
    errand: Errand,
    expected: Outcome,
    /// What is complete: each file's length and hash, each link's text.
    whole: BTreeMap<PathBuf, Whole>,
    limit: Duration,
}

/// What is whole under a name.
#[derive(PartialEq, Eq)]
pub(crate) enum Whole {
    File(u64, Option<[u8; 32]>),
    Link(PathBuf),
}

impl<'a> Ground<'a> {
    /// Gets the row ready in a place that is ours; or says why it cannot run.
    pub(crate) fn set(
        place: &Path,
        row: &'a Row,
        fixture: &Fixture,
        limit: Duration,
    ) -> Result<Result<Ground<'a>, Absent>> {
        let mut stage = Stage::set_in(place, "stage")?;
        let target = stage.fresh()?;
        let errand = stage.errand(row.workload.name, row.variant.name, fixture);
        let errand = Errand { peer: row.peer.clone(), target, ..errand };
        let expected = (row.workload.expected)(&errand.site()).context("reading what should come out")?;
        let whole = stands(&errand.source)?;
        let ground = Ground { row, stage, errand, expected, whole, limit };
        match ground.run(&ground.errand, Under::default())? {
            Ended::Answered(Answer::Ready(_)) => {}
            Ended::Answered(Answer::Absent { why, mend }) => return Ok(Err(Absent { why, mend })),
            ended => bail!("{} could not be got ready: {ended:?}", row.variant.name),
        }
        remove_tree(&ground.errand.target)?;
        Ok(Ok(ground))
    }

    /// A run of its own, on an empty target.
    pub(crate) fn fresh(&mut self) -> Result<Errand> {
        Ok(Errand { pass: Pass::Wall, target: self.stage.fresh()?, ..self.errand.clone() })
    }

    /// The same on a target elsewhere.
    pub(crate) fn on(&self, target: PathBuf) -> Errand {
        Errand { pass: Pass::Wall, target, ..self.errand.clone() }
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, errand: &Errand, under: Under) -> Result<Ended> {
        let program = std::env::current_exe().context("finding this program")?;
        let mut first = String::new();
        if let Some(mask) = under.umask {
            first += &format!("umask {mask:03o}; ");
        }
        if let Some(most) = under.descriptors {
            first += &format!("ulimit -S -n {most}; ");
        }
        let command = if first.is_empty() {
            Command::new(program)
        } else {
            let mut shell = Command::new("sh");
            shell.arg("-c").arg(first + "exec \"$0\" \"$@\"").arg(program);
            shell
        };
        send_by(command, errand, self.limit)
    }

    /// The same, and something is done when it is ready and its work has not begun: what stood there then comes back
    /// too, since a row that works on a tree makes that tree first.
    pub(crate) fn run_after(&self, errand: &Errand, mut first: impl FnMut() -> Result<()>) -> Result<(Ended, Stood)> {
        let mut before = Stood::new();
        let ended = send_halting(errand, self.limit, || {
            before = stands(&errand.target)?;
            first()
        })?;
        Ok((ended, before))
    }

    /// The time of a run that nobody disturbs, the longest of a few.
    pub(crate) fn duration(&mut self) -> Result<Duration> {
        const RUNS: u32 = 3;
        let mut longest = 0;
        for _ in 0..RUNS {
            let errand = self.fresh()?;
            match self.run(&errand, Under::default())? {
                Ended::Answered(Answer::Reading(reading)) => longest = longest.max(reading.wall_ns),
                ended => bail!("{} does not run even undisturbed: {ended:?}", self.row.variant.name),
            }
            remove_tree(&errand.target)?;
        }
        Ok(Duration::from_nanos(longest))
    }

    /// What a target holds otherwise than the row promises.
    pub(crate) fn differences(&self, target: &Path) -> Vec<String> {
        match (self.row.workload.outcome)(&self.on(target.to_owned()).site()) {
            Ok(outcome) => self.expected.differences(&outcome, self.row.variant.technique.promises()),
            Err(error) => vec![format!("the outcome cannot be looked at: {error:#}")],
        }
    }

    /// What stands under its final name, is not complete, and did not stand there before. Names that the source lacks
    /// are unfinished by name; a link is as whole as what lies behind it.
    pub(crate) fn torn(&self, target: &Path, before: &Stood) -> Result<Vec<String>> {
        let mut torn = Vec::new();
        for (path, found) in stands(target)? {
            if before.get(&path) == Some(&found) {
                continue;
            }
            let is = match (&found, self.whole.get(&path)) {
                (Whole::Link(_), Some(Whole::File(..))) => behind(&target.join(&path))?.unwrap_or(found),
                _ => found,
            };
            if let Some(should) = self.whole.get(&path).filter(|should| **should != is) {
                let told = match (is, should) {
                    (Whole::File(is, _), Whole::File(should, _)) if is != *should => {
                        format!("{is} of {should} bytes")
                    }
                    _ => "other bytes".to_owned(),
                };
                torn.push(format!("{} holds {told}", path.display()));
            }
        }
        Ok(torn)
    }

    /// Whether a text names a file: one of the tree's, or the catalogue of what the row reads.
    pub(crate) fn names_a_file(&self, told: &str) -> bool {
        told.contains("catalogue") || self.whole.keys().any(|path| told.contains(&path.display().to_string()))
    }

    /// What the row reads, packed once for all runs.
    pub(crate) fn kept(&self) -> &Path {
        &self.errand.kept
    }
}

/// Files and links by their path.
pub(crate) type Stood = BTreeMap<PathBuf, Whole>;

/// The file behind a link, if there is one.
fn behind(link: &Path) -> Result<Option<Whole>> {
    if !link.is_file() {
        return Ok(None);
    }
    let bytes = std::fs::read(link).with_context(|| format!("reading {}", link.display()))?;
    Ok(Some(Whole::File(bytes.len() as u64, Some(*blake3::hash(&bytes).as_bytes()))))
}

/// The files and links below a directory.
pub(crate) fn stands(root: &Path) -> Result<Stood> {
    let entries = hashed(root, scan(root)?)?;
    let whole = entries.into_iter().filter_map(|(entry, hash)| {
        let whole = match entry.kind {
            Kind::File { len, .. } => Whole::File(len, hash.map(|hash| *hash.as_bytes())),
            Kind::Symlink { to } => Whole::Link(to),
            Kind::Directory | Kind::Other { .. } => return None,
        };
        Some((entry.path, whole))
    });
    Ok(whole.collect())
}
