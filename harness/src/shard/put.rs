//! `assay shard put`.

use super::settings::Settings;
use super::{By, HashName, PutArgs, all_below, object, open, sweep_temp, watching};
use crate::cli::Said;
use crate::progress::{Progress, Telling};
use crate::refusal::Refusal;
use anyhow::Result;
use erasure::format::Id;
use erasure::put::{Plan, Way};
use erasure::store::{self, within};
use parity::Carried;
use serde_json::json;
use std::fs::File;

pub(super) fn put(arguments: &PutArgs, telling: Telling) -> Result<Said> {
    let settings = Settings::read(arguments.config.as_deref())?;
    let path = &arguments.file;
    let reading = |why: String| Refusal::usage(format!("{}: {why}", path.display()), "name a file that can be read");
    let file = File::open(path).map_err(|error| reading(error.to_string()))?;
    let meta = file.metadata().map_err(|error| reading(error.to_string()))?;
    if !meta.is_file() {
        return Err(reading("is no file".to_owned()));
    }
    let own = path.file_name().and_then(|name| name.to_str());
    let Some(name) = arguments.name.as_deref().or(own) else {
        return Err(Refusal::usage(format!("{} has no name that is text", path.display()), "give it one with --name"));
    };
    // Before room is looked for: what a killed put left may be what takes it.
    let mut swept = sweep_temp(&settings);
    let mut plan = plan(arguments)?;
    let spread = all_below(&arguments.to).map(|below| store::spread(below, usize::from(plan.data + plan.parity)));
    let (store, of_store) = open(spread.as_deref().unwrap_or(&arguments.to))?;
    swept.extend(of_store);
    let room = store.room(&plan, meta.len());
    plan.way = way(arguments, &settings, &plan, meta.len(), room)?;
    let plan = within(&plan, meta.len(), settings.max_memory_usage, room).map_err(|error| {
        Refusal::usage(format!("max_memory_usage: {error:#}"), "allow more, or leave --by away: stripes take little")
    })?;
    let progress = Progress::begin(telling, "put");
    let (manifest, stored) =
        store.put(name, &file, &plan, arguments.force, None, &watching(&progress, meta.len(), name))?;
    drop(progress);
    let memory = room + plan.memory(&plan.object(Id([0; 16]), meta.len()));
    let mut text = format!(
        "{name}: {} bytes as {} data and {} parity shards; any {} of them suffice\n",
        manifest.length, manifest.data, manifest.parity, manifest.data
    );
    for (index, error) in &stored.lost {
        text += &format!("shard {index} is not stored: {error:#}\n");
    }
    if !stored.lost.is_empty() {
        text += &format!("`assay shard repair {name} --from …` makes the others\n");
    }
    let document = json!({
        "object": object(&manifest),
        "not_stored": stored.lost.iter().map(|(index, error)| json!({"shard": index, "why": format!("{error:#}")})).collect::<Vec<_>>(),
        "temp_bytes": stored.temp_bytes,
        "memory_bytes": memory,
        "block": plan.block,
        "swept": swept,
    });
    Ok(Said::fine("assay.shard-put/1", text, document))
}

/// What was asked for, by the way that is best where nothing speaks against it.
fn plan(arguments: &PutArgs) -> Result<Plan> {
    let shards = arguments.k + arguments.m;
    let quorum = arguments.quorum.unwrap_or(shards);
    if quorum < arguments.k || quorum > shards {
        let what = format!(
            "--quorum {quorum}: with fewer than {} shards nothing comes back, and there are {shards}",
            arguments.k
        );
        return Err(Refusal::usage(what, format!("choose from {} to {shards}", arguments.k)));
    }
    let hash = match arguments.hash {
        HashName::Blake3 => Carried::Blake3,
        HashName::Crc32c => Carried::Crc32c,
        HashName::Xxh3 => Carried::Xxh3,
        HashName::Sha256 => Carried::Sha256,
    };
    let plan = Plan {
        block: arguments.block,
        hash,
        pack: arguments.pack,
        spare: usize::from(shards - quorum),
        patience: arguments.patience,
        durable: !arguments.no_sync,
        ..Plan::streamed(arguments.k, arguments.m)
    };
    plan.code().map_err(|error| Refusal::usage(format!("{error:#}"), "choose fewer shards"))?;
    Ok(plan)
}

/// The way that the bytes of such an object take, where its places take so much memory besides.
fn way(arguments: &PutArgs, settings: &Settings, plan: &Plan, length: u64, room: u64) -> Result<Way> {
    let shards = plan.data + plan.parity;
    let memory = Way::Memory { writers: 3 };
    let needs = Plan { way: memory.clone(), ..plan.clone() }.memory(&plan.object(Id([0; 16]), length)) + room;
    let by_memory = length <= settings.memory_threshold && needs <= settings.max_memory_usage;
    Ok(match arguments.by {
        // One directory that is slow must not hold up the others where it may be left behind.
        By::Stream if settings.pipeline_uploads && plan.spare > 0 => Way::Stripes { depth: 3, writers: shards.into() },
        By::Stream if settings.pipeline_uploads => plan.way.clone(),
        By::Stream => Way::OneStripe,
        By::Memory => memory,
        By::Hybrid if by_memory => memory,
        By::Temp | By::Hybrid => {
            let needed = length / u64::from(plan.data) * u64::from(shards) + (1 << 20);
            let dir = settings
                .places()
                .find(needed)
                .map_err(|error| Refusal::unfit(format!("{error:#}"), "name a place with ZSTORE_TEMP_DIR"))?;
            Way::Temp { dir, writers: 3, at_once: settings.pipeline_uploads }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        put: PutArgs,
    }

    fn way_of(words: &str, settings: &Settings) -> Way {
        let line = Line::parse_from(["put", "object", "--to", "places"].into_iter().chain(words.split_whitespace()));
        way(&line.put, settings, &plan(&line.put).unwrap(), 1 << 20, 0).unwrap()
    }

    #[test]
    fn an_object_is_streamed_as_the_best_row_does_it_unless_a_target_may_be_left_behind() {
        let settings = Settings { pipeline_uploads: true, ..Settings::default() };
        assert_eq!(way_of("", &settings), Plan::streamed(4, 2).way);
        assert_eq!(way_of("--quorum 5", &settings), Way::Stripes { depth: 3, writers: 6 });
        assert_eq!(way_of("", &Settings { pipeline_uploads: false, ..settings }), Way::OneStripe);
    }
}
