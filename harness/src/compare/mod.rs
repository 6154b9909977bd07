//! `assay compare`: two rows, two builds, or two runs: what changed, and is it so?

pub mod builds;
pub mod duel;
pub mod player;
pub mod runs;
pub mod session;
pub mod worker;

use crate::catalogue;
use crate::cli::{Said, width};
use crate::pace::parse_duration;
use crate::plant::Plant;
use crate::progress::Telling;
use crate::refusal::{Exit, Refusal};
use crate::scratch::{Scratch, default_place};
use crate::{explain, signals};
use anyhow::{Context, Result};
use clap::Args;
use duel::Side;
use fixtures::Fixture;
use reports::comparison;
use serde_json::json;
use session::{Match, Plan};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What `compare` takes.
#[derive(Args)]
pub struct CompareArgs {
    /// Two rows, as WORKLOAD/ROW; or two runs; or, with --base, the WORKLOADs or rows to compare [default: all]
    sides: Vec<String>,
    /// Compare builds: this revision is A. It is built in a worktree of its own
    #[arg(long, value_name = "REV")]
    base: Option<String>,
    /// This revision is B [default: this build]
    #[arg(long, value_name = "REV", requires = "base")]
    head: Option<String>,
    /// The fixture
    #[arg(long, value_name = "FIXTURE", default_value = "tiny")]
    on: String,
    /// The most that one row may take: 4s, 1m [default: as long as its 64 pairs take]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    budget: Option<Duration>,
    /// Go on until the bounds are that close to the estimate: 2%
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    precision: Option<f64>,
    /// Differences smaller than this count as no change [default: 1% for rows that compute, 2% for those that call the
    /// kernel, 3% for whole jobs and disks]
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    band: Option<f64>,
    /// Do not count or look at phases
    #[arg(long)]
    wall_only: bool,
    /// Where to work: an empty or new directory [default: memory if there is room, else beside the records]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// The seed of coins and padding
    #[arg(long, default_value_t = 20_261_121)]
    seed: u64,
    /// Give up on a block that takes longer
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "5m")]
    limit: Duration,
    /// Add such a share of its time to each run of B: what a slow-down of that size looks like here
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    delay: Option<f64>,
    /// Plant something in B, as JSON; the tests of the gates do
    #[arg(long, hide = true, value_parser = parse_plant)]
    plant: Option<Plant>,
}

/// `2%` or `0.02`.
pub fn parse_share(text: &str) -> Result<f64, String> {
    let (number, unit) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 100.0));
    match number.trim().parse::<f64>() {
        Ok(value) if value > 0.0 && value / unit < 10.0 => Ok(value / unit),
        _ => Err(format!("{text:?} is no share; write 2% or 0.02")),
    }
}

fn parse_plant(text: &str) -> Result<Plant, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// Compares.
pub fn compare(arguments: &CompareArgs, telling: Telling, command: String) -> Result<Said> {
    let rows: Vec<&str> = arguments.sides.iter().map(String::as_str).collect();
    if let (None, [a, b]) = (&arguments.base, rows.as_slice())
        && let (Some(a), Some(b)) = (runs::named(a), runs::named(b))
    {
        return runs::compare(&a, &b);
    }
    let fixture = crate::fixture::ready(&arguments.on, telling)?;
    let (sides, matches) = match &arguments.base {
        Some(base) => two_builds(arguments, base, &rows, &fixture, telling)?,
        None => two_rows(arguments, &rows, &fixture)?,
    };
    let plan = Plan {
        sides,
        matches,
        band: arguments.band,
        precision: arguments.precision,
        chance: reports::stats::sequential::TOTAL,
        budget: arguments.budget,
        limit: arguments.limit,
        delay: arguments.delay,
        look: !arguments.wall_only,
        seed: arguments.seed,
        telling,
        command,
    };
    held(&plan, arguments.scratch.clone())
}

/// Holds a session and says what came.
pub fn held(plan: &Plan, place: Option<PathBuf>) -> Result<Said> {
    signals::listen()?;
    let need = plan.matches.iter().map(|one| one.fixture.tally.bytes).max().unwrap_or(0) * 64 + (256 << 20);
    let scratch = Scratch::take(&place.unwrap_or_else(|| default_place(need)))?;
    let path = session::hold(plan, &scratch)?;
    show(&path)
}

/// A session that was held, judged.
pub fn show(path: &Path) -> Result<Said> {
    let session = comparison::read(path)
        .map_err(|error| Refusal::data(error.to_string(), "compare again: `assay compare A B`"))?;
    let judgement = comparison::judge(&session);
    let text = format!(
        "{}record   {}\n",
        reports::terminal::comparison::render(&session, &judgement, width()),
        path.display()
    );
    let exit = match session.end.as_deref() {
        Some("interrupted") => Exit::Interrupted,
        _ if judgement.void => Exit::Unfit,
        _ => Exit::Fine,
    };
    let document = json!({"record": path, "session": session.header.id, "judgement": judgement});
    Ok(Said { text, json: document, schema: "assay.compare/1", exit })
}

type Matches = ([String; 2], Vec<Match>);

fn two_rows(arguments: &CompareArgs, rows: &[&str], fixture: &Fixture) -> Result<Matches> {
    let [a, b] = rows else {
        return Err(Refusal::usage(
            format!("compare takes two sides, and here are {}", rows.len()),
            "two rows: assay compare codecs/gzip-6 codecs/zstd-3; or builds: assay compare --base main",
        ));
    };
    let (workload, row_a) = explain::find(a)?;
    let (other, row_b) = explain::find(b)?;
    if !std::ptr::eq(workload, other) {
        return Err(Refusal::usage(
            format!("{a} and {b} answer different questions: {} and {}", workload.name, other.name),
            "compare two rows of one workload",
        ));
    }
    let program = std::env::current_exe().context("finding this program")?;
    let side = |variant, plant| Side { program: program.clone(), variant, plant };
    let sides = [side(*row_a, Plant::default()), side(*row_b, arguments.plant.unwrap_or_default())];
    let names = [a, b].map(|name| (*name).to_owned());
    Ok((names, vec![Match { workload, sides, fixture: fixture.clone() }]))
}

fn two_builds(
    arguments: &CompareArgs,
    base: &str,
    rows: &[&str],
    fixture: &Fixture,
    telling: Telling,
) -> Result<Matches> {
    let words: Vec<String> = rows.iter().map(|row| (*row).to_owned()).collect();
    let choices = catalogue::choose(&words)?;
    let base = builds::of(base, telling)?;
    let head = arguments.head.as_ref().map_or_else(builds::this, |head| builds::of(head, telling))?;
    let wanted = |workload: &str, row: &str| {
        words.is_empty() || words.iter().any(|word| word == workload || *word == format!("{workload}/{row}"))
    };
    let mut matches = Vec::new();
    for choice in &choices {
        for variant in choice.variants.iter().filter(|variant| wanted(choice.workload.name, variant.name)) {
            let sides = [&base, &head].map(|build| Side {
                program: build.program.clone(),
                variant: *variant,
                plant: Plant::default(),
            });
            matches.push(Match { workload: choice.workload, sides, fixture: fixture.clone() });
        }
    }
    Ok(([base.name, head.name], matches))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_as_people_write_them() {
        assert_eq!(parse_share("2%"), Ok(0.02));
        assert_eq!(parse_share("0.5 %"), Ok(0.005));
        assert_eq!(parse_share("0.02"), Ok(0.02));
        for nonsense in ["", "%", "-1%", "0", "nan", "two"] {
            assert!(parse_share(nonsense).is_err(), "{nonsense}");
        }
    }
}
