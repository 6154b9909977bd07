//! `assay export`: a run or a comparison in a format of others, on stdout.

use crate::cli::Said;
use crate::compare::session;
use crate::list;
use crate::refusal::Refusal;
use anyhow::Result;
use clap::{Args, ValueEnum};
use reports::{comparison, export};
use serde_json::{Value, json};

/// What `export` takes.
#[derive(Args)]
pub struct ExportArgs {
    /// A run's name or its record file, or those of a comparison; the last run if left away
    run: Option<String>,
    /// In which format
    #[arg(long, value_enum)]
    format: Format,
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
    let text = if let Some(path) = name.and_then(session::named) {
        let session = comparison::read(&path)
            .map_err(|error| Refusal::data(error.to_string(), "compare again: `assay compare A B`"))?;
        let judgement = comparison::judge(&session);
        match arguments.format {
            Format::Bmf => document(&export::bmf_of_comparison(&judgement)),
            Format::Github => document(&export::github_of_comparison(&judgement)),
            Format::Junit => export::junit_of_comparison(&session, &judgement),
            Format::Csv => export::csv_of_comparison(&session),
        }
    } else {
        let run = list::read(&list::find(name)?)?;
        match arguments.format {
            Format::Bmf => document(&export::bmf(&run)),
            Format::Github => document(&export::github(&run)),
            Format::Junit => export::junit(&run),
            Format::Csv => export::csv(&run),
        }
    };
    let json = json!({"format": format!("{:?}", arguments.format).to_lowercase(), "text": text});
    Ok(Said::fine("assay.export/1", text, json))
}

fn document(value: &Value) -> String {
    format!("{value:#}\n")
}
