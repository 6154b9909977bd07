//! `assay`: asks storage techniques questions, and holds the answers against what was claimed.

fn main() -> std::process::ExitCode {
    harness::cli::main()
}
