//! One row of `walk` in a process of its own: `walk-row ROW SOURCE TARGET`. Rows that hold one build against another
//! start it; nobody else needs it.

use anyhow::{Result, bail};
use std::ffi::OsString;
use std::io::Write;

fn main() -> Result<()> {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    match words.as_slice() {
        [word] if word == "--sources" => Ok(writeln!(std::io::stdout(), "{}", walk::SOURCES)?),
        [row, source, target] => walk::work_once(&row.to_string_lossy(), source.as_ref(), target.as_ref()),
        _ => bail!("walk-row ROW SOURCE TARGET"),
    }
}
