//! The machine and the build, and how the run ended; and what there was no instrument for.

use crate::review::look::Look;
use crate::review::words::list;
use crate::review::{Check, Grade};

/// Others that keep more of a processor busy than this are worth a note.
const OTHERS: f64 = 0.10;

pub(super) fn beside(look: &Look) -> Check {
    const NAME: &str = "load";
    let Some(beside) = look.run.beside.iter().find(|beside| beside.plan == look.at) else {
        return Check::new(NAME, Grade::Absent, "What else the machine did was not read.");
    };
    let (before, during) = (&beside.before, &beside.during);
    let told = format!(
        "Others kept {:.2} processors busy meanwhile ({:.2} before it began), and {:.1} % of a processor was stolen.",
        during.others,
        before.others,
        during.stolen * 100.0
    );
    let is_quiet = before.quiet && during.others < OTHERS && during.stolen < OTHERS;
    let (grade, end) = if is_quiet { (Grade::Pass, "") } else { (Grade::Note, " Read ratios and bounds, not times.") };
    Check::new(NAME, grade, told + end)
        .with("processors that others kept busy", during.others)
        .with("processors that others kept busy before", before.others)
        .with("processors stolen", during.stolen)
}

pub(super) fn build(look: &Look) -> Check {
    const NAME: &str = "build";
    let field = |key: &str| look.run.header.machine.get(key).map_or("unknown", String::as_str);
    let (commit, profile) = (field("commit"), field("profile"));
    if profile != "release" {
        let told = format!("The build is of the profile {profile}: only release is to be measured.");
        return Check::new(NAME, Grade::Fail, told);
    }
    let told = format!("The build is of commit {commit}.");
    if commit.ends_with("with changes") || commit.starts_with("unknown") {
        return Check::new(NAME, Grade::Note, told + " Nobody else can build the same.");
    }
    Check::new(NAME, Grade::Pass, told)
}

pub(super) fn ending(look: &Look) -> Check {
    const NAME: &str = "ending";
    let notes = &look.run.notes;
    let ended = look.run.end.as_ref().map(|end| end.how.as_str());
    if matches!(ended, Some("complete" | "budget")) && notes.is_empty() {
        return Check::new(NAME, Grade::Pass, "The run came to its end.");
    }
    let how = match ended {
        Some("complete" | "budget") => String::new(),
        Some(how) => format!("The run was {how}. "),
        None => "The run was killed. ".to_owned(),
    };
    Check::new(NAME, Grade::Note, format!("{how}{}", notes.join(". ")).trim())
}

/// The machine, what moves a number most first.
pub(in crate::review) fn machine(look: &Look) -> Vec<(String, String)> {
    const FIRST: [&str; 11] = [
        "cpu",
        "cpus",
        "memory",
        "kernel",
        "hypervisor",
        "governor",
        "filesystem",
        "mount options",
        "disk",
        "rustc",
        "commit",
    ];
    let machine = &look.run.header.machine;
    let known = FIRST.iter().filter_map(|key| machine.get_key_value(*key));
    let others = machine.iter().filter(|(key, _)| !FIRST.contains(&key.as_str()));
    known.chain(others).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// What could not be counted in any row, those with the same reason together.
pub(in crate::review) fn absent(look: &Look) -> Vec<(String, String)> {
    let whys = crate::summary::uncounted(&look.summary.rows);
    let named = whys.into_iter().map(|(why, names)| (list(&names.into_iter().collect::<Vec<_>>()), why.to_owned()));
    let mut absent: Vec<(String, String)> = named.collect();
    if look.summary.rows.iter().all(|row| row.counts.is_none()) {
        absent.push(("counts".to_owned(), "the counts pass did not run".to_owned()));
    }
    absent
}
