//! Names for addresses: the kernel's from its own table, this program's from its table of symbols, and functions that
//! were inlined into those from its line tables.
//!
//! Line tables know a function by its bare name and file alone, and a stack must be able to find `measured` by its
//! path; so the name of a whole function comes from the table of symbols, which every build has, and the path of an
//! inlined one from its file.

use object::{Object, ObjectKind, ObjectSection, ObjectSymbol, SymbolKind};
use std::collections::HashMap;
use std::path::Path;

/// Addresses from here on are not addresses but say what follows: `PERF_CONTEXT_*`.
const CONTEXTS: u64 = 4096_u64.wrapping_neg();
/// What follows is the kernel's.
const KERNEL: u64 = 128_u64.wrapping_neg();
/// What follows is a program's.
const USER: u64 = 512_u64.wrapping_neg();

/// What the kernel's frames end with, as flame graphs mark them.
pub(crate) const KERNEL_MARK: &str = "_[k]";

/// Names of the addresses that were asked for so far.
#[derive(Default)]
pub(crate) struct Names {
    kernel: Option<Symbols>,
    own: Symbols,
    user: HashMap<u64, Vec<String>>,
    /// The files of this process by address, for code that has no names.
    maps: Vec<Map>,
}

/// Functions by address.
#[derive(Debug, Default, PartialEq)]
struct Symbols(Vec<Symbol>);

#[derive(Debug, PartialEq)]
struct Symbol {
    first: u64,
    after: u64,
    name: String,
}

/// A file in the memory of this process.
#[derive(Debug, PartialEq)]
pub(crate) struct Map {
    /// Where it begins.
    pub(crate) first: u64,
    /// Where it ends.
    pub(crate) after: u64,
    /// From where in the file on.
    pub(crate) offset: u64,
    /// The file.
    pub(crate) path: String,
}

impl Names {
    /// Reads the kernel's table and this program's own.
    pub(crate) fn here() -> Names {
        let kernel = std::fs::read_to_string("/proc/kallsyms").ok().and_then(|table| Symbols::of_the_kernel(&table));
        let maps = maps();
        let own = Symbols::of_this_program(&maps).unwrap_or_default();
        Names { kernel, own, user: HashMap::new(), maps }
    }

    /// Why the kernel's frames have no names, if that is so.
    pub(crate) fn missing(&self) -> Option<&'static str> {
        let why = "the kernel hides its addresses, so its frames have no names: run as root, or sysctl \
                   kernel.kptr_restrict=0 and kernel.perf_event_paranoid=1";
        self.kernel.is_none().then_some(why)
    }

    /// The frames of a chain as the kernel wrote it, outermost first; `foreign` ones belong to another program, whose
    /// addresses mean nothing here.
    pub(crate) fn stack(&mut self, chain: &[u64], foreign: bool) -> Vec<String> {
        let mut frames = Vec::new();
        let mut in_kernel = false;
        // The innermost address of each part is where it stood; the others are where a call will return to.
        let mut exact = true;
        for &address in chain {
            if address >= CONTEXTS {
                in_kernel = address == KERNEL;
                exact = true;
                if foreign && address == USER {
                    frames.push("[another program]".to_owned());
                }
                continue;
            }
            let within = if exact { address } else { address.saturating_sub(1) };
            if in_kernel {
                let name = self.kernel.as_ref().and_then(|kernel| kernel.name(within));
                frames.push(format!("{}{KERNEL_MARK}", name.unwrap_or("[kernel]")));
            } else if !foreign {
                frames.extend_from_slice(self.user_frames(within));
            }
            exact = false;
        }
        frames.reverse();
        frames
    }

    /// The same, its user part replaced by another chain of addresses to return to, of which the first is where it stood.
    pub(crate) fn stack_with(&mut self, chain: &[u64], user: &[u64]) -> Vec<String> {
        let kernel = chain.iter().position(|address| *address == USER).unwrap_or(chain.len());
        let whole: Vec<u64> = chain[..kernel].iter().chain([&USER]).chain(user).copied().collect();
        self.stack(&whole, false)
    }

    /// The frames of a chain of this program alone, outermost first. All addresses are those to return to.
    pub(crate) fn user_stack(&mut self, chain: impl Iterator<Item = u64>) -> Vec<String> {
        let mut frames = Vec::new();
        for address in chain {
            frames.extend_from_slice(self.user_frames(address.saturating_sub(1)));
        }
        frames.reverse();
        frames
    }

    /// The functions at an address, innermost first.
    fn user_frames(&mut self, address: u64) -> &[String] {
        let (own, maps) = (&self.own, &self.maps);
        self.user.entry(address).or_insert_with(|| {
            let mut names = Vec::new();
            // It takes an address to return to, and looks one byte before it.
            let after = usize::try_from(address + 1).unwrap_or(usize::MAX);
            backtrace::resolve(std::ptr::without_provenance_mut(after), |symbol| {
                names.extend(symbol.name().map(|name| called(&format!("{name:#}"), symbol.filename())));
            });
            if let Some(whole) = own.name(address) {
                // The last name is that of the function that the others were inlined into.
                names.pop();
                names.push(called(&format!("{:#}", rustc_demangle::demangle(whole)), None));
            }
            if names.is_empty() {
                let map = maps.iter().find(|map| (map.first..map.after).contains(&address));
                let file = map.and_then(|map| map.path.rsplit('/').next()).unwrap_or("unknown");
                names.push(format!("[{}]", file.trim_matches(['[', ']'])));
            }
            names.retain(|name| !is_glue(name));
            names
        })
    }
}

impl Symbols {
    /// Lines are address, sort, name and maybe a module. Where all addresses are zero, the kernel hides them.
    fn of_the_kernel(table: &str) -> Option<Symbols> {
        let symbols = table.lines().filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let first = u64::from_str_radix(words.next()?, 16).ok().filter(|address| *address != 0)?;
            let is_code = matches!(words.next()?, "T" | "t" | "W" | "w");
            let name = words.next()?.to_owned();
            is_code.then_some(Symbol { first, after: u64::MAX, name })
        });
        Symbols::sorted(symbols.collect())
    }

    /// The functions of the running program, where it lies in memory.
    fn of_this_program(maps: &[Map]) -> Option<Symbols> {
        let exe = std::env::current_exe().ok()?;
        let first = maps.iter().find(|map| map.offset == 0 && Path::new(&map.path) == exe)?.first;
        let bytes = std::fs::read(exe).ok()?;
        let file = object::File::parse(bytes.as_slice()).ok()?;
        // A program that is made for one place lies where its file says.
        let base = if file.kind() == ObjectKind::Dynamic { first } else { 0 };
        // Assembly often says neither that it is a function nor how long; it ends where the next one begins.
        let is_code = |kind| matches!(kind, SymbolKind::Text | SymbolKind::Unknown);
        let text = file.section_by_name(".text").map(|section| section.index());
        let functions = file.symbols().filter(|one| is_code(one.kind()) && one.section_index() == text);
        let mut symbols = Symbols::sorted(
            functions
                .filter_map(|symbol| {
                    let first = base + symbol.address();
                    Some(Symbol { first, after: first + symbol.size(), name: symbol.name().ok()?.to_owned() })
                })
                .collect(),
        )?;
        for at in 1..symbols.0.len() {
            let next = symbols.0[at].first;
            let symbol = &mut symbols.0[at - 1];
            if symbol.after == symbol.first {
                symbol.after = next;
            }
        }
        Some(symbols)
    }

    fn sorted(mut symbols: Vec<Symbol>) -> Option<Symbols> {
        symbols.sort_by_key(|symbol| symbol.first);
        (!symbols.is_empty()).then_some(Symbols(symbols))
    }

    fn name(&self, address: u64) -> Option<&str> {
        let at = self.0.partition_point(|symbol| symbol.first <= address);
        self.0[..at].last().filter(|symbol| address < symbol.after).map(|symbol| symbol.name.as_str())
    }
}

/// The files in the memory of this process.
pub(crate) fn maps() -> Vec<Map> {
    parse_maps(&std::fs::read_to_string("/proc/self/maps").unwrap_or_default())
}

fn parse_maps(maps: &str) -> Vec<Map> {
    let line = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let (first, after) = words.next()?.split_once('-')?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        let offset = number(words.nth(1)?)?;
        Some(Map { first: number(first)?, after: number(after)?, offset, path: words.nth(2)?.to_owned() })
    };
    maps.lines().filter_map(line).collect()
}

/// A function's name as a frame: without what it is generic over, with the path of its file where it has none itself,
/// and without what parts frames and lines in a folded stack.
fn called(name: &str, file: Option<&Path>) -> String {
    let bare = without_generics(name).replace([';', '\n'], ":");
    let path = file.and_then(path_of).filter(|_| !bare.contains("::"));
    path.map_or(bare.clone(), |path| format!("{path}::{bare}"))
}

/// The path of a Rust file's functions, by custom: `restore/src/loose.rs` holds `restore::loose`, and what was fetched
/// lies in `zlib-rs-0.5.0/src`.
fn path_of(file: &Path) -> Option<String> {
    let (before, inside) = file.to_str()?.strip_suffix(".rs")?.rsplit_once("/src/")?;
    let package = before.rsplit('/').next()?;
    let version = package.rsplit_once('-').filter(|(_, after)| after.starts_with(|c: char| c.is_ascii_digit()));
    let package = version.map_or(package, |(name, _)| name).replace('-', "_");
    let inside = inside.strip_suffix("/mod").unwrap_or(inside);
    let inside = if matches!(inside, "lib" | "mod" | "main") { String::new() } else { inside.replace('/', "::") };
    Some(if inside.is_empty() { package } else { format!("{package}::{inside}") })
}

/// What the library does to call a closure and to catch a panic: many frames that tell nothing.
fn is_glue(name: &str) -> bool {
    let of = |path: &str, names: &[&str]| {
        name.strip_prefix(path).is_some_and(|rest| names.iter().any(|name| rest.ends_with(name)))
    };
    of("core::ops::function::", &["call_once", "call_mut", "call"])
        || of("core::panic::unwind_safe::", &["call_once"])
        || of("std::panicking::", &["catch_unwind", "do_call"])
        || of("std::panic::", &["catch_unwind"])
}

/// `a::<b>::c<d>` becomes `a::c`; `<a<b> as c>::d`, which names a type's own function, becomes `<a as c>::d`.
fn without_generics(name: &str) -> String {
    let mut bare = String::new();
    let mut inside = 0_u32;
    let mut before = ' ';
    for letter in name.chars() {
        let is_arrow = letter == '>' && before == '-';
        if letter == '<' && (inside > 0 || before.is_alphanumeric() || "_:}".contains(before)) {
            inside += 1;
            if inside == 1 && before == ':' {
                bare.truncate(bare.trim_end_matches(':').len());
            }
        } else if letter == '>' && inside > 0 && !is_arrow {
            inside -= 1;
        } else if inside == 0 {
            bare.push(letter);
        }
        before = letter;
    }
    bare
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measured::measured;
    use anyhow::Result;
    use technique::{Prepared, Times};

    #[test]
    fn the_kernels_table_is_read_and_searched() {
        let kernel = Symbols::of_the_kernel("ff00 T second\nfe00 t first [mod]\nfe80 d data\n").unwrap();
        assert_eq!(kernel.name(0xfdff), None);
        assert_eq!(kernel.name(0xfe90), Some("first"));
        assert_eq!(kernel.name(0xff00), Some("second"));
        assert_eq!(Symbols::of_the_kernel("0000000000000000 T hidden\n"), None);
    }

    #[test]
    fn a_chain_has_both_parts_outermost_first() {
        let kernel = Symbols::of_the_kernel("ffffffff81000000 T outer\nffffffff81000100 T inner\n");
        let mut names = Names { kernel, ..Names::here() };
        let here = measured as fn(&mut dyn Prepared, bool) -> Result<Times> as usize as u64;
        let chain = [KERNEL, 0xffff_ffff_8100_0110, 0xffff_ffff_8100_0010, USER, here];
        assert_eq!(names.stack(&chain, false), ["harness::measured::measured", "outer_[k]", "inner_[k]"]);
        assert_eq!(names.stack(&chain, true), ["[another program]", "outer_[k]", "inner_[k]"]);
    }

    #[test]
    fn names_are_short_and_cannot_break_a_folded_line() {
        for (name, bare) in [
            ("std::panicking::catch_unwind::<isize, a::{closure#0}>", "std::panicking::catch_unwind"),
            ("<a::Run<T, fn() -> u8> as b::Each<T>>::each", "<a::Run as b::Each>::each"),
            ("<[u8; 4]>::len", "<[u8: 4]>::len"),
            ("work", "restore::restore::work"),
            ("{closure#3}<a::b>", "restore::restore::{closure#3}"),
            ("harness::measured::measured", "harness::measured::measured"),
        ] {
            assert_eq!(called(name, Some(Path::new("/w/workloads/restore/src/restore.rs"))), bare);
        }
    }

    #[test]
    fn a_file_tells_the_path_of_its_functions() {
        for (file, path) in [
            ("/cargo/registry/src/x/zlib-rs-0.5.0/src/inflate/writer.rs", Some("zlib_rs::inflate::writer")),
            ("/rustc/1/library/core/src/ops/function.rs", Some("core::ops::function")),
            ("/w/workloads/restore/src/lib.rs", Some("restore")),
            ("/w/harness/src/flame/mod.rs", Some("harness::flame")),
            ("/w/zstd/lib/decompress.c", None),
        ] {
            assert_eq!(path_of(Path::new(file)).as_deref(), path);
        }
        assert!(is_glue("core::ops::function::FnOnce::call_once") && !is_glue("core::ops::function"));
    }

    #[test]
    fn maps_are_read() {
        let maps = parse_maps("7f00-7f80 r-xp 00001000 fe:00 12 /usr/lib/libc.so.6\n8-9 r 0 0 0\n");
        let libc = Map { first: 0x7f00, after: 0x7f80, offset: 0x1000, path: "/usr/lib/libc.so.6".to_owned() };
        assert_eq!(maps, [libc]);
    }
}
