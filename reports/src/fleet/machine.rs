//! Machines, told apart by what moves a number: two nodes of one kind are one machine here, and one node with another
//! kernel or another scratch place is another.

use crate::fleet::short;
use crate::page::sha256;
use crate::record::Header;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// The fields of a record's machine that tell machines apart. What differs from run to run on one machine (its load, the
/// commit) is not among them.
pub const FIELDS: [&str; 10] =
    ["cpu", "cpus", "memory", "kernel", "mitigations", "governor", "hypervisor", "huge pages", "filesystem", "journal"];

/// The field that a faked fingerprint has, with the names of what was faked.
pub const FAKED: &str = "fingerprint";

/// A machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Machine {
    /// The beginning of its fingerprint's digest.
    pub name: String,
    /// What it is known by.
    pub fields: BTreeMap<String, String>,
}

impl Machine {
    /// The machine that a run was made on.
    pub fn of(header: &Header) -> Machine {
        let known = FIELDS.into_iter().chain([FAKED]);
        let fields: BTreeMap<String, String> =
            known.filter_map(|key| Some((key.to_owned(), header.machine.get(key)?.clone()))).collect();
        let text = serde_json::to_vec(&fields).expect("words are JSON");
        Machine { name: short(&sha256(&text)).to_owned(), fields }
    }

    /// Which of its fields were faked for a test; none on a machine that is what it says.
    pub fn faked(&self) -> Option<&str> {
        self.fields.get(FAKED).map(String::as_str)
    }

    /// One of its fields.
    pub fn field(&self, key: &str) -> &str {
        self.fields.get(key).map_or("unknown", String::as_str)
    }

    /// What is told of it wherever it stands alone.
    pub fn words(&self) -> String {
        let of = |key| self.field(key);
        let cpu = of("cpu").split(" (family").next().unwrap_or_default();
        let faked = if self.faked().is_some() { ", faked" } else { "" };
        format!("{cpu}, {} processors, kernel {}, {}{faked}", of("cpus"), of("kernel"), of("filesystem"))
    }
}

/// The fields in which they are not all the same.
pub fn differing(machines: &[Machine]) -> Vec<&'static str> {
    let differs = |key: &&str| machines.windows(2).any(|pair| pair[0].fields.get(*key) != pair[1].fields.get(*key));
    FIELDS.into_iter().filter(differs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::header_of;

    fn machine(fields: &[(&str, &str)]) -> Machine {
        let mut header = header_of(&["gzip"]);
        header.machine = fields.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Machine::of(&header)
    }

    #[test]
    fn a_machine_is_told_by_what_moves_a_number_and_not_by_its_load() {
        let one = machine(&[("cpu", "a"), ("kernel", "6.1"), ("load", "0.1"), ("commit", "abc")]);
        assert_eq!(one, machine(&[("cpu", "a"), ("kernel", "6.1"), ("load", "7.0"), ("commit", "def")]));
        let other = machine(&[("cpu", "a"), ("kernel", "6.2")]);
        assert_ne!(one.name, other.name);
        assert_eq!(differing(&[one.clone(), other]), ["kernel"]);
        let faked = machine(&[("cpu", "a"), ("kernel", "6.1"), (FAKED, "faked: kernel")]);
        assert!(faked.name != one.name && faked.words().ends_with(", faked") && one.faked().is_none());
    }
}
