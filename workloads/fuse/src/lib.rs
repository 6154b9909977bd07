//! Where does a 4 KiB create spend its time, when a program in user space is the file system?
//!
//! The document blames its block layer. Between a client and that layer stand the kernel, a queue, and two switches
//! between processes for each request; so here is one server (the crate `fuser`), every trick that spares a request or
//! a copy is a knob of it, and every row of `blocks` may be its store. The server is a process of its own, as every
//! file system in user space is. It tells how often it was asked for what, which is a count (`requests.*`), and how it
//! spent its time, which is taken out of the client's waiting: what is left in `create`, `write` and `close` is the
//! kernel and the way there and back.
//!
//! What a trick costs in meaning is a promise that its row does not make (`promised`). A second transport
//! (`rings`) brings the same requests by memory that is shared with the kernel, a ring for each processor; a third
//! (`bare`) reads and answers the device by hand, to see what the library between costs.
//!
//! Where server and client run decides more than any trick: on one processor, on two, or where the scheduler puts
//! them. Rows are pinned to one, and say so where they are not. `fuse-trip` asks what one round trip costs, and each
//! row's counts say what it cost in that very mount (`round_trip_ns`).
//!
//! Mounts are hidden from all others by a mount name space, and gone when the last process in it is, however it ended.

mod agreed;
mod answer;
mod backing;
mod bare;
mod bounded;
mod connection;
mod core;
mod driver;
#[cfg(test)]
mod fake_kernel;
mod filesystem;
mod follow;
mod job;
mod knobs;
mod native;
mod nodes;
mod numbered;
mod pages;
mod passed;
mod peers;
mod place;
mod promised;
mod rings;
mod serve;
mod server;
mod settings;
mod stack;
mod tables;
mod vectors;
mod watch;
mod wire;

pub use connection::cut;
pub use driver::{Plan, ask, open_root};
pub use job::{Does, Job, Where};
pub use knobs::{Data, Held, Knobs, LEAN, LEAST, NO_FLUSH, NO_PROBE, PLAIN, Place, Privileges, Transport};
pub use native::{Native, NativeMount};
pub use peers::{Peer, PeerMount};
pub use rings::{SWITCH, Switched, left_on, switch_back, switch_on};
pub use serve::{SOURCE, serve};
pub use server::{COMMAND, Server, possible};
pub use stack::Stack;
pub use tables::{CREATE, READ_BACK, TRIP, WRITE_1M, WRITE_4K};
pub use watch::Told;
