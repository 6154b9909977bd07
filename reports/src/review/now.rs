//! Which row stands for what can be had now: the answer, the prediction and the ceilings are all of it.

use super::look::{Look, given_up};
use crate::stats::FEWEST;
use crate::summary::Row;

/// The fastest of the rows that do the whole job. Those are all that promise no less than the baseline, the rows that
/// are asked what a phase is worth, and the ladder's, which may give up what its end gives up: a step that gives up more
/// was taken back on the way. What is faster and promises less answers a smaller question, and what is faster and is no
/// step of the ladder has another price; both are told, and are not the answer.
pub(super) fn of<'a>(look: &'a Look) -> Option<&'a Row> {
    let baseline = look.baseline();
    let end = look.ladder().last().copied();
    let keeps = |than: Option<&Row>, row: &Row| than.is_none_or(|than| given_up(than, row).is_empty());
    let is_asked = |row: &Row| look.summary.ceilings.iter().any(|ceiling| ceiling.of == row.name);
    let is_step = |row: &Row| look.plan.ladder.contains(&row.name) && keeps(end, row);
    let does_the_job = |row: &&Row| row.rank > 0 && (keeps(baseline, row) || is_step(row) || is_asked(row));
    let rows: Vec<&Row> = look.summary.rows.iter().filter(does_the_job).collect();
    let fastest = *rows.first()?;
    if fastest.rounds < FEWEST {
        // Too few rounds tell nothing apart.
        return Some(fastest);
    }
    // Of rows that cannot be told apart, the one that spends its time on what the baseline does, of which most is known,
    // and to which the ladder leads.
    let task = |row: &Row| row.phases.iter().max_by(|a, b| a.1.total_cmp(&b.1)).map(|(phase, _)| phase.clone());
    let work = baseline.and_then(task);
    let does_it = |row: &Row| row.phases.iter().any(|(phase, _)| Some(phase) == work.as_ref());
    let is_end = |row: &Row| fastest.name != look.summary.baseline && end.is_some_and(|end: &Row| end.name == row.name);
    let worth = |row: &Row| (does_it(row), is_asked(row), is_end(row));
    let tied = rows.iter().filter(|row| row.rank == fastest.rank && row.name != look.summary.baseline);
    Some(tied.fold(fastest, |best, row| if worth(row) > worth(best) { row } else { best }))
}

#[cfg(test)]
mod tests {
    use super::super::Review;
    use super::super::made_up::Made;

    const GZIP: (&str, &[(&str, f64)]) = ("gzip", &[("decode", 50.0), ("write", 40.0), ("rest", 10.0)]);

    fn reviewed(made: Made) -> Review {
        super::super::of(&made.run(), 0, &[], &[], None)
    }

    fn sentence(made: Made) -> String {
        reviewed(made).answer.sentence
    }

    /// A stub makes more known of a row; that makes no row the answer that others beat.
    #[test]
    fn one_round_does_not_hide_the_fastest_row_behind_the_one_of_which_most_is_known() {
        let made = Made::rows(&[GZIP]).row("zstd", &[("decode", 10.0), ("write", 15.0)]).stub(
            "gzip-no-decode",
            "gzip",
            "decode",
            &[("write", 40.0), ("rest", 10.0)],
        );
        for (rounds, is) in [(1, "seems"), (10, "is")] {
            let told = sentence(made.clone().rounds(rounds));
            let so = told.starts_with(&format!("zstd {is} 4.00 times as fast as gzip"));
            assert!(so, "{}", told);
        }
    }

    #[test]
    fn of_rows_that_cannot_be_told_apart_the_one_that_works_at_what_the_baseline_does_is_the_answer() {
        let tables: (&str, &[(&str, f64)]) = ("tables", &[("encode", 100.0)]);
        let made = Made::rows(&[tables]).row("rebuild", &[("rebuild", 10.0)]).row("shuffles", &[("encode", 10.0)]);
        let told = sentence(made);
        assert!(told.starts_with("shuffles is 10.00 times as fast as tables"), "{}", told);
    }

    /// A ladder that ends with the best row: before it a step that gives up more, and beside it rows of the same knobs
    /// and rows that are faster at another price.
    fn to_the_best() -> Made {
        const BEST: &[(&str, f64)] = &[("decode", 10.0), ("write", 10.0)];
        Made::rows(&[GZIP])
            .row("zstd", &[("decode", 20.0), ("write", 40.0), ("rest", 10.0)])
            .row("workers", &[("decode", 15.0), ("write", 15.0)])
            .row("linked", &[("decode", 10.0), ("write", 5.0)])
            .row("pack", BEST)
            .row("best", BEST)
            .row("best-atomic", &[("decode", 10.0), ("write", 15.0)])
            .row("best-not-packed", &[("write", 10.0)])
            .row("names", &[("write", 1.0)])
            .row("all-but-zstd", &[("decode", 40.0), ("write", 10.0)])
            .promises("gzip", &["atomic", "independent"])
            .promises("zstd", &["atomic", "independent"])
            .promises("workers", &["independent"])
            .promises("pack", &["independent"])
            .promises("best", &["independent"])
            .promises("best-atomic", &["atomic", "independent"])
            .promises("best-not-packed", &["independent"])
            .counted("best", &[], &[("kept_bytes", 10)])
            .counted("best-not-packed", &[], &[("kept_bytes", 90)])
            .ladder(&["gzip", "zstd", "workers", "linked", "pack", "best"])
    }

    #[test]
    fn the_end_of_the_ladder_is_the_answer_and_not_a_step_that_was_taken_back() {
        let stub = ("best-no-write", &[("decode", 10.0)][..]);
        for made in [to_the_best(), to_the_best().stub(stub.0, "best", "write", stub.1)] {
            let review = reviewed(made);
            assert_eq!(review.now.as_deref(), Some("best"));
            assert_eq!(
                review.answer.sentence,
                "best is 5.00 times as fast as gzip (95 %: 5.00 to 5.00): 100 µs a file before, 20.0 now; it gives up: \
                 atomic. With every promise kept, best-atomic is 4.00 times as fast (95 %: 4.00 to 4.00)."
            );
            let end = "These data cannot tell it from pack. Faster with the same promises, and no step of the ladder: \
                       best-not-packed (10.00 times, keeps more bytes). Faster, but not the whole job: names (100 times, \
                       gives up atomic and independent) and linked (6.67 times, gives up atomic and independent).";
            assert!(review.answer.why.ends_with(end), "{}", review.answer.why);
        }
    }

    #[test]
    fn ladder_prediction_and_ceilings_are_of_the_end_too() {
        let review = reviewed(to_the_best().stub("best-no-write", "best", "write", &[("decode", 10.0)]));
        let end = review.ladder.last().unwrap();
        assert_eq!((end.name.as_str(), end.last.unwrap().mid, end.verdict), ("best", 1.0, Some("no practical change")));
        let zstd = review.ladder.iter().find(|rung| rung.name == "zstd").unwrap();
        assert!((zstd.last.unwrap().mid - 2.5).abs() < 1e-9, "all but zstd over the end: {:?}", zstd.last);
        assert!(review.ladder.windows(2).all(|two| (two[0].us.1 - two[1].us.0).abs() < 1e-9));
        let foretold: Vec<f64> = review.ladder.iter().map(|rung| rung.forecast.unwrap()).collect();
        let wanted = [100.0 / 70.0, 2.0, 2.0, 0.75, 1.0];
        assert!(foretold.iter().zip(wanted).all(|(got, wanted)| (got - wanted).abs() < 1e-6), "{foretold:?}");
        let write = review.targets.iter().find(|target| target.phase == "write").unwrap();
        assert!((write.now.unwrap().1 - 2.0).abs() < 1e-6 && (write.tried.unwrap().mid - 2.0).abs() < 1e-6);
        assert_eq!(review.answer.fastest.value, "best");
    }

    #[test]
    fn where_nothing_is_faster_than_the_baseline_the_end_of_the_ladder_does_not_stand_for_it() {
        let made = Made::rows(&[GZIP]).row("best", &[("decode", 50.0), ("write", 40.5), ("rest", 10.0)]);
        assert_eq!(reviewed(made.ladder(&["gzip", "best"])).now.as_deref(), Some("gzip"));
    }
}
