//! Peers: other people's programs as rows. Same site, same rounds, same outcome check.

use crate::phase::COMMAND;
use crate::{Absent, Lap, Promises, Site, Technique};
use anyhow::{Context, Result, bail, ensure};
use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Answers [`Absent`] where one of these programs is not here, with how to get it.
pub fn require(programs: &[&str], mend: &str) -> Result<()> {
    match programs.iter().find(|program| find_program(program).is_none()) {
        Some(missing) => Err(Absent::because(format!("no {missing} here"), mend)),
        None => Ok(()),
    }
}

/// Another program as a technique. `{source}`, `{target}` and `{kept}` in its commands stand for the site's paths;
/// words are split at spaces before the paths are put in, and no shell is asked. What it prints goes nowhere, unless its
/// last words are `> FILE`, a file of the target or what is kept: see [`printed`].
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// What is made before the clock, once: its key, and the command that makes `{kept}`.
    pub keep: Option<(&'static str, &'static str)>,
    /// The command under the clock.
    pub run: &'static str,
    /// The programs that it needs.
    pub needs: &'static [&'static str],
    /// How to get them.
    pub mend: &'static str,
    /// What the program guarantees, by its manual.
    pub promises: Promises,
}

impl Technique for Peer {
    type Ready = Command;

    fn prepare(&self, site: &Site) -> Result<Command> {
        require(self.needs, self.mend)?;
        let kept = match self.keep {
            None => site.kept().to_path_buf(),
            Some((key, command)) => site.keep(key, |path| run(&mut parse(command, site, path)?))?,
        };
        parse(self.run, site, &kept)
    }

    fn work(&self, command: &mut Command, lap: &mut Lap) -> Result<()> {
        run(command)?;
        lap.mark(COMMAND);
        Ok(())
    }

    fn promises(&self) -> Promises {
        self.promises
    }
}

/// Where the search path has that program, or else the place into which `just peers` puts some.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|path| path.is_file()).or_else(|| tool(name))
}

/// `tools/bin` in the build directory that this program lies in.
fn tool(name: &str) -> Option<PathBuf> {
    // target/debug/deps/TEST is the deepest that a program of ours lies.
    const DEEPEST: usize = 4;
    let own = std::env::current_exe().ok()?;
    own.ancestors().take(DEEPEST).map(|dir| dir.join("tools/bin").join(name)).find(|path| path.is_file())
}

/// A command without its last words `> FILE`, and that file, if it has any. Only where the target is emptied for a row
/// may a row's output go: nothing else is overwritten.
pub fn printed(command: &str) -> Result<(&str, Option<&str>)> {
    let mut words = command.trim_end().rsplitn(2, char::is_whitespace);
    let (last, rest) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let Some(bare) = rest.trim_end().strip_suffix('>').filter(|bare| bare.ends_with(char::is_whitespace)) else {
        return Ok((command, None));
    };
    let below = ["{target}/", "{kept}/"].iter().find_map(|place| last.strip_prefix(place));
    let stays = below.is_some_and(|path| !path.is_empty() && path.split('/').all(|part| part != ".."));
    ensure!(stays || last == "{kept}", "{last:?} is no file of the target: write  > {{target}}/NAME");
    Ok((bare, Some(last)))
}

/// A command in words, with the site's paths put in, and its output where it is to go.
pub fn parse(command: &str, site: &Site, kept: &Path) -> Result<Command> {
    let (command, file) = printed(command)?;
    let mut words = command.split_whitespace().map(|word| fill(word, site, kept));
    let program = words.next().context("a peer's command is empty")?;
    // What the search path has keeps its bare name, so that it finds its own like from a shell.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).any(|dir| dir.join(&program).is_file());
    let elsewhere = if on_path { None } else { program.to_str().and_then(tool) };
    let mut command = Command::new(elsewhere.map_or(program, OsString::from));
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null());
    if let Some(file) = file {
        let path = PathBuf::from(fill(file, site, kept));
        command.stdout(File::create(&path).with_context(|| format!("making {}", path.display()))?);
    }
    Ok(command)
}

/// A word with the site's paths put in.
pub fn fill(word: &str, site: &Site, kept: &Path) -> OsString {
    let mut filled = OsString::new();
    let mut rest = word;
    while let Some(at) = rest.find('{') {
        let places = [("{source}", site.source.as_path()), ("{target}", &site.target), ("{kept}", kept)];
        filled.push(&rest[..at]);
        rest = &rest[at..];
        if let Some((name, path)) = places.iter().find(|(name, _)| rest.starts_with(name)) {
            filled.push(path);
            rest = &rest[name.len()..];
        } else {
            filled.push("{");
            rest = &rest[1..];
        }
    }
    filled.push(rest);
    filled
}

/// Runs a command to its end; that it fails is an error.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("starting {}", command.get_program().display()))?;
    if !status.success() {
        bail!("{} ended with {status}", command.get_program().display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use fixtures::Tally;

    fn peer(run: &'static str) -> Peer {
        Peer { keep: None, run, needs: &[], mend: "", promises: Promises::NONE }
    }

    fn site(dir: &Path) -> Site {
        Site::new(dir.join("a source"), dir.join("target"), dir.join("kept"), Tally::default())
    }

    #[test]
    fn places_are_filled_in_after_words_are_split() {
        let dir = tempfile::tempdir().unwrap();
        let site = site(dir.path());
        let command = parse("cp -r {source}/. --to={target} {x}", &site, Path::new("k")).unwrap();
        let words: Vec<String> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
        let source = site.source.display();
        assert_eq!(words, ["-r", &format!("{source}/."), &format!("--to={}", site.target.display()), "{x}"]);
    }

    #[test]
    fn a_missing_program_is_absent_and_a_failing_one_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let site = site(dir.path());
        let missing = Peer { needs: &["no-such-program"], mend: "none to be had", ..peer("true") };
        let error = missing.prepare(&site).unwrap_err();
        assert_eq!(error.downcast_ref::<Absent>().unwrap().mend, "none to be had");
        let failing = peer("false");
        let mut command = failing.prepare(&site).unwrap();
        let error = failing.work(&mut command, &mut Lap::start(true)).unwrap_err();
        assert!(error.to_string().contains("exit status: 1"), "{error}");
    }

    #[test]
    fn what_a_peer_prints_goes_to_the_file_that_its_last_words_name() {
        let dir = tempfile::tempdir().unwrap();
        let site = site(dir.path());
        std::fs::create_dir(&site.target).unwrap();
        let printing = peer("echo {source} > b  > {target}/out.csv ");
        let mut command = printing.prepare(&site).unwrap();
        printing.work(&mut command, &mut Lap::start(true)).unwrap();
        let told = std::fs::read_to_string(site.target.join("out.csv")).unwrap();
        assert_eq!(told, format!("{} > b\n", site.source.display()));
        for nowhere in
            ["echo a > out", "echo > /etc/out", "echo > {source}/out", "echo > {target}/../out", "a > {target}"]
        {
            let error = printed(nowhere).unwrap_err().to_string();
            assert!(error.contains("> {target}/NAME"), "{nowhere}: {error}");
        }
        for none in ["echo a", "echo >{target}/out", "echo >", "> {target}/out", "", "echo a> {target}/out"] {
            assert_eq!(printed(none).unwrap(), (none, None));
        }
    }
}
