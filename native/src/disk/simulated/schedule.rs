//! Schedules: how one is set up, run and judged, and how one that fails is made shorter.

use std::ffi::OsStr;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::io::Errno;

use super::books::{FOLDER, LOG, leftovers};
use super::chance::Chance;
use super::file_system::{FileSystem, Lie, Process, ROOT, Settings};
use super::ours::{self, Exit, Verb};
use super::world::{
    Ended, Figures, Likely, Ran, Scheduler, begin, books, end, fail, failed, finish_others, in_thousand, list,
    new_service, others_alive, pick, power_cut, run_ours, say, seeks_late_bytes, seeks_rotations, set_meddler,
    set_second, spawn, step, world,
};
use super::writers::{self, Setup, Style};
use super::{install, remove, with};
use crate::disk::fault::Fault;

/// What a test breaks, to see that it is found.
#[derive(Debug, Clone, Copy)]
pub(super) enum Broken {
    /// A promise of the disk's.
    Disk(Lie),
    /// A safeguard of ours.
    Safeguard(Fault),
}

/// What is tried.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Trial {
    pub(super) broken: Option<Broken>,
    /// Schedules are such as would show that this is missing.
    pub(super) sought: Option<Fault>,
}

impl Trial {
    pub(super) fn of(broken: Broken) -> Trial {
        let sought = if let Broken::Safeguard(fault) = broken { Some(fault) } else { None };
        Trial { broken: Some(broken), sought }
    }
}

/// One schedule, from these choices. With `listen` it is told step by step.
pub(super) fn run(chance: Chance, trial: Trial, listen: bool) -> Ended {
    let Trial { broken, sought } = trial;
    let lie = if let Some(Broken::Disk(lie)) = broken { Some(lie) } else { None };
    Fault::put_back(if let Some(Broken::Safeguard(fault)) = broken { Some(fault) } else { None });
    install(FileSystem::new(Settings { lie, ..Settings::default() }), Some(Rc::new(Scheduler)));
    begin(chance, listen);
    // Some are such as would show one safeguard or another to be missing, whatever is tried. What rotations do within
    // the few microseconds between two calls of ours, twice in a row, with a kill or a power cut between them, is
    // known: a record may come out of order. It is not sought.
    let some = || Some(Fault::ALL[pick(Fault::ALL.len())]).filter(|fault| !seeks_rotations(*fault));
    Fault::seek(sought.or_else(|| if pick(8) == 7 { some() } else { None }));
    if let Err(payload) = catch_unwind(schedule) {
        let text = payload.downcast_ref::<String>().cloned();
        fail(format!("a panic: {}", text.unwrap_or_default()));
    }
    let ended = end();
    remove();
    Fault::put_back(None);
    ended
}

fn root() -> Process {
    Process { number: 0, user: 0 }
}

fn schedule() {
    // What is usual has the small numbers.
    let leases = match pick(10) {
        8 => Err(Errno::INVAL),
        9 => Err(Errno::ACCESS),
        _ => Ok(()),
    };
    let mut exchange = pick(12) < 11;
    // A schedule in which a fault cannot show need not be tried.
    exchange &= !Fault::ReplacesBesideWriters.is_sought();
    let settings = Settings {
        block: 512,
        leases,
        exchange,
        no_replace: exchange || pick(2) == 0,
        links: pick(12) < 11,
        room: u64::MAX,
        journal: pick(2) == 0 || Fault::BackupAmongRenames.is_sought(),
        lie: with(|fs| fs.settings.lie),
        ..Settings::default()
    };
    let is_late = seeks_late_bytes();
    let rotates = pick(2) == 1 && !is_late
        || Fault::sought().is_some_and(seeks_rotations)
        || Fault::BackupAmongRenames.is_sought();
    let rotation = rotates.then(|| (3 + pick(2) as u32, 250 + 50 * pick(10) as u64));
    let settings = Settings { files: rotation.map_or(1, |(files, _)| files), ..settings };
    let setup = Setup { rotation };
    let guarded = leases.is_ok() && exchange;
    // The service has a user of its own, and root comes to help.
    let service = if pick(6) == 5 { 1000 } else { 0 };
    world(|world| world.service = service);
    say(|| format!("{settings:?}\n{setup:?}\nuser {service}"));
    with(|fs| {
        fs.settings = settings;
        for name in [&FOLDER[1..], "elsewhere"] {
            fs.make_folder(Process { number: 0, user: service }, ROOT, OsStr::new(name), 0o755).expect("a folder");
        }
        fs.sync_all();
    });
    let plain = pick(12);
    if plain == 10 {
        with(|fs| {
            let folder = fs.walk(root(), Path::new(FOLDER), true).expect("the folder");
            fs.make_link(folder, OsStr::new(LOG), OsStr::new("/elsewhere/real"));
        });
    }
    let members = rotation.map_or(1, |(files, _)| 1 + pick(files as usize - 1));
    for index in (0..members).rev() {
        writers::old_log(index as u32, 5);
    }
    if plain == 11 {
        with(|fs| {
            let folder = fs.walk(root(), Path::new(FOLDER), true).expect("the folder");
            let elsewhere = fs.walk(root(), Path::new("/elsewhere"), true).expect("the folder");
            // Where there are no links, there is none.
            _ = fs.link(root(), (folder, OsStr::new(LOG)), (elsewhere, OsStr::new("another-name")));
        });
    }
    if pick(4) < 3 {
        with(FileSystem::sync_all);
        books(|books, fs| books.synced(fs));
    }
    if in_thousand(60) {
        with(|fs| {
            let room = 512 * (1 + pick(12) as u64);
            fs.limit(room);
        });
    }
    for _ in 0..1 + pick(3) {
        phase(setup, guarded);
        if failed() {
            return;
        }
    }
    world(|world| world.likely = Likely::default());
    finish_others();
    with(|fs| fs.settings.room = u64::MAX);
    settle(setup, guarded);
}

fn phase(setup: Setup, guarded: bool) {
    // Where there is no guarantee, we run at rest alone: what is told then is true.
    // Papyra compacts a set under a lock of its process: no other writer is at work then.
    // It doubles and loses records by itself where names reach the disk in another order.
    if let Some((files, most)) = setup.rotation
        && with(|fs| fs.settings.journal)
        && (pick(12) == 11 || Fault::BackupAmongRenames.is_sought())
        // What it writes of a file that is there twice is there twice for ever.
        && !books(|books, fs| books.is_doubled(fs))
    {
        finish_others();
        let process = new_service();
        spawn(process, writers::set_rewriter(process, files, most));
    }
    let is_late = seeks_late_bytes();
    let is_locked = others_alive() && setup.rotation.is_some();
    let writers = match is_locked {
        true => 0,
        false if is_late => 3,
        false => pick(4),
    };
    for _ in 0..writers {
        let process = new_service();
        let count = 1 + pick(4);
        let mut what = pick(16);
        if what < 8 && (Fault::LateUnchecked.is_sought() || Fault::OverwritesUnchecked.is_sought()) {
            what = 14;
        }
        match what {
            10 | 11 => spawn(process, writers::writer(process, setup, Style::Slow, count)),
            12 => spawn(process, writers::writer(process, setup, Style::Holding, count)),
            13 => spawn(process, writers::copy_and_truncate(process)),
            14 => spawn(process, writers::editor(process)),
            // Papyra does this under a lock of its process, too: one at a time.
            15 if setup.rotation.is_none() && !others_alive() => {
                let suffix = [".compact.tmp", ".recovered.tmp"][pick(2)];
                spawn(process, writers::rewriter(process, suffix));
            }
            _ => spawn(process, writers::writer(process, setup, Style::Whole, count)),
        }
    }
    let most = if Fault::BackupAmongRenames.is_sought() { 80 } else { 12 };
    for _ in 0..pick(most) {
        step();
    }
    let at_rest = !guarded && pick(2) == 1;
    if at_rest {
        finish_others();
    }
    let often = [0, 100, 300, 900][pick(4)];
    let deadly = if is_late { 60 } else { [0, 20, 60][pick(3)] };
    world(|world| {
        world.likely = Likely { steps: often, kill: deadly, power: deadly / 2, fail: 0, second: 3 };
    });
    if pick(5) == 4 {
        world(|world| world.likely.fail = 30);
    }
    set_second(Some(Rc::new(move || {
        ours(setup, Verb::Repair { at_rest: false });
    })));
    if Fault::sought().is_some_and(seeks_rotations) && guarded && !is_locked {
        set_meddler(Rc::new(move || {
            let process = new_service();
            spawn(process, writers::writer(process, setup, Style::Whole, 1));
            process
        }));
    }
    let mut what = pick(9);
    if Fault::OriginalNotSynced.is_sought() || Fault::ParentsNotSynced.is_sought() {
        what = 5;
    }
    if is_late {
        what = 0;
    }
    if Fault::BackupNotSynced.is_sought() || Fault::BackupAmongRenames.is_sought() {
        what = 8;
    }
    let verb = match what {
        5 => Verb::Quarantine { at_rest },
        6 => Verb::StartupCheck,
        7 => Verb::Compact { keep: 1 + pick(8), at_rest },
        8 => Verb::Backup { number: world(|world| world.figures.runs) },
        _ => Verb::Repair { at_rest },
    };
    ours(setup, verb);
    set_second(None);
    if failed() {
        return;
    }
    match pick(8) {
        6 => power_cut(),
        7 if !others_alive() => writers::copy_folder(),
        _ => {}
    }
}

/// One run of ours.
fn ours(setup: Setup, verb: Verb) -> Option<Exit> {
    say(|| format!("{verb:?}"));
    let (before, failed_before) = world(|world| (world.others_time, world.figures.failed_calls));
    if let Verb::Compact { keep, .. } = verb {
        books(|books, fs| books.compact(fs, Some(keep)));
    }
    books(|books, fs| books.begin(fs));
    if let Verb::Backup { .. } = verb {
        books(|books, fs| books.pin(fs));
    }
    let log = PathBuf::from(FOLDER).join(LOG);
    let ran = run_ours(|| ours::run(&log, setup.rotation.map(|(files, _)| files), verb));
    books(|books, _| books.ended());
    if let Verb::Compact { .. } = verb {
        books(|books, fs| books.compact(fs, None));
    }
    let Ran::Ended(exit) = ran else { return None };
    say(|| format!("    {exit:?}"));
    say(|| with(|fs| list(fs)));
    match verb {
        Verb::Backup { number } if exit.code == 0 => {
            world(|world| world.figures.backups += 1);
            if let Err(text) = books(|books, fs| books.backed_up(fs, &ours::backup_name(number))) {
                fail(text);
                return Some(exit);
            }
        }
        Verb::Repair { .. } | Verb::Quarantine { .. } | Verb::Compact { .. } if exit.code == 0 => {
            books(|books, fs| books.all_is_well(fs));
        }
        _ => {}
    }
    // Whatever the others do meanwhile is a reason to try again, never an error of the disk's.
    let is_sound = failed_before == world(|world| world.figures.failed_calls)
        && with(|fs| {
            fs.settings.leases.is_ok() && fs.settings.exchange && fs.settings.links && fs.settings.room == u64::MAX
        });
    if is_sound && matches!(exit.code, 73 | 74) {
        fail(format!("an error of a disk that is sound, {}, {}", exit.code, exit.said.replace(':', " -")));
        return Some(exit);
    }
    let alone = before == world(|world| world.others_time);
    if alone {
        books(|books, fs| books.promised(fs, &exit.repaired));
    }
    Some(exit)
}

/// As an operator does: recover until it is done.
fn settle(setup: Setup, guarded: bool) {
    if failed() {
        return;
    }
    say(|| "everybody has finished:".to_owned());
    say(|| with(|fs| list(fs)));
    let mut last = None;
    for _ in 0..4 {
        let Some(exit) = ours(setup, Verb::Repair { at_rest: !guarded }) else { return };
        let code = exit.code;
        last = Some(exit);
        if failed() || matches!(code, 0 | 3) {
            break;
        }
    }
    let Some(exit) = last else { return };
    if failed() {
        return;
    }
    // A history that holds nothing at all cannot be recovered.
    if !matches!(exit.code, 0 | 3 | 65 | 66) {
        fail(format!("recover ends with an error, though nobody is at work: {} {}", exit.code, exit.said));
        return;
    }
    let clean = exit.code == 0;
    if let Err(text) = books(|books, fs| books.backups_stay(fs).and_then(|()| books.judge(fs, clean))) {
        fail(format!("{text} (exit {})", exit.code));
        return;
    }
    let service = world(|world| world.service);
    if let Err(text) = books(|books, fs| books.belongs_to(fs, service))
        && clean
    {
        fail(text);
        return;
    }
    let hidden = with(|fs| leftovers(fs));
    if clean && !hidden.is_empty() {
        fail(format!("left behind: {hidden:?}"));
    }
    world(|world| world.figures.clean += u64::from(clean));
}

/// Makes the choices of a schedule that fails fewer and smaller for as long as it fails.
fn shorten(drawn: Vec<u32>, failure: &str, mut most: usize, trial: Trial) -> Vec<u32> {
    let wanted = kind(failure);
    let mut best = drawn;
    let mut tries = |script: &[u32]| -> Option<Vec<u32>> {
        most = most.checked_sub(1)?;
        let ended = run(Chance::of_script(script.to_vec()), trial, false);
        ended.failure.filter(|failure| kind(failure) == wanted).map(|_| {
            let mut drawn = ended.drawn;
            let used = drawn.iter().rposition(|choice| *choice != 0).map_or(0, |at| at + 1);
            drawn.truncate(used);
            drawn
        })
    };
    let smaller = |one: &[u32], other: &[u32]| (one.len(), one) < (other.len(), other);
    let mut width = best.len().max(1);
    while width > 0 {
        let mut at = 0;
        let mut gained = false;
        while at < best.len() {
            let end = (at + width).min(best.len());
            let mut without = best.clone();
            without.drain(at..end);
            let mut zeroed = best.clone();
            zeroed[at..end].fill(0);
            let found = [without, zeroed].into_iter().find_map(|script| {
                let found = tries(&script)?;
                smaller(&found, &best).then_some(found)
            });
            match found {
                Some(found) => (best, gained) = (found, true),
                None => at += width,
            }
        }
        if !gained || width > 1 {
            width /= 2;
        }
    }
    best
}

/// What went wrong, without its numbers.
pub(super) fn kind(failure: &str) -> String {
    let (call, what) = match failure.strip_prefix("after ").and_then(|rest| rest.split_once(": ")) {
        Some((call, what)) => (call.split(' ').next().unwrap_or_default(), what),
        None => ("the end", failure),
    };
    let words = what.split([':', '(', '[', '"']).next().unwrap_or_default();
    let words = words.split(' ').filter(|word| !word.chars().any(|c| c.is_ascii_digit()));
    format!("{call}: {}", words.collect::<Vec<_>>().join(" "))
}

/// A schedule that fails, told step by step.
pub(super) fn tell(seed: u64, trial: Trial) -> Option<String> {
    let ended = run(Chance::of_seed(seed), trial, false);
    let failure = ended.failure?;
    let short = shorten(ended.drawn, &failure, 4_000, trial);
    let told = run(Chance::of_script(short), trial, true);
    Some(format!("seed {seed}: {}\n{}", told.failure.unwrap_or_default(), told.trace.join("\n")))
}

impl Figures {
    pub(super) fn add(&mut self, other: &Figures) {
        self.schedules += other.schedules;
        self.runs += other.runs;
        self.calls += other.calls;
        self.kills += other.kills;
        self.power_cuts += other.power_cuts;
        self.failed_calls += other.failed_calls;
        self.steps += other.steps;
        self.records += other.records;
        self.backups += other.backups;
        self.clean += other.clean;
    }
}
