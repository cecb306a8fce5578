//! Backups of several sources in one folder: nothing of one is weighed against, taken for or put in the place of
//! another.

use std::process::Command;

use papyra_tests::{Run, Workshop, has, logs};

/// Two applications that back up to one folder.
fn two() -> Workshop {
    let shop = Workshop::with("orders/events.ndjson", logs::clean(9)).and("billing/events.ndjson", logs::clean(4));
    for (source, name) in [("orders", "a"), ("billing", "b"), ("billing", "c"), ("billing", "d")] {
        shop.papyra(&format!("backup create --path {source} --to kept --name {name}")).must_exit(0);
        shop.papyra(&format!("backup verify kept/{name}")).must_exit(0);
    }
    shop
}

fn names(shop: &Workshop) -> Vec<String> {
    let backups = shop.papyra("backup list kept --format json").json();
    let mut names: Vec<String> =
        backups["backups"].as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

fn with(shop: &Workshop, settings: &[(&str, &str)], arguments: &str) -> Run {
    let mut command = shop.command(arguments);
    command.envs(settings.iter().copied());
    papyra_tests::run(command, arguments)
}

#[test]
fn a_policy_holds_for_each_series_by_itself() {
    let shop = two();
    let pruned = shop.papyra("backup prune kept --keep-last 1 --apply --format json").must_exit(0).json();
    assert!(pruned["backups"][0]["series"].as_str().unwrap().ends_with("/orders"));
    assert_eq!(names(&shop), ["a", "d"]);
    shop.papyra("backup prune kept --keep-last 1 --series other").must_exit(66).must_complain("other");
}

#[test]
fn what_is_not_there_is_called_by_its_name_and_what_is_there_too() {
    let shop = two();
    let password = [("RESTIC_PASSWORD", "correct horse")];
    with(&shop, &password, "backup init r").must_exit(0);
    for of in ["orders", "billing"] {
        with(&shop, &password, &format!("backup create --path {of} --to r --name {of}")).must_exit(0);
    }
    for place in ["kept", "r"] {
        for verb in ["verify --all", "verify --latest", "drill --latest", "ls --latest", "prune --keep-last 1"] {
            let run = with(&shop, &password, &format!("backup {verb} {place} --series nobody")).must_exit(66);
            run.must_complain("no backup of the series nobody").must_complain("/billing; ").must_complain("/orders");
        }
        let listed = with(&shop, &password, &format!("backup list {place} --series nobody")).must_exit(2);
        listed.must_say("no backup of the series nobody").must_say("/billing; ").must_say("/orders");
        with(&shop, &password, &format!("backup list {place} --tag none")).must_exit(2).must_say("the tag none");
        for verb in ["verify", "drill", "ls", "restore --to q", "diff orders"] {
            let run = with(&shop, &password, &format!("backup {verb} {place}"));
            run.must_exit(65).must_complain("holds backups and is not a backup itself");
        }
        let settings = [password[0], ("PAPYRA_BACKUPS", place)];
        with(&shop, &settings, "backup verify --all").must_exit(0).must_say("is intact");
        with(&shop, &settings, "backup verify --all --series nobody").must_exit(66).must_complain(place);
    }
    for verb in ["verify --all", "verify --latest", "prune --keep-last 1"] {
        shop.papyra(&format!("backup {verb} kept/a")).must_exit(66).must_complain("is a backup itself");
    }
    let restics = [password[0], ("RESTIC_REPOSITORY", "r")];
    with(&shop, &restics, "backup verify --all").must_exit(0).must_say("r/orders is intact");
    with(&shop, &restics, "backup init").must_exit(73).must_complain("r is a repository already");
    shop.papyra("backup verify --all").must_exit(78).must_complain("PAPYRA_BACKUPS");
    shop.write("papyra.toml", "backups = \"kept\"\n");
    shop.papyra("backup verify --all").must_exit(0).must_say("kept/a is intact");
}

#[test]
fn what_only_looks_like_a_place_in_an_object_store_is_no_folder() {
    let shop = two();
    for place in ["s3:/b/x", "s3:b", "S3://b/x", "gs:/b/x", "az:/b", "sftp:h:/x", "rest:http://h/x", "ftp://h/x"] {
        for verb in [
            "init PLACE",
            "create --path orders --to PLACE",
            "create --path orders --every 1s --to PLACE",
            "list PLACE",
            "verify PLACE",
            "verify --all PLACE",
            "drill --latest PLACE",
            "diff PLACE orders",
            "cat PLACE events.ndjson",
            "prune PLACE --keep-last 1",
            "restore kept/a --to PLACE",
        ] {
            let run = shop.papyra(&format!("backup {}", verb.replace("PLACE", place))).must_exit(64);
            run.must_complain("write ./ before it");
        }
    }
    assert_eq!(std::fs::read_dir(shop.path(".")).unwrap().count(), 3);
    shop.papyra("backup create --path orders --to ./s3:/b").must_exit(0);
    shop.papyra("backup list ./s3:/b").must_exit(2).must_say("not verified");
}

#[test]
fn a_verification_of_all_counts_no_backup_that_is_dated_ahead() {
    if !has("faketime") {
        return;
    }
    let shop = two();
    let create = format!("{} backup create --path orders --to kept --name e", papyra_tests::binary().display());
    let mut command = Command::new("faketime");
    command.args(["2036-01-01 00:00:00", "sh", "-c", &create]).current_dir(shop.path("."));
    papyra_tests::run(command, &create).must_exit(0);
    shop.papyra("backup verify --all kept --prometheus m.prom").must_exit(2).must_say("kept/e is dated in the future");
    let metrics = String::from_utf8(shop.read("m.prom")).unwrap();
    let age = metrics.lines().find(|line| line.starts_with("papyra_backup_age_seconds")).unwrap();
    let age: f64 = age.rsplit(' ').next().unwrap().parse().unwrap();
    assert!((0.0..86_400.0).contains(&age), "{age}");
    assert!(metrics.contains("papyra_backup_success{operation=\"verify\"} 0"), "{metrics}");
}

#[test]
fn the_newest_is_that_of_the_source_that_is_meant() {
    let shop = two();
    for verb in ["verify", "drill", "restore"] {
        shop.papyra(
            &format!("backup {verb} --latest kept --to r")
                .replace(" --to r", if verb == "restore" { " --to r" } else { "" }),
        )
        .must_exit(64)
        .must_complain("/orders")
        .must_complain("/billing")
        .must_complain("--series");
    }
    let manifest = |name: &str| -> serde_json::Value {
        serde_json::from_slice(&shop.read(&format!("kept/{name}/manifest.json"))).unwrap()
    };
    let orders = manifest("a")["series"].as_str().unwrap().to_owned();
    assert_eq!(
        manifest("a")["host"].as_str().map(|host| format!("{host}:")).as_deref(),
        orders.split_inclusive(':').next()
    );
    shop.papyra(&format!("backup verify --latest kept --series {orders}")).must_exit(0).must_say("kept/a is intact");
    shop.papyra("backup verify --latest kept --path orders/.").must_exit(0).must_say("kept/a is intact");
    with(&shop, &[("PAPYRA_PATH", "billing")], "backup verify --latest kept").must_exit(0).must_say("kept/d is intact");
    shop.write("papyra.toml", "path = \"orders\"\n");
    shop.papyra("backup drill --latest kept").must_exit(0).must_say("kept/a");
    // A source that was never backed up has no newest backup, whatever others have.
    shop.papyra("backup verify --latest kept --path shipping").must_exit(66).must_complain("there is no backup of");
    shop.papyra("backup verify --latest kept --series shipping").must_exit(66);
}

#[test]
fn the_only_series_there_is_needs_no_name() {
    let shop = Workshop::with("p/events.ndjson", logs::clean(9));
    shop.papyra("backup create --path p --to kept --series mine --tag nightly,full --tag x")
        .must_exit(0)
        .must_say("mine");
    shop.papyra("backup verify --latest kept").must_exit(0);
    shop.papyra("backup list kept --series mine").must_exit(0).must_say("tags: nightly, full, x");
    shop.papyra("backup list kept --tag full").must_exit(0);
    shop.papyra("backup list kept --tag weekly").must_exit(2).must_say("there is no backup");
    // The path leads to it however it was named.
    shop.papyra("backup verify --latest kept --path p").must_exit(0);
    for bad in ["--series=", "--series=\u{7}", "--tag=\u{1b}"] {
        shop.papyra(&format!("backup create --path p --to kept {bad}")).must_exit(64);
    }
}

#[test]
fn the_checklist_is_not_green_for_a_source_that_was_never_backed_up() {
    let shop = two();
    shop.write("shipping/events.ndjson", logs::clean(2));
    std::fs::create_dir(shop.path("q")).unwrap();
    shop.papyra("backup drill kept/a").must_exit(0);
    let checklist = "doctor checklist --quarantine-dir q --backups kept --path";
    shop.papyra(&format!("{checklist} orders")).must_exit(0);
    shop.papyra(&format!("{checklist} shipping"))
        .must_exit(2)
        .must_say("✖ newest backup")
        .must_say("✖ last verification")
        .must_say("✖ last drill");
    shop.papyra(&format!("{checklist} billing")).must_exit(2).must_say("✔ newest backup").must_say("✖ last drill");
}

#[test]
fn one_series_is_restored_over_anothers_place_only_by_name() {
    let shop = two();
    for to in ["orders", "orders/."] {
        shop.papyra(&format!("backup restore kept/d --to {to} --replace")).must_exit(64).must_complain("--series");
    }
    std::fs::remove_dir_all(shop.path("orders")).unwrap();
    // Also when nothing is left of it, and when only the settings know of it.
    shop.papyra("backup restore kept/d --to orders").must_exit(64).must_complain("--series");
    shop.papyra("backup restore kept/d --to shipping --path shipping").must_exit(64).must_complain("--series");
    assert!(!shop.path("orders").exists() && !shop.path("shipping").exists());
    shop.papyra("backup restore kept/a --to orders").must_exit(0);
    shop.papyra("backup restore kept/d --to elsewhere").must_exit(0);
    let manifest: serde_json::Value = serde_json::from_slice(&shop.read("kept/d/manifest.json")).unwrap();
    let series = manifest["series"].as_str().unwrap();
    shop.papyra(&format!("backup restore kept/d --to orders --replace --series {series}")).must_exit(0);
}

#[test]
fn two_logs_of_one_folder_are_two_sources() {
    let shop = Workshop::with("p/orders.log", logs::clean(9)).and("p/billing.log", logs::clean(4));
    for log in ["orders", "billing"] {
        shop.papyra(&format!("backup create --path p/{log}.log --to kept --name {log}")).must_exit(0);
    }
    shop.papyra("backup prune kept --keep-last 1 --apply").must_exit(0);
    assert_eq!(names(&shop), ["billing", "orders"]);
    // The folder is the other one's too: with --replace its log would move aside.
    shop.papyra("backup restore kept/orders --to p --replace").must_exit(64).must_complain("billing.log");
}

#[test]
fn backups_from_before_there_were_series_keep_apart_too() {
    let shop = two();
    for name in ["a", "b", "c", "d"] {
        shop.forge(&format!("kept/{name}"), |manifest| {
            for field in ["series", "host"] {
                manifest.as_object_mut().unwrap().remove(field);
            }
            manifest["source"].as_object_mut().unwrap().remove("path");
        });
        shop.papyra(&format!("backup verify kept/{name}")).must_exit(0);
    }
    shop.papyra("backup verify --latest kept").must_exit(64).must_complain("(events.ndjson)");
    shop.papyra("backup prune kept --keep-last 1 --apply").must_exit(0);
    assert_eq!(names(&shop), ["a", "d"]);
}

#[test]
fn a_series_that_begins_beside_others_of_its_source_is_told_of() {
    let shop = Workshop::with("p/events.ndjson", logs::clean(9)).and("q/events.ndjson", logs::clean(4));
    shop.papyra("backup create --path p --to kept --name a --series mine").must_exit(0).must_not_say("note:");
    shop.papyra("backup create --path p --to kept --name b").must_exit(0).must_say("name the series");
    shop.papyra("backup create --path p --to kept --name c").must_exit(0).must_not_say("note:");
    shop.papyra("backup create --path q --to kept --name d --series mine").must_exit(0).must_say("the same source");
}

#[test]
fn names_of_the_same_second_never_collide() {
    if !has("faketime") {
        return;
    }
    let shop = Workshop::with("p/events.ndjson", logs::clean(9));
    let create = format!("{} backup create --path p --to kept --quiet", papyra_tests::binary().display());
    // Two hosts that share a folder across which locks do not reach.
    let script = format!(
        "for i in 1 2 3 4; do for n in one two; do \
         faketime -f '2026-11-01 02:00:00' {create} --series $n || exit 1; done; done"
    );
    let mut command = Command::new("sh");
    command.args(["-c", &script]).current_dir(shop.path("."));
    papyra_tests::run(command, &script).must_exit(0);
    assert_eq!(names(&shop).len(), 8);
}
