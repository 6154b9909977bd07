//! `assay walk`: the best row on a real tree, as a tool: one finished file, or none.

mod tell;

use crate::cli::Said;
use crate::pace::Pace;
use crate::progress::Telling;
use crate::refusal::{Exit, Refusal};
use crate::signals;
use ::walk::{Failure, Format, Options, Report, Seen};
use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use tell::Teller;

/// So many failures are named where people read; programs get all that were kept.
const NAMED: usize = 20;

/// What its help says first.
pub const ABOUT: &str = "\
Walks a directory with the best row of `walk`, and writes a record of every entry below it into one file.

Nothing is followed: links are recorded as links. The directory itself is no entry of its own. Names may hold any byte, \
and paths may have any length. An entry that cannot be read is counted and named, and ends nothing; the exit code says \
so.

The file has its name only when it is complete, and is on the disk by then. Until then it is called \
FILE.NUMBER.partial; Ctrl-C removes that, and only a kill -9 or a power cut leaves it: it is of no use, remove it.

With --json it tells how many names directories gave (found): each is recorded (entries) or told (failed), where also \
those directories count that could not be listed (unlisted). A walk that does not add up so leaves no file.

Memory does not grow with the number of entries: 1.2 MiB a thread, a dozen for Parquet, and the paths of those \
directories that were found and wait to be listed, each with 150 bytes: at worst all that lie beside each other. \
--json tells the most that was held (peak_bytes).

A thread holds three open files at most. Where so many do not fit below the limit (ulimit -n), the soft one is raised; \
where the hard one forbids that, fewer threads walk, and that is told.";

/// Walks a tree with the best row, and writes a record of every entry below it into one file.
#[derive(Args)]
#[command(after_long_help = AFTER)]
pub struct WalkArgs {
    /// The directory
    dir: PathBuf,
    /// The file to write; it must not exist yet, unless --force is given
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// What a record looks like
    #[arg(long, value_enum, default_value_t = Shape::Parented)]
    format: Shape,
    /// How many threads [default: one for each processor]. On a cold disk or over a network 32 are faster: they wait
    /// at the same time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Record directories on other file systems, but do not enter them
    #[arg(long)]
    one_file_system: bool,
    /// Replace the file, if it exists
    #[arg(long)]
    force: bool,
}

const AFTER: &str = "Examples:
  assay walk /home -o home.parented
  assay walk /home -o home.csv --format csv --one-file-system
  assay walk /mnt/nfs -o nfs.paths --format paths --threads 32
  assay walk /home -o home.parquet --format parquet
  duckdb -c \"SELECT uid, sum(size) FROM 'home.parquet' GROUP BY uid\"

Exit codes: 0 every entry is recorded; 2 bad arguments; 4 the disk is full or refuses; 6 some entries could not be read: \
all others are recorded; 130 broken off, and nothing is left.";

/// What a record looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shape {
    /// 48 bytes, little endian, and the bare name. Number of its directory u32 (0 is DIR), own number if it is a
    /// directory u32, inode u64, size u64, mtime seconds i64, nanoseconds u32, uid u32, gid u32, mode u16, length of
    /// the name u16
    Parented,
    /// 44 bytes, little endian, and the path below DIR. Inode u64, size u64, mtime seconds i64, nanoseconds u32, uid
    /// u32, gid u32, mode u32, length of the path u32
    Pathed,
    /// The lines of pwalk, which `DuckDB` and others read. Three things differ: control characters of names stay, a
    /// directory that cannot be opened has a line that ends with 0,0, and so has a mount point under --one-file-system
    Csv,
    /// The path below DIR and a NUL, for xargs -0
    Paths,
    /// A Parquet file, which `DuckDB` and others read: directory and name as bytes, inode, size, mtime in seconds,
    /// `mtime_ns`, uid, gid and mode
    Parquet,
}

impl From<Shape> for Format {
    fn from(shape: Shape) -> Format {
        match shape {
            Shape::Parented => Format::Parented,
            Shape::Pathed => Format::Pathed,
            Shape::Csv => Format::Csv,
            Shape::Paths => Format::Paths,
            Shape::Parquet => Format::Parquet,
        }
    }
}

/// Walks, tells how it goes, and says what came of it.
pub fn walk(arguments: &WalkArgs, telling: Telling) -> Result<Said> {
    look(arguments)?;
    signals::listen_saying("\nbreaking off\n")?;
    let options = Options {
        threads: arguments.threads.map(usize::from),
        format: arguments.format.into(),
        one_file_system: arguments.one_file_system,
        replace: arguments.force,
        ..Options::default()
    };
    let pace = Pace::begin();
    let teller = Mutex::new(Teller::begin(telling));
    let progress = |seen: Seen| {
        teller.lock().expect("nobody panics while telling").tell(pace.passed(), seen);
        if signals::asked_to_stop() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let walked = ::walk::run(&arguments.dir, &arguments.out, &options, &progress);
    drop(teller);
    let report = match walked {
        Ok(report) => report,
        Err(_) if signals::asked_to_stop() => return Err(interrupted(arguments)),
        Err(error) => return Err(error),
    };
    let seconds = pace.passed().as_secs_f64();
    let bytes =
        std::fs::metadata(&arguments.out).with_context(|| format!("looking at {}", arguments.out.display()))?.len();
    let walked = Walked { arguments, report, seconds, bytes };
    let exit = if walked.report.failed == 0 { Exit::Fine } else { Exit::Data };
    Ok(Said { text: walked.text(), json: walked.json(), schema: "assay.walk/1", exit })
}

/// Refuses what cannot be, before anything is made.
fn look(arguments: &WalkArgs) -> Result<()> {
    let (dir, out) = (&arguments.dir, &arguments.out);
    let shown = dir.display();
    match std::fs::metadata(dir) {
        Ok(meta) if meta.is_dir() => {}
        Ok(_) => return Err(Refusal::usage(format!("{shown} is no directory"), "name a directory to walk")),
        Err(error) => {
            let mend = match error.kind() {
                ErrorKind::NotFound => "name a directory to walk",
                _ => "name a directory that you may read, or ask as another user",
            };
            return Err(Refusal::usage(format!("cannot walk {shown}: {error}"), mend));
        }
    }
    if out.file_name().is_none() {
        return Err(Refusal::usage(format!("{} names no file", out.display()), "name one: -o FILE"));
    }
    match out.symlink_metadata() {
        Ok(meta) if !meta.is_file() => Err(Refusal::usage(
            format!("{} is a directory, a link or a device, and stays as it is", out.display()),
            "name a plain file, new or of an earlier walk: -o FILE",
        )),
        Ok(_) if !arguments.force => Err(Refusal::usage(
            format!("{} exists already", out.display()),
            "name another file, or replace it: --force",
        )),
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Refusal::usage(
            format!("cannot write {}: {error}", out.display()),
            "name a file in a directory that you may write to: -o FILE",
        )),
        _ if !above(out).is_dir() => Err(Refusal::usage(
            format!("there is no directory {} to write {} in", above(out).display(), out.display()),
            "make it, or name a file elsewhere: -o FILE",
        )),
        _ => Ok(()),
    }
}

/// The directory that a file stands in.
fn above(out: &Path) -> &Path {
    out.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn interrupted(arguments: &WalkArgs) -> anyhow::Error {
    let what = format!("the walk of {} was broken off; nothing was written", arguments.dir.display());
    Refusal { exit: Exit::Interrupted, what, mend: "run it again; it begins anew".into() }.into()
}

/// What came of a walk.
struct Walked<'a> {
    arguments: &'a WalkArgs,
    report: Report,
    seconds: f64,
    bytes: u64,
}

impl Walked<'_> {
    fn text(&self) -> String {
        let Report { entries, failed, failures, not_entered, threads, .. } = &self.report;
        let rate = tell::counted(rate(*entries, self.seconds));
        let mut text = format!(
            "file     {}, {} MB\nentries  {} in {:.2} s, {rate} a second\n",
            plain(self.arguments.out.as_os_str().as_bytes()),
            tell::tenths(self.bytes),
            tell::counted(*entries),
            self.seconds,
        );
        if let Some(asked) = self.arguments.threads.map(usize::from).filter(|asked| asked > threads) {
            text += &format!("threads  {threads} of {asked}: no more fit below the limit on open files (ulimit -n)\n");
        }
        if *not_entered > 0 {
            text += &format!("mounts   {not_entered} on other file systems, recorded and not entered\n");
        }
        if self.lies_within() {
            text += "note     the file lies in the tree: under its unfinished name it is one of the entries\n";
        }
        if *failed > 0 {
            text += &format!("failed   {} could not be read:\n", tell::counted(*failed));
            for Failure { path, doing, errno } in failures.iter().take(NAMED) {
                text += &format!("  {doing} {}: {}\n", place(path), reason(*errno));
            }
            let more = failed.saturating_sub(NAMED.min(failures.len()) as u64);
            if more > 0 {
                text += &format!("  and {} more; --json names up to 10,000 for each thread\n", tell::counted(more));
            }
        }
        text
    }

    fn json(&self) -> Value {
        let Report { found, entries, failed, unlisted, failures, not_entered, threads } = &self.report;
        let failures: Vec<Value> = failures
            .iter()
            .map(|Failure { path, doing, errno }| {
                let mut told = json!({"path": String::from_utf8_lossy(path), "doing": doing, "error": reason(*errno)});
                if std::str::from_utf8(path).is_err() {
                    told["path_hex"] = hex(path).into();
                }
                told
            })
            .collect();
        json!({
            "dir": self.arguments.dir.to_string_lossy(),
            "out": self.arguments.out.to_string_lossy(),
            "format": Format::from(self.arguments.format).extension(),
            "bytes": self.bytes,
            "found": found,
            "entries": entries,
            "failed": failed,
            "unlisted": unlisted,
            "not_entered": not_entered,
            "seconds": self.seconds,
            "entries_per_s": rate(*entries, self.seconds),
            "threads": threads,
            "peak_bytes": crate::probes::peak_bytes(),
            "within_dir": self.lies_within(),
            "failures": failures,
        })
    }

    /// Whether the file was written where the walk came by.
    fn lies_within(&self) -> bool {
        let (dir, above) = (&self.arguments.dir, above(&self.arguments.out));
        let device = |path: &Path| std::fs::metadata(path).ok().map(|meta| meta.dev());
        let (Ok(whole), Ok(within)) = (dir.canonicalize(), above.canonicalize()) else { return false };
        within.starts_with(whole) && !(self.arguments.one_file_system && device(dir) != device(above))
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate is no more than a count")]
fn rate(entries: u64, seconds: f64) -> u64 {
    (entries as f64 / seconds.max(1e-6)) as u64
}

fn reason(errno: rustix::io::Errno) -> String {
    let text = std::io::Error::from(errno).to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(half.into(), 16).expect("half a byte is one digit");
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// A path below the directory that was walked, or that directory itself.
fn place(path: &[u8]) -> String {
    if path.is_empty() { "the directory itself".to_owned() } else { plain(path) }
}

/// A path as a terminal may be shown it: a name may hold any byte, also such as would drive it.
fn plain(path: &[u8]) -> String {
    match std::str::from_utf8(path) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => format!("b\"{}\"", OsString::from(path.escape_ascii().to_string()).display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_does_not_drive_the_terminal() {
        assert_eq!(plain(b"a/\xc3\xa4 b"), "a/\u{e4} b");
        assert_eq!(plain(b"\x1b[31mred\n"), "b\"\\x1b[31mred\\n\"");
        assert_eq!(plain(b"\xff"), "b\"\\xff\"");
        // A control character that is not ASCII drives some terminals, too.
        assert_eq!(plain("\u{9b}31m".as_bytes()), "b\"\\xc2\\x9b31m\"");
    }
}
