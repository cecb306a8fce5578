//! What is kept of damaged append-only files, and that a real server starts on it.

use std::collections::HashSet;
use std::path::Path;

use papyra_core::redis::{
    AofPlan, AofReader, BackupReason, Command, Entry, Flow, Limits, Replay, Scope, SetReader, Visitor, plan_aof,
};
use papyra_tests::redis::{Redis, binaries, encoded, has_folders};
use papyra_tests::redis_history::{Random, play};
use papyra_tests::redis_state::{Fields, State, assert_same, fields_of, live, of_replay, uncounted, without_times};

fn command(args: &[&str]) -> Vec<u8> {
    encoded(args)
}

fn add(n: u64, data: &str) -> Vec<u8> {
    command(&["XADD", "papyra:a:events", &format!("{n}-0"), "data", data])
}

fn plan(bytes: &[u8]) -> AofPlan {
    let plan = plan_aof(bytes, 0, &Scope::default(), Limits::default());
    let mut at = 0;
    for stretch in &plan.stretches {
        assert_eq!(stretch.offset, at, "the stretches tile the file");
        assert!(stretch.length > 0);
        at += stretch.length;
    }
    assert_eq!(at, bytes.len() as u64);
    plan
}

fn kept(bytes: &[u8], plan: &AofPlan) -> Vec<u8> {
    let stretches = plan.stretches.iter().filter(|stretch| stretch.keep);
    stretches.flat_map(|s| &bytes[s.offset as usize..(s.offset + s.length) as usize]).copied().collect()
}

/// Every command of some bytes, which must be whole.
#[derive(Default)]
struct Commands(Vec<Vec<Vec<u8>>>);

impl Visitor for Commands {
    fn command(&mut self, command: &Command<'_>) -> Flow {
        self.0.push(command.args.iter().map(|arg| arg.to_vec()).collect());
        Flow::Continue(())
    }
}

fn commands(bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let (commands, open_transaction) = in_sound_framing(bytes);
    assert_eq!(open_transaction, None);
    commands
}

/// The commands, and where a transaction begins that does not end.
fn in_sound_framing(bytes: &[u8]) -> (Vec<Vec<Vec<u8>>>, Option<u64>) {
    let mut seen = Commands::default();
    let mut reader = AofReader::new(Limits::default());
    assert!(reader.push(bytes, &mut seen).is_continue());
    let summary = reader.finish(&mut seen).expect("an append-only file");
    assert_eq!(summary.broken_at, None);
    (seen.0, summary.open_transaction)
}

/// The numbers of the entries that are left, of a file of parts with some of them damaged.
fn left(parts: &[Vec<u8>]) -> Vec<String> {
    let bytes = parts.concat();
    let plan = plan(&bytes);
    commands(&kept(&bytes, &plan))
        .iter()
        .map(|args| String::from_utf8_lossy(args.get(2).unwrap_or(&args[0])).into())
        .collect()
}

fn with(mut bytes: Vec<u8>, at: usize, byte: u8) -> Vec<u8> {
    bytes[at] = byte;
    bytes
}

#[test]
fn one_damaged_command_goes_and_the_later_ones_stay() {
    let (a, b, c) = (add(1, "{}"), add(2, "{\"x\": 1}"), add(3, "{}"));
    for at in 0..b.len() {
        for byte in [b'z', 0, b'\n'] {
            let damaged = with(b.clone(), at, byte);
            if damaged == b {
                continue;
            }
            let left = left(&[a.clone(), damaged.clone(), c.clone()]);
            let text = format!("byte {at} as {byte:?}: {left:?}");
            assert_eq!(left.first().map(String::as_str), Some("1-0"), "{text}");
            assert_eq!(left.last().map(String::as_str), Some("3-0"), "{text}");
        }
    }
}

#[test]
fn an_unknown_name_in_sound_framing_stays() {
    for unknown in [
        &["7f3c-set", "other", "value"][..],
        &["b840fc02d524", "papyra:a:events", "2-0", "data", "{}"],
        &["VADD", "points", "VALUES", "2", "1.0", "0.5", "e"],
        &["XQRY", "papyra:a:events"],
        &["XGROUP", "REWIND", "papyra:a:events", "g"],
        &["\u{e9}\u{1}", "k"],
        &["XADE", "k"],
    ] {
        let parts = [add(1, "{}"), command(unknown), add(3, "{}")];
        assert!(plan(&parts.concat()).is_clean(), "{unknown:?}");
        // The damage is elsewhere: it stays all the same.
        let damaged = with(add(2, "{}"), 1, 0);
        for parts in [
            [add(1, "{}"), command(unknown), damaged.clone(), add(3, "{}")],
            [add(1, "{}"), damaged.clone(), command(unknown), add(3, "{}")],
            [add(1, "{}"), damaged, add(3, "{}"), command(unknown)],
        ] {
            assert_eq!(left(&parts).len(), 3, "{unknown:?}");
        }
        let torn = [add(1, "{}"), command(unknown), add(3, "{}"), add(4, "{}")[..20].to_vec()];
        assert_eq!(left(&torn).len(), 3, "{unknown:?}");
    }
}

#[test]
fn a_name_that_only_damage_can_have_made_goes() {
    let group = |verb: &str| command(&["XGROUP", verb, "papyra:a:events", "g"]);
    for damaged in [with(add(2, "{}"), 9, b'b'), group("DESTRO!")] {
        let plan = plan(&[add(1, "{}"), group("DESTROY"), damaged.clone(), add(3, "{}")].concat());
        assert_eq!(plan.rejected(), damaged.len() as u64);
        assert!(plan.findings[0].detail.contains("is the damaged name of another command"), "{:?}", plan.findings);
    }
}

#[test]
fn a_payload_that_holds_commands_is_never_taken_for_them() {
    for payload in [
        "a\r\n*1\r\n$8\r\nFLUSHALL\r\nb",
        // The line end of the payload completes the command within it.
        "a\r\n*1\r\n$8\r\nFLUSHALL",
        "*1\r\n$8\r\nFLUSHALL",
        "a\r\n*2\r\n$3\r\nDEL\r\n$15\r\npapyra:a:events",
    ] {
        let damaged = add(2, payload);
        for at in 0..damaged.len() - payload.len() - 2 {
            let parts = [add(1, "{}"), with(damaged.clone(), at, 1), add(3, "{}")];
            let bytes = parts.concat();
            let plan = plan(&bytes);
            let commands = commands(&kept(&bytes, &plan));
            assert!(commands.iter().all(|args| args[0] == b"XADD"), "{payload:?}, byte {at}: {commands:?}");
        }
    }
}

#[test]
fn a_length_that_lies_rejects_what_it_declares_and_no_more() {
    let long = with(add(2, "{\"some\": \"thing\"}"), 0, b'*');
    let text = String::from_utf8(long).unwrap().replace("$17\r\n{", "$47\r\n{");
    let parts = [add(1, "{}"), text.into_bytes(), add(3, "{}"), add(4, "{}"), add(5, "{}")];
    assert_eq!(left(&parts), ["1-0", "4-0", "5-0"]);
    let text = String::from_utf8(parts[1].clone()).unwrap().replace("$47\r\n{", "$99999\r\n{");
    let bytes = [add(1, "{}"), text.into_bytes(), add(3, "{}")].concat();
    assert_eq!(plan(&bytes).findings[0].reason, BackupReason::TornTail);
}

/// A byte that is gone makes a length too great by one, and reach into the next command: that stays.
#[test]
fn a_byte_that_is_gone_costs_no_other_command() {
    let group = command(&["XGROUP", "CREATE", "papyra:a:events", "g", "0"]);
    let whole = [add(1, "{}"), group, add(2, "{\"kind\": \"event\"}"), add(3, "{}")];
    for part in 0..3 {
        for at in 0..whole[part].len() {
            let mut parts = whole.clone();
            parts[part].remove(at);
            let left = left(&parts);
            let kept = |part: usize, id: &str| {
                left.iter().any(|left| left == id) || part == [0, 2, 3][usize::from(id.as_bytes()[0] - b'1')]
            };
            assert!(["1-0", "2-0", "3-0"].iter().all(|id| kept(part, id)), "part {part}, byte {at}: {left:?}");
        }
    }
}

#[test]
fn a_lost_select_rejects_up_to_the_next() {
    let select = |db: &str| command(&["SELECT", db]);
    let parts = [select("0"), add(1, "{}"), with(select("1"), 8, b'z'), add(2, "{}"), select("0"), add(3, "{}")];
    assert_eq!(left(&parts), ["SELECT", "1-0", "SELECT", "3-0"]);
    // Its database is still to be read and is the one that is selected: nothing is lost with it.
    let parts = [with(select("0"), 8, b'z'), add(1, "{}")];
    assert_eq!(left(&parts), ["1-0"]);
    // The same when its framing is damaged: the first command of every incremental file is one.
    for at in [0, 1, 3] {
        assert_eq!(left(&[with(select("0"), at, 0), add(1, "{}"), add(2, "{}")]), ["1-0", "2-0"], "byte {at}");
    }
    // Nothing of a command can be read, and there are several databases.
    let parts = [select("0"), add(1, "{}"), b"garbage\0\0".to_vec(), add(2, "{}"), select("1"), add(3, "{}")];
    assert_eq!(left(&parts), ["SELECT", "1-0", "SELECT", "3-0"]);
}

#[test]
fn whole_commands_of_a_damaged_transaction_stay() {
    let (multi, exec) = (command(&["MULTI"]), command(&["EXEC"]));
    let whole = [add(1, "{}"), multi, add(2, "{}"), add(3, "{}"), exec.clone(), add(4, "{}")];
    assert_eq!(left(&whole), ["1-0", "MULTI", "2-0", "3-0", "EXEC", "4-0"]);
    for part in 0..6 {
        for at in 0..whole[part].len() {
            for byte in [b'z', 0] {
                let mut parts = whole.clone();
                parts[part] = with(parts[part].clone(), at, byte);
                let left = left(&parts);
                for n in ["1-0", "2-0", "3-0", "4-0"].iter().enumerate().filter(|(n, _)| part != [0, 2, 3, 5][*n]) {
                    assert!(left.iter().any(|left| left == n.1), "part {part}, byte {at}: {left:?}");
                }
                let brackets = left.iter().filter(|name| ["MULTI", "EXEC"].contains(&name.as_str())).count();
                assert!(brackets == if part == 1 || part == 4 { 0 } else { 2 }, "part {part}, byte {at}: {left:?}");
            }
        }
    }
    let mut parts = whole.to_vec();
    parts.truncate(4);
    assert_eq!(left(&parts), ["1-0", "2-0", "3-0"], "the EXEC was not written any more");
    parts.push(exec[..9].to_vec());
    assert_eq!(left(&parts), ["1-0", "2-0", "3-0"], "nor all of it");
    // The EXEC of one and the MULTI of the next are lost.
    let parts = [&whole[..4], &[b"\0\0\0".to_vec()], &whole[2..]].concat();
    assert_eq!(left(&parts), ["1-0", "MULTI", "2-0", "3-0", "2-0", "3-0", "EXEC", "4-0"]);
}

#[test]
fn other_keys_of_a_damaged_transaction_need_a_word() {
    let incr = command(&["INCR", "counter"]);
    let (multi, exec) = (command(&["MULTI"]), command(&["EXEC"]));
    let bytes = [add(1, "{}"), multi.clone(), incr, with(add(2, "{}"), 9, b'b'), exec, add(3, "{}")].concat();
    let plan = plan(&bytes);
    assert_eq!(plan.later.as_ref().map(|later| (later.others, later.first_command.as_str())), Some((1, "INCR")));
    assert_eq!(plan.truncate_at, add(1, "{}").len() as u64);
}

#[test]
fn a_record_that_goes_though_it_is_whole_is_told() {
    let select = |db: &str| command(&["SELECT", db]);
    let parts = [select("0"), add(1, "{}"), with(select("1"), 8, b'z'), add(2, "{}"), select("0"), add(3, "{}")];
    let plan = plan(&parts.concat());
    assert_eq!(plan.records_that_go, 1);
    let told = plan.findings.iter().find(|finding| finding.reason == BackupReason::UnknownDatabase).unwrap();
    assert_eq!(
        (told.key.as_deref(), told.id.map(|id| id.to_string())),
        (Some(&b"papyra:a:events"[..]), Some("2-0".into()))
    );
}

#[test]
fn whole_records_between_damage_and_damage_are_told_one_by_one() {
    // Too long for the damaged first line of a command.
    let junk = [&[0; 60][..], b"\r\n"].concat();
    let other = command(&["XADD", "others", "1-0", "data", "{}"]);
    // Its ID is not the first word that could be one.
    let three = command(&["xadd", "papyra:a:events", "MAXLEN", "=", "100", "3-0", "data", "{}"]);
    let rest: Vec<u8> = (4..20).flat_map(|id| add(id, "{}")).collect();
    let parts = [add(1, "{}"), junk.clone(), add(2, "{}"), other, three, junk.clone(), rest.clone()];
    let plan = plan(&parts.concat());
    assert_eq!(kept(&parts.concat(), &plan), [add(1, "{}"), rest].concat());
    let told = |plan: &AofPlan| -> Vec<String> {
        let told = plan.findings.iter().filter(|finding| finding.reason == BackupReason::RecordInDamage);
        told.map(|finding| finding.id.expect("an ID").to_string()).collect()
    };
    assert_eq!((told(&plan), plan.records_that_go), (vec!["2-0".into(), "3-0".into()], 2));
    // What stands in an argument is no record, though its command is damaged.
    let within = String::from_utf8(add(9, "{}")).expect("text");
    let bytes = [add(1, "{}"), with(add(2, &within), 2, b'x'), add(3, "{}")].concat();
    let plan = self::plan(&bytes);
    assert_eq!((told(&plan), plan.records_that_go), (vec![], 0), "{:?}", plan.findings);
}

#[test]
fn later_commands_on_other_keys_need_a_word() {
    let incr = || command(&["INCR", "counter"]);
    let bytes = [incr(), with(incr(), 0, b'z'), add(1, "{}")].concat();
    assert_eq!(plan(&bytes).later, None, "only before the damage");
    let bytes = [incr(), with(incr(), 0, b'z'), add(1, "{}"), incr()].concat();
    let plan = plan(&bytes);
    let later = plan.later.clone().unwrap();
    assert_eq!((later.others, later.first_command.as_str()), (1, "INCR"));
    assert_eq!(plan.truncate_at, incr().len() as u64);
    assert_eq!(kept(&bytes, &plan.truncated()), incr());
    // One that was to replace another may be lost: what follows would go to the stream that is no more.
    let rename = command(&["RENAME", "papyra:b:events", "papyra:a:events"]);
    let bytes = [with(incr(), 0, b'z'), rename, add(1, "{}")].concat();
    let later = self::plan(&bytes).later.unwrap();
    assert_eq!((later.others, later.first_command.as_str()), (1, "RENAME"));
}

#[test]
fn damage_to_a_real_file_costs_little() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/redis/appendonlydir/appendonly.aof.1.incr.aof");
    let bytes = std::fs::read(path).unwrap();
    let all = commands(&bytes);
    assert!(plan(&bytes).is_clean());
    let mut random = Random(5);
    let mut lost = 0;
    for _ in 0..1000 {
        let at = random.below(bytes.len() as u64) as usize;
        let damaged = with(bytes.clone(), at, random.any() as u8);
        let plan = plan(&damaged);
        let left = commands(&kept(&damaged, &plan));
        assert_eq!(plan.is_clean(), plan.findings.is_empty());
        lost += all.len() - left.len();
    }
    println!("1000 flips: {lost} commands lost of {} each", all.len());
    assert!(lost < 1000 * all.len() / 20);
    for cut in (0..bytes.len()).step_by(97) {
        let plan = plan(&bytes[..cut]);
        let left = commands(&kept(&bytes[..cut], &plan));
        // The MULTI of a transaction that is cut goes too.
        let without = |commands: &[Vec<Vec<u8>>]| -> Vec<Vec<Vec<u8>>> {
            commands.iter().filter(|args| !matches!(&*args[0], b"MULTI" | b"EXEC")).cloned().collect()
        };
        let (left, all) = (without(&left), without(&all));
        assert!(left == all[..left.len()], "cut at {cut}");
        assert!(plan.stretches.len() <= 4);
    }
}

/// The state that is told of a file, damaged or not.
/// The state that commands come to, after the dump at their front; without one they are of a server before Redis 7.0.
fn state(base: Option<&[u8]>, commands: &[u8]) -> State {
    let files: Vec<&[u8]> = base.into_iter().chain([commands]).collect();
    let mut replay = Replay::new(fields_of as fn(u32, &Entry<'_>) -> Fields);
    replay.by_old_server(base.is_none());
    let sizes = files.iter().map(|bytes| Some(bytes.len() as u64)).collect();
    let mut reader = SetReader::new(sizes, files.len() - 1, Scope::default(), replay);
    while let Some(want) = reader.want() {
        let _ = reader.push(&files[want.file][want.range.start as usize..want.range.end as usize]);
        reader.end().expect("an append-only file");
    }
    of_replay(reader.finish().0.streams())
}

/// Takes away from what a server said consumers that hold nothing and are not in what was read: Valkey makes the
/// consumer of a claim whose entries are all lost, Redis 7.0 does not.
fn as_far_as_read(mut said: State, read: &State) -> State {
    for (key, stream) in &mut said {
        for (name, group) in &mut stream.groups {
            let known = read.get(key).and_then(|stream| stream.groups.get(name));
            group.consumers.retain(|name, consumer| {
                consumer.2 > 0 || known.is_some_and(|group| group.consumers.contains_key(name))
            });
        }
    }
    said
}

/// Streams that are moved are among the commands: whether there is one to be moved may be lost with the damage.
#[test]
fn a_server_starts_on_what_is_kept_and_holds_what_the_replay_says() {
    let options = ["--appendonly", "yes", "--appendfsync", "no", "--loglevel", "warning"];
    let Some(binary) = binaries().into_iter().next() else { return };
    let mut server = Redis::of(&binary, &options);
    play(&mut server, 77, 400);
    let bytes = std::fs::read(server.append_only_file()).unwrap();
    let base = has_folders(&binary)
        .then(|| std::fs::read(server.dir().join("appendonlydir/appendonly.aof.1.base.rdb")).expect("a base"));
    drop(server);
    // Of XGROUP a server looks the subcommand up as well.
    let name = |args: &Vec<Vec<u8>>| {
        let is_group = args[0].eq_ignore_ascii_case(b"XGROUP") && args.len() > 1;
        args[..1 + usize::from(is_group)].join(&b' ').to_ascii_uppercase()
    };
    let known: HashSet<Vec<u8>> = commands(&bytes).iter().map(name).collect();
    let mut random = Random(6);
    let mut unknown = 0;
    for round in 0..60 {
        let mut damaged = bytes.clone();
        for _ in 0..1 + random.below(3) {
            let at = random.below(bytes.len() as u64) as usize;
            let most = random.pick(&[1, 1, 40]);
            let length = 1 + random.below(most) as usize;
            for byte in damaged.iter_mut().skip(at).take(length) {
                *byte = random.any() as u8;
            }
        }
        let plan = plan_aof(&damaged, 0, &Scope::default(), Limits::default());
        let kept = kept(&damaged, &plan);
        let (commands, open_transaction) = in_sound_framing(&kept);
        if commands.iter().any(|args| !known.contains(&name(args))) {
            // A name of another key's command, or of an EXEC, that is no longer one: nobody but the server can tell,
            // and it does not start.
            unknown += 1;
            continue;
        }
        assert_eq!(open_transaction, None);
        let dir = tempfile::tempdir().unwrap();
        match &base {
            Some(base) => {
                let folder = dir.path().join("appendonlydir");
                std::fs::create_dir(&folder).unwrap();
                std::fs::write(folder.join("appendonly.aof.1.base.rdb"), base).unwrap();
                std::fs::write(folder.join("appendonly.aof.1.incr.aof"), &kept).unwrap();
                let manifest =
                    "file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n";
                std::fs::write(folder.join("appendonly.aof.manifest"), manifest).unwrap();
            }
            None => std::fs::write(dir.path().join("appendonly.aof"), &kept).unwrap(),
        }
        let mut server = Redis::of_in(&binary, dir, &options);
        let mut read = without_times(state(base.as_deref(), &damaged));
        let mut said = as_far_as_read(without_times(live(&mut server)), &read);
        if base.is_none() {
            (read, said) = (uncounted(read), uncounted(said));
        }
        assert_same(&read, &said, &format!("round {round}: {:?}", plan.findings));
    }
    assert!(unknown < 10, "{unknown}");
}
