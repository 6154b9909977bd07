//! Peers that are programs of their own: `find`, `bfs`, `fd`, `du`, and `pwalk` itself. Each row states what its program
//! prints, and is held to that; what it does not print, nobody can check.

use anyhow::{Context, Result};
use std::fs::File;
use std::process::Command;
use technique::{Absent, Lap, Peer, Promise, Promises, Site, Technique};

/// Programs that write what `-printf` is told into a file that they open themselves.
pub(crate) const FIND: Peer = Peer {
    promises: PRINTED,
    ..program(
        "find {source} -mindepth 1 -fprintf {target}/find.printed %i/%y/%m/%s/%T@/%P\\0",
        &["find"],
        "apt-get install findutils",
    )
};
pub(crate) const BFS: Peer = Peer {
    promises: PRINTED,
    ..program(
        "bfs {source} -mindepth 1 -fprintf {target}/bfs.printed %i/%y/%m/%s/%T@/%P\\0",
        &["bfs"],
        "apt-get install bfs",
    )
};

/// Debian calls it `fdfind`, for another program had the name before.
pub(crate) const FD: ToFile = ToFile {
    programs: &[
        program("fdfind --unrestricted --print0 --color never ^ {source}", &["fdfind"], NO_FD),
        program("fd --unrestricted --print0 --color never ^ {source}", &["fd"], NO_FD),
    ],
    file: "fd.full",
    promises: Promises::NONE.with(Promise::Named),
};
/// No entry is changed after so late a day, so all are printed, and each has been looked at.
pub(crate) const FD_ASKING: ToFile = ToFile {
    programs: &[
        program(
            "fdfind --unrestricted --changed-before 9999-01-01 --print0 --color never ^ {source}",
            &["fdfind"],
            NO_FD,
        ),
        program("fd --unrestricted --changed-before 9999-01-01 --print0 --color never ^ {source}", &["fd"], NO_FD),
    ],
    file: "fd.full",
    promises: Promises::NONE.with(Promise::Named),
};
const NO_FD: &str = "apt-get install fd-find, or cargo install fd-find";

/// With `--count-links`, for a hard link is an entry like any other.
pub(crate) const DU: ToFile = ToFile {
    programs: &[program("du --all --null --bytes --count-links {source}", &["du"], "apt-get install coreutils")],
    file: "du.sized",
    promises: Promises::NONE.with(Promise::Named),
};

/// Its CSV has what the lab's has; but it deletes control characters of names, and tells nobody what it could not read.
pub(crate) const PWALK: ToFile = ToFile {
    programs: &[program(
        "pwalk {source}",
        &["pwalk"],
        "no registry has it: build pwalk of github.com/fizwit/filesystem-reporting-tools, and put its directory on PATH",
    )],
    file: "pwalk.csv",
    promises: Promises::NONE.with(Promise::Named).with(Promise::Described).with(Promise::Whole),
};

/// What `-printf` with that format tells.
const PRINTED: Promises =
    Promises::NONE.with(Promise::Named).with(Promise::Described).with(Promise::Whole).with(Promise::TimesKept);

const fn program(run: &'static str, needs: &'static [&'static str], mend: &'static str) -> Peer {
    Peer { keep: None, run, needs, mend, promises: Promises::NONE }
}

/// A program that writes to its standard output, which is a file of the target.
pub(crate) struct ToFile {
    /// The program under each name that it has somewhere; the first that is there runs.
    programs: &'static [Peer],
    file: &'static str,
    promises: Promises,
}

/// The program that is there, and its command.
pub(crate) struct Ready {
    program: &'static Peer,
    command: Command,
}

impl Technique for ToFile {
    type Ready = Ready;

    fn prepare(&self, site: &Site) -> Result<Ready> {
        let mut absent = None;
        for program in self.programs {
            match program.prepare(site) {
                Ok(mut command) => {
                    let path = site.target.join(self.file);
                    command.stdout(File::create(&path).with_context(|| format!("making {}", path.display()))?);
                    return Ok(Ready { program, command });
                }
                Err(error) if error.is::<Absent>() => absent = absent.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        Err(absent.context("a row has a program")?)
    }

    fn work(&self, ready: &mut Ready, lap: &mut Lap) -> Result<()> {
        ready.program.work(&mut ready.command, lap)
    }

    fn promises(&self) -> Promises {
        self.promises
    }
}
