//! A document's own arithmetic, worked out again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A line of the document's own arithmetic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Inside {
    /// What is wrong; none where it comes out right.
    pub fault: Option<Fault>,
    /// As a sentence.
    pub note: String,
    /// The other lines that it rests on.
    #[serde(default)]
    pub lines: Vec<usize>,
    /// How the numbers go together.
    pub op: Option<Op>,
    /// The numbers.
    #[serde(default)]
    pub of: Vec<f64>,
    /// What comes out.
    pub is: Option<f64>,
    /// What the document has for it.
    pub said: Option<f64>,
}

/// How a document is at odds with itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Parts do not add up to their sum.
    Sum,
    /// A factor or a share is not what the numbers beside it give.
    Quotient,
    /// Another line says otherwise.
    Elsewhere,
    /// The code that it prints does otherwise.
    Code,
    /// A share of the time after a change is taken for the share before it.
    ShareAfter,
    /// Guesses are multiplied as if they were measurements.
    ProductOfGuesses,
    /// What was never measured is used as if it were.
    Guess,
    /// What it is held against has itself moved.
    DriftedReference,
}

/// How numbers go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Op {
    /// All added.
    Sum,
    /// The first less the others.
    Difference,
    /// All multiplied.
    Product,
    /// The first over the others.
    Quotient,
    /// Share before, factor of the part: the factor of the whole.
    Amdahl,
    /// Factor of the whole, factor of the part: the share before.
    ImpliedShare,
    /// Share before: the factor of the whole if the part took no time.
    Ceiling,
}

impl Op {
    /// What comes out; none where the numbers are not what it needs.
    ///
    /// ```
    /// use reports::claims::Op;
    /// assert_eq!(Op::Sum.of(&[12.0, 8.0, 78.0, 84.0]), Some(182.0));
    /// ```
    pub fn of(self, numbers: &[f64]) -> Option<f64> {
        let out = match (self, numbers) {
            (Op::Sum, [_, ..]) => numbers.iter().sum(),
            (Op::Product, [_, ..]) => numbers.iter().product(),
            (Op::Difference, [first, rest @ ..]) => first - rest.iter().sum::<f64>(),
            (Op::Quotient, [first, rest @ ..]) => first / rest.iter().product::<f64>(),
            (Op::Amdahl, [share, factor]) => 1.0 / (1.0 - share + share / factor),
            (Op::ImpliedShare, [whole, part]) => (1.0 - 1.0 / whole) / (1.0 - 1.0 / part),
            (Op::Ceiling, [share]) => 1.0 / (1.0 - share),
            _ => return None,
        };
        out.is_finite().then_some(out)
    }
}

impl Inside {
    pub(super) fn check(&self) -> Result<(), String> {
        let wrong = |what: &str| Err(format!("inside, {:?}: {what}", self.note));
        let (Some(op), Some(is)) = (self.op, self.is) else {
            let is_bare = self.op.is_none() && self.is.is_none() && self.of.is_empty() && self.said.is_none();
            let is_whole = is_bare && self.fault.is_some() && !self.lines.is_empty();
            return if is_whole { Ok(()) } else { wrong("without `op` and `is` it is a `fault` and its `lines`") };
        };
        let Some(out) = op.of(&self.of) else { return wrong("the numbers are not what `op` needs") };
        if apart(out, is) > 1e-4 {
            return wrong(&format!("it comes out as {out}, and not as {is}"));
        }
        // These stand for how a number was come by, which may be wrong although the sum is right.
        let by_method = matches!(self.fault, Some(Fault::ProductOfGuesses | Fault::Guess));
        match (self.fault, self.said) {
            (None, Some(said)) if apart(is, said) > 0.05 => wrong("it is not what the document has: name the `fault`"),
            (None, None) => wrong("what comes out right is right beside what was `said`"),
            (Some(_), Some(said)) if !by_method && apart(is, said) < 5e-4 => {
                wrong("it is what the document has: no fault")
            }
            _ => Ok(()),
        }
    }
}

/// How far two numbers are apart, as a share of the second.
fn apart(one: f64, other: f64) -> f64 {
    if one.total_cmp(&other).is_eq() { 0.0 } else { (one - other).abs() / other.abs() }
}
