//! Schedules by the thousand.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::chance::Chance;
use super::file_system::Lie;
use super::schedule::{Broken, Trial, kind, run, tell};
use super::world::Figures;
use crate::disk::fault::Fault;

/// How often something went wrong, and the first seed that shows it.
type Wrong = BTreeMap<String, (u64, u64)>;

/// Runs seeds from `first` on, on all cores.
fn run_many(first: u64, most: u64, time: Duration, trial: Trial) -> (Figures, Wrong) {
    let next = AtomicU64::new(first);
    let all = Mutex::new((Figures::default(), Wrong::new()));
    let begun = Instant::now();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                let mut figures = Figures::default();
                while begun.elapsed() < time {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first.saturating_add(most) {
                        break;
                    }
                    let ended = run(Chance::of_seed(seed), trial, false);
                    figures.add(&ended.figures);
                    // What goes wrong when nothing is broken says nothing of what is.
                    let whole = Trial { broken: None, ..trial };
                    let is_news =
                        || trial.broken.is_none() || run(Chance::of_seed(seed), whole, false).failure.is_none();
                    if let Some(failure) = ended.failure
                        && is_news()
                    {
                        if trial.broken.is_some() {
                            next.store(u64::MAX - 100, Ordering::Relaxed);
                        }
                        let mut all = all.lock().expect("not poisoned");
                        let (count, known) = all.1.entry(kind(&failure)).or_insert((0, seed));
                        *count += 1;
                        *known = seed.min(*known);
                    }
                }
                all.lock().expect("not poisoned").0.add(&figures);
            });
        }
    });
    all.into_inner().expect("not poisoned")
}

/// The safeguard that `PAPYRA_SIM_SOUGHT` names: schedules are such as would show it to be missing, though it is there.
fn sought() -> Option<Fault> {
    let name = std::env::var("PAPYRA_SIM_SOUGHT").ok()?;
    Some(*Fault::ALL.iter().find(|fault| format!("{fault:?}") == name).expect("the name of a safeguard"))
}

/// `PAPYRA_SIM_SECONDS` says how long, `PAPYRA_SIM_SEED` where to begin.
#[test]
fn whatever_happens_no_record_is_lost_doubled_or_moved() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let first = number("PAPYRA_SIM_SEED").unwrap_or(1);
    let (most, time) = match number("PAPYRA_SIM_SECONDS") {
        Some(seconds) => (u64::MAX, Duration::from_secs(seconds)),
        None => (5_000, Duration::from_secs(3600)),
    };
    let trial = Trial { sought: sought(), ..Trial::default() };
    let begun = Instant::now();
    let (figures, wrong) = run_many(first, most, time, trial);
    let rate = figures.schedules as f64 / begun.elapsed().as_secs_f64();
    println!("{rate:.0} schedules a second: {figures:?}");
    for (kind, (count, seed)) in &wrong {
        println!("{count:7} times, first with seed {seed}: {kind}");
    }
    if let Some(seed) = wrong.values().map(|(_, seed)| *seed).min() {
        panic!("{}", tell(seed, trial).unwrap_or_else(|| format!("seed {seed} failed once, and then no more")));
    }
}

/// `PAPYRA_SIM_TELL` names a seed: its schedule is printed, shortened.
#[test]
fn a_schedule_is_told_by_seed() {
    if let Ok(seed) = std::env::var("PAPYRA_SIM_TELL") {
        let trial = Trial { sought: sought(), ..Trial::default() };
        for seed in seed.split(',') {
            let told = tell(seed.parse().expect("a number"), trial);
            println!("{}", told.unwrap_or_else(|| format!("nothing goes wrong with seed {seed}")));
        }
    }
}

/// The simulation is worth something only if it finds what is wrong: here one safeguard of ours is left out, or the
/// disk breaks one promise, at a time. The table says after how many schedules that was found, and by what. Those that
/// show early are tried in every run; `PAPYRA_SIM_TABLE=1` tries all, for minutes each where they are rare, and
/// `PAPYRA_SIM_TABLE=NAME,NAME` these.
#[test]
fn whatever_is_broken_is_found() {
    let table = std::env::var("PAPYRA_SIM_TABLE").ok();
    let all = table.is_some();
    let faults: Vec<Fault> = match table.as_deref() {
        None => Fault::SHOW_EARLY.to_vec(),
        Some("1") => Fault::ALL.to_vec(),
        Some(names) => Fault::ALL.iter().copied().filter(|fault| names.contains(&format!("{fault:?}"))).collect(),
    };
    let most = if all { 200_000 } else { 20_000 };
    let faults = faults.into_iter().map(Broken::Safeguard);
    let mut missed = Vec::new();
    for broken in faults.chain(Lie::ALL.map(Broken::Disk)) {
        let (figures, wrong) = run_many(1, most, Duration::from_secs(3600), Trial::of(broken));
        match wrong.iter().min_by_key(|(_, (_, seed))| *seed) {
            Some((what, (_, seed))) => println!("{broken:?}: found after {seed} schedules: {what}"),
            None => {
                println!("{broken:?}: NOT FOUND in {} schedules", figures.schedules);
                missed.push(broken);
            }
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}
