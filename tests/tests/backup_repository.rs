//! Backups in repositories of restic's format: every verb reads them as it reads folders, restic reads them too, and
//! neither damage, nor a kill, nor a wrong password makes a backup what it is not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use papyra_tests::{Run, Workshop, contents_below, has, logs, run};

fn with_password(mut command: Command, called: &str) -> Run {
    command.env("RESTIC_PASSWORD", "correct horse").env_remove("RESTIC_PASSWORD_FILE").env_remove("RESTIC_REPOSITORY");
    run(command, called)
}

fn papyra(shop: &Workshop, arguments: &str) -> Run {
    with_password(shop.command(arguments), &format!("papyra {arguments}"))
}

fn restic(shop: &Workshop, arguments: &str) -> Run {
    let mut command = Command::new("restic");
    command.args(["--no-cache", "--quiet"]).args(arguments.split_whitespace()).current_dir(shop.path("."));
    command.env("RESTIC_PASSWORD2", "correct horse").env("RESTIC_FROM_PASSWORD", "correct horse");
    with_password(command, &format!("restic {arguments}"))
}

/// A rotated set that is backed up to the repository `r` as `one`, and as `two` after it has grown.
fn two() -> Workshop {
    let shop = Workshop::with("p/rot.log.1", logs::lines(0..4000)).and("p/rot.log", logs::lines(4000..6000));
    papyra(&shop, "backup init r").must_exit(0).must_say("r");
    papyra(&shop, "backup create --path p/rot.log --to r --name one").must_exit(0).must_say("new");
    shop.write("p/rot.log", logs::lines(4000..6010));
    papyra(&shop, "backup create --path p/rot.log --to r --name two --tag nightly").must_exit(0);
    shop
}

fn packs(shop: &Workshop, repository: &str) -> Vec<PathBuf> {
    contents_below(&shop.path(repository).join("data")).into_iter().map(|(path, _)| path).collect()
}

#[test]
fn every_verb_reads_a_repository_as_it_reads_a_folder() {
    let shop = two();
    let list = papyra(&shop, "backup list r --format json").must_exit(2).json();
    let new = |at: usize| list["backups"][at]["new_bytes"].as_u64().unwrap();
    assert_eq!((&list["backups"][0]["name"], &list["backups"][1]["name"]), (&"one".into(), &"two".into()), "{list}");
    assert!(new(1) < list["backups"][1]["bytes"].as_u64().unwrap() / 2, "{list}");
    papyra(&shop, "backup verify r/one").must_exit(0).must_say("is intact: 2 files");
    papyra(&shop, "backup verify --quick r/two").must_exit(0);
    papyra(&shop, "backup verify --latest r").must_exit(0);
    papyra(&shop, "backup list r").must_exit(0).must_say("tags: nightly").must_say("verified");
    papyra(&shop, "backup drill r/two").must_exit(0);
    papyra(&shop, "backup list r --max-age 1h").must_exit(0).must_say("drilled");
    papyra(&shop, "backup ls r/one").must_exit(0).must_say("rot.log.1: ");
    assert_eq!(papyra(&shop, "backup cat r/one rot.log").must_exit(0).stdout, logs::lines(4000..6000));
    papyra(&shop, "backup diff r/one r/two").must_exit(0).must_say("6,000 records in common, 10 new");
    papyra(&shop, "backup diff r/two p/rot.log").must_exit(0);
    papyra(&shop, "backup restore r/one --to q/one").must_exit(0);
    assert_eq!(shop.read("q/one/rot.log"), logs::lines(4000..6000).into_bytes());
    papyra(&shop, "backup restore --latest r --to q/two --include rot.log").must_exit(0);
    assert_eq!(shop.read("q/two/rot.log"), logs::lines(4000..6010).into_bytes());
    assert!(!shop.path("q/two/rot.log.1").exists());
    papyra(&shop, "backup restore r/one --to r/inside").must_exit(73).must_complain("holds backups");
    papyra(&shop, "backup verify r/three").must_exit(66).must_complain("no such backup");
    fs::create_dir(shop.path("quarantine")).unwrap();
    papyra(&shop, "doctor checklist --path p/rot.log --quarantine-dir quarantine --backups r")
        .must_say("newest backup");
    papyra(&shop, "backup create --path p/rot.log --to r --name two").must_exit(73).must_complain("exists already");
    papyra(&shop, "backup init r").must_exit(73).must_complain("already");
    papyra(&shop, "backup init p").must_exit(73).must_complain("not empty");
    // As the variable of restic's own tools names it.
    let mut command = shop.command("backup list");
    command.env("RESTIC_PASSWORD", "correct horse").env("RESTIC_REPOSITORY", "local:r");
    run(command, "papyra backup list").must_exit(0).must_say("two");
}

#[test]
fn streams_go_to_a_repository_as_logs_do() {
    let dump = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/redis/dump.rdb");
    let shop = Workshop::with("dump.rdb", fs::read(dump).unwrap());
    papyra(&shop, "backup init r").must_exit(0);
    for name in ["one", "two"] {
        papyra(&shop, &format!("backup create --path dump.rdb --to r --name {name} --accept-damage")).must_exit(0);
        let verified = papyra(&shop, &format!("backup verify r/{name} --format json")).must_exit(2).json();
        assert_eq!((&verified["intact"], &verified["scan"]["totals"]["records"]["event"]), (&true.into(), &300.into()));
    }
    let list = papyra(&shop, "backup list r --format json").json();
    let new = |at: usize| list["backups"][at]["new_bytes"].as_u64().unwrap();
    assert!(new(1) < new(0) / 2, "{list}");
    papyra(&shop, "backup create --path dump.rdb --to r/one --accept-damage").must_exit(73).must_complain("--name");
    assert!(!shop.path("r/one").exists());
}

#[test]
fn a_backup_that_others_share_blobs_with_goes_alone() {
    let shop = two();
    papyra(&shop, "backup verify r/two").must_exit(0);
    papyra(&shop, "backup prune r --keep-last 1").must_exit(0).must_say("would be removed");
    papyra(&shop, "backup prune r --keep-last 1 --apply").must_exit(0).must_say("one: removed");
    papyra(&shop, "backup list r").must_exit(0);
    papyra(&shop, "backup verify r/two").must_exit(0);
    papyra(&shop, "backup verify r/one").must_exit(66);
    papyra(&shop, "backup restore r/two --to q").must_exit(0);
    if has("restic") {
        restic(&shop, "-r r check --read-data").must_exit(0);
    }
}

#[test]
fn series_and_sources_are_kept_apart() {
    let shop = Workshop::with("orders/rot.log", logs::lines(0..50)).and("billing/rot.log", logs::lines(50..90));
    papyra(&shop, "backup init r").must_exit(0);
    for of in ["orders", "billing"] {
        papyra(&shop, &format!("backup create --path {of}/rot.log --to r --name {of}")).must_exit(0);
        papyra(&shop, &format!("backup verify r/{of}")).must_exit(0);
    }
    papyra(&shop, "backup prune r --keep-last 1 --apply").must_exit(0).must_say("2 kept");
    papyra(&shop, "backup restore --latest r --to q").must_exit(64).must_complain("several series");
    fs::remove_dir_all(shop.path("orders")).unwrap();
    papyra(&shop, "backup restore r/billing --to orders").must_exit(64).must_complain("belongs to the series");
    papyra(&shop, "backup restore r/orders --to orders").must_exit(0);
}

#[test]
fn restic_reads_what_papyra_writes_and_the_other_way_round() {
    if !has("restic") {
        return;
    }
    let shop = two();
    restic(&shop, "-r r check --read-data").must_exit(0);
    restic(&shop, "-r r restore latest --tag papyra --target out").must_exit(0);
    papyra(&shop, "backup verify out").must_exit(0).must_say("is intact");
    assert_eq!(shop.read("out/rot.log"), logs::lines(4000..6010).into_bytes());
    let mut sums = Command::new("sha256sum");
    sums.args(["--check", "--quiet", "SHA256SUMS"]).current_dir(shop.path("out"));
    run(sums, "sha256sum").must_exit(0);
    // What restic has made is written to; what restic has backed up there is none of ours, and stays.
    restic(&shop, "init -r s --repository-version 2").must_exit(0);
    restic(&shop, "-r s backup p").must_exit(0);
    papyra(&shop, "backup create --path p/rot.log --to s --name ours").must_exit(0);
    papyra(&shop, "backup verify s/ours").must_exit(0);
    let list = papyra(&shop, "backup list s --format json").must_exit(0).json();
    assert_eq!(list["backups"].as_array().unwrap().len(), 1, "{list}");
    papyra(&shop, "backup prune s --keep-last 1 --apply").must_exit(0);
    restic(&shop, "-r s check --read-data").must_exit(0);
    restic(&shop, "-r s snapshots --json").must_exit(0).must_say("papyra-series=").must_say(r#""paths":"#);
    // Snapshots that restic has copied are backups.
    restic(&shop, "init -r t --repository-version 2").must_exit(0);
    shop.write("password", "correct horse\n");
    restic(&shop, "-r r copy --repo2 t --password-file2 password").must_exit(0);
    papyra(&shop, "backup verify t/one").must_exit(0);
    papyra(&shop, "backup restore t/two --to u").must_exit(0);
    assert_eq!(shop.read("u/rot.log"), logs::lines(4000..6010).into_bytes());
    // What restic forgets and prunes is gone, and the rest is whole.
    restic(&shop, "-r r forget --tag nightly --keep-last 1 --prune").must_exit(0);
    restic(&shop, "-r r forget --keep-last 1 --group-by paths --prune").must_exit(0);
    papyra(&shop, "backup verify r/two").must_exit(0);
    papyra(&shop, "backup create --path p/rot.log --to r --name three").must_exit(0);
    papyra(&shop, "backup verify r/three").must_exit(0);
    restic(&shop, "-r r check --read-data").must_exit(0);
    // The first version of the format is read, and written no more.
    restic(&shop, "init -r v --repository-version 1").must_exit(0);
    papyra(&shop, "backup create --path p/rot.log --to v").must_exit(65).must_complain("upgrade_repo_v2");
}

#[test]
fn what_is_damaged_in_a_repository_is_named_and_takes_no_ones_place() {
    type Harm = fn(&Path);
    let harms: [(&str, Harm); 3] = [
        ("was changed", |pack| {
            let mut bytes = fs::read(pack).unwrap();
            bytes[1000] ^= 1;
            fs::write(pack, bytes).unwrap();
        }),
        ("gone", |pack| fs::remove_file(pack).unwrap()),
        ("cut", |pack| fs::write(pack, &fs::read(pack).unwrap()[..2000]).unwrap()),
    ];
    for (what, harm) in harms {
        let shop = two();
        papyra(&shop, "backup verify r/one").must_exit(0);
        papyra(&shop, "backup verify r/two").must_exit(0);
        let mut by_size = packs(&shop, "r");
        by_size.sort_by_key(|pack| fs::metadata(pack).unwrap().len());
        harm(by_size.last().unwrap());
        // Where the manifest is in the pack too, there is no more to say than that.
        let run = papyra(&shop, "backup verify r/one");
        assert!(matches!(run.code, Some(2 | 65)), "{run:?}");
        let said = run.stdout + &run.stderr;
        assert!(said.contains("the pack ") && said.contains(what), "{said}");
        papyra(&shop, "backup restore r/one --to q").must_exit(65).must_complain("the pack ");
        assert!(!shop.path("q/rot.log").exists());
        papyra(&shop, "backup list r").must_exit(2).must_say("one");
        papyra(&shop, "backup drill r/two");
        papyra(&shop, "backup prune r --keep-last 1 --apply");
    }
}

#[test]
fn a_backup_relies_on_no_pack_that_is_lost_or_cut() {
    let whole = two();
    for at in 0..packs(&whole, "r").len() {
        let shop = two();
        let pack = packs(&shop, "r").swap_remove(at);
        let bytes = fs::read(&pack).unwrap();
        match at % 2 {
            0 => fs::remove_file(&pack).unwrap(),
            _ => fs::write(&pack, &bytes[..bytes.len() / 2]).unwrap(),
        }
        let made = papyra(&shop, "backup create --path p/rot.log --to r --name three").must_exit(0);
        made.must_say("is gone or has another size").must_say("restic repair index");
        papyra(&shop, "backup verify r/three").must_exit(0);
        papyra(&shop, "backup restore r/three --to q").must_exit(0);
        assert_eq!(shop.read("q/rot.log.1"), shop.read("p/rot.log.1"));
        // What rustic_core would make of an index that is wrong is not tried.
        let pruned = papyra(&shop, "backup prune r --keep-last 1 --apply");
        assert_ne!(pruned.code, Some(0), "{pruned:?}");
        papyra(&shop, "backup verify r/three").must_exit(0);
        // The pack that is put back is as good as before.
        fs::write(&pack, bytes).unwrap();
        papyra(&shop, "backup prune r --keep-last 1 --apply").must_exit(0);
        papyra(&shop, "backup verify r/three").must_exit(0);
    }
}

#[test]
fn all_backups_are_verified_and_what_they_share_is_read_once() {
    let shop = two();
    let sizes = |name: &str| {
        let verified = papyra(&shop, &format!("backup verify r/{name} --format json")).must_exit(0).json();
        verified["bytes"].as_u64().unwrap()
    };
    let (one, two) = (sizes("one"), sizes("two"));
    let all = papyra(&shop, "backup verify --all r --format json").must_exit(0).json();
    assert_eq!(all["backups"].as_array().unwrap().len(), 2, "{all}");
    assert!(all["bytes"].as_u64().unwrap() < one + two - shop.read("p/rot.log.1").len() as u64 + 1, "{all}");
    assert_eq!(all["backups"][1]["scan"]["totals"]["lines"], 6010, "{all}");
    papyra(&shop, "backup verify --all r --series nobody").must_exit(66);
    papyra(&shop, "backup verify --all r --quick").must_exit(64);
    papyra(&shop, "backup list r").must_exit(0).must_say("verified");
    // Plain ones too, and of each it is said what is the matter with it.
    for name in ["a", "b", "c"] {
        papyra(&shop, &format!("backup create --path p/rot.log --to k --name {name}")).must_exit(0);
    }
    papyra(&shop, "backup verify --all k").must_exit(0).must_say("a is intact").must_say("c is intact");
    shop.write("k/b/rot.log", "{}\n");
    papyra(&shop, "backup verify --all k").must_exit(2).must_say("a is intact").must_say("b is damaged");
    shop.write("k/b/manifest.json", "{}");
    let failed = papyra(&shop, "backup verify --all k").must_exit(65);
    failed.must_say("b could not be verified").must_say("c is intact");
}

#[test]
fn nothing_is_removed_on_the_word_of_a_verdict_that_is_old_or_could_not_be_taken() {
    let shop = Workshop::with("p/rot.log.1", logs::lines(0..400)).and("p/rot.log", logs::lines(400..500));
    papyra(&shop, "backup init r").must_exit(0);
    papyra(&shop, "backup create --path p/rot.log --to r --name one").must_exit(0);
    let of_one = packs(&shop, "r");
    shop.write("p/rot.log", logs::lines(400..510));
    papyra(&shop, "backup create --path p/rot.log --to r --name two").must_exit(0);
    for name in ["one", "two"] {
        papyra(&shop, &format!("backup verify r/{name}")).must_exit(0);
    }
    // The record of a verification, which nobody can read.
    let record = shop.path("r/papyra/one.verified.json");
    let bytes = fs::read(&record).unwrap();
    let mut flipped = bytes.clone();
    flipped[40] ^= 1;
    for (harmed, why) in [(&b""[..], "it is empty"), (&bytes[..50], "it was changed"), (&flipped, "it was changed")] {
        fs::write(&record, harmed).unwrap();
        papyra(&shop, "backup prune r --keep-last 1 --apply").must_exit(74).must_complain("nothing was removed");
        papyra(&shop, "backup list r").must_exit(74).must_say("one: cannot be read").must_say(why);
    }
    fs::write(&record, &bytes).unwrap();
    // A pack that cannot be read is no damaged pack.
    let of_two: Vec<PathBuf> = packs(&shop, "r").into_iter().filter(|pack| !of_one.contains(pack)).collect();
    if has("strace") {
        let record = shop.path("r/papyra/two.verified.json");
        let before = fs::read(&record).unwrap();
        let verify = shop.command("backup verify r/two");
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-o", "trace", "-e", "trace=openat", "-e", "inject=openat:error=EIO"]);
        for pack in &of_two {
            command.arg("-P").arg(pack).arg("-P").arg(pack.file_name().unwrap());
        }
        command.arg(verify.get_program()).args(verify.get_args()).current_dir(shop.path("."));
        let failed = with_password(command, "papyra backup verify r/two, without its packs");
        assert!(matches!(failed.code, Some(66 | 74)), "{failed:?}");
        assert!(String::from_utf8(shop.read("trace")).unwrap().contains("INJECTED"));
        assert_eq!(fs::read(&record).unwrap(), before);
    }
    // A drill that failed is newer evidence than the verification before it.
    for pack in &of_two {
        let mut bytes = fs::read(pack).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(pack, bytes).unwrap();
    }
    assert_ne!(papyra(&shop, "backup drill r/two").code, Some(0));
    papyra(&shop, "backup list r").must_exit(2);
    papyra(&shop, "backup prune r --keep-last 1 --apply");
    papyra(&shop, "backup verify r/one").must_exit(0);
}

#[test]
fn what_is_damaged_beside_packs_is_named_and_stops_no_more_than_it_must() {
    let first = |shop: &Workshop, folder: &str| -> PathBuf {
        let mut files: Vec<PathBuf> =
            fs::read_dir(shop.path(folder)).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        files.swap_remove(0)
    };
    let flip = |file: &Path| {
        let mut bytes = fs::read(file).unwrap();
        bytes[40] ^= 1;
        fs::write(file, bytes).unwrap();
    };
    let shop = two();
    flip(&first(&shop, "r/snapshots"));
    papyra(&shop, "backup list r").must_exit(2).must_say("was changed since it was written");
    papyra(&shop, "backup create --path p/rot.log --to r --name three").must_exit(0);
    papyra(&shop, "backup verify r/three").must_exit(0);
    // Nobody knows what the damaged one needs.
    let pruned = papyra(&shop, "backup prune r --keep-last 1 --apply").must_exit(65);
    pruned.must_complain("no space was freed");
    papyra(&shop, "backup verify r/three").must_exit(0);

    let shop = two();
    let index = first(&shop, "r/index");
    let bytes = fs::read(&index).unwrap();
    flip(&index);
    for verb in ["list r", "verify r/one", "create --path p/rot.log --to r", "prune r --keep-last 1 --apply"] {
        papyra(&shop, &format!("backup {verb}")).must_exit(65).must_complain("restic repair index");
    }
    fs::write(&index, bytes).unwrap();
    papyra(&shop, "backup verify r/one").must_exit(0);

    // What has lost a part is still a repository, and never becomes a folder of plain backups.
    for (part, code) in [("config", 65), ("keys", 66)] {
        let shop = two();
        fs::rename(shop.path("r").join(part), shop.path("aside")).unwrap();
        for verb in ["list r", "create --path p/rot.log --to r", "prune r --keep-last 1 --apply"] {
            papyra(&shop, &format!("backup {verb}")).must_exit(code);
        }
        fs::rename(shop.path("aside"), shop.path("r").join(part)).unwrap();
        papyra(&shop, "backup verify r/two").must_exit(0);
    }
}

#[test]
fn what_has_not_changed_since_the_last_backup_is_not_read_again_and_is_there_all_the_same() {
    if !has("strace") {
        return;
    }
    let shop = Workshop::with("p/rot.log.1", logs::lines(0..4000)).and("p/rot.log", logs::lines(4000..4100));
    // Written long enough before the backup that no tick of a clock could hide a change.
    std::thread::sleep(std::time::Duration::from_secs(3));
    papyra(&shop, "backup init r").must_exit(0);
    papyra(&shop, "backup create --path p/rot.log --to r --name one").must_exit(0);
    let before = papyra(&shop, "backup ls r/one --format json").json();
    let create = |flags: &str| {
        let arguments = format!("backup create --path p/rot.log --to r {flags}");
        shop.bytes_read("p/rot.log.1", &arguments, |command| with_password(command, flags))
    };
    let size = shop.read("p/rot.log.1").len() as u64;
    shop.write("p/rot.log", logs::lines(4000..4110));
    assert!(create("--name two") < size / 2);
    let after = papyra(&shop, "backup ls r/two --format json").json();
    assert_eq!(after["manifest"]["files"][0], before["manifest"]["files"][0]);
    assert_eq!(after["manifest"]["scan"]["files"][0], before["manifest"]["scan"]["files"][0]);
    papyra(&shop, "backup verify r/two").must_exit(0);
    papyra(&shop, "backup restore r/two --to q").must_exit(0);
    assert_eq!(shop.read("q/rot.log.1"), shop.read("p/rot.log.1"));
    assert!(create("--name three --reread") >= size);
    // Of the same size, and another.
    let mut bytes = shop.read("p/rot.log.1");
    bytes[9] ^= 1;
    shop.write("p/rot.log.1", bytes);
    let mut changed = shop.command("backup create --path p/rot.log --to r --name four --accept-damage");
    changed.env("RESTIC_PASSWORD", "correct horse");
    run(changed, "four").must_exit(0);
    papyra(&shop, "backup restore r/four --to s").must_exit(0);
    assert_eq!(shop.read("s/rot.log.1"), shop.read("p/rot.log.1"));
}

#[test]
fn passwords_come_from_where_restic_takes_them_and_are_never_shown() {
    let shop = two();
    shop.write("password", "correct horse\n");
    let with = |variables: &[(&str, &str)]| {
        let mut command = shop.command("backup verify r/one");
        for name in ["RESTIC_PASSWORD", "RESTIC_PASSWORD_FILE", "RESTIC_PASSWORD_COMMAND", "RESTIC_REPOSITORY"] {
            command.env_remove(name);
        }
        run(command_with(command, variables), "papyra backup verify r/one")
    };
    with(&[("RESTIC_PASSWORD_FILE", "password")]).must_exit(0);
    with(&[("RESTIC_PASSWORD_COMMAND", "cat password")]).must_exit(0);
    with(&[]).must_exit(78).must_complain("RESTIC_PASSWORD_FILE");
    with(&[("RESTIC_PASSWORD_FILE", "nowhere")]).must_exit(78).must_complain("RESTIC_PASSWORD_FILE");
    with(&[("RESTIC_PASSWORD_COMMAND", "false")]).must_exit(78).must_complain("RESTIC_PASSWORD_COMMAND");
    let wrong = with(&[("RESTIC_PASSWORD", "battery staple")]).must_exit(66);
    let key = fs::read_dir(shop.path("r/keys")).unwrap().next().unwrap().unwrap().file_name();
    let wrong = wrong.must_complain(&key.to_string_lossy()[..8]);
    assert!(!wrong.stderr.contains("battery"), "{wrong:?}");
}

fn command_with(mut command: Command, variables: &[(&str, &str)]) -> Command {
    command.envs(variables.iter().copied());
    command
}

/// Runs a verb again and again, each time killed at its next one of some calls that change something, until one is not;
/// `check` looks at what each leaves.
fn killed_at_every_step(shop: &Workshop, arguments: &str, steps: &str, check: &dyn Fn(usize)) {
    for step in 1.. {
        let papyra = shop.command(arguments);
        let mut command = Command::new("strace");
        command.args(["-f", "-o", "/dev/null", "-e"]).arg(format!("trace={steps}"));
        command.args(["-e", &format!("inject={steps}:signal=KILL:when={step}")]).arg(papyra.get_program());
        command.args(papyra.get_args()).current_dir(shop.path("."));
        let ended = with_password(command, &format!("papyra {arguments}, killed at step {step}"));
        check(step);
        if ended.code == Some(0) {
            assert!(step > 2, "{ended:?}");
            return;
        }
        assert!(step < 100, "{ended:?}");
    }
}

#[test]
fn papyra_and_restic_keep_out_of_each_others_way() {
    if !has("strace") || !has("restic") {
        return;
    }
    let shop = two();
    // It holds its lock for as long as it is given something to back up.
    let mut backup = Command::new("restic");
    backup.args(["--no-cache", "-r", "r", "backup", "--stdin"]).current_dir(shop.path("."));
    backup.env("RESTIC_PASSWORD", "correct horse").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut backup = backup.spawn().unwrap();
    while fs::read_dir(shop.path("r/locks")).unwrap().next().is_none() {
        assert_eq!(backup.try_wait().unwrap(), None);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    papyra(&shop, "backup create --path p/rot.log --to r --name three").must_exit(0);
    let pruned = papyra(&shop, "backup prune r --keep-last 1 --apply").must_exit(75);
    pruned.must_complain(&format!("locked by process {}", backup.id()));
    drop(backup.stdin.take());
    backup.wait().unwrap();
    papyra(&shop, "backup verify r/one").must_exit(0);
    papyra(&shop, "backup prune r --keep-last 2 --apply").must_exit(0);
    assert!(fs::read_dir(shop.path("r/locks")).unwrap().next().is_none());
    // restic sees the lock that a killed run leaves, and the next run clears it away.
    let papyra_killed = shop.command("backup create --path p/rot.log --to r");
    let mut command = Command::new("strace");
    command.args(["-f", "-o", "/dev/null", "-e", "trace=renameat,renameat2", "-e"]);
    command.arg("inject=renameat,renameat2:signal=KILL:when=2").arg(papyra_killed.get_program());
    command.args(papyra_killed.get_args()).current_dir(shop.path("."));
    with_password(command, "papyra, killed");
    let pruned = restic(&shop, "-r r prune");
    assert!(pruned.code != Some(0) && pruned.stderr.contains("locked"), "{pruned:?}");
    papyra(&shop, "backup create --path p/rot.log --to r --name four").must_exit(0);
    restic(&shop, "-r r prune").must_exit(0);
    papyra(&shop, "backup verify r/four").must_exit(0);
}

#[test]
fn a_kill_at_any_step_leaves_whole_backups_alone() {
    if !has("strace") || !has("restic") {
        return;
    }
    let changes = "renameat,renameat2,unlinkat,mkdirat,fsync";
    let shop = Workshop::with("p/rot.log.1", logs::lines(0..300)).and("p/rot.log", logs::lines(300..400));
    killed_at_every_step(&shop, "backup init r", "renameat,renameat2", &|_| ());
    papyra(&shop, "backup create --path p/rot.log --to r --name first").must_exit(0);
    papyra(&shop, "backup verify r/first").must_exit(0);
    let all_are_whole = |step: usize| {
        let list = papyra(&shop, "backup list r --format json").json();
        let backups = list["backups"].as_array().unwrap();
        assert!(!backups.is_empty());
        for backup in backups {
            assert!(backup["damage"].is_null() && backup["problem"].is_null(), "{backup}");
            if step.is_multiple_of(9) {
                papyra(&shop, &format!("backup verify r/{}", backup["name"].as_str().unwrap())).must_exit(0);
            }
        }
        if step.is_multiple_of(5) {
            // A kill leaves a lock.
            restic(&shop, "-r r unlock").must_exit(0);
            restic(&shop, "-r r check --read-data").must_exit(0);
        }
    };
    killed_at_every_step(&shop, "backup create --path p/rot.log --to r", changes, &|step| {
        all_are_whole(step);
        // What is new each time.
        shop.write("p/rot.log", logs::lines(300..400 + 10 * step));
    });
    papyra(&shop, "backup verify --latest r").must_exit(0);
    killed_at_every_step(&shop, "backup prune r --keep-last 1 --apply", changes, &all_are_whole);
    restic(&shop, "-r r check --read-data").must_exit(0);
    papyra(&shop, "backup list r").must_exit(0);
}
