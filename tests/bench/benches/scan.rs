//! The scanner beside other readers of JSON, each at its best, on one thread unless said otherwise, over logs in
//! memory.
//!
//! `cargo bench -p papyra-bench [-- MEGABYTES] [LOG…]`; without a log, five shapes of them are made here. All take
//! turns in each of the rounds, so that a slow moment of the machine hits everybody; the ratios are what counts.
//! simdjson takes part where a C++ compiler (`$CXX` or `c++`) finds its headers.
#![allow(missing_docs)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use memchr::{memchr, memrchr};
use papyra_core::fuzz::logs::{self, Shape};
use papyra_core::scan::Scanner;
use papyra_core::summary::Summary;
use serde::de::IgnoredAny;

const ROUNDS: usize = 9;
const CHUNK: usize = 1 << 20;
const SERDE: &str = "serde_json, skipping";
const SIMDJSON: &str = "simdjson, DOM";
const SIMDJSON_AVX2: &str = "simdjson, DOM on AVX2";
const PAPYRA: &str = "papyra";
const PAPYRA_TWO: &str = "papyra, two threads";
const PAPYRA_AVX2: &str = "papyra on AVX2";

/// Reads a log; returns the time that it took, or why it has none to show.
type Reader<'a> = Box<dyn FnMut(&[u8]) -> Result<Duration, String> + 'a>;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let megabytes = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(64);
    let paths: Vec<&String> = arguments.iter().filter(|argument| argument.parse::<usize>().is_err()).collect();
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let simdjson = compile(&folder);
    println!("{}", processor());
    if let Err(why) = &simdjson {
        println!("without simdjson: {why}");
    }
    println!("MB/s, and as a multiple of others' in the same round: medians of {ROUNDS} rounds\n");
    if paths.is_empty() {
        for shape in Shape::ALL {
            let log = logs::log(shape, megabytes * 1_000_000);
            let path = folder.join("measured.ndjson");
            std::fs::write(&path, &log).expect("the log can be written beside the build");
            measure(shape.name(), &log, &path, simdjson.as_deref().ok());
        }
    }
    for path in paths {
        let log = std::fs::read(path).expect("the log can be read");
        measure(path, &log, Path::new(path), simdjson.as_deref().ok());
    }
}

fn measure(name: &str, log: &[u8], path: &Path, simdjson: Option<&Path>) {
    let mut readers: Vec<(&str, Reader<'_>)> = vec![
        (PAPYRA, Box::new(|log| timed(|| scan(log, Scanner::new)))),
        (PAPYRA_AVX2, Box::new(|log| timed(|| scan(log, Scanner::plain)))),
        (PAPYRA_TWO, Box::new(|log| timed(|| scan_in_two(log)))),
        (SERDE, Box::new(|log| timed(|| lines(log, |line| serde_json::from_slice::<IgnoredAny>(line).is_ok())))),
        (
            "sonic-rs, skipping",
            Box::new(|log| timed(|| lines(log, |line| sonic_rs::from_slice::<sonic_rs::LazyValue<'_>>(line).is_ok()))),
        ),
        ("simd-json, tape", Box::new(simd_json)),
    ];
    if let Some(program) = simdjson {
        for (name, implementation) in [(SIMDJSON, None), (SIMDJSON_AVX2, Some("haswell"))] {
            let mut peer = Peer::start(program, path, implementation);
            readers.push((name, Box::new(move |_| peer.round())));
        }
    }
    let mut times: BTreeMap<&str, Vec<Result<Duration, String>>> = BTreeMap::new();
    for _ in 0..ROUNDS {
        for (name, reader) in &mut readers {
            times.entry(name).or_default().push(reader(black_box(log)));
        }
    }
    // In seconds, of each round; `None` where one failed.
    let seconds = |name: &str| -> Option<Vec<f64>> {
        times.get(name)?.iter().map(|time| Some(time.as_ref().ok()?.as_secs_f64())).collect()
    };
    let ratio = |name: &str, to: &str| {
        Some(median(seconds(to)?.into_iter().zip(seconds(name)?).map(|(theirs, own)| theirs / own).collect()))
    };
    println!("{name}, {} MB", log.len() / 1_000_000);
    for (name, _) in &readers {
        let Some(taken) = seconds(name) else {
            let why = times[name].iter().find_map(|time| time.clone().err()).unwrap_or_default();
            println!("  {name:<22}      -  {why}");
            continue;
        };
        let speed = log.len() as f64 / 1e6 / median(taken);
        let beside = |to, what| ratio(name, to).map_or(String::new(), |ratio| format!("  {ratio:>5.2} {what}"));
        println!("  {name:<22} {speed:>6.0}{}{}", beside(SERDE, "serde_json"), beside(SIMDJSON, "simdjson"));
    }
    if let Some(ratio) = ratio(PAPYRA_AVX2, SIMDJSON_AVX2) {
        println!("  on AVX2 alone it is {ratio:.2} times simdjson there");
    }
    if let Some(ratio) = ratio(PAPYRA_TWO, PAPYRA) {
        println!("  two threads are {ratio:.2} times one\n");
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn timed<T>(work: impl FnOnce() -> T) -> Result<Duration, String> {
    let begun = Instant::now();
    black_box(work());
    Ok(begun.elapsed())
}

fn scan(log: &[u8], scanner: fn(u64, usize) -> Scanner) -> Summary {
    let mut scanner = scanner(0, Scanner::MAX_FINDINGS);
    for chunk in log.chunks(CHUNK) {
        _ = scanner.push(chunk, &mut ());
    }
    let summary = scanner.finish(&mut ());
    assert!(summary.records.total() > 0);
    summary
}

/// As the command does: two stretches at once, and their summaries merged.
fn scan_in_two(log: &[u8]) -> Summary {
    let (first, second) = log.split_at(memrchr(b'\n', &log[..log.len() / 2]).map_or(0, |at| at + 1));
    std::thread::scope(|threads| {
        let second = threads.spawn(|| scan(second, Scanner::new));
        let mut summary = scan(first, Scanner::new);
        summary.merge(second.join().expect("the scan does not panic"), Scanner::MAX_FINDINGS);
        summary
    })
}

fn lines(mut log: &[u8], is_value: impl Fn(&[u8]) -> bool) -> u64 {
    let mut values = 0;
    while !log.is_empty() {
        let (line, rest) = log.split_at(memchr(b'\n', log).map_or(log.len(), |at| at + 1));
        values += u64::from(is_value(line.strip_suffix(b"\n").unwrap_or(line)));
        log = rest;
    }
    values
}

/// It parses in place: the copy is not counted.
fn simd_json(log: &[u8]) -> Result<Duration, String> {
    let (mut copy, mut buffers) = (log.to_vec(), simd_json::Buffers::default());
    let mut rest = copy.as_mut_slice();
    let mut tape = simd_json::Tape::null();
    let begun = Instant::now();
    while !rest.is_empty() {
        let end = memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        let (line, after) = rest.split_at_mut(end);
        let mut reused = tape.reset();
        _ = black_box(simd_json::fill_tape(line, &mut buffers, &mut reused));
        tape = reused.reset();
        rest = after;
    }
    Ok(begun.elapsed())
}

/// simdjson in a process of its own, so that nothing here is unsafe.
struct Peer {
    child: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Peer {
    /// `implementation` instead of the best one for the processor.
    fn start(program: &Path, log: &Path, implementation: Option<&str>) -> Peer {
        let mut child = Command::new(program)
            .arg(log)
            .envs(implementation.map(|name| ("SIMDJSON_FORCE_IMPLEMENTATION", name)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("what was just compiled can be run");
        let mut answers = BufReader::new(child.stdout.take().expect("it is piped"));
        answers.read_line(&mut String::new()).expect("it names its implementation");
        Peer { child, answers }
    }

    fn round(&mut self) -> Result<Duration, String> {
        let mut answer = String::new();
        let asked = self.child.stdin.as_mut().expect("it is piped").write_all(b"\n");
        asked.and_then(|()| self.answers.read_line(&mut answer)).map_err(|error| error.to_string())?;
        match answer.split_whitespace().collect::<Vec<_>>()[..] {
            [nanoseconds, _, "1"] => Ok(Duration::from_nanos(nanoseconds.parse().expect("a number"))),
            [_, documents, _] => Err(format!("stopped after {documents} records")),
            _ => Err("it ended".into()),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        _ = self.child.wait();
    }
}

fn compile(folder: &Path) -> Result<PathBuf, String> {
    let program = folder.join("simdjson");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/simdjson.cpp");
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".into());
    let output = Command::new(&compiler)
        .args(["-O3", "-march=native", "-std=c++17", "-o"])
        .args([&program, &source])
        .arg("-lsimdjson")
        .output()
        .map_err(|error| format!("{compiler}: {error}"))?;
    match output.status.success() {
        true => Ok(program),
        false => Err(format!(
            "{compiler}: {}",
            String::from_utf8_lossy(&output.stderr).lines().find(|line| line.contains("error")).unwrap_or_default()
        )),
    }
}

/// The processor's name and what it has of the vector instructions that are of use here.
fn processor() -> String {
    let about = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let value =
        |name: &str| about.lines().find_map(|line| line.strip_prefix(name)?.split_once(": ")).map(|(_, value)| value);
    let features: Vec<&str> = value("flags").unwrap_or_default().split(' ').collect();
    let wanted = ["sse4_2", "avx2", "bmi2", "pclmulqdq", "avx512bw", "avx512_vbmi2"];
    let found: Vec<&str> = wanted.into_iter().filter(|feature| features.contains(feature)).collect();
    format!(
        "{}, {} cores, {}",
        value("model name").unwrap_or("unknown processor"),
        std::thread::available_parallelism().map_or(1, usize::from),
        found.join(" ")
    )
}
