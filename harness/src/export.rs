//! `assay export`: a run or a comparison in a format of others, on stdout; or many runs as columns, in a file.

mod columns;

use crate::cli::Said;
use crate::compare::session;
use crate::fleet::{Found, is_url, records_in};
use crate::list;
use crate::refusal::Refusal;
use crate::unfinished::Unfinished;
use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use reports::{comparison, export};
use serde_json::{Value, json};
use std::fs::File;
use std::path::{Path, PathBuf};

/// What `export` takes.
#[derive(Args)]
pub struct ExportArgs {
    /// A run's name or its record file, or those of a comparison; the last run if left away. With --parquet also a
    /// directory of records, here or at `s3://BUCKET/PREFIX`, and all runs of this home if left away
    run: Option<String>,
    /// In which format
    #[arg(long, value_enum, required_unless_present = "parquet")]
    format: Option<Format>,
    /// Instead: every sample as columns, in this file, which must not exist yet; whatever reads Parquet reads it
    #[arg(long, value_name = "FILE", conflicts_with = "format")]
    parquet: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Bencher Metric Format: `bencher run --adapter json --file FILE`
    Bmf,
    /// For github-action-benchmark, tool: customSmallerIsBetter
    Github,
    /// The XML that test reports are made of: what crashed, hung, differs or became slower failed
    Junit,
    /// Every sample, or every pair of a comparison, on a line
    Csv,
}

/// Writes a run or a comparison in a format of others.
pub fn export(arguments: &ExportArgs) -> Result<Said> {
    let name = arguments.run.as_deref();
    let Some(format) = arguments.format else {
        let out = arguments.parquet.as_deref().context("clap asks for a format or a file")?;
        return as_columns(name, out);
    };
    let text = if let Some(path) = name.and_then(session::named) {
        let session = comparison::read(&path)
            .map_err(|error| Refusal::data(error.to_string(), "compare again: `assay compare A B`"))?;
        let judgement = comparison::judge(&session);
        match format {
            Format::Bmf => document(&export::bmf_of_comparison(&judgement)),
            Format::Github => document(&export::github_of_comparison(&judgement)),
            Format::Junit => export::junit_of_comparison(&session, &judgement),
            Format::Csv => export::csv_of_comparison(&session),
        }
    } else {
        let run = list::read(&list::find(name)?)?;
        match format {
            Format::Bmf => document(&export::bmf(&run)),
            Format::Github => document(&export::github(&run)),
            Format::Junit => export::junit(&run),
            Format::Csv => export::csv(&run),
        }
    };
    let json = json!({"format": format!("{format:?}").to_lowercase(), "text": text});
    Ok(Said::fine("assay.export/1", text, json))
}

/// Every sample of a directory of records, of one run, or of all runs of this home.
fn as_columns(name: Option<&str>, out: &Path) -> Result<Said> {
    let records = match name {
        None => list::record_files().into_iter().map(Found::read).collect::<Result<Vec<_>>>()?,
        Some(name) if is_url(Path::new(name)) || Path::new(name).is_dir() => records_in(&[PathBuf::from(name)])?,
        Some(name) => vec![Found::read(list::find(Some(name))?)?],
    };
    let runs = records.iter().map(|found| list::parse(&found.path, &found.bytes)).collect::<Result<Vec<_>>>()?;
    if runs.is_empty() {
        let what = format!("there is no record in {}", name.unwrap_or("this home"));
        return Err(Refusal::data(what, "assay run restore --budget 40s measures something"));
    }
    let unfinished = Unfinished::for_new(out)?;
    let file = File::create_new(unfinished.path()).with_context(|| format!("making {}", out.display()))?;
    let samples = columns::write(&runs, file).with_context(|| format!("writing {}", out.display()))?;
    unfinished.finish(out)?;
    let shown = out.display();
    let text = format!("{shown}\n{samples} samples of {} runs\nduckdb -c \"FROM '{shown}' LIMIT 5\"\n", runs.len());
    Ok(Said::fine("assay.exported/1", text, json!({"file": out, "runs": runs.len(), "samples": samples})))
}

fn document(value: &Value) -> String {
    format!("{value:#}\n")
}
