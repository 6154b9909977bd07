//! The catalogue: every workload of the lab, parts first, then jobs.

use crate::refusal::Refusal;
use anyhow::Result;
use technique::{Peer, Promise, Promises, Variant, Workload, variant};

/// Every workload. Order means something: parts give the local gain, jobs the whole.
pub static WORKLOADS: &[&Workload] = &[
    &codecs::WORKLOAD,
    &syscalls::WORKLOAD,
    &batching::WORKLOAD,
    &buffers::WORKLOAD,
    &buffers::WRITING,
    &buffers::COUNTING,
    &parity::WORKLOAD,
    &blocks::WORKLOAD,
    &restore::WORKLOAD,
    &walk::WORKLOAD,
    &fuse::CREATE,
    &fuse::WRITE_4K,
    &fuse::WRITE_1M,
    &fuse::READ_BACK,
    &fuse::TRIP,
    &erasure::WORKLOAD,
];

/// Workloads whose rows read the fixture's own tree under the clock; all others read what was made of it beforehand.
const READ_THE_SOURCE: [&str; 2] = ["walk", "erasure"];

/// Whether rows of it read the fixture's tree, where that lies, under the clock.
pub fn reads_the_source(workload: &Workload) -> bool {
    READ_THE_SOURCE.contains(&workload.name)
}

/// A workload, and the rows of it that are to run, the baseline first.
#[derive(Clone)]
pub struct Choice {
    /// The workload.
    pub workload: &'static Workload,
    /// The rows.
    pub variants: Vec<Variant>,
}

/// The choice that these words make: `restore` is all rows of a workload but those that stand aside, `restore/zstd` is
/// one (its baseline and its floor come along, for nothing can be said without them). No words mean everything.
pub fn choose(words: &[String]) -> Result<Vec<Choice>> {
    choose_among(words, false)
}

/// The same, with those that stand aside where they are asked for too.
pub fn choose_among(words: &[String], aside: bool) -> Result<Vec<Choice>> {
    let mut choices: Vec<Choice> = Vec::new();
    let everything: Vec<String> = WORKLOADS.iter().map(|workload| workload.name.to_owned()).collect();
    for word in if words.is_empty() { &everything } else { words } {
        let (name, row) = word.split_once('/').map_or((word.as_str(), None), |(name, row)| (name, Some(row)));
        let workload = workload(name)?;
        let at = choices.iter().position(|choice| std::ptr::eq(choice.workload, workload)).unwrap_or_else(|| {
            choices.push(Choice { workload, variants: Vec::new() });
            choices.len() - 1
        });
        let mut wanted: Vec<&str> = choices[at].variants.iter().map(|variant| variant.name).collect();
        match row {
            None => {
                let shown = workload.variants.iter().filter(|variant| aside || !variant.aside);
                wanted.extend(shown.map(|variant| variant.name));
            }
            Some(row) => {
                wanted.push(variant_of(workload, row)?.name);
                wanted.push(workload.baseline().name);
                wanted.extend(workload.floor);
            }
        }
        choices[at].variants =
            workload.variants.iter().filter(|variant| wanted.contains(&variant.name)).copied().collect();
    }
    Ok(choices)
}

/// The workload of that name.
pub fn workload(name: &str) -> Result<&'static Workload> {
    WORKLOADS.iter().copied().find(|workload| workload.name == name).ok_or_else(|| {
        let names = WORKLOADS.iter().map(|workload| workload.name);
        unknown("workload", name, names, "assay list")
    })
}

/// The crate of a workload. One that has several workloads lends them its name: `fuse-4k` is of `fuse`.
pub fn crate_of(workload: &Workload) -> &'static str {
    workload.name.split_once('-').map_or(workload.name, |(of, _)| of)
}

/// The row of that name.
pub fn variant_of(workload: &'static Workload, name: &str) -> Result<&'static Variant> {
    workload.variant(name).ok_or_else(|| {
        let names = workload.variants.iter().map(|variant| variant.name);
        unknown(&format!("row of {}", workload.name), name, names, &format!("assay list {}", workload.name))
    })
}

/// A row for a program of the user's own, given as `NAME=COMMAND`, or as `NAME[PROMISE,…]=COMMAND` where it promises
/// something: it is then held to that.
pub fn peer(text: &str) -> Result<Variant> {
    let (name, list, command) = peer_parts(text)
        .filter(|(name, _, command)| {
            !name.is_empty() && !name.contains(['/', '[', ']']) && command.split_whitespace().next().is_some()
        })
        .ok_or_else(|| {
            Refusal::usage(
                format!("--peer {text:?} is not of the form NAME=COMMAND or NAME[PROMISE,…]=COMMAND"),
                "for example --peer 'mycp[times,independent]=cp -a {source}/. {target}'",
            )
        })?;
    technique::peer::printed(command).map_err(|error| {
        Refusal::usage(format!("--peer {name}: {error}"), "no other place is emptied before each row")
    })?;
    let mut promises = Promises::NONE;
    for word in list.iter().flat_map(|list| list.split(',')).map(str::trim) {
        let promise = Promise::named(word).ok_or_else(|| {
            let all: Vec<&str> = Promise::ALL.into_iter().map(Promise::name).collect();
            Refusal::usage(
                format!("--peer {name}: there is no promise named {word:?}"),
                format!("choose among: {}", all.join(", ")),
            )
        })?;
        promises = promises.with(promise);
    }
    // A row lives as long as the catalogue, which is the process; the few that a command line adds may stay as long.
    let run: &'static str = String::leak(command.to_owned());
    let technique = Peer { keep: None, run, needs: &[], mend: "", promises };
    let name: &'static str = String::leak(name.to_owned());
    let what: &'static str = String::leak(format!("a program of yours: {command}"));
    Ok(variant(name, Box::leak(Box::new(technique)), what))
}

/// The name of the row that such a text gives.
pub fn peer_name(text: &str) -> Option<&str> {
    peer_parts(text).map(|(name, ..)| name)
}

/// Its name, what it promises, its command.
fn peer_parts(text: &str) -> Option<(&str, Option<&str>, &str)> {
    let (head, command) = text.split_once('=')?;
    match head.strip_suffix(']') {
        None => Some((head, None, command)),
        Some(head) => head.split_once('[').map(|(name, promised)| (name, Some(promised), command)),
    }
}

fn unknown<'a>(sort: &str, name: &str, names: impl Iterator<Item = &'a str>, list: &str) -> anyhow::Error {
    let closest = names.max_by(|a, b| strsim::jaro_winkler(name, a).total_cmp(&strsim::jaro_winkler(name, b)));
    let closest = closest.filter(|closest| strsim::jaro_winkler(name, closest) > 0.7);
    let suggestion = closest.map_or(String::new(), |closest| format!("did you mean {closest:?}? "));
    Refusal::usage(format!("there is no {sort} named {name:?}"), format!("{suggestion}`{list}` shows what there is"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn one_row_brings_its_baseline_and_its_floor() {
        let choices = choose(&words(&["restore/zstd"])).unwrap();
        let names: Vec<&str> = choices[0].variants.iter().map(|variant| variant.name).collect();
        assert!(names.contains(&"zstd") && names.contains(&restore::WORKLOAD.baseline().name));
        assert_eq!(names[0], restore::WORKLOAD.baseline().name);
    }

    #[test]
    fn a_misspelt_name_gets_a_suggestion() {
        for (word, meant) in [("restor", "restore"), ("restore/ztsd", "zstd")] {
            let told = choose(&words(&[word])).err().unwrap().to_string();
            assert!(told.contains(&format!("did you mean {meant:?}")), "{told}");
        }
        assert!(!choose(&words(&["xyzzy"])).err().unwrap().to_string().contains("did you mean"));
    }

    #[test]
    fn what_stands_aside_runs_where_it_is_named_or_all_is_asked_for() {
        let named = |choices: Vec<Choice>, name: &str| choices[0].variants.iter().any(|variant| variant.name == name);
        let aside = parity::WORKLOAD.variants.iter().find(|variant| variant.aside).unwrap().name;
        assert!(!named(choose(&words(&["parity"])).unwrap(), aside));
        assert!(named(choose(&words(&["parity", &format!("parity/{aside}")])).unwrap(), aside));
        assert!(named(choose_among(&words(&["parity"]), true).unwrap(), aside));
        for workload in WORKLOADS {
            assert!(!workload.baseline().aside, "{}", workload.name);
        }
    }

    #[test]
    fn names_are_unique_and_ladders_and_floors_are_rows() {
        for workload in WORKLOADS {
            let mut names: Vec<&str> = workload.variants.iter().map(|variant| variant.name).collect();
            for row in workload.ladder.iter().chain(&workload.floor) {
                assert!(names.contains(row), "{}/{row}", workload.name);
            }
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), workload.variants.len(), "{}", workload.name);
            for fixture in workload.fixtures {
                fixtures::find(fixture).unwrap();
            }
        }
    }

    #[test]
    fn a_peer_needs_a_name_and_a_command() {
        assert_eq!(peer("mycp=cp -a {source}/. {target}").unwrap().name, "mycp");
        for nonsense in ["", "=", "a=", "=b", "a/b=c", "cp", "a]=b", "[times]=b", "a[]=b", "a[speed]=b", "a[times=b"] {
            assert!(peer(nonsense).is_err(), "{nonsense}");
        }
        assert_eq!(peer("p=pwalk {source} > {target}/p.csv").unwrap().name, "p");
        let told = peer("p=pwalk {source} > {source}/p.csv").err().unwrap().to_string();
        assert!(told.contains("is no file of the target"), "{told}");
    }

    #[test]
    fn a_peer_may_promise_something() {
        let text = "mycp[times, independent]=cp -a {source}/. {target}";
        let promised = peer(text).unwrap().technique.promises();
        assert_eq!(promised, Promises::NONE.with(Promise::TimesKept).with(Promise::Independent));
        assert_eq!(peer_name(text), Some("mycp"));
        assert_eq!(peer("mycp=cp").unwrap().technique.promises(), Promises::NONE);
        let told = peer("a[speed]=b").err().unwrap().to_string();
        assert!(told.contains("verified, atomic, durable, times kept"), "{told}");
    }
}
