//! The number that a document claims, and what it counts.

use super::Kind;
use super::read::ensure;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The number that is claimed. One bound alone is a claim of at least or at most so much.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Claimed {
    /// The least that was claimed.
    pub low: Option<f64>,
    /// The most that was claimed.
    pub high: Option<f64>,
    /// Of what.
    pub unit: Unit,
    /// Whether the document itself calls it a rough number.
    #[serde(default)]
    pub about: bool,
}

macro_rules! units {
    ($($unit:ident $name:literal)*) => {
        /// What a number counts, in the words that are printed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        pub enum Unit {
            $(#[doc = $name] #[serde(rename = $name)] $unit),*
        }

        impl Unit {
            /// The words that are printed.
            pub fn name(self) -> &'static str {
                match self { $(Unit::$unit => $name),* }
            }
        }
    };
}

units! {
    TimesAsFast "times as fast" TimesAsSlow "times as slow" TimesAsLong "times as long" TimesFewer "times fewer"
    TimesTheObject "times the object" Share "share" ShareLess "share less"
    FilesASecond "files a second" OperationsASecond "operations a second"
    MicrosecondsAFile "microseconds a file" MillisecondsAFile "milliseconds a file"
    MillisecondsARun "milliseconds a run" NanosecondsAnOperation "nanoseconds an operation"
    Calls "calls" CallsAFile "calls a file" FilesACall "files a call" FilesAnUpdate "files an update"
    Bytes "bytes" BytesAFile "bytes a file" BytesACall "bytes a call" BytesAnOperation "bytes an operation"
    AllocationsAnOperation "allocations an operation" SwitchesAnOperation "switches an operation"
    CyclesACall "cycles a call" StepsAPart "steps a part" Copies "copies" Entries "entries" Workers "workers"
}

impl Unit {
    /// Whether it holds one row against another, and so needs both.
    pub fn compares(self) -> bool {
        matches!(self, Unit::TimesAsFast | Unit::TimesAsSlow | Unit::TimesFewer | Unit::ShareLess)
    }

    /// Whether a claim of that kind may be counted in it.
    pub(super) fn suits(self, kind: Kind) -> bool {
        use Unit::{
            FilesASecond, MicrosecondsAFile, MillisecondsAFile, MillisecondsARun, NanosecondsAnOperation,
            OperationsASecond, Share, ShareLess, TimesAsFast, TimesAsLong, TimesAsSlow, TimesFewer, TimesTheObject,
        };
        let is_gain = matches!(self, TimesAsFast | TimesAsSlow);
        let is_rate = matches!(self, FilesASecond | OperationsASecond);
        let is_time = matches!(self, MicrosecondsAFile | MillisecondsAFile | MillisecondsARun | NanosecondsAnOperation);
        let is_share = matches!(self, Share | TimesAsLong);
        let is_count_against_another = matches!(self, ShareLess | TimesFewer | TimesTheObject);
        match kind {
            Kind::Local | Kind::Whole => is_gain || is_rate || is_time,
            Kind::Share => is_share,
            Kind::Count => is_count_against_another || !(is_gain || is_rate || is_time || is_share),
            Kind::Unmeasurable => true,
        }
    }
}

impl Claimed {
    pub(super) fn check(&self) -> Result<(), String> {
        let bounds = [self.low, self.high];
        ensure(bounds.iter().any(Option::is_some), "`claimed` needs `low`, `high` or both")?;
        let sound = |bound: &f64| bound.is_finite() && *bound >= 0.0;
        ensure(bounds.iter().flatten().all(sound), "a bound is a number, and not below 0")?;
        ensure(self.low.zip(self.high).is_none_or(|(low, high)| low <= high), "`low` is above `high`")?;
        let is_share = matches!(self.unit, Unit::Share | Unit::ShareLess);
        ensure(!is_share || bounds.iter().flatten().all(|bound| *bound <= 1.0), "a share is between 0 and 1")
    }
}

impl fmt::Display for Claimed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let about = if self.about { "about " } else { "" };
        let is_share = matches!(self.unit, Unit::Share | Unit::ShareLess);
        // A share is written in per cent; three digits are what such a number has.
        let one = |value: f64| if is_share { grouped((value * 1000.0).round() / 10.0) } else { grouped(value) };
        match (self.low, self.high) {
            (Some(low), Some(high)) if low < high => write!(f, "{about}{} to {}", one(low), one(high))?,
            (Some(only), Some(_)) => write!(f, "{about}{}", one(only))?,
            (Some(low), None) => write!(f, "{about}more than {}", one(low))?,
            (None, Some(high)) => write!(f, "{about}at most {}", one(high))?,
            (None, None) => f.write_str("no number")?,
        }
        match self.unit {
            Unit::Share => f.write_str(" %"),
            Unit::ShareLess => f.write_str(" % less"),
            unit => write!(f, " {}", unit.name()),
        }
    }
}

/// `108,000`, `0.875`: thousands are set apart.
pub fn grouped(value: f64) -> String {
    let text = value.to_string();
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut apart = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            apart.push(',');
        }
        apart.push(digit);
    }
    apart + rest
}
