//! `papyra inspector`: the inspector page, as a file or on this machine's own address.
//!
//! The page is one self-contained file, built into the binary by the feature `inspector`. Serving is for convenience:
//! a few lines of HTTP that know one answer and take nothing from a request.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::out::{Out, bytes, message};
use super::verdict::Verdict;
use crate::error::{Code, Error, Result, show};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Write the page to this file (`-` for standard output), to be opened in a browser
    #[arg(long, short, value_name = "FILE", required_unless_present = "open")]
    output: Option<PathBuf>,

    /// Serve the page on 127.0.0.1 until interrupted, and open it in the browser
    #[arg(long, conflicts_with = "output")]
    open: bool,

    /// The port to serve on; 0 takes a free one
    #[arg(long, default_value_t = 0, requires = "open")]
    port: u16,
}

#[cfg(feature = "inspector")]
const PAGE: Option<&[u8]> = Some(include_bytes!("../../../www/dist/papyra-inspector.html"));
#[cfg(not(feature = "inspector"))]
const PAGE: Option<&[u8]> = None;

/// A browser sends well under this much.
const LONGEST_REQUEST: u64 = 64 * 1024;
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn run(args: &Args, out: &mut Out) -> Result<Verdict> {
    let Some(page) = PAGE else {
        return Err(Error::new(
            Code::Config,
            "this papyra was built without the inspector page: in its source, run www/build.sh and then \
             cargo build --release --features inspector; or open www/dist/papyra-inspector.html in a browser",
        ));
    };
    match &args.output {
        Some(path) if path == Path::new("-") => {
            out.raw(page);
        }
        Some(path) => {
            write(path, page)?;
            out.success(&format!("wrote {} ({})", show(path), bytes(page.len() as u64)));
            out.info("open it in a browser, from disk or from any web server; it needs no network");
        }
        None => serve(page, args.port, out)?,
    }
    Ok(Verdict::Fine)
}

fn write(path: &Path, page: &[u8]) -> Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(|error| Error::cannot_create("write the page to", path, error))?;
    file.write_all(page).map_err(|error| Error::cannot_write("write the page to", path, error))
}

fn serve(page: &'static [u8], port: u16, out: &mut Out) -> Result<()> {
    let failed = |error: std::io::Error| {
        Error::new(Code::CannotCreate, format!("cannot serve on 127.0.0.1:{port}: {error}; try another --port"))
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(failed)?;
    let url = format!("http://{}/", listener.local_addr().map_err(failed)?);
    out.success(&format!("the inspector is at {url} until you press Ctrl-C"));
    out.flush();
    // An opener may take as long as its browser runs, and say only then that there was none.
    std::thread::spawn(move || open_browser(&url));
    for stream in listener.incoming().flatten() {
        // A browser opens connections that it does not use at once; one each keeps them apart.
        std::thread::spawn(move || answer(stream, page));
    }
    Ok(())
}

/// Reads a request's head and answers it. A client that goes away is nobody's loss.
fn answer(mut stream: TcpStream, page: &[u8]) -> Option<()> {
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    let mut reader = BufReader::new(Read::take(&stream, LONGEST_REQUEST));
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut line = String::new();
    while reader.read_line(&mut line).ok()? > 2 {
        line.clear();
    }
    let mut words = first.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let (status, body): (&str, &[u8]) = match (method, target.split('?').next()) {
        ("GET" | "HEAD", Some("/")) => ("200 OK", page),
        ("GET" | "HEAD", _) => ("404 Not Found", b"there is one page, at /\n"),
        _ => ("405 Method Not Allowed", b"nothing can be sent here\n"),
    };
    let kind = if status.starts_with("200") { "text/html" } else { "text/plain" };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    if method != "HEAD" {
        stream.write_all(body).ok()?;
    }
    Some(())
}

/// Starts the desktop's browser, and says so when there is none.
fn open_browser(url: &str) {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let mut command = Command::new(program);
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if !command.status().is_ok_and(|status| status.success()) {
        message("no browser could be started here: open the address yourself");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(request: &str) -> String {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let server = std::thread::spawn(move || answer(listener.accept().expect("a client").0, b"<!doctype html>page"));
        let mut client = TcpStream::connect(address).expect("the server");
        client.write_all(request.as_bytes()).expect("a request");
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("an answer");
        server.join().expect("no panic");
        answer
    }

    #[test]
    fn it_serves_one_page_and_takes_nothing() {
        let page = ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.ends_with("\r\n\r\n<!doctype html>page"));
        assert!(ask("HEAD /?x HTTP/1.1\r\n\r\n").ends_with("\r\n\r\n"));
        assert!(ask("GET /../etc/passwd HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404"));
        assert!(ask("POST / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405"));
    }
}
