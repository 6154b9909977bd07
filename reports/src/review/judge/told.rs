//! Verdicts as sentences, and the formula with its numbers.

use super::Known;
use crate::claims::{Claim, Kind, Place, Unit, grouped};
use crate::review::words::{list, percent, sure, times, us};
use crate::review::{ClaimVerdict, Forecast};
use crate::stats::BAND;
use crate::summary::Bounds;

/// Whether a part alone and the same part inside its job differ by more than their bounds and the noise band.
pub(super) fn differ(known: &Known) -> Option<String> {
    let (part, inside) = (known.part?, known.inside?);
    (part.low > inside.high * BAND || inside.low > part.high * BAND).then(|| {
        format!(
            "Alone it is {} times as fast ({}), inside the job {} times ({}): what it does there is not what was \
             measured alone.",
            times(part.mid),
            sure(&part),
            times(inside.mid),
            sure(&inside)
        )
    })
}

/// The verdict as a sentence or two.
pub(super) fn verdict(claim: &Claim, verdict: ClaimVerdict, known: &Known) -> String {
    let why_not = || format!("{}.", capital(&known.lacking.join("; ")));
    match verdict {
        ClaimVerdict::Unmeasurable => claim.why.clone().unwrap_or_default(),
        ClaimVerdict::Unmeasured => match &known.measured {
            Some(measured) => format!("{} Measured there: {}.", why_not(), value(claim, measured)),
            None => why_not(),
        },
        _ if claim.kind == Kind::Local && super::compares(claim) => local(known),
        _ => whole(claim, known),
    }
}

fn local(known: &Known) -> String {
    let mut told = Vec::new();
    match (known.part, known.inside, known.vanished) {
        (Some(part), ..) => told.push(format!("Alone it is {} times as fast ({}).", times(part.mid), sure(&part))),
        (None, Some(inside), _) => {
            told.push(format!("Inside the job it is {} times as fast ({}).", times(inside.mid), sure(&inside)));
        }
        (None, None, true) => told.push("Inside the job it takes no time any more.".to_owned()),
        _ => {}
    }
    if let Some(forecast) = &known.forecast {
        told.push(format!(
            "It was {} of the time, so at most {} times for the whole; foretold {}, measured {}.",
            percent(forecast.share),
            times(forecast.at_most),
            times(forecast.whole.mid),
            known.measured.map_or("nothing".to_owned(), |bounds| format!("{} ({})", times(bounds.mid), sure(&bounds)))
        ));
    } else if known.measured.is_none() {
        told.push("What it gives the whole is not measured.".to_owned());
    }
    told.extend(implied(known));
    told.join(" ")
}

/// `Implied share 4 to 10 %, the breakdown says 79 %: …`
pub(super) fn implied(known: &Known) -> Option<String> {
    let ((low, high), share) = (known.implied?, known.share?);
    let end = if high < share.mid {
        "the breakdown sees time there that the whole does not have"
    } else {
        "the breakdown misses time that the part takes"
    };
    // Bounds are rounded outwards.
    let (low, high) = ((low * 100.0).floor(), (high * 100.0).ceil());
    let implied = if low < high { format!("{low:.0} to {high:.0} %") } else { format!("{low:.0} %") };
    Some(format!("Implied share {implied}, the breakdown says {}: {end}.", percent(share.mid)))
}

fn whole(claim: &Claim, known: &Known) -> String {
    let Some(measured) = known.measured else { return String::new() };
    let mut told = vec![format!("Measured {}, claimed {}.", value(claim, &measured), claim.claimed)];
    if let Some(forecast) = &known.forecast {
        told.push(format!("Foretold {} times ({}).", times(forecast.whole.mid), sure(&forecast.whole)));
    }
    if let Some(part) = known.part {
        told.push(format!("The part alone: {} times ({}).", times(part.mid), sure(&part)));
    }
    if is_absolute(claim.claimed.unit) {
        told.push("The document measured on another machine.".to_owned());
    }
    told.join(" ")
}

/// Whether a number says as much of a machine as of a program.
fn is_absolute(unit: Unit) -> bool {
    matches!(
        unit,
        Unit::FilesASecond
            | Unit::OperationsASecond
            | Unit::MicrosecondsAFile
            | Unit::MillisecondsAFile
            | Unit::MillisecondsARun
            | Unit::NanosecondsAnOperation
    )
}

/// A measured value with its bounds, in the claim's unit.
pub(in crate::review) fn value(claim: &Claim, bounds: &Bounds) -> String {
    let unit = claim.claimed.unit;
    let number = |value: f64| match unit {
        Unit::Share | Unit::ShareLess => percent(value),
        _ => amount(value),
    };
    let name = match unit {
        Unit::Share => "",
        Unit::ShareLess => " less",
        _ => unit.name(),
    };
    let name = if name.is_empty() || name.starts_with(' ') { name.to_owned() } else { format!(" {name}") };
    if bounds.confidence >= 1.0 && bounds.low.total_cmp(&bounds.high).is_eq() {
        return format!("{}{name}", number(bounds.mid));
    }
    if bounds.confidence <= 0.0 {
        return format!("{}{name} (one round, no bounds)", number(bounds.mid));
    }
    let sure = crate::review::words::confidence(bounds);
    let (low, high) = (number(bounds.low), number(bounds.high));
    let (low, high) = (low.trim_end_matches(" %"), high.trim_end_matches(" %"));
    format!("{}{name} ({sure}: {low} to {high})", number(bounds.mid))
}

/// Three digits, and thousands set apart; what is smaller than a hundredth keeps what it has.
fn amount(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 => grouped(value.round()),
        size if size > 0.0 && size < 0.01 => format!("{value:.4}"),
        _ => us(value),
    }
}

/// The source, the data and the formula, line by line.
pub(super) fn why(source: &str, claim: &Claim, verdict: ClaimVerdict, known: &Known) -> Vec<String> {
    let mut lines = vec![
        format!("source    line {}: \"{}\" of {source}", claim.line, claim.quote),
        format!("says      {}", claim.says),
        format!("claimed   {}", claim.claimed),
    ];
    if let Some(first) = &claim.repeats {
        lines.push(format!("repeats   {first}"));
    }
    lines.extend(claim.part.iter().map(|place| format!("part      {}", at(place))));
    lines.extend(claim.job.iter().map(|place| format!("job       {}", at(place))));
    lines.extend(known.from.iter().map(|(place, run)| format!("data      {} from run {run}", at(place))));
    lines.extend(known.part.map(|part| format!("alone     {} times as fast ({})", times(part.mid), sure(&part))));
    lines.extend(known.inside.map(|part| format!("inside    {} times as fast ({})", times(part.mid), sure(&part))));
    lines.extend(differ(known).map(|told| format!("differ    {told}")));
    lines.extend(known.forecast.as_ref().map(|forecast| format!("foretold  {}", formula(forecast))));
    let inside = known.forecast_inside.as_ref().filter(|inside| known.forecast.as_ref() != Some(inside));
    lines.extend(inside.map(|forecast| format!("from it   {}", formula(forecast))));
    lines.extend(known.measured.map(|bounds| format!("measured  {}", value(claim, &bounds))));
    lines.extend(implied(known).map(|told| format!("implied   {told}")));
    lines.extend(claim.inside.iter().map(|inside| format!("itself    {}", inside.note)));
    lines.extend(claim.note.iter().map(|note| format!("note      {note}")));
    lines.extend(claim.why.iter().map(|why| format!("why not   {why}")));
    lines.extend(known.lacking.iter().map(|why| format!("lacking   {why}")));
    lines.push(format!("verdict   {}", verdict.words()));
    lines
}

fn formula(forecast: &Forecast) -> String {
    let Forecast { share, local, whole, at_most, model } = forecast;
    let whole = format!("{} ({})", times(whole.mid), sure(whole));
    match (model.as_str(), local) {
        ("share", Some(local)) => {
            let (share, local) = (format!("{share:.3}"), times(local.mid));
            format!("1 / (1 - {share} + {share} / {local}) = {whole}; at most 1 / (1 - {share}) = {}", times(*at_most))
        }
        ("share", None) => format!("1 / (1 - {share:.3}) = {whole}: the phases take no time any more"),
        (model, Some(local)) => {
            format!(
                "by {model}, share {share:.3}, {} times as fast: {whole}; at most {}",
                times(local.mid),
                times(*at_most)
            )
        }
        (model, None) => format!("by {model}, share {share:.3}, gone: {whole}"),
    }
}

/// What is measured where, as a line.
pub(super) fn at(place: &Place) -> String {
    let against = place.baseline.as_ref().map_or(String::new(), |baseline| format!("{baseline} to "));
    let phases = if place.phases.is_empty() { String::new() } else { format!(", {}", list(&place.phases)) };
    let than = if place.than.is_empty() { String::new() } else { format!(" over {}", list(&place.than)) };
    let metric = place.metric.as_ref().map_or(String::new(), |metric| format!(", {metric}"));
    format!("{}: {against}{} on {}{phases}{than}{metric}", place.workload, place.row, place.fixture)
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}
