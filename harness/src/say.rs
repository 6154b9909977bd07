//! Saying things to the user, beside the results: stderr, which may be gone or full without anything being wrong.

use std::io::Write;

/// Says a line. Where nobody can hear it, there is nobody to tell.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
