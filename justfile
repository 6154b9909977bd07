# Every command that anyone, or CI, ever types. `just` alone lists them.

assay := "target/release/assay"

[private]
default:
    @just --list --unsorted

# A first answer within a minute: restore, the ladder, and where the time goes
first-light: build
    {{assay}} run restore --ladder --on python-small --budget 50s

# Every workload on its first fixture, then the ladder of restore on a real environment's likeness
bench-all minutes="10": build
    {{assay}} run codecs syscalls batching buffers --budget $(({{minutes}} * 20))s
    {{assay}} run restore --on python-small --budget $(({{minutes}} * 20))s
    {{assay}} run restore --ladder --on python-env --budget $(({{minutes}} * 20))s

# The release build that measures
build:
    cargo build --release --locked

# All tests; what the machine lacks is skipped aloud, and fails where ASSAY_REQUIRE names it
test:
    cargo test --workspace --locked

# Format and lints; warnings are errors
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# What CI runs
ci:
    bash .ci/run
