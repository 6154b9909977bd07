//! Peers that need more than one command: archives, backup programs, stores of others, package managers.
//!
//! Each packs the source once before the clock, and brings it back once before the first sample: its caches are warm
//! then, and a tree that it cannot carry makes it absent, by name, and not a row that fails. Its home, its settings and
//! its caches lie in `{kept}`: nothing of the user's is read or written.

use crate::{duplicates, outcome};
use anyhow::{Context, Result, bail};
use fixtures::remove_tree;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use technique::peer::{fill, parse, require};
use technique::phase::COMMAND;
use technique::{Absent, Concession, Lap, Promise, Promises, Site, Technique, tree};

/// Another program as a row. In its commands `{source}`, `{target}` and `{kept}` stand for the site's paths.
pub(crate) struct Tool {
    /// The name of what it packs, and what makes that.
    pub(crate) pack: (&'static str, Pack),
    /// The command under the clock; it runs in the target.
    pub(crate) run: &'static str,
    /// What its environment says besides.
    pub(crate) env: &'static [(&'static str, &'static str)],
    /// The programs that it needs.
    pub(crate) needs: &'static [&'static str],
    /// How to get them.
    pub(crate) mend: &'static str,
    /// What it guarantees, by its manual.
    pub(crate) promises: Promises,
    /// What it leaves in the target beside the tree: removed when the clock has stopped.
    pub(crate) leaves: &'static [&'static str],
    /// Where in the target it puts the tree: moved up when the clock has stopped.
    pub(crate) puts: Option<&'static str>,
    /// Whether it silently copies where files cannot share blocks: it is absent there instead.
    pub(crate) clones: bool,
}

/// What makes `{kept}`, a new directory.
pub(crate) enum Pack {
    /// Commands, which run in the source.
    By(&'static [&'static str]),
    /// A wheel, which holds files alone.
    Wheel,
    /// A package of npm's, and a project that needs it: the project's files are laid into each target.
    Package,
}

/// What every such program finds in its environment.
const ENVIRONMENT: [(&str, &str); 8] = [
    ("HOME", "{kept}/home"),
    ("XDG_CACHE_HOME", "{kept}/cache"),
    ("XDG_CONFIG_HOME", "{kept}/config"),
    ("XDG_DATA_HOME", "{kept}/data"),
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("RESTIC_PASSWORD", "assay"),
    ("BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes"),
    ("BORG_RELOCATED_REPO_ACCESS_IS_OK", "yes"),
];

/// What to do where a program cannot carry a tree, or not to that place.
const BEARABLE: &str =
    "choose plainer names (--on python-small), or another file system (--scratch, or --fs xfs,btrfs)";

/// A program whose environment says nothing more, and which leaves nothing else.
const fn tool(
    pack: (&'static str, Pack),
    run: &'static str,
    needs: &'static [&'static str],
    mend: &'static str,
    promises: Promises,
) -> Tool {
    Tool { pack, run, env: &[], needs, mend, promises, leaves: &[], puts: None, clones: false }
}

/// Times and modes come back, and every file is its own.
const KEEPS: Promises = Promises::NONE.with(Promise::TimesKept).with(Promise::Independent);
/// Contents are held against a hash on their way, too.
const HOLDS: Promises = KEEPS.with(Promise::Verified);
/// Files and whether they are executable, and nothing else: what a package manager brings.
const FILES: Promises = Promises::NONE.but(Concession::Modes).but(Concession::Kinds);
/// Where `cp` copies from: a tree on the file system of the target, as links and clones need it.
const TREE: (&str, Pack) = ("plain-tree", Pack::By(&["mkdir {kept}/tree", "cp -a . {kept}/tree"]));

pub(crate) const TAR_PIGZ: Tool = tool(
    ("tar-pigz", Pack::By(&["tar --format=posix --sort=name -I pigz -cf {kept}/tree.tar.gz ."])),
    "tar -I pigz -xf {kept}/tree.tar.gz -C {target}",
    &["tar", "pigz"],
    "apt-get install tar pigz",
    KEEPS,
);
pub(crate) const BSDTAR: Tool = tool(
    ("bsdtar", Pack::By(&["bsdtar --format=pax --zstd -cf {kept}/tree.tar.zst ."])),
    "bsdtar -xpf {kept}/tree.tar.zst -C {target}",
    &["bsdtar"],
    "apt-get install libarchive-tools",
    KEEPS,
);
pub(crate) const CP: Tool =
    tool(TREE, "cp -a --reflink=never {kept}/tree/. {target}", &["cp"], "apt-get install coreutils", KEEPS);
pub(crate) const CP_LINKS: Tool = tool(
    TREE,
    "cp -al {kept}/tree/. {target}",
    &["cp"],
    "apt-get install coreutils",
    KEEPS.without(Promise::Independent),
);
pub(crate) const CP_CLONES: Tool =
    tool(TREE, "cp -a --reflink=always {kept}/tree/. {target}", &["cp"], "apt-get install coreutils", KEEPS);
pub(crate) const UNSQUASHFS: Tool = tool(
    ("squashfs", Pack::By(&["mksquashfs . {kept}/tree.sqfs -comp zstd -no-progress -quiet"])),
    "unsquashfs -quiet -no-progress -force -dest {target} {kept}/tree.sqfs",
    &["mksquashfs", "unsquashfs"],
    "apt-get install squashfs-tools",
    KEEPS,
);
pub(crate) const UNZIP: Tool = tool(
    ("zip", Pack::By(&["zip -q -r -y {kept}/tree.zip ."])),
    "unzip -q -o {kept}/tree.zip -d {target}",
    &["zip", "unzip"],
    "apt-get install zip unzip",
    KEEPS,
);
pub(crate) const RESTIC: Tool = tool(
    ("restic", Pack::By(&["restic --quiet -r {kept}/repository init", "restic --quiet -r {kept}/repository backup ."])),
    "restic --quiet --no-lock -r {kept}/repository restore latest --target {target}",
    &["restic"],
    "apt-get install restic",
    HOLDS,
);
pub(crate) const BORG: Tool = tool(
    (
        "borg",
        Pack::By(&[
            "borg init --encryption none {kept}/repository",
            "borg create --compression zstd,3 {kept}/repository::tree .",
        ]),
    ),
    "borg extract {kept}/repository::tree",
    &["borg"],
    "apt-get install borgbackup",
    HOLDS,
);
pub(crate) const CASYNC: Tool = tool(
    ("casync", Pack::By(&["casync make --with=unix --store={kept}/store {kept}/tree.caidx ."])),
    "casync extract --with=unix --store={kept}/store {kept}/tree.caidx {target}",
    &["casync"],
    "apt-get install casync",
    HOLDS,
);
pub(crate) const OSTREE: Tool = tool(
    (
        "ostree",
        Pack::By(&[
            "ostree --repo={kept}/repository init --mode=archive",
            "ostree --repo={kept}/repository commit --branch=tree --subject=tree --tree=dir=.",
        ]),
    ),
    // Its cache of unpacked objects would make every later run one of hard links.
    "ostree --repo={kept}/repository checkout --user-mode --disable-cache --fsync=no --union tree {target}",
    &["ostree"],
    "apt-get install ostree",
    KEEPS.without(Promise::TimesKept),
);
pub(crate) const GIT: Tool = Tool {
    // An index of its own for each run: what it knew of the run before would change what this one does.
    env: &[("GIT_INDEX_FILE", "{target}/.assay-index")],
    leaves: &[".assay-index"],
    ..tool(
        (
            "git",
            Pack::By(&[
                "git init --quiet --bare {kept}/repository",
                "git --git-dir={kept}/repository --work-tree=. add --force --all",
                "git --git-dir={kept}/repository --work-tree=. -c user.name=assay -c user.email=assay commit --quiet -m tree",
                "git --git-dir={kept}/repository repack -a -d -q",
            ]),
        ),
        "git --git-dir={kept}/repository --work-tree=. -c checkout.workers=0 checkout --quiet HEAD -- .",
        &["git"],
        "apt-get install git",
        Promises::NONE.with(Promise::Independent).but(Concession::Modes).but(Concession::Kinds),
    )
};
pub(crate) const UV_COPIES: Tool = Tool {
    promises: FILES.with(Promise::Independent),
    ..uv(
        "uv pip install -q --offline --no-index --no-deps --target {target} --link-mode copy {kept}/assay_tree-1-py3-none-any.whl",
    )
};
pub(crate) const UV_LINKS: Tool = uv(
    "uv pip install -q --offline --no-index --no-deps --target {target} --link-mode hardlink {kept}/assay_tree-1-py3-none-any.whl",
);
/// Whoever writes to a file writes to the cache, and the tree is gone with it.
pub(crate) const UV_SYMLINKS: Tool = uv(
    "uv pip install -q --offline --no-index --no-deps --target {target} --link-mode symlink {kept}/assay_tree-1-py3-none-any.whl",
);
pub(crate) const UV_CLONES: Tool = Tool {
    promises: FILES.with(Promise::Independent),
    clones: true,
    ..uv(
        "uv pip install -q --offline --no-index --no-deps --target {target} --link-mode clone {kept}/assay_tree-1-py3-none-any.whl",
    )
};

const fn uv(run: &'static str) -> Tool {
    Tool {
        leaves: &["assay_tree-1.dist-info", ".lock"],
        ..tool(("wheel", Pack::Wheel), run, &["uv", "python3"], "just peers", FILES)
    }
}

pub(crate) const PNPM: Tool = Tool {
    leaves: &["package.json", "pnpm-lock.yaml", "tree.tgz", "node_modules"],
    puts: Some("node_modules/assay-tree"),
    ..tool(
        ("pnpm", Pack::Package),
        "pnpm install --silent --offline --frozen-lockfile --ignore-scripts --store-dir {kept}/store \
         --config.node-linker=hoisted --config.package-import-method=hardlink",
        &["pnpm", "node", "tar"],
        "just peers",
        FILES,
    )
};

impl Technique for Tool {
    type Ready = Command;

    fn prepare(&self, site: &Site) -> Result<Command> {
        require(self.needs, self.mend)?;
        let kept = site.keep(self.pack.0, |path| {
            fs::create_dir(path).with_context(|| format!("making {}", path.display()))?;
            self.pack(site, path)
        })?;
        if self.clones {
            duplicates::probe_clones(&kept, &site.target)?;
        }
        self.try_once(site, &kept)?;
        lay(&kept, &site.target)?;
        self.command(self.run, site, &kept, &site.target)
    }

    fn work(&self, command: &mut Command, lap: &mut Lap) -> Result<()> {
        said(command)?;
        lap.mark(COMMAND);
        Ok(())
    }

    fn settle(&self, _command: &mut Command, site: &Site) -> Result<()> {
        self.tidy(&site.target)
    }

    fn promises(&self) -> Promises {
        self.promises
    }
}

impl Tool {
    /// A program that cannot pack this tree is absent: that is its limit, and no fault of a run.
    fn pack(&self, site: &Site, kept: &Path) -> Result<()> {
        let packed = match &self.pack.1 {
            Pack::By(commands) => {
                commands.iter().try_for_each(|words| said(&mut self.command(words, site, kept, &site.source)?))
            }
            Pack::Wheel => make_wheel(&site.source, kept),
            Pack::Package => self.make_package(site, kept),
        };
        packed.map_err(|error| {
            let why = format!("{} cannot pack this tree: {error:#}", self.needs[0]);
            Absent::because(why, BEARABLE)
        })
    }

    /// Brings the tree back once, under its final name, and looks at it. `tried` says that this was done.
    fn try_once(&self, site: &Site, kept: &Path) -> Result<()> {
        let tried = kept.join(format!("tried-{}", blake3::hash(self.run.as_bytes()).to_hex().split_at(8).0));
        if tried.exists() {
            return Ok(());
        }
        let target = kept.join("trial");
        if target.exists() {
            remove_tree(&target)?;
        }
        fs::create_dir(&target).with_context(|| format!("making {}", target.display()))?;
        let trial = Site::new(site.source.clone(), target.clone(), kept.to_owned(), site.tally);
        let back = self.command(self.run, &trial, kept, &target).and_then(|mut command| {
            lay(kept, &target)?;
            said(&mut command)?;
            self.tidy(&target)?;
            let (expected, got) = (tree::outcome(&site.source)?, outcome::of_target(&trial)?);
            match expected.differences(&got, self.promises).first() {
                Some(first) => bail!("{first}"),
                None => Ok(()),
            }
        });
        remove_tree(&target)?;
        if let Err(error) = back {
            let why = format!("{} does not bring this tree back here: {error:#}", self.needs[0]);
            return Err(Absent::because(why, BEARABLE));
        }
        fs::write(&tried, "").with_context(|| format!("writing {}", tried.display()))
    }

    fn command(&self, words: &str, site: &Site, kept: &Path, within: &Path) -> Result<Command> {
        let mut command = parse(words, site, kept)?;
        command.current_dir(within);
        let more = if words == self.run { self.env } else { &[] };
        for (name, value) in ENVIRONMENT.iter().chain(more) {
            command.env(name, fill(value, site, kept));
        }
        Ok(command)
    }

    /// A package in an archive, a project that names it, and a lockfile of that.
    fn make_package(&self, site: &Site, kept: &Path) -> Result<()> {
        let project = kept.join(LAID);
        let package = kept.join("package");
        fs::create_dir(&project)?;
        fs::create_dir(&package)?;
        fs::write(project.join("package.json"), r#"{"dependencies": {"assay-tree": "file:tree.tgz"}}"#)?;
        let run = |words: &str, within: &Path| said(&mut self.command(words, site, kept, within)?);
        run("cp -a . {kept}/package", &site.source)?;
        fs::write(package.join("package.json"), r#"{"name": "assay-tree", "version": "1.0.0"}"#)?;
        run("tar -czf {kept}/project/tree.tgz -C {kept} package", kept)?;
        remove_tree(&package)?;
        run("pnpm install --silent --offline --lockfile-only --ignore-scripts --store-dir {kept}/store", &project)
    }

    /// Takes away what is not the tree, and puts the tree where it belongs.
    fn tidy(&self, target: &Path) -> Result<()> {
        let Some(puts) = self.puts else { return self.remove_leavings(target) };
        let aside = target.join(".assay-aside");
        fs::rename(target.join(puts), &aside).with_context(|| format!("looking for {puts}"))?;
        self.remove_leavings(target)?;
        for entry in fs::read_dir(&aside)? {
            let entry = entry?;
            fs::rename(entry.path(), target.join(entry.file_name()))?;
        }
        fs::remove_dir(&aside)?;
        self.remove_leavings(target)
    }

    fn remove_leavings(&self, target: &Path) -> Result<()> {
        for name in self.leaves {
            remove_tree(&target.join(name))?;
        }
        Ok(())
    }
}

/// Where files lie that every target needs before the clock.
const LAID: &str = "project";

/// Lays them there.
fn lay(kept: &Path, target: &Path) -> Result<()> {
    let Ok(files) = fs::read_dir(kept.join(LAID)) else { return Ok(()) };
    for file in files {
        let file = file?;
        let to = target.join(file.file_name());
        fs::copy(file.path(), &to).with_context(|| format!("making {}", to.display()))?;
    }
    Ok(())
}

/// Runs a command to its end. Where it fails, its last line is the error.
fn said(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_owned();
    let ended = command.stderr(Stdio::piped()).output().with_context(|| format!("starting {}", program.display()))?;
    if !ended.status.success() {
        let said = String::from_utf8_lossy(&ended.stderr);
        let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
        bail!("{} ended with {}: {}", program.display(), ended.status, last.trim());
    }
    Ok(())
}

/// A wheel of all files of a tree. Python's own library makes it: it is there wherever a wheel is of use.
fn make_wheel(source: &Path, kept: &Path) -> Result<()> {
    const WHEEL: &str = r#"
import os, sys, zipfile
source, wheel = sys.argv[1:]
info = "assay_tree-1.dist-info/"
with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as packed:
    for top, below, names in os.walk(source):
        below.sort()
        for path in (os.path.join(top, name) for name in sorted(names)):
            if not os.path.islink(path):
                packed.write(path, os.path.relpath(path, source))
    packed.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: assay-tree\nVersion: 1\n")
    packed.writestr(info + "WHEEL", "Wheel-Version: 1.0\nGenerator: assay\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    packed.writestr(info + "RECORD", "")
"#;
    let wheel = kept.join("assay_tree-1-py3-none-any.whl");
    said(Command::new("python3").args(["-c", WHEEL]).args([source, &wheel]).stdin(Stdio::null()).stdout(Stdio::null()))
}
