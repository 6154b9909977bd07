//! `assay serve-s3`: an S3 server on a directory, for those who have none at hand, and for rows that need one.

use crate::cli::Said;
use crate::refusal::Refusal;
use crate::say::say;
use crate::signals;
use anyhow::Result;
use clap::Args;
use erasure::server::{self, KEYS};
use s3_server::Server;
use serde_json::{Value, json};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// What to serve.
#[derive(Args)]
pub struct ServeArgs {
    /// The directory: each directory in it is a bucket
    dir: PathBuf,
    /// The port at 127.0.0.1 [default: one that is free]
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// Make these buckets first, where they are not there
    #[arg(long, value_name = "NAME", num_args = 1..)]
    bucket: Vec<String>,
    /// Begin each answer so much later, such as 20ms: a network's latency, without a network
    #[arg(long, value_name = "TIME", value_parser = crate::pace::parse_duration)]
    latency: Option<Duration>,
}

/// Between two looks at whether somebody wants it to stop.
const LOOK: Duration = Duration::from_millis(50);

/// Serves until Ctrl-C.
pub fn serve(arguments: &ServeArgs) -> Result<Said> {
    let dir = &arguments.dir;
    if !dir.is_dir() {
        return Err(Refusal::usage(format!("{} is no directory", dir.display()), "make it, or name another"));
    }
    for bucket in &arguments.bucket {
        if !is_bucket(bucket) {
            let what = format!("{bucket:?} is no name for a bucket");
            return Err(Refusal::usage(what, "take 3 to 63 small letters, digits and hyphens"));
        }
        let path = dir.join(bucket);
        if !path.is_dir() {
            std::fs::create_dir(&path)
                .map_err(|error| Refusal::unfit(format!("{}: {error}", path.display()), "name another directory"))?;
        }
    }
    let (access, secret) = keys();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port));
    let server = Server::start(dir, address, (&access, &secret), arguments.latency.unwrap_or_default())
        .map_err(|error| Refusal::unfit(format!("{error:#}"), "choose another --port"))?;
    signals::listen_saying("\nstopping\n")?;
    let endpoint = server.endpoint();
    say(&format!("{} is served at {endpoint} until Ctrl-C; in another shell:", dir.display()));
    // It is an answer that a shell can read, and it is wanted now, not when all is over.
    let mut out = std::io::stdout();
    writeln!(
        out,
        "export AWS_ENDPOINT_URL={endpoint} AWS_ACCESS_KEY_ID={access} AWS_SECRET_ACCESS_KEY={secret} \
         AWS_REGION=us-east-1"
    )
    .and_then(|()| out.flush())
    .map_err(|error| Refusal::unfit(format!("cannot tell the address: {error}"), "give it an output"))?;
    while !signals::asked_to_stop() {
        std::thread::sleep(LOOK);
    }
    drop(server);
    Ok(Said::fine("assay.serve-s3/1", String::new(), json!({"served": endpoint})))
}

/// Serves a row of `erasure`, which started this process and has the other end of its input.
pub fn serve_row() -> Result<Said> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    server::serve(
        |errand| Server::start(&errand.root, address, KEYS, errand.delay),
        |server| (server.endpoint(), server.requests()),
    )?;
    Ok(Said::fine("assay.serve-row-s3/1", String::new(), Value::Null))
}

/// Who may ask: as the environment says, so that server and clients in one shell agree.
fn keys() -> (String, String) {
    let of = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    match (of("AWS_ACCESS_KEY_ID"), of("AWS_SECRET_ACCESS_KEY")) {
        (Some(access), Some(secret)) => (access, secret),
        _ => (KEYS.0.to_owned(), KEYS.1.to_owned()),
    }
}

fn is_bucket(name: &str) -> bool {
    let letters = name.bytes().all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || one == b'-');
    (3..=63).contains(&name.len()) && letters && !name.starts_with('-') && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_buckets() {
        assert!(is_bucket("t00") && is_bucket("my-shards"));
        for name in ["", "ab", "A-Bucket", "../up", "-a-b", "a/b", &"x".repeat(64)] {
            assert!(!is_bucket(name), "{name}");
        }
    }
}
