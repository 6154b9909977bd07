//! Comma-separated values, quoted as in RFC 4180, with the line ends of Unix: every sample, so that others may do
//! their own statistics.

use crate::comparison::Session;
use crate::record::Run;

const HEADS: &str = "run,started,workload,fixture,files,cache,filesystem,row,pass,round,position,wall_ns,user_ns,\
                     system_ns,involuntary,workers,outcome\n";

/// Every sample of a run on a line.
pub fn csv(run: &Run) -> String {
    let mut text = HEADS.to_owned();
    for sample in &run.samples {
        let (plan, reading) = (&run.header.plan[sample.plan], &sample.reading);
        text += &line(&[
            &run.header.id,
            &run.header.started,
            &plan.workload,
            &plan.fixture.name,
            &plan.fixture.files,
            &plan.condition.cache,
            &plan.condition.filesystem,
            &sample.variant,
            &sample.pass,
            &sample.round,
            &sample.position,
            &reading.wall_ns,
            &reading.user_ns,
            &reading.system_ns,
            &reading.involuntary,
            &reading.workers,
            &sample.outcome,
        ]);
    }
    text
}

/// Every pair of a comparison on a line.
pub fn csv_of_comparison(session: &Session) -> String {
    let mut text = "session,workload,a,b,fixture,filesystem,pair,control,a_first,log_ratio,cpu_log_ratio,waits,\
                    disturbed,far\n"
        .to_owned();
    for (entry, read) in session.header.entries.iter().zip(&session.read) {
        for pair in &read.pairs {
            text += &line(&[
                &session.header.id,
                &entry.workload,
                &entry.a,
                &entry.b,
                &entry.fixture,
                &entry.filesystem,
                &pair.number,
                &pair.control,
                &pair.a_first,
                &pair.log_ratio,
                &pair.cpu_log_ratio.map_or(String::new(), |ratio| ratio.to_string()),
                &pair.waits,
                &pair.disturbed,
                &pair.far,
            ]);
        }
    }
    text
}

fn line(cells: &[&dyn std::fmt::Display]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| quoted(cell.to_string())).collect();
    cells.join(",") + "\n"
}

fn quoted(cell: String) -> String {
    if cell.contains([',', '"', '\r', '\n']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn what_would_end_a_cell_is_quoted() {
        for (cell, shown) in [("a", "a"), ("", ""), ("a,b", "\"a,b\""), ("a\"b", "\"a\"\"b\""), ("a\nb", "\"a\nb\"")] {
            assert_eq!(quoted(cell.to_owned()), shown);
        }
    }
}
