//! A process of our own beside a row: it hears orders on its input, answers on its output, and ends when the input does.

use anyhow::{Context, Result};
use std::ffi::OsString;
use std::io::BufReader;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The process, the way to it, and the way back.
pub type Servant = (Child, Option<ChildStdin>, BufReader<ChildStdout>);

/// Starts this program with that word, or by other words where they are given: a test's, which is another program.
pub fn start(others: Option<&Vec<OsString>>, word: &str) -> Result<Servant> {
    let own = || -> Result<Vec<OsString>> {
        Ok(vec![std::env::current_exe().context("finding this program")?.into(), word.into()])
    };
    let words = others.cloned().map_or_else(own, Ok)?;
    let mut child = Command::new(&words[0])
        .args(&words[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting the server, {word}"))?;
    let orders = child.stdin.take();
    let answers = BufReader::new(child.stdout.take().context("its output is a pipe")?);
    Ok((child, orders, answers))
}
