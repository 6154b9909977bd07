//! Whether the numbers can be trusted: each thing that makes them worth believing, looked at. A check says what came of
//! it as a sentence, and holds every number of that sentence by what it is.
//!
//! | module | what it asks |
//! |---|---|
//! | [`outcome`] | what came out: the right thing, of every row, as it was promised |
//! | [`noise`] | how far rounds stray, and whether a difference is seen where there is none |
//! | [`looking`] | how much of the time was seen, and what it cost to look |
//! | [`around`] | the machine and the build, and how the run ended |

mod around;
mod looking;
mod noise;
mod outcome;

pub(super) use around::{absent, machine};
pub(super) use looking::EXPLAINED;

use super::look::Look;
use super::{Check, Grade, Numbers};
use crate::summary::Bounds;

/// Every check, in the order in which a reader asks.
pub(super) fn of(look: &Look, now: Option<&str>) -> Vec<Check> {
    vec![
        outcome::outcomes(look),
        outcome::crashes(look),
        noise::rounds(look),
        noise::against_itself(look),
        noise::bounds(look),
        noise::drift(look),
        looking::explained(look, now),
        looking::observer(look),
        outcome::promises(look, now),
        outcome::rows(look),
        around::beside(look),
        around::build(look),
        around::ending(look),
    ]
}

impl Check {
    fn new(name: &str, grade: Grade, told: impl Into<String>) -> Check {
        Check { name: name.to_owned(), grade, told: told.into(), numbers: Numbers::new() }
    }

    /// The same with a number of its sentence.
    fn with(mut self, what: &str, number: f64) -> Check {
        self.numbers.insert(what.to_owned(), number);
        self
    }

    /// The same with bounds that stand in its sentence.
    fn with_bounds(self, what: &str, bounds: &Bounds) -> Check {
        self.with(what, bounds.mid)
            .with(&format!("{what}, at least"), bounds.low)
            .with(&format!("{what}, at most"), bounds.high)
            .with(&format!("{what}, how sure"), bounds.confidence)
    }
}

#[cfg(test)]
mod tests {
    use super::super::made_up::Made;
    use super::*;

    fn graded(run: &crate::record::Run, name: &str) -> (Grade, String) {
        let checks = of(&Look::at(run, 0), Some("gzip"));
        let check = checks.into_iter().find(|check| check.name == name).expect("it is checked");
        (check.grade, check.told)
    }

    fn made() -> Made {
        Made::rows(&[("gzip", &[("decode", 50.0), ("rest", 5.0)]), ("zstd", &[("decode", 20.0), ("rest", 1.0)])])
    }

    #[test]
    fn a_quiet_run_passes_every_check() {
        let run = made().run();
        for check in of(&Look::at(&run, 0), Some("gzip")) {
            assert_eq!(check.grade, Grade::Pass, "{check:?}");
        }
    }

    #[test]
    fn a_remainder_of_forty_per_cent_is_a_note() {
        let run = Made::rows(&[("gzip", &[("decode", 60.0), ("rest", 40.0)])]).run();
        assert_eq!(graded(&run, EXPLAINED), (Grade::Note, "40 % of the time of gzip has no name.".to_owned()));
        let review = super::super::of(&run, 0, &[], &[], None);
        assert_eq!(review.answer.trust.line, "40 % of the time of gzip has no name.");
    }

    #[test]
    fn what_is_not_as_it_should_be_is_told() {
        assert_eq!(graded(&made().rounds(3).run(), "rounds").0, Grade::Fail);
        assert_eq!(graded(&made().rounds(5).run(), "rounds").0, Grade::Note);
        assert_eq!(graded(&made().rounds(5).run(), "A against A").0, Grade::Absent);
        assert_eq!(graded(&made().drift("gzip", 0.3).drift("zstd", 0.3).run(), "drift").0, Grade::Note);
        let alone = graded(&made().drift("zstd", 0.3).run(), "drift");
        assert!(alone.0 == Grade::Note && alone.1.contains("what one row does alone does not"), "{alone:?}");
        let mut run = made().promises("gzip", &["atomic"]).run();
        assert_eq!(graded(&run, "promises").1, "One row promises less than gzip: zstd gives up atomic.");
        run.beside[0].before.quiet = false;
        assert_eq!(graded(&run, "load").0, Grade::Note);
        run.beside.clear();
        assert_eq!(graded(&run, "load").0, Grade::Absent);
        run.header.machine.insert("commit".into(), "abc with changes".into());
        assert_eq!(graded(&run, "build").0, Grade::Note);
        run.header.machine.insert("profile".into(), "debug".into());
        assert_eq!(graded(&run, "build").0, Grade::Fail);
        run.end = None;
        assert_eq!(graded(&run, "ending"), (Grade::Note, "The run was killed.".to_owned()));
    }

    #[test]
    fn a_machine_that_sees_a_difference_where_there_is_none_fails() {
        let mut run = made().rounds(16).run();
        for sample in run.samples.iter_mut().filter(|sample| [1, 2].contains(&(sample.round % 4))) {
            sample.reading.wall_ns *= 2;
        }
        assert_eq!(graded(&run, "A against A").0, Grade::Fail);
        let noisy = made().noise(0.08, 3).run();
        assert_eq!(graded(&noisy, "A against A").0, Grade::Note);
    }

    #[test]
    fn instruments_that_are_absent_say_why() {
        let run = made().counted("gzip", &[("close", 5)], &[("peak_bytes", 1)]).run();
        assert_eq!(absent(&Look::at(&run, 0)), [("cycles".to_owned(), "no hardware counters".to_owned())]);
        assert_eq!(machine(&Look::at(&run, 0))[0].0, "cpu");
    }
}
