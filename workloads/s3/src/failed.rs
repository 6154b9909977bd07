//! Why a request came to nothing, and what to do about it.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::io;

/// What those do about it who are not let in.
const KEYS: &str = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be of somebody who may do that";

/// A request that came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// What was asked of whom, and why it failed.
    pub what: String,
    /// What can be done about it.
    pub mend: String,
}

impl Failed {
    /// What was being done in which bucket of which server, and what the client says.
    pub(crate) fn at(bucket: &str, endpoint: &str, doing: &str, error: &object_store::Error) -> Failed {
        let what = format!("{doing} {bucket} at {endpoint}: {}", chain(error));
        // Of a list that is refused the client says no more than what the server answered.
        let is_refused = what.contains("403 Forbidden") || what.contains("401 Unauthorized");
        let mend = match error {
            object_store::Error::Unauthenticated { .. } | object_store::Error::PermissionDenied { .. } => KEYS,
            _ if is_refused => KEYS,
            object_store::Error::NotFound { .. } => "make the bucket, or name another",
            _ if is_absent(error) => "start the server, or name another with AWS_ENDPOINT_URL",
            _ => "see what the server says of it",
        };
        Failed { what, mend: mend.to_owned() }
    }

    /// The failure that lies below an error, if there is one.
    pub fn below<'a>(mut error: &'a (dyn Error + 'static)) -> Option<&'a Failed> {
        loop {
            if let Some(failed) = error.downcast_ref() {
                return Some(failed);
            }
            // An error of input and output hides what it was made of from those who ask for its source.
            let hidden = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            error = match hidden {
                Some(hidden) => hidden,
                None => error.source()?,
            };
        }
    }
}

impl Display for Failed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for Failed {}

impl From<Failed> for io::Error {
    fn from(failed: Failed) -> io::Error {
        io::Error::other(failed)
    }
}

/// Whether nobody answered at all.
fn is_absent(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        if matches!(
            kind,
            Some(io::ErrorKind::ConnectionRefused | io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable)
        ) {
            return true;
        }
        next = error.source();
    }
    false
}

/// An error and what it came of, each said once.
fn chain(error: &dyn Error) -> String {
    let mut told = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let more = error.to_string();
        if !told.contains(&more) {
            told += &format!(": {more}");
        }
        next = error.source();
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_found_below_other_errors() {
        let failed = Failed { what: "a".into(), mend: "b".into() };
        let hidden = io::Error::other(failed.clone());
        assert_eq!(Failed::below(&hidden), Some(&failed));
        let twice = io::Error::other(io::Error::other(failed.clone()));
        assert_eq!(Failed::below(&twice), Some(&failed));
        assert_eq!(Failed::below(&io::Error::other("c")), None);
    }
}
