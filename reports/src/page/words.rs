//! Numbers as they are printed: three digits that count, a narrow space before a unit, a real minus sign, thousands
//! set apart. Nothing depends on a locale.

use crate::summary::Bounds;

/// A narrow space that does not break, before a unit.
pub const NARROW: &str = "\u{202f}";

/// With three digits that count.
///
/// ```
/// use reports::page::words::number;
/// assert_eq!([0.0, 0.0312, 5.5, 46.71, 211.6, 108_000.4].map(number), ["0", "0.0312", "5.50", "46.7", "212", "108,000"]);
/// assert_eq!(number(-30.14), "\u{2212}30.1");
/// ```
pub fn number(value: f64) -> String {
    fixed(value, decimals(value))
}

/// A quantity with its sign, for changes.
pub fn signed(value: f64) -> String {
    let text = number(value);
    if value > 0.0 && text.bytes().any(|digit| (b'1'..=b'9').contains(&digit)) { format!("+{text}") } else { text }
}

/// How many times as fast: two decimals, fewer where the number is large.
pub fn times(value: f64) -> String {
    format!("{}×", times_bare(value))
}

/// Bounds of how many times as fast.
pub fn times_between(bounds: &Bounds) -> String {
    between(&times_bare(bounds.low), &times(bounds.high))
}

/// Bounds of a quantity.
pub fn number_between(bounds: &Bounds) -> String {
    let places = decimals(bounds.mid);
    between(&fixed(bounds.low, places), &fixed(bounds.high, places))
}

/// A share, in hundredths.
pub fn percent(share: f64) -> String {
    let value = share * 100.0;
    let places = if value.abs() < 0.095 && value != 0.0 { 2 } else { usize::from(value.abs() < 9.95 && value != 0.0) };
    format!("{}{NARROW}%", fixed(value, places))
}

/// How sure bounds are, rounded down: never surer than they are.
pub fn sureness(confidence: f64) -> String {
    format!("{}{NARROW}%", (confidence * 100.0 + 1e-9).floor())
}

/// Bytes, whole, thousands set apart.
pub fn bytes(count: u64) -> String {
    grouped(&count.to_string())
}

/// A coordinate or a width, in hundredths of the picture: the same digits on every machine.
pub fn coordinate(value: f64) -> String {
    format!("{}%", hundredths(value))
}

/// The same, without its unit.
pub fn hundredths(value: f64) -> String {
    short(&format!("{value:.2}"))
}

/// The same, coarser: for dots.
pub fn tenths(value: f64) -> String {
    short(&format!("{value:.1}"))
}

fn short(text: &str) -> String {
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0" } else { text }.to_owned()
}

fn times_bare(value: f64) -> String {
    let size = value.abs();
    fixed(value, if size < 9.995 { 2 } else { usize::from(size < 99.95) })
}

fn between(low: &str, high: &str) -> String {
    format!("{low}–{high}")
}

fn decimals(value: f64) -> usize {
    match value.abs() {
        size if size == 0.0 || size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        size if size >= 0.9995 => 2,
        size if size >= 0.09995 => 3,
        _ => 4,
    }
}

fn fixed(value: f64, places: usize) -> String {
    if !value.is_finite() {
        return if value.is_nan() { "?" } else { "∞" }.to_owned();
    }
    let text = format!("{:.places$}", value.abs());
    let is_nought = text.bytes().all(|byte| byte == b'0' || byte == b'.');
    let sign = if value < 0.0 && !is_nought { "\u{2212}" } else { "" };
    format!("{sign}{}", grouped(&text))
}

fn grouped(text: &str) -> String {
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut out = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

/// As a sentence begins.
pub fn capital(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// Names in a row, with the last two joined by a word; the rest is counted where there are many.
pub fn listed(names: &[&str]) -> String {
    const SHOWN: usize = 4;
    match names {
        [] => "none".to_owned(),
        [one] => (*one).to_owned(),
        [first @ .., last] if names.len() <= SHOWN => format!("{} and {last}", first.join(", ")),
        many => format!("{} and {} more", many[..SHOWN - 1].join(", "), many.len() + 1 - SHOWN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits_and_a_real_minus() {
        let bounds = |low, mid, high| Bounds { low, mid, high, confidence: 0.95 };
        assert_eq!(times(5.4999), "5.50×");
        assert_eq!(times(3180.0), "3,180×");
        assert_eq!(times_between(&bounds(1.164, 1.17, 1.178)), "1.16–1.18×");
        assert_eq!(number_between(&bounds(38.21, 38.8, 39.06)), "38.2–39.1");
        assert_eq!(percent(0.18), "18\u{202f}%");
        assert_eq!(percent(0.005), "0.5\u{202f}%");
        assert_eq!(percent(0.0002), "0.02\u{202f}%");
        assert_eq!(sureness(0.9374), "93\u{202f}%");
        assert_eq!(signed(5.0), "+5.00");
        assert_eq!((signed(-0.000_001), signed(0.000_001)), ("0.0000".to_owned(), "0.0000".to_owned()));
        assert_eq!((number(f64::NAN), number(f64::INFINITY)), ("?".to_owned(), "∞".to_owned()));
        assert_eq!(
            (coordinate(33.333_33), coordinate(-0.001), coordinate(50.0)),
            ("33.33%".into(), "0%".into(), "50%".into())
        );
    }

    #[test]
    fn many_names_are_counted() {
        assert_eq!(listed(&["a", "b"]), "a and b");
        assert_eq!(listed(&["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
    }
}
