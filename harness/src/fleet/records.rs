//! Records of a fleet: a shard's is put into a place when it is whole, and until then a note tells what became of it.

use super::place::{Found, Place};
use crate::pace::now;
use crate::refusal::{Exit, Refusal};
use anyhow::{Context, Result};
use reports::fleet::merge::{Piece, Wholeness};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// How a shard's note is named behind its number.
const NOTE: &str = ".note";

/// The records in these places: a record's file, a record's own directory, a directory of such, or the same in a bucket.
pub fn records_in(places: &[PathBuf]) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for place in places {
        found.extend(Place::of(place)?.records()?);
    }
    Ok(found)
}

/// Puts a whole record into a place. One that was stopped before its end is not put there.
pub(super) fn deliver(record: &Path, into: &Place) -> Result<PathBuf> {
    let bytes = fs::read(record).with_context(|| format!("reading {}", record.display()))?;
    let piece = Piece::of(record, bytes).map_err(|error| Refusal::data(error.to_string(), "run the shard again"))?;
    if piece.wholeness() != Wholeness::Whole {
        return Err(Refusal {
            exit: Exit::Interrupted,
            what: format!("the shard was stopped before its end, so that {into} has no record of it"),
            mend: format!("run it again; what was measured so far is in {}", record.display()),
        }
        .into());
    }
    into.put(&piece).map_err(|error| match error.downcast::<Refusal>() {
        // What was measured in hours is not lost with the way to its place.
        Ok(Refusal { exit, what, mend }) => {
            let whole = record.display();
            let mend = format!("{mend}; the record is whole in {whole}: copy it to {into}/{}/", piece.name());
            Refusal { exit, what, mend }.into()
        }
        Err(error) => error,
    })
}

/// What is told of a shard that has no record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Note {
    /// What became of it.
    pub(super) how: How,
    /// Where, when or why.
    pub(super) words: String,
}

/// What became of a shard that has no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum How {
    /// It is being run, or whoever ran it was killed.
    Begun,
    /// It failed, and said why.
    Failed,
}

impl How {
    const ALL: [(How, &'static str); 2] = [(How::Begun, "begun"), (How::Failed, "failed")];

    fn word(self) -> &'static str {
        How::ALL.into_iter().find(|(how, _)| *how == self).map_or("", |(_, word)| word)
    }
}

impl Note {
    /// What a merge says of a shard that is missing.
    pub(super) fn told(&self) -> String {
        match self.how {
            How::Begun => format!("{}, and has not come to its end", self.words),
            How::Failed => self.words.clone(),
        }
    }

    fn parse(text: &str) -> Option<Note> {
        let (word, words) = text.trim().split_once(' ')?;
        let (how, _) = How::ALL.into_iter().find(|(_, known)| *known == word)?;
        Some(Note { how, words: words.to_owned() })
    }
}

/// Says that a shard is begun. It comes before anything is measured, so that a place that cannot be written to is told
/// then, and not hours later.
pub(super) fn begin(into: &Place, shard: u32) -> Result<()> {
    into.make()?;
    leave(into, shard, How::Begun, &format!("begun at {}", now().strftime("%Y-%m-%d %H:%M:%S UTC")))
}

/// Leaves a word on why a shard has no record; whoever merges reads it.
pub(super) fn fail(into: &Place, shard: u32, error: &anyhow::Error) {
    // Where not even this can be written, the error itself is told on stderr.
    let _ = leave(into, shard, How::Failed, &format!("{error:#}").replace('\n', " "));
}

/// The shard has its record: what was said of it before is no news.
pub(super) fn end(into: &Place, shard: u32) {
    into.remove_note(&name_of(shard));
}

fn leave(into: &Place, shard: u32, how: How, words: &str) -> Result<()> {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let node = std::env::var("SLURMD_NODENAME").unwrap_or_else(|_| host.trim().to_owned());
    into.write_note(&name_of(shard), format!("{} {node}: {words}\n", how.word()))
}

fn name_of(shard: u32) -> String {
    format!("shard-{shard}{NOTE}")
}

/// What is told in these places of shards, by their numbers. Of a place that cannot be read nothing is.
pub(super) fn notes(places: &[PathBuf]) -> BTreeMap<u32, Note> {
    let mut found = BTreeMap::new();
    for place in places.iter().filter_map(|place| Place::of(place).ok()) {
        for name in place.notes().unwrap_or_default() {
            let shard = name.strip_prefix("shard-").and_then(|name| name.strip_suffix(NOTE)?.parse().ok());
            let Some(shard) = shard else { continue };
            found.extend(place.note(&name).and_then(|text| Note::parse(&text)).map(|note| (shard, note)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_says_what_became_of_a_shard_until_it_has_its_record() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::of(dir.path()).unwrap();
        let note = || notes(&[dir.path().to_owned()]).remove(&3);
        begin(&place, 3).unwrap();
        assert!(note().unwrap().told().ends_with(", and has not come to its end"));
        fail(&place, 3, &anyhow::anyhow!("no room\n  do  make some"));
        let failed = note().unwrap();
        assert_eq!(failed.how, How::Failed);
        assert!(failed.told().ends_with(": no room   do  make some"), "{}", failed.told());
        end(&place, 3);
        assert_eq!(note(), None);
        // What was cut off in the middle of a word is no note.
        fs::write(dir.path().join("shard-4.note"), "beg").unwrap();
        assert_eq!(notes(&[dir.path().to_owned()]), BTreeMap::new());
    }
}
