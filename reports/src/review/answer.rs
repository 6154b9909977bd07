//! The first screen: what is fastest, by how much, how sure; why; and four facts.

use super::look::{Look, given_up};
use super::words::{count, list, percent, sure, times, us};
use super::{Answer, Check, ClaimVerdict, Fact, Grade, Judged, Numbers, Target};
use crate::stats::{FEWEST, Verdict};
use crate::summary::{Row, change};
use std::collections::BTreeSet;

/// The first screen.
pub(super) fn of(look: &Look, now: Option<&str>, targets: &[Target], claims: &[Judged], trust: &[Check]) -> Answer {
    let now = now.and_then(|name| look.row(name));
    Answer {
        sentence: sentence(look, now),
        why: now.map_or(String::new(), |now| why(look, now)),
        fastest: now.map_or_else(Fact::default, |now| fastest(look, now)),
        next: next(targets, now),
        claims: held(claims),
        trust: trusted(trust),
    }
}

fn sentence(look: &Look, now: Option<&Row>) -> String {
    let Some(now) = now else {
        let why = look.summary.without.first();
        let why = why.map_or("nothing was measured".to_owned(), |one| format!("{}, {}", one.name, one.why));
        return format!("No row has a number: {why}.");
    };
    let Some(baseline) = look.baseline() else {
        let baseline = &look.summary.baseline;
        let why = look.why_not(baseline).unwrap_or("not measured");
        return format!(
            "The baseline, {baseline}, has no number ({why}), so nothing can be called faster; {} takes {} µs a file ({}).",
            now.name,
            us(now.us_per_file.mid),
            sure_of_time(now)
        );
    };
    if now.name == baseline.name {
        let nearest = look.summary.rows.iter().find(|row| row.rank > 0 && row.name != baseline.name);
        let nearest = nearest.and_then(|row| Some((row, row.over_baseline?, row.verdict?)));
        return match nearest {
            None => format!(
                "{} takes {} µs a file ({}), and no other row was measured beside it.",
                baseline.name,
                us(baseline.us_per_file.mid),
                sure_of_time(baseline)
            ),
            Some((row, over, verdict)) => format!(
                "No row that does the whole job is faster than {}, at {} µs a file; {} is {} times as fast ({}): {verdict}{}.",
                baseline.name,
                us(baseline.us_per_file.mid),
                row.name,
                times(over.mid),
                sure(&over),
                gives_up(baseline, row, ", but it gives up: ")
            ),
        };
    }
    let (Some(over), Some(verdict)) = (now.over_baseline, now.verdict) else {
        return format!("{} and {} have no round in common, so they cannot be held together.", now.name, baseline.name);
    };
    let before_and_now = format!("{} µs a file before, {} now", us(baseline.us_per_file.mid), us(now.us_per_file.mid));
    // What is not decided only seems so.
    let is_open = [Verdict::NotDecided, Verdict::TooFewRounds].iter().any(|open| open.words() == verdict);
    let is = if is_open { "seems" } else { "is" };
    let so_fast = format!("{} {is} {} times as fast as {} ({})", now.name, times(over.mid), baseline.name, sure(&over));
    if verdict != Verdict::Faster.words() {
        return format!("{so_fast}: {verdict}; {before_and_now}.");
    }
    let mut told = format!("{so_fast}: {before_and_now}{}.", gives_up(baseline, now, "; it gives up: "));
    if !given_up(baseline, now).is_empty() {
        told += &keeping_all(look, baseline);
    }
    told
}

/// The fastest row that gives up nothing.
fn keeping_all(look: &Look, baseline: &Row) -> String {
    let faster = |row: &&Row| row.rank > 0 && row.verdict == Some(Verdict::Faster.words());
    let mut keeping = look.summary.rows.iter().filter(faster).filter(|row| given_up(baseline, row).is_empty());
    match keeping.find_map(|row| Some((row, row.over_baseline?))) {
        Some((row, over)) => {
            format!(" With every promise kept, {} is {} times as fast ({}).", row.name, times(over.mid), sure(&over))
        }
        None => " With every promise kept, no row is faster.".to_owned(),
    }
}

fn gives_up(baseline: &Row, row: &Row, words: &str) -> String {
    let lost = given_up(baseline, row);
    if lost.is_empty() { String::new() } else { format!("{words}{}", list(&lost)) }
}

fn sure_of_time(row: &Row) -> String {
    let bounds = &row.us_per_file;
    if bounds.confidence <= 0.0 {
        return "one round, no bounds".to_owned();
    }
    format!("{}: {} to {}", super::words::confidence(bounds), us(bounds.low), us(bounds.high))
}

/// So many phases, or rows, are named in a sentence.
const SHOWN: usize = 4;

/// Which phases went, and which rows are beside it or before it.
fn why(look: &Look, now: &Row) -> String {
    let mut told = Vec::new();
    if let Some(baseline) = look.baseline().filter(|baseline| baseline.name != now.name) {
        match change(baseline, now) {
            None => told.push("Where the time went was not looked at.".to_owned()),
            Some(change) => {
                let moved = change.phases.iter().take(SHOWN);
                let mut moved: Vec<String> = moved
                    .map(|phase| format!("{} {} to {} µs", phase.name, us(phase.before_us), us(phase.now_us)))
                    .collect();
                if change.phases.len() > SHOWN {
                    moved.push(format!("{} more", change.phases.len() - SHOWN));
                }
                told.push(format!("What moved most: {}; {} of the time before.", list(&moved), percent(change.share)));
            }
        }
    }
    let others = || look.summary.rows.iter().filter(|row| row.rank > 0 && row.name != now.name);
    // What promises less or is there for one step of the ladder is no choice beside it.
    let is_choice = |row: &&Row| row.rank == now.rank && !row.for_one_step && given_up(now, row).is_empty();
    let tied: Vec<String> = others().filter(is_choice).map(|row| row.name.clone()).collect();
    if !tied.is_empty() && now.rounds >= FEWEST {
        told.push(format!("These data cannot tell it from {}.", first(tied, SHOWN)));
    }
    if let Some(baseline) = look.baseline() {
        let faster = others().filter(|row| row.rank < now.rank);
        let (alike, less): (Vec<&Row>, Vec<&Row>) = faster.partition(|row| given_up(now, row).is_empty());
        let alike: Vec<String> = alike.into_iter().filter_map(|row| priced(look, now, row)).collect();
        if !alike.is_empty() {
            told.push(format!("Faster with the same promises, and no step of the ladder: {}.", first(alike, 2)));
        }
        let less: Vec<String> = less
            .into_iter()
            .filter_map(|row| {
                let lost = given_up(baseline, row);
                let over = row.over_baseline?;
                Some(format!("{} ({} times, gives up {})", row.name, times(over.mid), list(&lost)))
            })
            .collect();
        if !less.is_empty() {
            told.push(format!("Faster, but not the whole job: {}.", first(less, 2)));
        }
    }
    told.join(" ")
}

/// How many times as fast a row is that promises what the answer does, and what it costs instead, where that is known.
fn priced(look: &Look, now: &Row, row: &Row) -> Option<String> {
    let kept = |row: &Row| look.counts(&row.name)?.number("kept_bytes");
    let price = if kept(row) > kept(now) && kept(now).is_some() { ", keeps more bytes" } else { "" };
    Some(format!("{} ({} times{price})", row.name, times(row.over_baseline?.mid)))
}

/// A list that ends where a reader would lose it.
fn first(mut words: Vec<String>, most: usize) -> String {
    if words.len() > most {
        let more = words.len() - (most - 1);
        words.truncate(most - 1);
        words.push(format!("{more} more"));
    }
    list(&words)
}

fn fastest(look: &Look, now: &Row) -> Fact {
    let line = format!("{} µs a file ({})", us(now.us_per_file.mid), sure_of_time(now));
    let over =
        now.over_baseline.map(|over| format!(", {} times as fast as {}", times(over.mid), look.summary.baseline));
    Fact { value: now.name.clone(), line: line + &over.unwrap_or_default(), numbers: Numbers::new() }
}

/// A phase that takes more than this share of the time leaves no choice where to look.
pub(super) const ALL: f64 = 0.97;

fn next(targets: &[Target], now: Option<&Row>) -> Fact {
    let best = targets.iter().find_map(|target| Some((target, target.now?)));
    let (Some((target, (part, ceiling))), Some(now)) = (best, now) else {
        let line = "nobody looked where the time goes".to_owned();
        return Fact { value: "not known".to_owned(), line, numbers: Numbers::new() };
    };
    let tried = target.tried.map_or(String::new(), |tried| format!("; taken away: {} times", times(tried.mid)));
    let line = if part / now.us_per_file.mid > ALL {
        format!("{} of {} µs: nearly all there is, so nothing else is worth a look", us(part), us(now.us_per_file.mid))
    } else {
        let at_most = times(ceiling);
        format!("{} of {} µs: at most {at_most} times as fast without it{tried}", us(part), us(now.us_per_file.mid))
    };
    let value = if target.phase == "rest" { "rest, which has no name yet".to_owned() } else { target.phase.clone() };
    Fact { value, line, numbers: Numbers::new() }
}

/// How many claims hold, and what became of the others.
pub(crate) fn held(claims: &[Judged]) -> Fact {
    if claims.is_empty() {
        let line = "no document claims anything of this".to_owned();
        return Fact { value: "none".to_owned(), line, numbers: Numbers::new() };
    }
    // What is said again counts once.
    let mut claims: Vec<&Judged> = claims.iter().collect();
    claims.sort_by_key(|one| one.claim.repeats.is_some());
    let mut seen = BTreeSet::new();
    claims.retain(|one| seen.insert(one.claim.repeats.as_ref().unwrap_or(&one.claim.id)));
    let of = |verdict: ClaimVerdict| claims.iter().filter(|one| one.verdict == verdict).count();
    let is_open = |one: &&&Judged| matches!(one.verdict, ClaimVerdict::Unmeasured | ClaimVerdict::Unmeasurable);
    let judged = claims.len() - claims.iter().filter(is_open).count();
    let holding = of(ClaimVerdict::Held) + of(ClaimVerdict::Exceeded);
    let rest = [
        ClaimVerdict::Exceeded,
        ClaimVerdict::TrueLocally,
        ClaimVerdict::NoEffect,
        ClaimVerdict::Overstated,
        ClaimVerdict::Reversed,
        ClaimVerdict::NotDecided,
        ClaimVerdict::Unmeasured,
        ClaimVerdict::Unmeasurable,
    ];
    let rest: Vec<(usize, &str)> =
        rest.into_iter().map(|verdict| (of(verdict), verdict.words())).filter(|(count, _)| *count > 0).collect();
    let mut numbers = Numbers::from([("hold".to_owned(), holding as f64), ("judged".to_owned(), judged as f64)]);
    numbers.extend(rest.iter().map(|(count, words)| ((*words).to_owned(), *count as f64)));
    let rest: Vec<String> = rest.iter().map(|(count, words)| format!("{count} {words}")).collect();
    Fact { value: format!("{holding} of {judged} hold"), line: list(&rest), numbers }
}

fn trusted(trust: &[Check]) -> Fact {
    let of = |grade: Grade| trust.iter().filter(|check| check.grade == grade).count();
    let (fails, notes) = (of(Grade::Fail), of(Grade::Note));
    let value = match (fails, notes) {
        (0, 0) => "pass".to_owned(),
        (0, notes) => format!("pass, {}", count(notes, "note")),
        (fails, 0) => format!("fail, {}", count(fails, "check")),
        (fails, notes) => format!("fail, {} and {}", count(fails, "check"), count(notes, "note")),
    };
    // What has no name comes before other notes: a reader must know how much was not seen.
    let is_first = |check: &&Check| check.grade == Grade::Note && check.name == super::trust::EXPLAINED;
    let worst = trust.iter().find(|check| check.grade == Grade::Fail).or_else(|| trust.iter().find(is_first));
    let worst = worst.or_else(|| trust.iter().find(|check| check.grade == Grade::Note));
    let numbers = Numbers::from([("failed".to_owned(), fails as f64), ("notes".to_owned(), notes as f64)]);
    Fact { value, line: worst.map_or("nothing to note".to_owned(), |check| check.told.clone()), numbers }
}

#[cfg(test)]
mod tests {
    use super::super::made_up::Made;
    use super::*;

    fn told(made: Made) -> Answer {
        let run = made.run();
        super::super::of(&run, 0, &[], &[], None).answer
    }

    const GZIP: (&str, &[(&str, f64)]) = ("gzip", &[("decode", 50.0), ("write", 40.0), ("rest", 10.0)]);

    #[test]
    fn what_is_faster_is_told_with_its_factor_and_its_bounds() {
        let answer = told(Made::rows(&[GZIP]).row("zstd", &[("decode", 10.0), ("write", 30.0), ("rest", 10.0)]));
        assert_eq!(
            answer.sentence,
            "zstd is 2.00 times as fast as gzip (95 %: 2.00 to 2.00): 100 µs a file before, 50.0 now."
        );
        assert_eq!(
            answer.why,
            "What moved most: decode 50.0 to 10.0 µs and write 40.0 to 30.0 µs; 90 % of the time before."
        );
        assert_eq!(answer.fastest.line, "50.0 µs a file (95 %: 50.0 to 50.0), 2.00 times as fast as gzip");
        assert_eq!(
            (answer.next.value.as_str(), answer.next.line.as_str()),
            ("write", "30.0 of 50.0 µs: at most 2.50 times as fast without it")
        );
        assert_eq!((answer.claims.value.as_str(), answer.trust.value.as_str()), ("none", "pass, 1 note"));
    }

    #[test]
    fn what_promises_less_is_told_beside_what_keeps_all() {
        let made = Made::rows(&[GZIP])
            .row("zstd", &[("decode", 10.0), ("write", 30.0), ("rest", 10.0)])
            .row("linked", &[("decode", 10.0), ("write", 10.0), ("rest", 5.0)])
            .row("names", &[("write", 5.0)])
            .row("floor", &[("write", 1.0)])
            .ladder(&["gzip", "zstd", "linked"])
            .promises("gzip", &["atomic", "independent"])
            .promises("zstd", &["atomic", "independent"])
            .promises("linked", &["atomic"])
            .floor("floor");
        let answer = told(made);
        assert_eq!(
            answer.sentence,
            "linked is 4.00 times as fast as gzip (95 %: 4.00 to 4.00): 100 µs a file before, 25.0 now; it gives up: \
             independent. With every promise kept, zstd is 2.00 times as fast (95 %: 2.00 to 2.00)."
        );
        let end = "Faster, but not the whole job: names (20.0 times, gives up atomic and independent).";
        assert!(answer.why.ends_with(end), "{}", answer.why);
    }

    #[test]
    fn rows_that_cannot_be_told_apart_are_choices_and_a_long_list_of_them_ends() {
        const FAST: &[(&str, f64)] = &[("decode", 5.0), ("write", 5.0)];
        let mut made = Made::rows(&[GZIP]).promises("gzip", &["atomic"]);
        for name in ["a", "b", "c", "d", "e", "f"] {
            made = made.row(name, FAST).promises(name, &["atomic"]);
        }
        let answer = told(made.row("careless", FAST).row("only-a", FAST).promises("only-a", &["atomic"]));
        let end = "These data cannot tell it from b, c, d and 2 more.";
        assert!(answer.why.ends_with(end), "{}", answer.why);
    }

    #[test]
    fn what_is_no_faster_is_not_called_so() {
        let slower = told(Made::rows(&[GZIP]).row("zstd", &[("decode", 150.0)]));
        assert_eq!(
            slower.sentence,
            "No row that does the whole job is faster than gzip, at 100 µs a file; zstd is 0.67 times as fast (95 %: \
             0.67 to 0.67): slower."
        );
        let same = told(Made::rows(&[GZIP]).row("zstd", &[("decode", 99.0)]));
        assert_eq!(
            same.sentence,
            "zstd is 1.01 times as fast as gzip (95 %: 1.01 to 1.01): no practical change; 100 µs a file before, 99.0 now."
        );
        let few = told(Made::rows(&[GZIP]).row("zstd", &[("decode", 10.0)]).rounds(1));
        assert_eq!(
            few.sentence,
            "zstd seems 10.00 times as fast as gzip (one round, no bounds): too few rounds; 100 µs a file before, 10.0 now."
        );
        let alone = told(Made::rows(&[GZIP]));
        assert_eq!(
            alone.sentence,
            "gzip takes 100 µs a file (95 %: 100 to 100), and no other row was measured beside it."
        );
    }

    #[test]
    fn without_a_baseline_nothing_is_called_faster() {
        let mut run = Made::rows(&[GZIP]).row("zstd", &[("decode", 10.0)]).run();
        run.failed.push(crate::record::Failed {
            plan: 0,
            variant: "gzip".into(),
            round: None,
            how: "differs".into(),
            told: "a.py".into(),
        });
        let review = super::super::of(&run, 0, &[], &[], None);
        assert_eq!(
            review.answer.sentence,
            "The baseline, gzip, has no number (differs: a.py), so nothing can be called faster; zstd takes 10.0 µs a \
             file (95 %: 10.0 to 10.0)."
        );
        assert!(review.answer.trust.value.starts_with("fail, 1 check"), "{}", review.answer.trust.value);
        run.samples.clear();
        let review = super::super::of(&run, 0, &[], &[], None);
        assert_eq!(review.answer.sentence, "No row has a number: gzip, differs: a.py.");
    }
}
