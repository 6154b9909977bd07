# Every command that anyone, or CI, ever types. `just` alone lists them.

assay := "target/release/assay"

[private]
default:
    @just --list --unsorted

# A first answer within a minute: restore, the ladder, and where the time goes
first-light: build
    {{assay}} run restore --ladder --on python-small --budget 50s

# Every workload, the ladder of restore on a real environment's likeness, and the pages for a design review
bench-all minutes="12": build
    {{assay}} run codecs syscalls batching buffers parity blocks --budget $(({{minutes}} * 15))s
    {{assay}} run restore --ladder --on python-env --budget $(({{minutes}} * 12))s
    {{assay}} run restore --on python-small --budget $(({{minutes}} * 12))s
    {{assay}} run walk --ladder --on walk-small --budget $(({{minutes}} * 9))s
    {{assay}} run erasure --ladder --on object-4m --budget $(({{minutes}} * 6))s
    {{assay}} run fuse --ladder --budget $(({{minutes}} * 6))s
    {{assay}} flame restore/gzip --against restore/best --on python-small --kind wall
    {{assay}} report --latest --out target/review

# The pages for a design review, in target/review: of the last run, of runs by name, or --latest of every workload
report *runs: build
    {{assay}} report {{runs}} --out target/review

# The parts at the micro level by criterion, on an otherwise quiet machine: `just bench-parts codecs/zstd`
bench-parts *words:
    cargo bench --locked -p harness --bench parts -- {{words}}

# Instruction counts of every row by iai-callgrind, each twice; needs Valgrind. Installs its runner in target/tools
bench-instructions *words:
    #!/usr/bin/env bash
    set -euo pipefail
    version=$(sed -n 's/^iai-callgrind = "=\(.*\)"$/\1/p' harness/Cargo.toml)
    if ! command -v valgrind >/dev/null; then
        printf 'valgrind is not installed\n  do  apt-get install valgrind\n' >&2
        exit 3
    fi
    export IAI_CALLGRIND_RUNNER="$PWD/target/tools/bin/iai-callgrind-runner"
    # It cannot be asked for its version, but names it when it complains.
    if ! "$IAI_CALLGRIND_RUNNER" --version 2>&1 | grep -qF "($version)"; then
        if ! cargo install iai-callgrind-runner --version "$version" --locked --force --root target/tools; then
            printf 'iai-callgrind-runner %s could not be installed\n' "$version" >&2
            printf '  do  cargo install iai-callgrind-runner --version %s --locked --root target/tools\n' "$version" >&2
            exit 3
        fi
    fi
    cargo bench --locked -p harness --bench instructions -- {{words}}

# The release build that measures
build:
    cargo build --release --locked

# A second build of walk's rows, with all that a compiler can be told: its rows that end with -tuned need it
tuned:
    RUSTFLAGS="-C force-frame-pointers=yes -C target-cpu=native" cargo build --locked --profile tuned -p walk --bin walk-row

# All tests and the gates; what the machine lacks is skipped aloud, and fails where ASSAY_REQUIRE names it
test: && gate
    cargo test --workspace --locked

# Hold what must not get worse: calls, allocations and bytes exactly; instructions nearly, where valgrind is here
gate: build
    #!/usr/bin/env bash
    set -euo pipefail
    {{assay}} gate exact
    if command -v valgrind >/dev/null || [[ ",${ASSAY_REQUIRE:-}," == *,valgrind,* ]]; then
        ASSAY_COUNT_ONCE=1 {{just_executable()}} bench-instructions
        {{assay}} gate instructions
    else
        echo 'skipped for want of valgrind: the gate on instructions (apt-get install valgrind)' >&2
    fi

# Times of this build beside those of another revision; a slow-down is confirmed before it fails. No part of CI
gate-wall base="HEAD": build
    {{assay}} gate wall --base {{base}}

# Write what the gates hold as it is now; the commit then shows what changed
bless: build bench-instructions
    {{assay}} gate --bless

# Format and lints; warnings are errors
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# What CI runs
ci:
    bash .ci/run
