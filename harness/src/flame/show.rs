//! `assay flame`: graphs of a row, or of two against each other, and how far each may be trusted.

use super::draw::{Legend, difference, folded, picture};
use super::export::{firefox, speedscope, time_line};
use super::gather::{Got, Ground};
use super::names::Names;
use super::trust::Gathered;
use super::{Kind, watch};
use crate::catalogue;
use crate::cli::{Said, width};
use crate::home;
use crate::pace::parse_duration;
use crate::progress::{Progress, Telling};
use crate::refusal::{Exit, Refusal};
use crate::scratch::{Scratch, default_place};
use crate::signals;
use anyhow::{Context, Result};
use clap::Args;
use reports::table::wrap;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use technique::{Variant, Workload};

/// The file that says that a directory of graphs is ours.
const MARKER: &str = ".assay-flame";
const SIGNED: &str = "made by assay flame, which replaces its own files here\n";

/// What is asked for.
#[derive(Args)]
pub struct FlameArgs {
    /// The row, as WORKLOAD/ROW
    row: String,
    /// An earlier row to hold it against: red grew, blue shrank
    #[arg(long, value_name = "WORKLOAD/ROW")]
    against: Option<String>,
    /// The kind of graph [default: all four]
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// Fixture or recipe file [default: the workload's first]
    #[arg(long, value_name = "FIXTURE")]
    on: Option<String>,
    /// Where the graphs go, a directory each [default: flames/ beside the records]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// At most so long for a graph; it ends earlier when it has 4,000 stacks
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "10s")]
    seconds: Duration,
    /// Where to work: an empty or new directory [default: memory if there is room, else beside the records]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Kill a run that takes longer
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "5m")]
    limit: Duration,
    /// Open the last picture with the desktop's viewer
    #[arg(long)]
    open: bool,
}

/// A row that graphs are made of.
#[derive(Clone, Copy)]
struct Subject {
    workload: &'static Workload,
    variant: &'static Variant,
}

/// What was done, for people and for programs.
#[derive(Default)]
struct Done {
    text: String,
    documents: Vec<Value>,
    last: Option<PathBuf>,
    failed: bool,
    absent: usize,
    made: usize,
}

/// Makes the graphs.
pub fn flame(wish: &FlameArgs, telling: Telling) -> Result<Said> {
    let after = subject(&wish.row)?;
    let before = wish.against.as_deref().map(subject).transpose()?;
    let on = wish.on.as_deref().unwrap_or(after.workload.fixtures[0]);
    let kinds = wish.kind.map_or(Kind::ALL.to_vec(), |kind| vec![kind]);
    let out = wish.out.clone().unwrap_or_else(|| home::home().join("flames"));
    for kind in &kinds {
        for name in names(after, before, *kind) {
            refuse_what_is_not_ours(&out.join(name))?;
        }
    }
    let fixture = crate::fixture::ready(on, telling)?;
    let need = 3 * fixture.tally.bytes + (256 << 20);
    let scratch = Scratch::take(&wish.scratch.clone().unwrap_or_else(|| default_place(need)))?;
    signals::listen()?;
    let mut grounds = Vec::new();
    for subject in before.iter().chain([&after]) {
        grounds.push((*subject, Ground::take(subject.workload, subject.variant, &fixture, &scratch, wish.limit)?));
    }
    let progress = Progress::begin(telling, "flame");
    let mut done = Done::default();
    for (at, kind) in kinds.iter().enumerate() {
        let mut pair = Vec::new();
        for (subject, ground) in &mut grounds {
            let tell = |stacks| {
                let words = format!("{} {}, {stacks} stacks", subject.name(), kind.name());
                progress.at(at as u64, kinds.len() as u64, &words);
            };
            tell(0);
            match ground.gather(*kind, wish.seconds, &tell)? {
                Got::Absent(absent) => done.absent(*subject, *kind, &absent.to_string()),
                Got::Stacks(gathered) if gathered.stacks.is_empty() => {
                    done.absent(*subject, *kind, "not one stack: another program did the work, or there was none");
                }
                Got::Stacks(gathered) => {
                    done.graph(*subject, on, &gathered, &out)?;
                    pair.push((*subject, gathered));
                }
            }
        }
        if let [(before, earlier), (after, later)] = pair.as_slice() {
            done.difference((*before, earlier), (*after, later), on, &out)?;
        }
    }
    drop(progress);
    if let Some(picture) = done.last.as_ref().filter(|_| wish.open) {
        std::process::Command::new("xdg-open")
            .arg(picture)
            .spawn()
            .with_context(|| format!("opening {} with xdg-open: is a desktop there?", picture.display()))?;
    }
    Ok(done.said(after, on))
}

/// Whether the kernel lets this process watch itself; the error says why not and how to mend it.
pub fn permitted() -> Result<()> {
    watch::permitted()
}

/// Whether the kernel tells the names of its functions.
pub fn kernel_is_named() -> bool {
    Names::here().missing().is_none()
}

impl Subject {
    fn name(self) -> String {
        format!("{}/{}", self.workload.name, self.variant.name)
    }

    fn file_name(self) -> String {
        format!("{}-{}", self.workload.name, self.variant.name)
    }
}

fn subject(row: &str) -> Result<Subject> {
    let (name, row) = row.split_once('/').ok_or_else(|| {
        let mend = "name a row as WORKLOAD/ROW; `assay list WORKLOAD` shows them";
        Refusal::usage(format!("{row:?} is no row"), mend)
    })?;
    let workload = catalogue::workload(name)?;
    Ok(Subject { workload, variant: catalogue::variant_of(workload, row)? })
}

/// The directories that graphs of a kind go to.
fn names(after: Subject, before: Option<Subject>, kind: Kind) -> Vec<String> {
    let mut names = vec![format!("{}-{}", after.file_name(), kind.name())];
    if let Some(before) = before {
        names.push(format!("{}-{}", before.file_name(), kind.name()));
        names.push(both(before, after, kind));
    }
    names
}

fn both(before: Subject, after: Subject, kind: Kind) -> String {
    format!("{}--{}-{}", before.file_name(), after.file_name(), kind.name())
}

fn refuse_what_is_not_ours(dir: &Path) -> Result<()> {
    let taken = dir.exists() && !dir.join(MARKER).is_file() && {
        let mut entries = std::fs::read_dir(dir).with_context(|| format!("looking into {}", dir.display()))?;
        entries.next().is_some()
    };
    if taken {
        return Err(Refusal::usage(
            format!("{} is not empty, and assay flame did not make it", dir.display()),
            "name another place with --out DIR",
        ));
    }
    Ok(())
}

fn write(dir: &Path, files: &[(&str, &[u8])]) -> Result<()> {
    refuse_what_is_not_ours(dir)?;
    std::fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
    for (name, bytes) in [(MARKER, SIGNED.as_bytes())].iter().chain(files) {
        let path = dir.join(name);
        std::fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// What the graphs of a directory are of, for who finds them later.
fn about(row: &str, against: Option<&str>, on: &str, kind: Kind) -> String {
    format!("{}\n", json!({"row": row, "against": against, "fixture": on, "kind": kind}))
}

impl Done {
    /// A paragraph beside its word.
    fn line(&mut self, word: &str, text: &str) {
        const INDENT: usize = 10;
        for (at, line) in wrap(text, width().saturating_sub(INDENT).max(30), 0).lines().enumerate() {
            let word = if at == 0 { word } else { "" };
            self.text += &format!("{word:INDENT$}{line}\n");
        }
    }

    fn head(&mut self, subject: Subject, kind: Kind) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text += &format!("{} {}\n", subject.name(), kind.name());
    }

    fn absent(&mut self, subject: Subject, kind: Kind, why: &str) {
        self.absent += 1;
        self.head(subject, kind);
        self.line("absent", why);
        self.documents.push(json!({"row": subject.name(), "kind": kind, "absent": why}));
    }

    fn graph(&mut self, subject: Subject, on: &str, gathered: &Gathered, out: &Path) -> Result<()> {
        let (kind, root) = (gathered.kind, subject.name());
        let trust = gathered.trust();
        let lines = trust.lines(gathered);
        let legend = Legend {
            title: format!("{root} on {on}, {}: {}", kind.name(), kind.shows()),
            subtitle: format!("not shown: {} · {}", kind.cannot(), trust.brief(gathered)),
        };
        let stacks = folded(&root, &gathered.stacks);
        let svg = picture(&stacks, &legend)?;
        let exports = [
            speedscope(&root, &gathered.stacks).to_string(),
            firefox(&root, &gathered.stacks)?.to_string(),
            time_line(&root, &gathered.threads).to_string(),
        ];
        let dir = out.join(format!("{}-{}", subject.file_name(), kind.name()));
        let about = about(&root, None, on, kind);
        let files: [(&str, &[u8]); 6] = [
            ("about.json", about.as_bytes()),
            ("flame.svg", &svg),
            ("stacks.folded", stacks.as_bytes()),
            ("speedscope.json", exports[0].as_bytes()),
            ("firefox.json", exports[1].as_bytes()),
            ("timeline.json", exports[2].as_bytes()),
        ];
        write(&dir, &files)?;
        let failure = trust.failure(gathered);
        self.failed |= failure.is_some();
        self.made += 1;
        self.last = Some(dir.join("flame.svg"));
        self.head(subject, kind);
        self.line("shows", kind.shows());
        self.line("cannot", kind.cannot());
        for (at, line) in lines.iter().enumerate() {
            self.line(if at == 0 { "found" } else { "" }, line);
        }
        if let Some(failure) = &failure {
            self.line("FAILED", failure);
        }
        self.line(
            "files",
            &format!("{}/ (flame.svg, stacks.folded, speedscope.json, firefox.json, timeline.json)", dir.display()),
        );
        let mut document = trust.json(gathered);
        if let Some(fields) = document.as_object_mut() {
            fields.insert("row".to_owned(), json!(root));
            fields.insert("kind".to_owned(), json!(kind));
            fields.insert("directory".to_owned(), json!(dir));
            fields.insert("failed".to_owned(), json!(failure));
        }
        self.documents.push(document);
        Ok(())
    }

    /// The two of a mean run each, below one root, so that widths are times and can be compared.
    fn difference(
        &mut self,
        (before, earlier): (Subject, &Gathered),
        (after, later): (Subject, &Gathered),
        on: &str,
        out: &Path,
    ) -> Result<()> {
        let kind = later.kind;
        let old = folded("run", &earlier.of_one_run());
        let new = folded("run", &later.of_one_run());
        let legend = Legend {
            title: format!(
                "{} against {} on {on}, {}: red grew, blue shrank",
                after.name(),
                before.name(),
                kind.name()
            ),
            subtitle: format!("widths are {}'s, of a mean run; what is gone altogether is not drawn", after.name()),
        };
        let (lines, svg) = difference(&old, &new, &legend)?;
        let dir = out.join(both(before, after, kind));
        let about = about(&after.name(), Some(&before.name()), on, kind);
        let files: [(&str, &[u8]); 5] = [
            ("about.json", about.as_bytes()),
            ("difference.svg", &svg),
            ("difference.folded", lines.as_bytes()),
            ("before.folded", old.as_bytes()),
            ("after.folded", new.as_bytes()),
        ];
        write(&dir, &files)?;
        self.last = Some(dir.join("difference.svg"));
        self.line(
            "against",
            &format!("{}: {}/ (difference.svg, before and after folded)", before.name(), dir.display()),
        );
        self.documents.push(json!({"row": after.name(), "against": before.name(), "kind": kind, "directory": dir}));
        Ok(())
    }

    fn said(mut self, after: Subject, on: &str) -> Said {
        if self.made > 0 {
            self.text.push('\n');
            self.line(
                "note",
                "the pictures hold a script of inferno's under the CDDL 1.0: do not commit them, or keep its notice.",
            );
        }
        let exit = if self.failed || (self.made == 0 && self.absent > 0) { Exit::Unfit } else { Exit::Fine };
        let json = json!({"row": after.name(), "fixture": on, "graphs": self.documents});
        Said { text: self.text, json, schema: "assay.flame/1", exit }
    }
}
