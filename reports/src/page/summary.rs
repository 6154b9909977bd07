//! What stands below the overview in the summary for a pull request: the rows and steps of each workload, folded away.
//! Names are escaped, for a row may be called anything.

use super::words::{number, percent, times, times_between};
use crate::review::{Grade, Review};
use crate::table::printable;

/// Markdown of each review.
pub fn summary(reviews: &[Review]) -> String {
    let mut text = String::new();
    for review in reviews {
        let summary = &review.summary;
        text += &format!(
            "\n<details><summary>{} on {}</summary>\n\n",
            escaped(&summary.workload),
            escaped(&summary.fixture)
        );
        text +=
            &format!("| row | µs per {} | times as fast | bounds | verdict |\n|---|---:|---:|---|---|\n", review.unit);
        for row in &summary.rows {
            let (ratio, bounds) = row
                .over_baseline
                .map_or(("1".to_owned(), String::new()), |over| (times(over.mid), times_between(&over)));
            let verdict = row.verdict.unwrap_or(if row.name == summary.baseline { "baseline" } else { "" });
            let time = number(row.us_per_file.mid);
            text += &format!("| {} | {time} | {ratio} | {bounds} | {verdict} |\n", escaped(&row.name));
        }
        text += "\n";
        for rung in &review.ladder {
            let gain = rung
                .gain
                .map_or("not measured".to_owned(), |gain| format!("{} ({})", times(gain.mid), times_between(&gain)));
            text += &format!("- {}: {gain}, {}\n", escaped(&rung.name), rung.verdict.unwrap_or("no pairs"));
        }
        for without in &summary.without {
            text += &format!("- no number: {}: {}\n", escaped(&without.name), escaped(&without.why));
        }
        for check in review.trust.iter().filter(|check| check.grade != Grade::Pass) {
            text += &format!("- {}: {}\n", escaped(&check.name), escaped(&check.told));
        }
        text += &format!("- differences below {} count as none\n", percent(review.band));
        text += "\n</details>\n";
    }
    text
}

/// Words that Markdown takes as they are.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for letter in printable(text).chars() {
        match letter {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' | '#' | '~' | '@' => {
                out.push('\\');
                out.push(letter);
            }
            _ => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out_of_a_table() {
        assert_eq!(escaped("a|b `c` <script>\n"), "a\\|b \\`c\\` &lt;script&gt;\\\\n");
    }
}
