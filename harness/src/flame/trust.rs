//! How far a graph may be trusted: what was asked of the instrument, what it gave, and what an independent one says.

use super::draw::Stacks;
use super::{Kind, Taken, Thread};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Fewer stacks than this that lead to the work, and the pass has failed.
pub const REACH: f64 = 0.90;
/// From so many stacks on, that is more than chance.
const COUNTED: u64 = 100;
/// The whole of a wall graph against threads times wall.
const WHOLE: f64 = 0.02;
/// Phase shares of a wall graph against the stopwatch's.
const POINTS: f64 = 2.0;
/// From so many samples on, chance alone moves a share by less than that.
const JUDGED: u64 = 2500;
/// A pass that slows the work down more than this says so.
const SLOWER: f64 = 1.10;

/// What all runs of one kind left, added up.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// The kind.
    pub kind: Kind,
    /// How many runs.
    pub runs: u64,
    /// Nanoseconds by stack, over all runs.
    pub stacks: Stacks,
    /// Stacks taken on a processor.
    pub samples: u64,
    /// Stacks taken where a thread left one.
    pub waits: u64,
    /// How many samples were asked for.
    pub requested: Option<u64>,
    /// Records without room.
    pub lost: u64,
    /// Stacks of our own followed threads, and those of them that lead to the work.
    pub own: u64,
    /// Those of them that lead to the work.
    pub reached: u64,
    /// Wall time, over all runs.
    pub wall_ns: u64,
    /// Thread time, over all runs.
    pub thread_ns: u64,
    /// Processor time, over all runs.
    pub cpu_ns: u64,
    /// Thread time by phase, as the stopwatch of the same runs read it.
    pub phases: BTreeMap<String, f64>,
    /// Wall times of this pass, and of the wall pass in the same rounds.
    pub walls: Vec<(u64, u64)>,
    /// The time line of the first run.
    pub threads: Vec<Thread>,
    /// What else must be known.
    pub notes: Vec<String>,
}

/// What was found out about a graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Trust {
    /// Samples achieved for one that was asked for.
    pub achieved: Option<f64>,
    /// The part of stacks that lead to the work; none where another program did it all.
    pub reach: Option<f64>,
    /// Processor time for each second under the clock.
    pub on_cpu: f64,
    /// The graph's whole for each second that its threads had; of the wall kind only.
    pub whole: Option<f64>,
    /// The worst phase, and how many points of a hundred its share is off the stopwatch's; of the wall kind only, and
    /// of enough samples.
    pub points: Option<(String, f64)>,
    /// Wall time of this pass for one second of the wall pass, the median of rounds.
    pub slower: f64,
}

impl Gathered {
    /// Nothing yet.
    pub fn begin(kind: Kind) -> Gathered {
        Gathered {
            kind,
            runs: 0,
            stacks: Stacks::new(),
            samples: 0,
            waits: 0,
            requested: None,
            lost: 0,
            own: 0,
            reached: 0,
            wall_ns: 0,
            thread_ns: 0,
            cpu_ns: 0,
            phases: BTreeMap::new(),
            walls: Vec::new(),
            threads: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds a run, and the wall pass of its round.
    pub fn add(&mut self, taken: Taken, plain_ns: u64) {
        self.runs += 1;
        for (stack, ns) in taken.stacks {
            *self.stacks.entry(stack).or_default() += ns;
        }
        self.samples += taken.samples;
        self.waits += taken.waits;
        self.requested = taken.requested.map(|asked| self.requested.unwrap_or(0) + asked).or(self.requested);
        self.lost += taken.lost;
        self.own += taken.own;
        self.reached += taken.reached;
        self.wall_ns += taken.wall_ns;
        self.thread_ns += taken.thread_ns;
        self.cpu_ns += taken.cpu_ns;
        for phase in taken.phases {
            *self.phases.entry(phase.name).or_default() += phase.thread_ns;
        }
        self.walls.push((taken.wall_ns, plain_ns));
        if self.threads.is_empty() {
            self.threads = taken.threads;
        }
        for note in taken.notes {
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
    }

    /// How many stacks there are to draw.
    pub fn taken(&self) -> u64 {
        self.samples + self.waits
    }

    /// The stacks of a mean run.
    pub fn of_one_run(&self) -> Stacks {
        self.stacks.iter().map(|(stack, ns)| (stack.clone(), ns / self.runs.max(1))).collect()
    }

    /// How far it may be trusted.
    pub fn trust(&self) -> Trust {
        let whole: u64 = self.stacks.values().sum();
        let is_wall = self.kind == Kind::Wall;
        let part = |of: u64, all: u64| (all > 0).then(|| of as f64 / all as f64);
        let mut ratios: Vec<f64> =
            self.walls.iter().map(|(with, plain)| *with as f64 / (*plain).max(1) as f64).collect();
        ratios.sort_by(f64::total_cmp);
        Trust {
            achieved: self.requested.and_then(|asked| part(self.samples, asked)),
            reach: part(self.reached, self.own),
            on_cpu: part(self.cpu_ns, self.wall_ns).unwrap_or(0.0),
            whole: part(whole, self.thread_ns).filter(|_| is_wall),
            points: (is_wall && self.samples >= JUDGED).then(|| self.worst_phase(whole)),
            slower: ratios.get(ratios.len() / 2).copied().unwrap_or(1.0),
        }
    }

    /// The share of a phase in the graph.
    pub fn share(&self, phase: &str) -> f64 {
        let whole: u64 = self.stacks.values().sum();
        self.time_of(phase) as f64 / whole.max(1) as f64
    }

    /// The graph's nanoseconds of a phase.
    pub fn time_of(&self, phase: &str) -> u64 {
        let is_in = |stack: &str| stack.split(';').next() == Some(phase);
        self.stacks.iter().filter(|(stack, _)| is_in(stack)).map(|(_, ns)| ns).sum()
    }

    fn worst_phase(&self, whole: u64) -> (String, f64) {
        let all: f64 = self.phases.values().sum();
        let off = |(phase, ns): (&String, &f64)| {
            let drawn = self.time_of(phase) as f64 / whole.max(1) as f64;
            (phase.clone(), 100.0 * (drawn - ns / all.max(1.0)))
        };
        let worst = self.phases.iter().map(off).max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
        worst.unwrap_or((String::new(), 0.0))
    }
}

impl Trust {
    /// Why the pass has failed, if it has.
    pub fn failure(&self, gathered: &Gathered) -> Option<String> {
        let reach = self.reach.filter(|reach| *reach < REACH && gathered.own >= COUNTED);
        if let Some(reach) = reach {
            return Some(format!(
                "only {:.1} % of stacks lead to `measured`, and {:.0} % must: build with the frame pointers that \
                 .cargo/config.toml asks for (RUSTFLAGS of your own override it)",
                100.0 * reach,
                100.0 * REACH
            ));
        }
        let off = self.whole.filter(|whole| (whole - 1.0).abs() > WHOLE);
        if let Some(whole) = off {
            return Some(format!(
                "the whole is {whole:.3} of threads x wall, and may be off by {WHOLE} ({} runs)",
                gathered.runs
            ));
        }
        let far = self.points.as_ref().filter(|(_, points)| points.abs() > POINTS);
        far.map(|(phase, points)| {
            format!(
                "the share of {phase} is {points:+.1} points off the stopwatch's, and may be off by {POINTS}: more \
                     samples (--seconds) come nearer"
            )
        })
    }

    /// What is told of it, a line each.
    pub fn lines(&self, gathered: &Gathered) -> Vec<String> {
        let mut lines = vec![self.samples(gathered)];
        lines.push(match self.reach {
            Some(reach) => format!("{:.1} % of {} stacks lead to `measured`", 100.0 * reach, gathered.own),
            None => "no stack is this program's own: another program did the work".to_owned(),
        });
        let threads = gathered.thread_ns as f64 / gathered.wall_ns.max(1) as f64;
        lines.push(format!("on-CPU ÷ wall {:.2}, threads that a stopwatch follows {threads:.2}", self.on_cpu));
        if let Some(whole) = self.whole {
            let shares = match &self.points {
                Some((phase, points)) => {
                    format!("phase shares within {:.2} points of the stopwatch's ({phase})", points.abs())
                }
                None => format!("{JUDGED} samples are needed to hold phase shares against the stopwatch's"),
            };
            lines.push(format!("the whole is {whole:.4} of threads x wall; {shares}"));
        }
        let warning =
            if self.slower > SLOWER { ": this pass disturbs the work, so trust shares, not times" } else { "" };
        lines.push(format!("{:.2} of the wall pass in the same rounds{warning}", self.slower));
        if gathered.lost > 0 {
            lines.push(format!("{} records had no room and are missing", gathered.lost));
        }
        lines.extend(gathered.notes.iter().cloned());
        lines
    }

    /// The same in few words, for a picture.
    pub fn brief(&self, gathered: &Gathered) -> String {
        let reach = self.reach.map_or(String::new(), |reach| format!("{:.0} % reach measured · ", 100.0 * reach));
        format!("{} stacks · {reach}on-CPU ÷ wall {:.2}", gathered.taken(), self.on_cpu)
    }

    fn samples(&self, gathered: &Gathered) -> String {
        let waits = if gathered.waits > 0 { format!("{} waits", gathered.waits) } else { String::new() };
        let samples = match (gathered.requested, self.achieved) {
            (Some(asked), Some(part)) => {
                format!("{} of {asked} samples asked for ({:.0} %)", gathered.samples, 100.0 * part)
            }
            _ => String::new(),
        };
        let both = [samples, waits].into_iter().filter(|one| !one.is_empty()).collect::<Vec<_>>().join(", ");
        format!("{} in {} runs", if both.is_empty() { "nothing" } else { &both }, gathered.runs)
    }

    /// The same for programs.
    pub fn json(&self, gathered: &Gathered) -> Value {
        json!({
            "runs": gathered.runs,
            "samples": gathered.samples,
            "waits": gathered.waits,
            "requested": gathered.requested,
            "lost": gathered.lost,
            "reach": self.reach,
            "on_cpu_over_wall": self.on_cpu,
            "whole_over_thread_time": self.whole,
            "worst_phase": self.points.as_ref().map(|(phase, points)| json!({"phase": phase, "points": points})),
            "over_wall_pass": self.slower,
            "notes": gathered.notes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered() -> Gathered {
        Gathered {
            runs: 2,
            stacks: [("create;[on-cpu];measured".to_owned(), 60), ("sync;[off-cpu];measured".to_owned(), 41)].into(),
            samples: 2990,
            requested: Some(3000),
            own: 100,
            reached: 95,
            wall_ns: 100,
            thread_ns: 100,
            cpu_ns: 60,
            phases: [("create".to_owned(), 58.0), ("sync".to_owned(), 42.0)].into(),
            walls: vec![(104, 100), (108, 100), (105, 100)],
            ..Gathered::begin(Kind::Wall)
        }
    }

    #[test]
    fn a_sound_graph_is_trusted() {
        let trust = gathered().trust();
        assert_eq!(trust.failure(&gathered()), None);
        assert!((trust.slower - 1.05).abs() < 1e-9 && (trust.whole.unwrap() - 1.01).abs() < 1e-9);
        let (phase, points) = trust.points.unwrap();
        assert!((phase == "create" || phase == "sync") && (points.abs() - 1.405).abs() < 0.1, "{phase} {points}");
    }

    #[test]
    fn a_graph_whose_stacks_are_cut_fails() {
        let cut = Gathered { reached: 89, ..gathered() };
        assert!(cut.trust().failure(&cut).unwrap().contains("89.0 %"));
    }

    #[test]
    fn a_graph_that_does_not_add_up_fails() {
        let short = Gathered { thread_ns: 104, ..gathered() };
        assert!(short.trust().failure(&short).unwrap().contains("threads x wall"));
        let askew = Gathered { phases: [("create".to_owned(), 50.0), ("sync".to_owned(), 50.0)].into(), ..gathered() };
        assert!(askew.trust().failure(&askew).unwrap().contains("points off"));
    }
}
