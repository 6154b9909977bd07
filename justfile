# Every command that anyone, or CI, ever types. `just` alone lists them.

assay := "target/release/assay"
# The ladder of restore, what its baseline were without a phase, the document's peers and the floor: few enough for
# many rounds
ladder := "restore/" + replace("gzip zstd pooled whole fewer-calls dirs-up-front workers blake3 pack sealed best best-atomic tar tar-zstd gzip-no-decode gzip-no-write floor", " ", " restore/")

[private]
default:
    @just --list --unsorted

# A first answer within a minute: restore, the ladder, and where the time goes
first-light: build
    {{assay}} run {{ladder}} --on python-small --budget 50s

# Every workload, the ladder of restore on a real environment's likeness, and the pages for a design review
bench-all minutes="12": build
    {{assay}} run codecs syscalls batching buffers parity blocks --budget $(({{minutes}} * 15))s
    {{assay}} run {{ladder}} --on python-env --budget $(({{minutes}} * 12))s
    {{assay}} run restore --on python-small --budget $(({{minutes}} * 12))s
    {{assay}} run walk --ladder --on walk-small --budget $(({{minutes}} * 9))s
    {{assay}} run erasure --ladder --on object-4m --budget $(({{minutes}} * 6))s
    {{assay}} run fuse --ladder --on create-4k-few --budget $(({{minutes}} * 6))s
    {{assay}} flame restore/gzip --against restore/best --on python-small --kind wall
    {{assay}} report --latest --out target/review

# The pages for a design review, in target/review: of the last run, of runs by name, or --latest of every workload
report *runs: build
    {{assay}} report {{runs}} --out target/review

# The reference run in reports/runs and its pages, measured anew on a quiet machine (needs root and /dev/fuse)
reference minutes="10": build
    #!/usr/bin/env bash
    set -euo pipefail
    mkdir -p target/assay/fixtures
    place=$(mktemp -d target/reference.XXXXXX)
    trap 'rm -rf "$place"' EXIT
    mkdir "$place/home" "$place/none"
    ln -s "$PWD/target/assay/fixtures" "$place/home/fixtures"
    # Records from elsewhere are named by their paths, so that whoever has the pages can give their command.
    measured() { ASSAY_HOME="$place/home" {{assay}} run "$@"; }
    measured restore --on python-small --budget $(({{minutes}} * 24))s
    measured walk --ladder --on walk-small --budget $(({{minutes}} * 11))s
    measured codecs parity --budget $(({{minutes}} * 10))s
    measured erasure --ladder --on object-1m --budget $(({{minutes}} * 7))s
    measured fuse --ladder --on create-4k-few --budget $(({{minutes}} * 8))s
    ASSAY_HOME="$place/none" {{assay}} report "$place/home/runs" --out reports/runs/page

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
    said=$("$IAI_CALLGRIND_RUNNER" --version 2>&1 || true)
    if [[ "$said" != *"($version)"* ]]; then
        if ! cargo install iai-callgrind-runner --version "$version" --locked --force --root target/tools; then
            printf 'iai-callgrind-runner %s could not be installed\n' "$version" >&2
            printf '  do  cargo install iai-callgrind-runner --version %s --locked --root target/tools\n' "$version" >&2
            exit 3
        fi
    fi
    cargo bench --locked -p harness --bench instructions -- {{words}}

# What rows promise, put under fire at length: 200 kills and 200 flipped bits of each, power cuts, full disks (root). With
# `--notes FILE` it goes on where it was stopped, and `--budget 2h` stops it: `just campaign --notes FILE --budget 2h`
campaign *words: build
    {{assay}} promises restore syscalls batching --all {{words}}

# Other people's programs that rows run, from Debian, PyPI and npm; what is missing then is an absent row
peers:
    #!/usr/bin/env bash
    set -euo pipefail
    root=()
    [ "$(id -u)" = 0 ] || root=(sudo)
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
        tar gzip pigz zstd libarchive-tools squashfs-tools erofs-utils xfsprogs btrfs-progs zip unzip git
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
        restic borgbackup casync ostree bindfs mergerfs gocryptfs fd-find bfs
    python3 -m venv target/tools
    target/tools/bin/pip install -q --disable-pip-version-check uv
    npm install --global --silent --prefix target/tools pnpm@10

# The release build that measures
build:
    cargo build --release --locked

# Two more builds of walk's rows: -O2 alone for those that end with -plain, all that a compiler can be told for -tuned
tuned:
    cargo build --locked --profile plain -p walk --bin walk-row
    RUSTFLAGS="-C force-frame-pointers=yes -C target-cpu=native" cargo build --locked --profile tuned -p walk --bin walk-row

# All tests and the gates; what the machine lacks is skipped aloud, and fails where ASSAY_REQUIRE names it
test: && gate
    cargo test --workspace --locked

# Hold what must not get worse: calls, allocations and bytes exactly; instructions nearly, where valgrind is here
gate:
    #!/usr/bin/env bash
    set -euo pipefail
    # What counts instructions brings the program along: two builds, of which one has its crates too, would be one too many.
    if command -v valgrind >/dev/null || [[ ",${ASSAY_REQUIRE:-}," == *,valgrind,* ]]; then
        counting=yes
        cargo bench --locked -p harness --bench instructions --no-run
    else
        counting=
        cargo build --release --locked
    fi
    {{assay}} gate exact
    if [[ -e /dev/fuse && $(id -u) == 0 ]] || [[ ",${ASSAY_REQUIRE:-}," == *,fuse,* ]]; then
        {{assay}} gate requests requests-stream
    else
        echo 'skipped for want of root and /dev/fuse: the gates on requests' >&2
    fi
    if [[ -n $counting ]]; then
        ASSAY_COUNT_ONCE=1 {{just_executable()}} bench-instructions
        {{assay}} gate instructions
    else
        echo 'skipped for want of valgrind: the gate on instructions (apt-get install valgrind)' >&2
    fi

# The file system test suites pjdfstest and fsx, on tmpfs and on our mounts (needs root, /dev/fuse, libacl1-dev)
posix:
    #!/usr/bin/env bash
    set -euo pipefail
    for suite in pjdfstest@0.2.2 fsx@0.3.2; do
        if [[ ! -x target/tools/bin/${suite%@*} ]]; then
            if ! cargo install "$suite" --locked --root target/tools; then
                printf '%s could not be installed\n  do  apt-get install libacl1-dev, and: cargo install %s --locked --root target/tools\n' "$suite" "$suite" >&2
                exit 3
            fi
        fi
    done
    cargo test --locked -p fuse --test posix -- --ignored --nocapture

# Times of this build beside those of another revision; a slow-down is confirmed before it fails. No part of CI
gate-wall base="HEAD": build
    {{assay}} gate wall --base {{base}}

# Memory, temporary files and stripes over objects from 4 KiB to 1 GiB, and where they cross: `just sweep 20 --scratch DIR`
sweep minutes="15" *words: build
    {{assay}} run erasure/put-temp-files erasure/put-in-memory erasure/put-stripes \
        --on object-4k --on object-64k --on object-1m --on object-4m --on object-16m --on object-64m \
        --on object-256m --on object-1g --budget {{minutes}}m {{words}}
    {{assay}} crossing erasure/put-temp-files erasure/put-in-memory erasure/put-stripes

# All that the claims of every document are judged by, for so many minutes, and the verdicts: `just claims 60`
claims minutes="60": build tuned
    {{assay}} run restore/gzip restore/only-pooled restore/only-dir-batches restore/only-holotree restore/zstd \
        restore/only-batches restore/only-8-workers restore/only-fewer-calls restore/only-by-descriptor \
        restore/only-uring restore/only-mapped restore/tar-zstd restore/only-stream-and-writers \
        restore/only-hardlinks restore/only-fsync restore/only-large-writes restore/only-tmpfs-first \
        --on python-small --budget $(({{minutes}} * 14))s
    {{assay}} run restore/gzip restore/zstd --on python-medium --budget $(({{minutes}} * 4))s
    {{assay}} run restore/gzip restore/zstd --on python-large --budget $(({{minutes}} * 5))s
    {{assay}} run codecs/gzip-6 codecs/zstd-3 --on python-small --budget $(({{minutes}} * 1))s
    {{assay}} run syscalls/seven-calls syscalls/direct-held syscalls/by-descriptor syscalls/uring-128-times \
        syscalls/mapped --on python-small --budget $(({{minutes}} * 2))s
    {{assay}} run batching/dirs-on-demand batching/dirs-up-front batching/one-by-one batching/batches-8 \
        batching/workers-8 --on python-small --budget $(({{minutes}} * 2))s
    {{assay}} run buffers/fresh buffers/pooled --on python-small --budget $(({{minutes}} * 1))s
    {{assay}} run walk/every-256 walk/pwalk walk/one-lock walk/only-one-thread walk/own-files walk/best-1-thread \
        walk/best-8-threads walk/only-own-files walk/batched walk/short-record walk/bit-test walk/bit-test-apart \
        walk/bit-test-plain walk/bit-test-not-inlined walk/bit-test-tuned walk/best-own-files walk/best-direct walk/best-paths-bytewise walk/best-paths-copied \
        walk/best-uring-write walk/best-mapped walk/best walk/best-lock-each walk/best-atomic-each walk/best-pinned \
        --on walk-tree --budget $(({{minutes}} * 10))s
    {{assay}} run buffers-writing/one-writer-locked buffers-writing/one-writer-a-thread \
        buffers-writing/buffer-a-thread --on walk-tree --budget $(({{minutes}} * 2))s
    {{assay}} run buffers-counting/counter-locked buffers-counting/counter-each-256 --on walk-tree \
        --budget $(({{minutes}} * 2))s
    {{assay}} run fuse/blocks-zlib fuse/blocks-skip-small fuse/ext4 fuse/blocks-short-term fuse/blocks-write-buffer \
        fuse/blocks-small-file-map fuse/blocks-async-flush --on create-4k --budget $(({{minutes}} * 5))s
    {{assay}} run blocks/zlib blocks/skip-small blocks/write-buffer blocks/small-file-map blocks/async-flush \
        blocks/short-term \
        --on create-4k --budget $(({{minutes}} * 1))s
    {{assay}} run erasure/put-temp-files erasure/put-in-memory erasure/get-temp-files erasure/put-pipelined \
        erasure/put-ram-disk --on object-256m --budget $(({{minutes}} * 4))s
    {{assay}} run erasure/put-temp-files erasure/put-hybrid --on object-4m --budget $(({{minutes}} * 2))s
    {{assay}} run erasure/put-temp-files erasure/put-in-memory --on object-4k --on object-64k --on object-1m \
        --on object-16m --on object-64m --on object-1g --budget $(({{minutes}} * 5))s
    {{assay}} claims

# The unsafe code of the parity kernels under Miri, which takes minutes and a nightly toolchain
miri:
    #!/usr/bin/env bash
    set -euo pipefail
    if ! cargo +nightly miri --version >/dev/null 2>&1; then
        printf 'Miri is not here: it comes with nightly toolchains alone\n' >&2
        printf '  do  rustup toolchain install nightly --component miri --component rust-src\n' >&2
        exit 3
    fi
    export MIRIFLAGS="${MIRIFLAGS:--Zmiri-disable-isolation}"
    # Miri has no processor that could be asked what it has.
    export RUSTFLAGS="-C target-feature=+ssse3,+avx2,+gfni,+avx512f,+avx512bw"
    cargo +nightly miri test --locked -p parity --test kernels

# The parity kernels compiled for aarch64, whose shuffles no other machine builds: gcc-aarch64-linux-gnu from Debian
arm:
    #!/usr/bin/env bash
    set -euo pipefail
    if ! command -v aarch64-linux-gnu-gcc >/dev/null; then
        printf 'the C of the crates has no compiler for aarch64 here\n  do  apt-get install gcc-aarch64-linux-gnu\n' >&2
        exit 3
    fi
    if ! rustup target add aarch64-unknown-linux-gnu; then
        printf 'Rust has no library for aarch64 here\n  do  rustup target add aarch64-unknown-linux-gnu\n' >&2
        exit 3
    fi
    cargo clippy --locked -p parity --target aarch64-unknown-linux-gnu -- -D warnings

# Shapes, lengths, alignments, losses and damage by chance, another seed each time, for so long: `just fuzz 60s`
fuzz time="60s":
    #!/usr/bin/env bash
    set -euo pipefail
    case "{{time}}" in
        *[!0-9smh]* | "" | [smh]*) printf '%s is no time; write 60s, 10m or 2h\n' "{{time}}" >&2; exit 2 ;;
        *h) limit=$(( $(tr -d h <<<"{{time}}") * 3600 )) ;;
        *m) limit=$(( $(tr -d m <<<"{{time}}") * 60 )) ;;
        *) limit=$(tr -d s <<<"{{time}}") ;;
    esac
    cargo test --release --locked -p parity -p erasure --no-run
    SECONDS=0
    runs=0
    until (( SECONDS >= limit )); do
        # What fails says by which input, and cargo's exit code is ours.
        cargo test --release --locked -q -p parity --test kernels -- --ignored by_chance
        cargo test --release --locked -q -p erasure --test by_chance -- --ignored by_chance
        runs=$(( runs + 1 ))
    done
    printf 'nothing found in %s runs, %s s\n' "$runs" "$SECONDS"

# Write what the gates hold as it is now; the commit then shows what changed
bless: build bench-instructions
    {{assay}} gate --bless

# Memory of a walk over two million files, which it makes in /dev/shm (2 GiB) and removes
walk-bound:
    cargo test --release --locked -p walk --test many -- --ignored --nocapture

# Format and lints; warnings are errors
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# A real Slurm on this machine alone, as three nodes, in target/slurm (needs root; installs Debian's packages)
slurm-up:
    bash harness/tests/slurm/cluster up target/slurm

# And away with it
slurm-down:
    bash harness/tests/slurm/cluster down target/slurm

# What CI runs
ci:
    bash .ci/run
