//! `assay fixture`: recipes, listed, made, shown, and captured from a real directory.

use crate::cli::{Said, width};
use crate::home;
use crate::progress::{Progress, Telling};
use crate::refusal::Refusal;
use crate::say::say;
use anyhow::{Context, Result, ensure};
use fixtures::{Fixture, Recipe, Tally, Unmade};
use reports::table::{Align, Table};
use serde_json::json;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

/// The fixture of that name, made if it is not there yet.
pub fn ready(name: &str, telling: Telling) -> Result<Fixture> {
    let recipe = recipe(name)?;
    let progress = Progress::begin(telling, "fixture");
    let made = fixtures::cached(&recipe, &home::fixtures(), &|made| {
        let words = format!("{} {}/{} files", recipe.name, made.files_done, made.files);
        progress.at(made.bytes_done, made.bytes, &words);
    });
    let fixture = made.map_err(unmade)?;
    if let Some(note) = &fixture.note {
        say(&format!("note: {note}"));
    }
    verify(&fixture)?;
    Ok(fixture)
}

/// A fixture that is known, made once more in a directory that does not exist yet.
pub fn make_at(fixture: &Fixture, name: &str, dir: &Path, telling: Telling) -> Result<Fixture> {
    let recipe = recipe(name)?;
    let progress = Progress::begin(telling, "fixture");
    let made = fixtures::make(&recipe, dir, &|made| {
        let words = format!("{} {}/{} files", recipe.name, made.files_done, made.files);
        progress.at(made.bytes_done, made.bytes, &words);
    });
    let made = made.map_err(unmade)?;
    ensure!(made.digest == fixture.digest, "the recipe {name} was changed while it was made");
    Ok(Fixture { dir: dir.to_owned(), note: None, ..fixture.clone() })
}

/// The exit code that says why a fixture could not be made.
fn unmade(error: anyhow::Error) -> anyhow::Error {
    let told = format!("{error:#}");
    match error.downcast_ref::<Unmade>() {
        Some(Unmade::NoRoom { .. }) => {
            Refusal::unfit(told, "make room, choose a smaller fixture with --on, or name another home: ASSAY_HOME=DIR")
        }
        Some(Unmade::OtherBytes { .. }) => Refusal::data(told, "correct the recipe's `digest`, or report it"),
        None => error,
    }
}

/// Holds a made tree against its digest: every row would agree with a damaged source, and no test would notice.
pub fn verify(fixture: &Fixture) -> Result<()> {
    let (found, _) = fixtures::tree::digest(&fixture.dir)?;
    if found.to_hex().as_str() == fixture.digest {
        return Ok(());
    }
    let place = fixture.dir.parent().unwrap_or(&fixture.dir).display();
    let what = format!("the fixture {} at {place} is not what was made: its digest is {found}", fixture.name);
    Err(Refusal::data(what, format!("remove {place}; it is made anew")))
}

/// The recipe of that name, or in that file.
pub fn recipe(name: &str) -> Result<Recipe> {
    fixtures::find(name)
        .map_err(|error| Refusal::usage(format!("{error:#}"), "`assay fixture list` shows what there is"))
}

/// The recipes that come along.
pub fn list() -> Result<Said> {
    let mut table = Table::new(&[
        ("FIXTURE", Align::Left),
        ("FILES", Align::Right),
        ("DIRECTORIES", Align::Right),
        ("WHAT IT IS", Align::Left),
    ]);
    let mut documents = Vec::new();
    for (name, _) in fixtures::shipped() {
        let recipe = recipe(name)?;
        table.row([
            (*name).into(),
            recipe.files.to_string(),
            recipe.directories.count.to_string(),
            recipe.what.clone(),
        ]);
        documents.push(json!({"name": name, "files": recipe.files, "what": recipe.what, "digest": recipe.digest}));
    }
    let hint =
        "\nassay fixture show NAME prints a recipe.  assay fixture capture DIR makes one of a directory of yours.\n";
    Ok(Said::fine("assay.fixtures/1", table.render(width()) + hint, json!({"fixtures": documents})))
}

/// Makes a tree, or takes it from the cache.
pub fn make(name: &str, telling: Telling) -> Result<Said> {
    let fixture = ready(name, telling)?;
    let Tally { files, directories, symlinks, others, bytes, contents } = fixture.tally;
    let more = if others > 0 { format!(", {others} others") } else { String::new() };
    let text = format!(
        "{}\n{files} files ({contents} different), {directories} directories, {symlinks} links{more}, {bytes} bytes, digest {}\n",
        fixture.dir.display(),
        fixture.digest
    );
    let document = json!({"name": fixture.name, "dir": fixture.dir, "digest": fixture.digest, "tally": fixture.tally});
    Ok(Said::fine("assay.fixture/1", text, document))
}

/// Prints a recipe.
pub fn show(name: &str) -> Result<Said> {
    let toml = recipe(name)?.to_toml();
    Ok(Said::fine("assay.recipe/1", toml.clone(), json!({"toml": toml})))
}

/// The recipe that a real directory gives, to stdout or to a new file.
pub fn capture(dir: &Path, name: &str, out: Option<&Path>) -> Result<Said> {
    let captured = fixtures::capture(dir, name).map_err(|error| {
        Refusal::usage(format!("{error:#}"), "name a directory that you may read, with files in it")
    })?;
    let toml = captured.recipe.to_toml();
    if captured.left_out != fixtures::LeftOut::default() {
        say(&captured.left_out.to_string());
    }
    let left_out = captured.left_out.to_string();
    let Some(out) = out else {
        return Ok(Said::fine("assay.recipe/1", toml.clone(), json!({"toml": toml, "left_out": left_out})));
    };
    let file = OpenOptions::new().write(true).create_new(true).open(out);
    let mut file = file.map_err(|error| {
        Refusal::usage(
            format!("cannot make {}: {error}", out.display()),
            "name a file that does not exist yet with --out",
        )
    })?;
    file.write_all(toml.as_bytes()).with_context(|| format!("writing {}", out.display()))?;
    let text = format!("{0}\nassay run restore --on {0} measures with it\n", out.display());
    Ok(Said::fine("assay.recipe/1", text, json!({"toml": toml, "file": out, "left_out": left_out})))
}
