//! Pacing: budgets, limits and remaining time. Nothing here measures a technique.
#![expect(clippy::disallowed_methods, reason = "paces the runner and dates the record; never measures")]

use std::time::{Duration, Instant};

/// A stretch of the runner's own time.
#[derive(Clone, Copy, Debug)]
pub struct Pace(Instant);

impl Pace {
    /// Begins now.
    pub fn begin() -> Pace {
        Pace(Instant::now())
    }

    /// What has passed.
    pub fn passed(self) -> Duration {
        self.0.elapsed()
    }

    /// What is left when `done` of `all` took what has passed.
    pub fn left(self, done: u64, all: u64) -> Option<Duration> {
        (done > 0).then(|| self.passed().mul_f64(all.saturating_sub(done) as f64 / done as f64))
    }
}

/// The time of day, in UTC, as records write it.
pub fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// `1:05`, as people read durations.
pub fn clock_of(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds >= 3600 {
        format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
    } else {
        format!("{}:{:02}", seconds / 60, seconds % 60)
    }
}

/// `60s`, `5m`, `1h` or plain seconds.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let number = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match &text[number.len()..] {
        "ms" => 1e-3,
        "s" | "" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        other => return Err(format!("{other:?} is no unit of time; write 200ms, 60s, 5m or 1h")),
    };
    let value: f64 = number.parse().map_err(|_| format!("{text:?} is no duration; write 200ms, 60s, 5m or 1h"))?;
    if !(value > 0.0 && value * unit < 1e7) {
        return Err(format!("{text:?} must be more than nothing and less than a hundred days"));
    }
    Ok(Duration::from_secs_f64(value * unit))
}

/// The same, or nothing at all: `0s`.
pub fn parse_wait(text: &str) -> Result<Duration, String> {
    if text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic()) == "0" {
        return Ok(Duration::ZERO);
    }
    parse_duration(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        assert_eq!(parse_duration("60s"), Ok(Duration::from_mins(1)));
        assert_eq!(parse_duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("7"), Ok(Duration::from_secs(7)));
        for nonsense in ["", "s", "-1s", "0", "1x", "nan", "inf", "1e99h"] {
            assert!(parse_duration(nonsense).is_err(), "{nonsense}");
        }
    }

    #[test]
    fn durations_are_shown_as_clocks_show_them() {
        assert_eq!(clock_of(Duration::from_secs(65)), "1:05");
        assert_eq!(clock_of(Duration::from_secs(3700)), "1:01:40");
    }
}
