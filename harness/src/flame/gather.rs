//! The runner's side: fresh children, one under the instrument and one without in each round, until there is enough.

use super::trust::Gathered;
use super::{Kind, Taken};
use crate::child::{Ended, send};
use crate::once::{Answer, Errand, Pass};
use crate::pace::{Pace, clock_of};
use crate::refusal::{Exit, Refusal};
use crate::scratch::Scratch;
use crate::signals;
use crate::stage::Stage;
use anyhow::{Context, Result};
use fixtures::Fixture;
use reports::record::Reading;
use std::time::Duration;
use technique::{Absent, Outcome, Variant, Workload};

/// So many stacks are enough: a share of a half is then right within one point, two times of three.
const ENOUGH: u64 = 4000;

/// Where one row is run again and again.
pub(crate) struct Ground {
    workload: &'static Workload,
    variant: &'static Variant,
    stage: Stage,
    errand: Errand,
    expected: Outcome,
    limit: Duration,
    used: u32,
}

/// How the gathering of one kind ended.
pub(crate) enum Got {
    /// There are stacks.
    Stacks(Box<Gathered>),
    /// The instrument or the row cannot run here.
    Absent(Absent),
}

impl Ground {
    /// Takes a place for a row, and gets the row ready.
    pub(crate) fn take(
        workload: &'static Workload,
        variant: &'static Variant,
        fixture: &Fixture,
        scratch: &Scratch,
        limit: Duration,
    ) -> Result<Ground> {
        let stage = Stage::set(scratch, &format!("flame-{}-{}", workload.name, variant.name))?;
        let errand = stage.errand(workload.name, variant.name, fixture);
        let expected = (workload.expected)(&errand.site()).context("reading what should come out")?;
        Ok(Ground { workload, variant, stage, errand, expected, limit, used: 0 })
    }

    /// Runs until there are enough stacks or `time` has passed; at least one round.
    pub(crate) fn gather(&mut self, kind: Kind, time: Duration, tell: &dyn Fn(u64)) -> Result<Got> {
        let mut gathered = Gathered::begin(kind);
        let pace = Pace::begin();
        loop {
            // The order of the two is turned round each time, so that neither always comes first.
            let passes = [Pass::Wall, Pass::Flame(kind)];
            let (mut plain, mut taken) = (None, None);
            for pass in if gathered.runs.is_multiple_of(2) { passes } else { [passes[1], passes[0]] } {
                match self.send(pass)? {
                    Sent::Plain(reading) => plain = Some(reading.wall_ns),
                    Sent::Taken(one) => taken = Some(one),
                    Sent::Absent(absent) => return Ok(Got::Absent(absent)),
                }
            }
            let (taken, plain) = (taken.context("no stacks came back")?, plain.context("no reading came back")?);
            gathered.add(*taken, plain);
            tell(gathered.taken());
            let drawn_by = if kind == Kind::Off { gathered.waits } else { gathered.samples };
            if drawn_by >= ENOUGH || pace.passed() >= time {
                return Ok(Got::Stacks(Box::new(gathered)));
            }
        }
    }

    fn send(&mut self, pass: Pass) -> Result<Sent> {
        self.used += 1;
        let name = format!("{}/{}", self.workload.name, self.variant.name);
        let failed = |what: String| {
            anyhow::Error::from(Refusal { exit: Exit::Differ, what, mend: format!("see `assay run {name}`") })
        };
        let errand = Errand { pass, target: self.stage.cleared()?, ..self.errand.clone() };
        let sent = match send(&errand, self.limit)? {
            Ended::Answered(Answer::Reading(reading)) => Sent::Plain(reading),
            Ended::Answered(Answer::Flame(taken)) => Sent::Taken(taken),
            Ended::Answered(Answer::Absent { why, mend }) => return Ok(Sent::Absent(Absent { why, mend })),
            Ended::Answered(Answer::Ready(_) | Answer::Places(_)) => return Err(failed(format!("{name} did not run"))),
            Ended::Crashed(told) => return Err(failed(format!("{name} crashed: {told}"))),
            Ended::Hung(told) => {
                return Err(failed(format!("{name} did not end within {}: {told}", clock_of(self.limit))));
            }
            Ended::Stopped => return Err(stopped()),
        };
        if signals::asked_to_stop() {
            return Err(stopped());
        }
        // The yardstick reads every byte; the first run of each pass stands for the others.
        if self.used <= 2 {
            let promises = self.variant.technique.promises();
            let outcome = (self.workload.outcome)(&errand.site()).context("looking at the outcome")?;
            let differences = self.expected.differences(&outcome, promises);
            if let Some(first) = differences.first() {
                return Err(failed(format!("{name} comes out otherwise than it should: {first}")));
            }
        }
        Ok(sent)
    }
}

enum Sent {
    Plain(Reading),
    Taken(Box<Taken>),
    Absent(Absent),
}

fn stopped() -> anyhow::Error {
    Refusal { exit: Exit::Interrupted, what: "stopped".to_owned(), mend: "run it again".to_owned() }.into()
}
