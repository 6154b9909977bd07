//! Notes of what is under way, and how what a killed program left is brought to its end.

use crate::format::Id;
use crate::store::Refused;
use crate::store::bucket::Holder;
use crate::store::manifest::{Manifest, shard_name, unfinished_manifest};
use crate::store::shelf::{Guard, Shelf, TakenOver, each, open};
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Who puts what, while they do.
#[derive(Serialize, Deserialize)]
pub(super) struct Note {
    pub(super) name: String,
    pub(super) id: String,
    /// All places that the object goes to.
    pub(super) dirs: Vec<PathBuf>,
    /// The ids that it replaces.
    pub(super) replaces: Vec<String>,
    /// Who puts it, for places without locks.
    pub(super) holder: Option<Holder>,
}

/// How the name of a note ends.
const ENDS: &str = ".unfinished";

impl Note {
    fn file(&self) -> String {
        format!(".{}.{}{ENDS}", self.name, self.id)
    }

    /// The name and the id that the name of a note tells.
    fn parse(file: &str) -> Option<(&str, &str)> {
        let (name, id) = file.strip_prefix('.')?.strip_suffix(ENDS)?.rsplit_once('.')?;
        Id::parse(id).map(|_| (name, id))
    }
}

/// Notes in all places, held while this lives.
pub(super) struct UnderWay<'a> {
    shelves: Vec<&'a dyn Shelf>,
    file: String,
    guards: Vec<Guard>,
}

impl<'a> UnderWay<'a> {
    /// Notes in all of them; so many may refuse.
    pub(super) fn begin(shelves: &[&'a dyn Shelf], note: &Note, spare: usize) -> Result<UnderWay<'a>> {
        let file = note.file();
        let text = serde_json::to_vec(note)?;
        let mut under_way = UnderWay { shelves: Vec::new(), file, guards: Vec::new() };
        let mut refusals = Vec::new();
        let noted = each(shelves, |shelf| shelf.note(&under_way.file, &text));
        for (shelf, noted) in shelves.iter().zip(noted) {
            match noted {
                Ok(guard) => {
                    under_way.shelves.push(*shelf);
                    under_way.guards.push(guard);
                }
                Err(error) => refusals.push(error),
            }
        }
        // All notes are in place now, so that of two at least one sees the other.
        let looked = each(&under_way.shelves, |shelf| match busy(shelf, note)? {
            None => Ok(()),
            Some(who) => {
                let told = format!("{:?} is being written by another program: {}/{who}", note.name, shelf.place());
                Err(Refused::Busy(told).into())
            }
        });
        refusals.extend(looked.into_iter().filter_map(Result::err));
        let too_many = refusals.len() > spare;
        match refusals.into_iter().find(|error| too_many || error.is::<Refused>()) {
            None => Ok(under_way),
            Some(refusal) => {
                under_way.end()?;
                Err(refusal)
            }
        }
    }

    pub(super) fn end(self) -> Result<()> {
        let ended = each(&self.shelves, |shelf| shelf.remove(&self.file)).into_iter().collect();
        drop(self.guards);
        ended
    }
}

/// Another note for the same name that somebody holds.
fn busy(shelf: &dyn Shelf, own: &Note) -> Result<Option<String>> {
    for file in shelf.names()? {
        let other = Note::parse(&file).is_some_and(|(name, id)| name == own.name && id != own.id);
        if other && matches!(shelf.take_over(&file)?, TakenOver::Theirs) {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

/// Brings to an end what killed programs left in that place. Says what was done, a line each.
pub(super) fn sweep(shelf: &dyn Shelf) -> Result<Vec<String>> {
    let mut told = Vec::new();
    for file in shelf.names()? {
        if Note::parse(&file).is_none() {
            continue;
        }
        let TakenOver::Ours(_guard) = shelf.take_over(&file)? else { continue };
        let note: Option<Note> = shelf.read(&file)?.and_then(|text| serde_json::from_slice(&text).ok());
        if let Some(note) = note {
            told.push(bring_to_an_end(shelf, &note)?);
        }
        shelf.remove(&file)?;
    }
    Ok(told)
}

fn bring_to_an_end(shelf: &dyn Shelf, note: &Note) -> Result<String> {
    let Note { name, id, dirs, replaces, .. } = note;
    // A shard that was not finished is of no use, whichever way it ends.
    shelf.clear(&shard_name(name, id))?;
    shelf.clear(&unfinished_manifest(name, id))?;
    let mut manifests = dirs.iter().filter_map(|dir| Manifest::read(open(dir).ok()?.as_ref(), name).ok()?);
    let Some(manifest) = manifests.find(|manifest| manifest.id == *id) else {
        shelf.remove(&shard_name(name, id))?;
        return Ok(format!("{}: removed what was left of an unfinished {name:?}", shelf.place()));
    };
    if Manifest::read(shelf, name)?.is_none_or(|other| other.generation <= manifest.generation) {
        manifest.write(shelf, false)?;
        for old in replaces {
            shelf.remove(&shard_name(name, old))?;
        }
    }
    Ok(format!("{}: finished {name:?}, which was all but done", shelf.place()))
}
