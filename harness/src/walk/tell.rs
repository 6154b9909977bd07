//! Telling how a walk goes, of which nobody knows how long it will be: what was seen, and how fast, now and in all.

use crate::progress::Telling;
use crate::say::say;
use ::walk::Seen;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::VecDeque;
use std::time::Duration;

/// The current rate is that of so long a stretch.
const NOW: Duration = Duration::from_secs(2);
/// Elsewhere than on a terminal a line comes so often.
const LINE: Duration = Duration::from_secs(10);

/// Tells how a walk goes.
pub(super) struct Teller {
    telling: Telling,
    bar: Option<ProgressBar>,
    /// What was seen lately, and when.
    lately: VecDeque<(Duration, u64)>,
    told: Duration,
}

impl Teller {
    pub(super) fn begin(telling: Telling) -> Teller {
        let bar = (telling == Telling::Bar).then(|| {
            let style =
                ProgressStyle::with_template("{prefix:9} {msg}").expect("the template is of indicatif's grammar");
            ProgressBar::new_spinner().with_style(style).with_prefix("walk")
        });
        Teller { telling, bar, lately: VecDeque::new(), told: Duration::ZERO }
    }

    /// Tells how far the walk is at that time.
    pub(super) fn tell(&mut self, at: Duration, seen: Seen) {
        let words = self.words(at, seen);
        if let Some(bar) = &self.bar {
            bar.set_message(words);
            bar.tick();
        } else if self.telling == Telling::Lines && at >= self.told + LINE {
            self.told = at;
            say(&format!("walk {words}"));
        }
    }

    fn words(&mut self, at: Duration, seen: Seen) -> String {
        // The oldest that is kept is the last one from before the stretch, so that the stretch is whole.
        while self.lately.get(1).is_some_and(|(then, _)| at.saturating_sub(*then) >= NOW) {
            self.lately.pop_front();
        }
        let (then, before) = self.lately.front().copied().unwrap_or_default();
        self.lately.push_back((at, seen.entries));
        let now = super::rate(seen.entries.saturating_sub(before), at.saturating_sub(then).as_secs_f64());
        let all = super::rate(seen.entries, at.as_secs_f64());
        let clock = crate::pace::clock_of(at);
        let [entries, now, all] = [seen.entries, now, all].map(counted);
        let failed = match seen.failed {
            0 => String::new(),
            failed => format!(", {} failed", counted(failed)),
        };
        format!("{clock}  {entries} entries{failed}, {now} a second now, {all} in all")
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// `1,234,567`
pub(super) fn counted(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes as megabytes, `1,234.5`.
pub(super) fn tenths(bytes: u64) -> String {
    let tenths = bytes / 100_000;
    format!("{}.{}", counted(tenths / 10), tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (count, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(counted(count), text);
        }
        assert_eq!(tenths(1_234_567_890), "1,234.5");
        assert_eq!(tenths(99_999), "0.0");
    }

    #[test]
    fn the_rate_is_that_of_the_last_two_seconds_and_that_of_all() {
        let mut teller = Teller::begin(Telling::Silent);
        let mut words = String::new();
        // A thousand a second for ten seconds, then ten.
        for tenth in 1..=200u64 {
            let entries = if tenth <= 100 { 100 * tenth } else { 10_000 + (tenth - 100) };
            words = teller.words(Duration::from_millis(100 * tenth), Seen { entries, failed: tenth / 100 });
        }
        assert_eq!(words, "0:20  10,100 entries, 2 failed, 10 a second now, 505 in all");
        let mut fresh = Teller::begin(Telling::Silent);
        let seen = Seen { entries: 0, failed: 0 };
        assert_eq!(fresh.words(Duration::ZERO, seen), "0:00  0 entries, 0 a second now, 0 in all");
    }
}
