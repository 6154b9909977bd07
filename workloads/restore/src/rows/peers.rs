//! Other people's programs.

use crate::peers;
use technique::{Peer, Promise, Promises, Variant, variant};

/// What GNU tar keeps: it sets times and modes, and makes each file under its final name.
const TAR: Promises = Promises::NONE.with(Promise::TimesKept).with(Promise::Independent);

const fn tar(key: &'static str, pack: &'static str, run: &'static str, needs: &'static [&'static str]) -> Peer {
    Peer { keep: Some((key, pack)), run, needs, mend: "apt-get install tar zstd gzip", promises: TAR }
}

const TAR_ZSTD: Peer = tar(
    "tar.zst",
    "tar --format=posix --sort=name --zstd -cf {kept} -C {source} .",
    "tar --zstd -xf {kept} -C {target}",
    &["tar", "zstd"],
);
const TAR_GZIP: Peer = tar(
    "tar.gz",
    "tar --format=posix --sort=name -czf {kept} -C {source} .",
    "tar -xzf {kept} -C {target}",
    &["tar", "gzip"],
);
const TAR_PLAIN: Peer =
    tar("tar", "tar --format=posix --sort=name -cf {kept} -C {source} .", "tar -xf {kept} -C {target}", &["tar"]);

/// The peers; those that most machines lack stand aside.
pub(super) const ROWS: &[Variant] = &[
    variant("tar-zstd", &TAR_ZSTD, "a peer: GNU tar from one zstd stream; verifies no hash"),
    variant("tar-gzip", &TAR_GZIP, "a peer: GNU tar from one gzip stream; verifies no hash"),
    variant("tar", &TAR_PLAIN, "a peer: GNU tar, nothing packed"),
    variant("tar-pigz", &peers::TAR_PIGZ, "a peer: GNU tar and pigz, one gzip stream; verifies no hash").aside(),
    variant("bsdtar", &peers::BSDTAR, "a peer: bsdtar from one zstd stream; verifies no hash").aside(),
    variant("cp", &peers::CP, "a peer: cp -a of an unpacked tree; verifies nothing").aside(),
    variant("cp-hardlinks", &peers::CP_LINKS, "a peer: cp -al; to write to a file changes its source").aside(),
    variant("cp-reflinks", &peers::CP_CLONES, "a peer: cp --reflink, blocks shared until written to").aside(),
    variant("unsquashfs", &peers::UNSQUASHFS, "a peer: unsquashfs of zstd blocks; verifies no hash").aside(),
    variant("unzip", &peers::UNZIP, "a peer: unzip; holds CRC-32s, but leaves a damaged file there").aside(),
    variant("restic", &peers::RESTIC, "a peer: restic, packed and encrypted chunks; verifies SHA-256").aside(),
    variant("borg", &peers::BORG, "a peer: borg, packed chunks, zstd; verifies SHA-256").aside(),
    variant("casync", &peers::CASYNC, "a peer: casync, a file for each chunk; verifies SHA-512/256").aside(),
    variant("ostree", &peers::OSTREE, "a peer: ostree, a file for each content; every time becomes 0").aside(),
    variant("git-checkout", &peers::GIT, "a peer: git from one packfile; knows only the executable bit").aside(),
    variant("uv-copies", &peers::UV_COPIES, "a peer: uv from a warm cache, files copied; no hash").aside(),
    variant("uv-hardlinks", &peers::UV_LINKS, "a peer: uv from a warm cache, files linked; no hash").aside(),
    variant("uv-symlinks", &peers::UV_SYMLINKS, "a peer: uv from a warm cache, links to its files; no hash").aside(),
    variant("uv-clones", &peers::UV_CLONES, "a peer: uv from a warm cache, files cloned; no hash").aside(),
    variant("pnpm", &peers::PNPM, "a peer: pnpm from a warm store, files linked; no hash").aside(),
];
