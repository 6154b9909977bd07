//! Files of JSON Lines: a header, then a line for each thing that happened. A last line that is cut short is what a
//! kill leaves, and is left out; any other damage is an error that names its line.

use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// Why a record file cannot be read.
#[derive(Debug)]
pub enum Unreadable {
    /// The file cannot be opened or read.
    Io(PathBuf, std::io::Error),
    /// It is empty, or its first line is no header.
    NoHeader(PathBuf, String),
    /// Its header is of another schema.
    Schema(PathBuf, u64, u32),
    /// A line in its middle is damaged.
    Damaged(PathBuf, usize, String),
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unreadable::Io(path, error) => write!(f, "cannot read {}: {error}", path.display()),
            Unreadable::NoHeader(path, why) => {
                write!(f, "{} is no record of a run: its first line is no header ({why})", path.display())
            }
            Unreadable::Schema(path, schema, ours) => write!(
                f,
                "{} is of schema {schema}, this build reads schema {ours}: use the build that wrote it, or measure again",
                path.display()
            ),
            Unreadable::Damaged(path, line, why) => write!(
                f,
                "{}:{line}: the line is damaged ({why}): cut the file before it to keep what stands above",
                path.display()
            ),
        }
    }
}

impl std::error::Error for Unreadable {}

/// A file's header and lines, split and not yet understood.
pub(crate) struct Lines<'a, H> {
    path: &'a Path,
    /// What the first line says.
    pub(crate) header: H,
    /// The other lines with their numbers.
    rest: Vec<(usize, &'a [u8])>,
    /// How many bytes of a last line were cut short.
    pub(crate) cut: usize,
}

impl<'a, H: DeserializeOwned> Lines<'a, H> {
    /// Splits a file whose first line is a header of that kind and schema.
    pub(crate) fn of(path: &'a Path, bytes: &'a [u8], kind: &str, schema: u32) -> Result<Lines<'a, H>, Unreadable> {
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let numbered = bytes[..whole].split(|byte| *byte == b'\n').enumerate();
        let mut lines = numbered.filter(|(_, line)| !line.is_empty()).map(|(at, line)| (at + 1, line));
        let no_header = |why: String| Unreadable::NoHeader(path.to_owned(), why);
        let (_, first) = lines.next().ok_or_else(|| no_header("the file is empty or cut in its first line".into()))?;
        // In two steps, so that another schema is told from a damaged line.
        let value: serde_json::Value = serde_json::from_slice(first).map_err(|error| no_header(error.to_string()))?;
        if value["kind"] != kind {
            return Err(no_header(format!("it is not of kind `{kind}`")));
        }
        let header = match value["schema"].as_u64() {
            Some(theirs) if theirs == u64::from(schema) => {
                serde_json::from_value(value).map_err(|error| no_header(error.to_string()))?
            }
            Some(theirs) => return Err(Unreadable::Schema(path.to_owned(), theirs, schema)),
            None => return Err(no_header("it names no schema".to_owned())),
        };
        Ok(Lines { path, header, rest: lines.collect(), cut: bytes.len() - whole })
    }
}

impl<H> Lines<'_, H> {
    /// Hands each further line to `take`, which may refuse it.
    pub(crate) fn each<L: DeserializeOwned>(
        &self,
        mut take: impl FnMut(L) -> Result<(), String>,
    ) -> Result<(), Unreadable> {
        for (number, line) in &self.rest {
            let damaged = |why: String| Unreadable::Damaged(self.path.to_owned(), *number, why);
            take(serde_json::from_slice(line).map_err(|error| damaged(error.to_string()))?).map_err(damaged)?;
        }
        Ok(())
    }
}
