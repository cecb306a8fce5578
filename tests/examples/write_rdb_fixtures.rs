//! Writes the dumps under `fixtures/rdb` anew, each beside what its server says of the streams in it.
//!
//! `PAPYRA_TEST_REDIS_SERVERS` names the servers, a colon between them; without it, the one that is installed.

use std::path::Path;

use papyra_tests::redis::{Redis, binaries, text};
use papyra_tests::redis_history::play;
use papyra_tests::redis_state::{described, live};

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/rdb");
    for binary in binaries() {
        let mut server = Redis::of(&binary, &["--loglevel", "warning"]);
        let info = text(&server.call("INFO server"));
        let of = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        let name = match of("valkey_version:") {
            Some(version) => format!("valkey-{version}"),
            None => format!("redis-{}", of("redis_version:").unwrap()),
        };
        let function = "#!lua name=mylib\nredis.register_function('f', function() return 1 end)";
        // Servers before 7.0 know no functions.
        _ = server.attempt(&["FUNCTION", "LOAD", function]);
        play(&mut server, 3, 150);
        let said = described(&live(&mut server));
        server.call("SAVE");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::copy(server.dir().join("dump.rdb"), folder.join(format!("{name}.rdb"))).unwrap();
        std::fs::write(folder.join(format!("{name}.json")), serde_json::to_vec(&said).unwrap()).unwrap();
    }
}
