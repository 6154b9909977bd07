//! The picture of one row's history: a dot a run, the level as a line, and the places marked where it changed.

use super::steps;
use crate::history::{Course, History, Metric};
use crate::page::words::coordinate;
use crate::stats::{BAND, median};
use crate::terminal::history::{briefly, change, value};
use maud::{Markup, html};

/// Pixels: the whole picture, and from where to where values lie.
const HIGH: u32 = 92;
const TOP: f64 = 20.0;
const BOTTOM: f64 = 74.0;

pub(super) fn picture(history: &History, metric: &Metric) -> Markup {
    let place = Place::of(history, metric);
    let steps = steps(history);
    html! {
        svg class="d" width="100%" height=(HIGH) aria-hidden="true" data-runs=(history.points.len()) {
            @for (from, to, level) in levels(history) {
                line class="lvl" x1=(place.across(from)) x2=(place.across(to)) y1=(place.down(level.0)) y2=(place.down(level.1)) {}
            }
            @for step in steps {
                @let x = place.across(step.at as f64 - 0.5);
                line class="chg" x1=(x) x2=(x) y1="16" y2="78" {}
            }
            @for (at, point) in history.points.iter().enumerate() {
                @let x = place.across(at as f64);
                @let is_change = steps.iter().any(|step| step.at == at);
                line class="whl" x1=(x) x2=(x) y1=(place.down(point.value.low)) y2=(place.down(point.value.high)) {}
                circle class=(if is_change { "dot" } else { "pt2" }) cx=(x) cy=(place.down(point.value.mid)) r=(if is_change { "5" } else { "2.8" }) {
                    title { (point.run) ", " (point.commit) ": " (value(point.value.mid, metric)) }
                }
            }
            @for (at, (run, words)) in labels(history, metric).into_iter().enumerate() {
                @let is_right = run > history.points.len() as f64 / 2.0;
                text class="tk b" x=(place.across(run)) dx=(if is_right { "-5" } else { "5" }) y=(if at % 2 == 0 { "12" } else { "89" }) text-anchor=(if is_right { "end" } else { "start" }) { (words) }
            }
        }
    }
}

/// The lines of a course: from which run to which, and from which value to which.
fn levels(history: &History) -> Vec<(f64, f64, (f64, f64))> {
    let values: Vec<f64> = history.points.iter().map(|point| point.value.mid).collect();
    let last = values.len().saturating_sub(1) as f64;
    let middle = median(&values).unwrap_or(0.0);
    match &history.course {
        None => Vec::new(),
        Some(Course::Flat) => vec![(0.0, last, (middle, middle))],
        Some(Course::Creep(creep)) if creep.as_share => {
            let half = (1.0 + creep.whole).max(0.0).sqrt().max(f64::MIN_POSITIVE);
            vec![(0.0, last, (middle / half, middle * half))]
        }
        Some(Course::Creep(creep)) => vec![(0.0, last, (middle - creep.whole / 2.0, middle + creep.whole / 2.0))],
        Some(Course::Steps { steps }) => {
            let ends = steps.iter().skip(1).map(|step| step.at as f64 - 0.5).chain([last]);
            let first = steps.first().map(|step| (0.0, step.at as f64 - 0.5, (step.before, step.before)));
            let rest = steps.iter().zip(ends).map(|(step, end)| (step.at as f64 - 0.5, end, (step.after, step.after)));
            first.into_iter().chain(rest).collect()
        }
    }
}

/// The words beside the points: at which run, and what is said there.
fn labels(history: &History, metric: &Metric) -> Vec<(f64, String)> {
    match &history.course {
        Some(Course::Steps { steps }) => steps
            .iter()
            .map(|step| {
                let commit: String = history.points[step.at].commit.chars().take(9).collect();
                (step.at as f64 - 0.5, format!("{} {commit}", change(step.before, step.after, metric)))
            })
            .collect(),
        Some(Course::Creep(_)) => vec![((history.points.len() - 1) as f64, briefly(history, metric))],
        _ => Vec::new(),
    }
}

/// Where runs and values lie in a picture.
struct Place {
    count: usize,
    low: f64,
    high: f64,
}

impl Place {
    /// Chance alone must not fill a picture: it is never lower than the band in which a difference is of no use.
    fn of(history: &History, metric: &Metric) -> Place {
        let values = || history.points.iter().map(|point| point.value.mid);
        let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
        let middle = f64::midpoint(low, high);
        let least = if matches!(metric, Metric::Counted(_)) { 0.5 } else { (BAND - 1.0) * middle };
        let half = ((high - low) / 2.0).max(least) * 1.15;
        Place { count: history.points.len(), low: middle - half, high: middle + half }
    }

    /// How far to the right a run lies, or the space before it.
    fn across(&self, run: f64) -> String {
        coordinate(2.0 + 96.0 * run / (self.count.max(2) - 1) as f64)
    }

    fn down(&self, value: f64) -> String {
        let share = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        format!("{:.1}", BOTTOM - share * (BOTTOM - TOP))
    }
}
