//! What lies beside the shards of an object, and what everything is called.

use crate::format::Id;
use crate::store::Refused;
use crate::store::shelf::Shelf;
use anyhow::Result;
use serde::{Deserialize, Serialize};

/// The schema of a manifest.
const SCHEMA: &str = "assay.shard/1";

/// What is known of an object in each place beside its shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    schema: String,
    /// The object's name.
    pub name: String,
    /// Which writing of it: its shards have it in their heads.
    pub id: String,
    /// How often an object of that name was put.
    pub generation: u64,
    /// Data shards.
    pub data: u16,
    /// Parity shards.
    pub parity: u16,
    /// The object's bytes.
    pub length: u64,
}

impl Manifest {
    pub(super) fn new(name: &str, id: Id, generation: u64, (data, parity): (u16, u16), length: u64) -> Manifest {
        let (schema, name, id) = (SCHEMA.to_owned(), name.to_owned(), id.to_string());
        Manifest { schema, name, id, generation, data, parity, length }
    }

    /// How many shards there should be.
    pub fn shards(&self) -> usize {
        usize::from(self.data) + usize::from(self.parity)
    }

    /// The name of its shards.
    pub(super) fn shard(&self) -> String {
        shard_name(&self.name, &self.id)
    }

    /// The manifest of that name in that place. What is no manifest counts as none: shards say of themselves all that
    /// reading them needs.
    pub(super) fn read(shelf: &dyn Shelf, name: &str) -> Result<Option<Manifest>> {
        let Some(text) = shelf.read(&manifest_name(name))? else { return Ok(None) };
        let Ok(manifest) = serde_json::from_slice::<Manifest>(&text) else { return Ok(None) };
        let right = manifest.schema == SCHEMA && manifest.name == name && Id::parse(&manifest.id).is_some();
        Ok(right.then_some(manifest))
    }

    /// Whether that place has it.
    pub(super) fn is_at(&self, there: &dyn Shelf) -> bool {
        Manifest::read(there, &self.name).is_ok_and(|found| found.as_ref() == Some(self))
    }

    /// Puts it in that place, whole or not at all.
    pub(super) fn write(&self, there: &dyn Shelf, durable: bool) -> Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        there.write(&manifest_name(&self.name), &unfinished_manifest(&self.name, &self.id), text.as_bytes(), durable)
    }
}

/// The longest name: others are made of it.
const LONGEST: usize = 180;

pub(super) fn check_name(name: &str) -> Result<()> {
    let why = match name {
        "" => "is empty",
        name if name.starts_with('.') => "begins with a dot",
        name if name.contains(['/', '\0', '\n']) => "has a slash, a line's end or a zero in it",
        name if name.len() > LONGEST => "is too long",
        _ => return Ok(()),
    };
    Err(Refused::Nonsense(format!("{name:?} is no name for an object: it {why}")).into())
}

pub(super) fn shard_name(name: &str, id: &str) -> String {
    format!("{name}.{id}.shard")
}

fn manifest_name(name: &str) -> String {
    format!("{name}.manifest")
}

/// What a manifest is called before it has its name.
pub(super) fn unfinished_manifest(name: &str, id: &str) -> String {
    format!("{name}.{id}.manifest")
}
