//! Numbers and lists as prose has them. Every sentence of a review is made with these, so that a number reads the same
//! wherever it stands.

use crate::summary::Bounds;

/// Microseconds, with three digits that count, thousands set apart.
pub(super) fn us(value: f64) -> String {
    if value.abs() >= 999.5 { crate::claims::grouped(value.round()) } else { crate::terminal::number(value) }
}

/// `3.79`, `25.4`, `3,180`: how many times.
pub(super) fn times(factor: f64) -> String {
    match factor.abs() {
        size if size >= 1000.0 => crate::claims::grouped(factor.round()),
        size if size >= 99.5 => format!("{factor:.0}"),
        size if size >= 19.95 => format!("{factor:.1}"),
        _ => format!("{factor:.2}"),
    }
}

/// `3.70 to 3.86`.
pub(super) fn span(bounds: &Bounds) -> String {
    format!("{} to {}", times(bounds.low), times(bounds.high))
}

/// `95 %: 3.70 to 3.86`, or that there are no bounds.
pub(super) fn sure(bounds: &Bounds) -> String {
    if bounds.confidence <= 0.0 {
        return "one round, no bounds".to_owned();
    }
    format!("{}: {}", confidence(bounds), span(bounds))
}

/// How sure bounds are.
pub(super) fn confidence(bounds: &Bounds) -> String {
    let sure = (bounds.confidence * 100.0).floor().min(95.0);
    format!("{sure:.0} %")
}

/// `79 %`, `0.5 %`.
pub(super) fn percent(share: f64) -> String {
    // A share may be nothing less nothing, which has a sign.
    let percent = share * 100.0 + 0.0;
    if percent.abs() < 9.95 && percent != 0.0 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn list<T: AsRef<str>>(words: &[T]) -> String {
    match words {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [all @ .., last] => {
            format!("{} and {}", all.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", "), last.as_ref())
        }
    }
}

/// `1 note`, `4 notes`.
pub(super) fn count(number: usize, one: &str) -> String {
    let end = if number == 1 { "" } else { "s" };
    format!("{number} {one}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_the_digits_that_a_reader_needs() {
        assert_eq!([0.284, 56.49, 999.4, 8613.2].map(us), ["0.28", "56.5", "999", "8,613"]);
        assert_eq!([3.789, 25.44, 254.4, 3180.2].map(times), ["3.79", "25.4", "254", "3,180"]);
        assert_eq!([0.79, 0.005, -0.0, 0.418].map(percent), ["79 %", "0.5 %", "0 %", "42 %"]);
        let bounds = |confidence| Bounds { low: 3.7, mid: 3.79, high: 3.86, confidence };
        assert_eq!(sure(&bounds(0.97)), "95 %: 3.70 to 3.86");
        assert_eq!(sure(&bounds(0.875)), "87 %: 3.70 to 3.86");
        assert_eq!(sure(&bounds(0.0)), "one round, no bounds");
    }

    #[test]
    fn lists_end_with_and() {
        assert_eq!(list::<&str>(&[]), "");
        assert_eq!([list(&["a"]), list(&["a", "b"]), list(&["a", "b", "c"])], ["a", "a and b", "a, b and c"]);
        assert_eq!([count(1, "note"), count(4, "note")], ["1 note", "4 notes"]);
    }
}
