//! The world of one schedule: who is at work beside us, what happens at each of our calls, and what was said.
//!
//! We are real code on this thread; before each of our calls the others may go some steps on, the call may fail or be
//! cut short, we may be killed, the power may go, a second papyra may run. The others are futures that are polled once
//! for each of their calls.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rustix::io::Errno;

use super::books::Books;
use super::chance::Chance;
use super::file_system::{FileSystem, Process};
use super::{Call, Order, Watch, run_as, with};
use crate::disk::fault::Fault;

/// How likely things are at each of our calls, in thousandths.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Likely {
    pub(super) steps: u32,
    pub(super) kill: u32,
    pub(super) power: u32,
    pub(super) fail: u32,
    pub(super) second: u32,
}

/// Somebody else.
struct Other {
    process: Process,
    work: Option<Pin<Box<dyn Future<Output = ()>>>>,
    /// It is in the middle of a call of the kernel, which is over by then.
    until: Option<i64>,
}

/// The longest that `open` takes from following the path to opening the file, in nanoseconds: a kernel may be stopped
/// there, but not for long.
pub(super) const OPENING: i64 = 5_000_000;

/// The longest that Papyra takes from its temporaries' last byte to their last rename.
pub(super) const RENAMING: i64 = 400_000_000;

pub(super) struct World {
    pub(super) chance: Chance,
    pub(super) books: Books,
    pub(super) likely: Likely,
    others: Vec<Other>,
    /// The processes of ours that are alive.
    ours: Vec<u32>,
    next_process: u32,
    /// The user whose log it is; we are root.
    pub(super) service: u32,
    /// Counts every step of everybody.
    pub(super) time: u64,
    /// Counts the steps of the others.
    pub(super) others_time: u64,
    trace: Option<Vec<String>>,
    pub(super) failure: Option<String>,
    /// The call under way is the last one of its process.
    dies: Option<Death>,
    /// See [`set_meddler`].
    meddler: Option<Rc<dyn Fn() -> Process>>,
    /// What a second papyra does.
    second: Option<Rc<dyn Fn()>>,
    pub(super) figures: Figures,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Death {
    Kill,
    Power,
}

/// What has happened, for people.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Figures {
    pub(super) schedules: u64,
    pub(super) runs: u64,
    pub(super) calls: u64,
    pub(super) kills: u64,
    pub(super) power_cuts: u64,
    pub(super) failed_calls: u64,
    pub(super) steps: u64,
    pub(super) records: u64,
    pub(super) backups: u64,
    pub(super) clean: u64,
}

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// Works on the world of this thread.
pub(super) fn world<T>(work: impl FnOnce(&mut World) -> T) -> T {
    WORLD.with_borrow_mut(|world| work(world.as_mut().expect("a world")))
}

/// The books and the disk.
pub(super) fn books<T>(work: impl FnOnce(&mut Books, &mut FileSystem) -> T) -> T {
    world(|world| with(|fs| work(&mut world.books, fs)))
}

/// Says what happens, if anybody listens.
pub(super) fn say(text: impl FnOnce() -> String) {
    let listens = world(|world| world.trace.is_some());
    if listens {
        let text = text();
        world(|world| world.trace.as_mut().map(|trace| trace.push(text)));
    }
}

/// Something is wrong.
pub(super) fn fail(text: String) {
    say(|| format!("WRONG: {text}"));
    world(|world| _ = world.failure.get_or_insert(text));
}

pub(super) fn failed() -> bool {
    world(|world| world.failure.is_some())
}

/// Begins a world, on a disk that is installed.
pub(super) fn begin(chance: Chance, listen: bool) {
    let world = World {
        chance,
        books: Books::default(),
        likely: Likely::default(),
        others: Vec::new(),
        ours: Vec::new(),
        next_process: 1,
        service: 0,
        time: 0,
        others_time: 0,
        trace: listen.then(Vec::new),
        failure: None,
        dies: None,
        meddler: None,
        second: None,
        figures: Figures { schedules: 1, ..Figures::default() },
    };
    WORLD.set(Some(world));
}

pub(super) struct Ended {
    pub(super) drawn: Vec<u32>,
    pub(super) failure: Option<String>,
    pub(super) trace: Vec<String>,
    pub(super) figures: Figures,
}

pub(super) fn end() -> Ended {
    let mut world = WORLD.take().expect("a world");
    world.figures.records += world.books.records.len() as u64;
    let others = std::mem::take(&mut world.others);
    drop(others);
    Ended {
        drawn: world.chance.drawn().to_vec(),
        failure: world.failure,
        trace: world.trace.unwrap_or_default(),
        figures: world.figures,
    }
}

pub(super) fn pick(range: usize) -> usize {
    world(|world| world.chance.pick(range))
}

pub(super) fn in_thousand(cases: u32) -> bool {
    world(|world| world.chance.in_thousand(cases))
}

fn new_process(user: u32) -> Process {
    world(|world| {
        world.next_process += 1;
        Process { number: world.next_process, user }
    })
}

/// A process of the service whose log it is.
pub(super) fn new_service() -> Process {
    new_process(world(|world| world.service))
}

/// Somebody else begins to work.
pub(super) fn spawn(process: Process, work: impl Future<Output = ()> + 'static) {
    world(|world| world.others.push(Other { process, work: Some(Box::pin(work)), until: None }));
}

/// One of the others makes a step. `false`: nobody is left.
pub(super) fn step() -> bool {
    let chosen = world(|world| {
        let alive: Vec<usize> = (0..world.others.len()).filter(|at| world.others[*at].work.is_some()).collect();
        (!alive.is_empty()).then(|| alive[world.chance.pick(alive.len())])
    });
    let Some(at) = chosen else { return false };
    step_of(at);
    true
}

/// Whether the caller is in the middle of what takes no longer than this.
pub(super) fn hurries(process: Process, most: i64, is: bool) {
    let until = with(|fs| fs.now()) + most;
    world(|world| {
        if let Some(other) = world.others.iter_mut().find(|other| other.process == process) {
            other.until = is.then_some(until);
        }
    });
}

/// Those in the middle of a call go on when it is time.
fn hurry() {
    let now = with(|fs| fs.now());
    while let Some(at) = world(|world| {
        world.others.iter().position(|other| other.work.is_some() && other.until.is_some_and(|until| until <= now))
    }) {
        step_of(at);
    }
}

/// One of the others makes so many steps.
fn go_on(process: Process, steps: usize) {
    for _ in 0..steps {
        let is_alive = |other: &Other| other.process == process && other.work.is_some();
        let Some(at) = world(|world| world.others.iter().position(is_alive)) else { return };
        step_of(at);
    }
}

fn step_of(at: usize) {
    let (mut work, process) = world(|world| {
        world.time += 1;
        world.others_time += 1;
        world.figures.steps += 1;
        (world.others[at].work.take().expect("work"), world.others[at].process)
    });
    with(FileSystem::tick);
    match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Pending => world(|world| world.others[at].work = Some(work)),
        Poll::Ready(()) => with(|fs| fs.end(process.number)),
    }
}

/// The others go on until they are done.
pub(super) fn finish_others() {
    for _ in 0..20_000 {
        if !step() {
            return;
        }
    }
    fail("the others never finish".to_owned());
}

pub(super) fn others_alive() -> bool {
    world(|world| world.others.iter().any(|other| other.work.is_some()))
}

/// The power goes and comes back: nobody is left.
pub(super) fn power_cut() {
    say(|| "THE POWER GOES".to_owned());
    let others = world(|world| {
        world.ours.clear();
        world.figures.power_cuts += 1;
        std::mem::take(&mut world.others)
    });
    drop(others);
    world(|world| with(|fs| fs.cut_power(&mut world.chance)));
    say(|| with(|fs| list(fs)));
    if let Err(text) = books(|books, fs| books.power_cut(fs).and_then(|()| books.backups_stay(fs))) {
        fail(text);
    }
}

/// The marker by which a killed process unwinds.
struct Killed;

/// How a run of ours has ended.
pub(super) enum Ran<T> {
    Ended(T),
    Killed,
}

/// Runs real code as a process of its own.
pub(super) fn run_ours<T>(work: impl FnOnce() -> T) -> Ran<T> {
    let process = new_process(0);
    world(|world| {
        world.ours.push(process.number);
        world.figures.runs += 1;
    });
    let outer = run_as(process);
    let ended = catch_unwind(AssertUnwindSafe(work));
    run_as(outer);
    with(|fs| fs.end(process.number));
    world(|world| world.ours.retain(|number| *number != process.number));
    match ended {
        Ok(value) => Ran::Ended(value),
        Err(payload) if payload.is::<Killed>() => Ran::Killed,
        Err(payload) => resume_unwind(payload),
    }
}

/// Who comes right before our next exchange, and is done by then, and comes again right after it.
pub(super) fn set_meddler(meddler: Rc<dyn Fn() -> Process>) {
    world(|world| world.meddler = Some(meddler));
}

pub(super) fn set_second(second: Option<Rc<dyn Fn()>>) {
    world(|world| world.second = second);
}

/// Watches the calls of our processes.
pub(super) struct Scheduler;

impl Scheduler {
    fn is_alive(process: Process) -> bool {
        world(|world| world.ours.contains(&process.number))
    }

    fn die(process: Process) -> Order {
        with(|fs| fs.end(process.number));
        if std::thread::panicking() { Order::Fail(Errno::IO) } else { resume_unwind(Box::new(Killed)) }
    }
}

impl Watch for Scheduler {
    fn before(&self, process: Process, call: &Call<'_>) -> Order {
        if process.number == 0 {
            return Order::Go;
        }
        if !Scheduler::is_alive(process) {
            return Scheduler::die(process);
        }
        hurry();
        match call.name {
            // Somebody changes what is about to be overwritten.
            "lease" if Fault::OverwritesUnchecked.is_sought() => (0..pick(16)).for_each(|_| _ = step()),
            // Somebody rotates while files are pinned.
            "names" | "open" if Fault::BackupAmongRenames.is_sought() => (0..pick(6)).for_each(|_| _ = step()),
            _ => {}
        }
        let is_late = seeks_late_bytes();
        let about = || if is_late && call.name == "rename" { (call.about)() } else { String::new() };
        if about().ends_with("Exchange") {
            if let Some(meddler) = world(|world| world.meddler.clone()) {
                go_on(meddler(), 30);
            }
            // Somebody has just found the log.
            (0..pick(9)).for_each(|_| _ = step());
        } else if about().contains(".carried.") {
            // Late bytes are rare, and what happens then would be rarer still.
            match pick(4) {
                0 => {
                    kill(process, Death::Kill, call);
                    return Scheduler::die(process);
                }
                1 => world(|world| world.dies = Some(Death::Kill)),
                2 => (0..pick(16)).for_each(|_| _ = step()),
                _ => {}
            }
        }
        let (mut chosen, likely) = world(|world| {
            world.figures.calls += 1;
            world.time += 1;
            (world.chance.pick(1000) as u32, world.likely)
        });
        // What is simplest has the small numbers.
        let mut falls = |cases: u32| {
            let hit = chosen >= 1000 - cases.min(1000);
            chosen += cases;
            hit
        };
        let matters = call.changes || call.name == "sync" || call.name == "unlease";
        let deadly = if matters { 1 } else { 0 };
        let mut order = Order::Go;
        if falls(likely.kill * deadly) || falls(likely.power * deadly) {
            let power = pick(likely.kill as usize + likely.power as usize) >= likely.kill as usize;
            let death = if power { Death::Power } else { Death::Kill };
            // Before the call, in the middle of its write, or right after it.
            match pick(3) {
                0 => {
                    kill(process, death, call);
                    return Scheduler::die(process);
                }
                1 if call.writes > 1 => order = Order::Part(1 + pick(call.writes - 1)),
                _ => {}
            }
            world(|world| world.dies = Some(death));
        } else if falls(likely.fail) && can_fail(call) {
            world(|world| world.figures.failed_calls += 1);
            order = match pick(4) {
                0 if call.changes => Order::Fail(Errno::NOSPC),
                1 if matches!(call.name, "read_at" | "read" | "write" | "write_at" | "sync") => {
                    Order::Fail(Errno::INTR)
                }
                2 if call.writes > 1 => Order::Part(1 + pick(call.writes - 1)),
                _ => Order::Fail(Errno::IO),
            };
        } else if falls(likely.second) {
            let second = world(|world| world.second.take());
            if let Some(second) = second {
                say(|| "a second papyra:".to_owned());
                let begun = books(|books, _| books.begun());
                second();
                books(|books, _| books.goes_on(begun));
                set_second(Some(second));
            }
        } else if falls(likely.steps) {
            for _ in 0..=pick(6) {
                step();
            }
        }
        if !Scheduler::is_alive(process) {
            return Scheduler::die(process);
        }
        if call.changes {
            books(|books, fs| books.look(fs));
        }
        let short = match &order {
            Order::Go => String::new(),
            Order::Fail(error) => format!(" FAILS: {error}"),
            Order::Part(bytes) => format!(" BUT ONLY {bytes} BYTES"),
        };
        say(|| format!("    {}: {} {}{short}", process.number, call.name, (call.about)()));
        order
    }

    fn after(&self, process: Process, call: &Call<'_>) {
        if process.number == 0 || !Scheduler::is_alive(process) {
            return;
        }
        let renamed = if call.name == "rename" { (call.about)() } else { String::new() };
        let is_exchange = ["Exchange", ".emptied Replace"].iter().any(|end| renamed.ends_with(end));
        let puts_back = is_exchange && renamed.contains(".displaced.");
        if call.changes
            && let Err(text) = books(|books, fs| books.compare(fs, is_exchange, puts_back))
        {
            fail(format!("after {} {}: {text}", call.name, (call.about)()));
        }
        if is_exchange && let Some(meddler) = world(|world| world.meddler.take()) {
            go_on(meddler(), 6);
        }
        if call.name == "sync" {
            books(|books, fs| books.synced(fs));
        }
        if let Some(death) = world(|world| world.dies.take()) {
            kill(process, death, call);
        }
        if failed() || !Scheduler::is_alive(process) {
            // Who is told of a mistake need not go on.
            world(|world| world.ours.retain(|number| *number != process.number));
            _ = Scheduler::die(process);
        }
    }

    fn pause(&self, process: Process, _: Duration) {
        if process.number != 0 && Scheduler::is_alive(process) {
            say(|| format!("    {}: waits", process.number));
            hurry();
            for _ in 0..=pick(6) {
                step();
            }
        }
        if process.number != 0 && !Scheduler::is_alive(process) {
            _ = Scheduler::die(process);
        }
    }
}

/// Whether this schedule is to make late bytes, and to trouble whoever carries them.
pub(super) fn seeks_late_bytes() -> bool {
    Fault::PlaceUnchecked.is_sought() || Fault::sought().is_some_and(seeks_rotations)
}

/// Whether a schedule that would show this to be missing has an exchange hit what a rotation has put in the log's
/// place.
pub(super) fn seeks_rotations(fault: Fault) -> bool {
    matches!(fault, Fault::NeverTakenBack | Fault::DisplacedNotMarked | Fault::PutBackUnchecked)
}

/// Whether the kernel may refuse such a call at any time.
fn can_fail(call: &Call<'_>) -> bool {
    !matches!(call.name, "is_leased" | "unlease" | "flock" | "lease" | "seek" | "free" | "stat" | "canonical")
}

fn kill(process: Process, death: Death, call: &Call<'_>) {
    match death {
        Death::Kill => {
            say(|| format!("    {}: KILLED at {}", process.number, call.name));
            world(|world| {
                world.figures.kills += 1;
                world.ours.retain(|number| *number != process.number);
            });
            with(|fs| fs.end(process.number));
        }
        Death::Power => power_cut(),
    }
}

/// The disk, for people.
pub(super) fn list(fs: &FileSystem) -> String {
    let mut text = String::new();
    for (folder, node) in fs.nodes.iter().enumerate() {
        let super::file_system::Kind::Folder { now, .. } = &node.kind else { continue };
        if folder != 0 && node.links == 0 {
            continue;
        }
        for (name, inode) in now {
            let Some(content) = fs.content(*inode) else { continue };
            let bytes = content.to_vec();
            text += &format!("        {folder}/{} ({inode}): {}\n", name.to_string_lossy(), bytes.escape_ascii());
        }
    }
    text
}
