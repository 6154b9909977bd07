//! `assay shard get`, `verify` and `repair`.

use super::settings::Settings;
use super::unnamed::Unnamed;
use super::{GetArgs, Of, all_below, object, open, sweep_temp, watching};
use crate::cli::Said;
use crate::progress::{Progress, Telling};
use crate::refusal::{Exit, Refusal};
use anyhow::Result;
use erasure::get;
use erasure::store::{Checked, Store, gathered};
use serde_json::{Value, json};

/// Where the shards of that object are.
fn places(of: &Of) -> Result<(Store, Vec<String>)> {
    // What settings make no sense is for a put to refuse: here they only say where to look.
    let mut swept = sweep_temp(&Settings::read(None).unwrap_or_default());
    let (store, of_store) = match all_below(&of.from) {
        Some(below) => open(&gathered(below, &of.name)?)?,
        None => open(&of.from)?,
    };
    swept.extend(of_store);
    Ok((store, swept))
}

pub(super) fn get(arguments: &GetArgs, telling: Telling) -> Result<Said> {
    let out = &arguments.out;
    if out.symlink_metadata().is_ok() && !arguments.force {
        return Err(Refusal::usage(
            format!("{} exists", out.display()),
            "choose another --out, or replace it with --force",
        ));
    }
    let name = &arguments.of.name;
    let (store, swept) = places(&arguments.of)?;
    let mut unnamed = Unnamed::beside(out)?;
    let progress = Progress::begin(telling, "get");
    let length = store.find(name)?.length;
    let (manifest, wrong) =
        store.get(name, &mut unnamed.file, &get::Way::Stripes(3), &watching(&progress, length, name))?;
    drop(progress);
    unnamed.named(out, arguments.force)?;
    let mut text = format!("{}: {} bytes of {name}\n", out.display(), manifest.length);
    for wrong in &wrong {
        text += &format!("made up for: {wrong}\n");
    }
    if !wrong.is_empty() {
        text += &format!("`assay shard repair {name} --from …` mends it\n");
    }
    let document = json!({"object": object(&manifest), "out": out, "made_up_for": wrong, "swept": swept});
    Ok(Said::fine("assay.shard-get/1", text, document))
}

pub(super) fn verify(of: &Of, telling: Telling) -> Result<Said> {
    let (store, swept) = places(of)?;
    let progress = Progress::begin(telling, "verify");
    let checked = store.verify(&of.name, &watching(&progress, store.find(&of.name)?.length, &of.name))?;
    drop(progress);
    let mut text = String::new();
    for line in wrong(&checked) {
        text += &format!("{line}\n");
    }
    let shards = checked.manifest.data + checked.manifest.parity;
    let whole = checked.is_whole();
    text += &match (whole, checked.readable) {
        (true, _) => format!("{}: all {shards} shards are whole\n", of.name),
        (false, true) => format!("{}: it can be read; `assay shard repair {} --from …` mends it\n", of.name, of.name),
        (false, false) => format!("{}: it cannot be read: too few of its blocks are left\n", of.name),
    };
    let document = json!({
        "object": object(&checked.manifest),
        "whole": whole,
        "readable": checked.readable,
        "places": checked.places.iter().map(|(place, index, faults)| json!({
            "place": place, "shard": index, "faults": faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "without_manifest": checked.without_manifest,
        "swept": swept,
    });
    let exit = if whole { Exit::Fine } else { Exit::Data };
    Ok(Said { exit, ..Said::fine("assay.shard-verify/1", text, document) })
}

/// At most so many faults of a place are told.
const TOLD: usize = 5;

fn wrong(checked: &Checked) -> Vec<String> {
    let mut lines = Vec::new();
    for (place, index, faults) in &checked.places {
        let shard = index.map_or("its shard".to_owned(), |index| format!("shard {index}"));
        lines.extend(faults.iter().take(TOLD).map(|fault| format!("{place}: {shard} {fault}")));
        if faults.len() > TOLD {
            lines.push(format!("{place}: {shard} has {} more faults", faults.len() - TOLD));
        }
    }
    lines.extend(checked.without_manifest.iter().map(|place| format!("{place}: has no manifest of it, or another")));
    lines
}

pub(super) fn repair(of: &Of, telling: Telling) -> Result<Said> {
    let (store, swept) = places(of)?;
    let progress = Progress::begin(telling, "repair");
    let (manifest, made) =
        store.repair(&of.name, true, &watching(&progress, store.find(&of.name)?.length, &of.name))?;
    drop(progress);
    let mut text = String::new();
    for (index, place) in &made {
        text += &format!("{place}: shard {index} is made again\n");
    }
    if made.is_empty() {
        text = format!("{}: no shard had to be made again\n", of.name);
    }
    let made: Vec<Value> = made.iter().map(|(index, place)| json!({"shard": index, "place": place})).collect();
    Ok(Said::fine("assay.shard-repair/1", text, json!({"object": object(&manifest), "made": made, "swept": swept})))
}
