//! What the documents claimed, as the terminal has it: a table for each document, and the whole story of one claim.

use super::labelled;
use crate::claims::{Claimed, Ledger, Unit, grouped};
use crate::review::{ClaimVerdict, Judged};
use crate::table::{Align, Table, clip, printable, wrap};

/// Where fewer columns than these are wide, a claim has its verdict first.
const NARROW: usize = 70;
/// Where as many are wide, bounds have room beside what was measured.
const WIDE: usize = 110;

/// Every claim on a line, a table a document.
pub fn render(claims: &[Judged], ledgers: &[Ledger], width: usize) -> String {
    let mut text = String::new();
    for ledger in ledgers {
        let of: Vec<&Judged> = claims.iter().filter(|one| one.source == ledger.source).collect();
        if of.is_empty() {
            continue;
        }
        text += &(clip(&printable(&format!("{}: {}", ledger.source, ledger.what)), width) + "\n\n");
        text += &table(&of, width).render(width);
        for one in &of {
            if let Some((_, told)) = one.told.split_once("Implied share") {
                text += &labelled(&one.claim.id, &format!("implied share{told}"), width);
            }
        }
        text.push('\n');
    }
    text + &sum(claims, width)
}

fn table(claims: &[&Judged], width: usize) -> Table {
    if width < NARROW {
        let mut table = Table::new(&[("ID", Align::Left), ("VERDICT", Align::Left), ("CLAIM", Align::Left)]);
        for one in claims {
            table.row([one.claim.id.clone(), one.verdict.words().to_owned(), quote(one)]);
        }
        return table;
    }
    let mut table = Table::new(&[
        ("ID", Align::Left),
        ("CLAIM", Align::Left),
        ("CLAIMED", Align::Right),
        ("FORETOLD", Align::Right),
        ("MEASURED", Align::Right),
        ("VERDICT", Align::Left),
    ])
    .may_go(&["FORETOLD", "CLAIMED", "MEASURED"]);
    // What is left of the line where the other columns have theirs.
    let room = width.saturating_sub(90).clamp(18, 48);
    for one in claims {
        let factor = |value: f64| format!("{value:.2}x");
        let again = one.claim.repeats.as_ref().map_or(String::new(), |first| format!(" (as {first})"));
        table.row([
            one.claim.id.clone(),
            clip(&quote(one), room),
            claimed(&one.claim.claimed),
            one.forecast.as_ref().map_or(String::new(), |forecast| factor(forecast.whole.mid)),
            measured(one, width >= WIDE),
            format!("{}{}{again}", one.verdict.words(), local(one)),
        ]);
    }
    table
}

/// The words of the document, without its marks of emphasis.
fn quote(one: &Judged) -> String {
    one.claim.quote.replace("**", "")
}

/// What a part does alone, beside what it does for the whole.
fn local(one: &Judged) -> String {
    match (one.part.or(one.inside), one.verdict) {
        (Some(part), ClaimVerdict::TrueLocally | ClaimVerdict::NoEffect | ClaimVerdict::Overstated) => {
            format!(", {:.2}x in its part", part.mid)
        }
        _ => String::new(),
    }
}

fn measured(one: &Judged, with_bounds: bool) -> String {
    let words = match (one.measured, one.claim.claimed.unit) {
        (Some(bounds), Unit::TimesAsFast) if bounds.confidence > 0.0 => {
            format!("{:.2}x ({:.2}-{:.2})", bounds.mid, bounds.low, bounds.high)
        }
        _ => one.measured_words().map_or(String::new(), |words| short(&words)),
    };
    match words.split_once(" (") {
        Some((value, _)) if !with_bounds => value.to_owned(),
        _ => words,
    }
}

/// `5-8x`, `185 µs/file`: as few letters as a column has room for.
fn claimed(claimed: &Claimed) -> String {
    if claimed.unit != Unit::TimesAsFast {
        return short(&claimed.to_string());
    }
    let about = if claimed.about { "~" } else { "" };
    match (claimed.low, claimed.high) {
        (Some(low), Some(high)) if low < high => format!("{about}{}-{}x", grouped(low), grouped(high)),
        (Some(low), None) => format!("{about}>{}x", grouped(low)),
        (None, Some(high)) => format!("{about}<={}x", grouped(high)),
        (_, only) => format!("{about}{}x", grouped(only.unwrap_or(1.0))),
    }
}

fn short(words: &str) -> String {
    let units = [
        (" microseconds a file", " µs/file"),
        (" milliseconds a file", " ms/file"),
        (" milliseconds a run", " ms/run"),
        (" nanoseconds an operation", " ns/op"),
        (" operations a second", " ops/s"),
        (" files a second", " files/s"),
        (" an operation", "/op"),
        (" a file", "/file"),
        (" a call", "/call"),
        (" an update", "/update"),
        (" times as long", "x as long"),
        (" times as slow", "x as slow"),
        (" times fewer", "x fewer"),
        (" times the object", "x the object"),
        ("about ", "~"),
        ("more than ", ">"),
        ("at most ", "<="),
        (" to ", "-"),
        ("95 %: ", ""),
    ];
    units.iter().fold(words.to_owned(), |text, (long, short)| text.replace(long, short))
}

fn sum(claims: &[Judged], width: usize) -> String {
    let held = crate::review::held(claims);
    let first = claims.iter().find(|one| one.verdict != ClaimVerdict::Unmeasured).or(claims.first());
    let hint = first.map_or(String::new(), |one| {
        wrap(&format!("assay claims {} --why shows source, data and formula.", one.claim.id), width, 0) + "\n"
    });
    wrap(&format!("{}: {}.", held.value, held.line), width, 0) + "\n" + &hint
}

/// One claim: what came of it; with `why`, the source, the data and the formula.
pub fn one(claim: &Judged, why: bool, width: usize) -> String {
    let mut text = wrap(&printable(&format!("{}: {}", claim.claim.id, claim.claim.says)), width, 0) + "\n";
    text += &labelled("verdict", claim.verdict.words(), width);
    text += &labelled("", &claim.told, width);
    if let Some(differ) = &claim.differ {
        text += &labelled("", differ, width);
    }
    if why {
        text.push('\n');
        for line in &claim.why {
            let (label, rest) =
                line.split_at_checked(10).filter(|(label, _)| label.ends_with(' ')).unwrap_or(("", line));
            text += &labelled(label.trim_end(), rest, width);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::load;
    use crate::review::judged;
    use crate::review::made_up::Made;

    const LEDGER: &str = r#"
source = "x.md"
title = "X"
what = "Why it was not faster."
[[claim]]
id = "x-01"
line = 5
quote = "decompression **IS** 5-8x faster"
says = "Decoding is faster."
kind = "local"
claimed = { low = 5, high = 8, unit = "times as fast" }
[claim.job]
workload = "restore"
baseline = "gzip"
row = "zstd"
phases = ["decode"]
fixture = "python-small"
[[claim]]
id = "x-02"
line = 6
quote = "185 µs a file"
says = "It takes 185 microseconds."
kind = "whole"
claimed = { low = 185, high = 185, unit = "microseconds a file", about = true }
[claim.job]
workload = "restore"
row = "zstd"
fixture = "python-small"
[[claim]]
id = "x-03"
line = 7
quote = "42 % of the time"
says = "It is 42 per cent."
kind = "share"
claimed = { high = 0.42, unit = "share" }
[claim.job]
workload = "restore"
row = "gzip"
phases = ["decode"]
fixture = "python-small"
[[claim]]
id = "x-04"
line = 8
quote = "again 5x"
says = "The same."
repeats = "x-01"
[[claim]]
id = "x-05"
line = 9
quote = "with io_uring"
says = "It is faster."
kind = "whole"
claimed = { low = 1, unit = "times as fast" }
[claim.job]
workload = "restore"
baseline = "gzip"
row = "uring"
fixture = "python-small"
built = false
"#;

    fn made() -> (Vec<Judged>, Vec<Ledger>) {
        let ledgers = load(&[("x.toml", LEDGER)]).unwrap();
        let run = Made::rows(&[("gzip", &[("decode", 20.0), ("write", 80.0)])])
            .row("zstd", &[("decode", 4.0), ("write", 80.0)])
            .run();
        (judged(&[run], &ledgers), ledgers)
    }

    #[test]
    fn every_claim_is_a_line() {
        let (claims, ledgers) = made();
        let expected = "\
x.md: Why it was not faster.

ID    CLAIM                              CLAIMED  FORETOLD                  MEASURED  VERDICT
x-01  decompression IS 5-8x faster          5-8x     1.19x         1.19x (1.19-1.19)  true locally, 5.00x in its part
x-02  185 µs a file                 ~185 µs/file            84.0 µs/file (84.0-84.0)  overstated
x-03  42 % of the time                    <=42 %                        20 % (20-20)  held
x-04  again 5x                              5-8x     1.19x         1.19x (1.19-1.19)  true locally, 5.00x in its part (as x-01)
x-05  with io_uring                          >1x                                      unmeasured

1 of 3 hold: 1 true locally, 1 overstated and 1 unmeasured.
assay claims x-01 --why shows source, data and formula.
";
        let text = render(&claims, &ledgers, 140);
        assert_eq!(text, expected, "\n{text}");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_and_the_verdict_stays() {
        let (claims, ledgers) = made();
        for width in [40, 60, 80, 120] {
            let text = render(&claims, &ledgers, width) + &one(&claims[0], true, width);
            let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(widest <= width, "{width}: {widest}\n{text}");
            assert!(text.contains("VERDICT"), "{text}");
        }
    }

    #[test]
    fn one_claim_is_told_with_its_formula() {
        let (claims, _) = made();
        let text = one(&claims[0], true, 100);
        assert!(text.starts_with("x-01: Decoding is faster.\nverdict  true locally\n"), "{text}");
        assert!(text.contains("line 5: \"decompression **IS** 5-8x faster\" of x.md\n"), "{text}");
        assert!(text.contains("foretold 1 / (1 - 0.200 + 0.200 / 5.00) = 1.19"), "{text}");
        assert!(!one(&claims[0], false, 100).contains("foretold  1"), "{text}");
    }
}
