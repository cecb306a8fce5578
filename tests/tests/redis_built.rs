//! Backups built by hand: what no server at hand writes (Redis 8.6 to 8.10, Valkey 9), rare encodings, and streams that
//! contradict themselves.
//!
//! Types 26 and 27, versions 13 to 15 and Valkey 80 and 81 follow the published layout; no real server was at hand to
//! confirm them.

use papyra_core::redis::{
    BackupReason, Checksum, Collector, Error, ErrorKind, Limits, RdbReader, RdbSummary, Scope, StreamId,
};

type Bytes = Vec<u8>;

fn len(n: u64) -> Bytes {
    match n {
        0..=63 => vec![n as u8],
        64..=16383 => vec![0x40 | (n >> 8) as u8, n as u8],
        _ => [&[0x81][..], &n.to_be_bytes()].concat(),
    }
}

fn text(bytes: &[u8]) -> Bytes {
    [len(bytes.len() as u64), bytes.to_vec()].concat()
}

fn raw_id(ms: u64, seq: u64) -> Bytes {
    StreamId::new(ms, seq).to_be_bytes().to_vec()
}

fn seal(mut bytes: Bytes) -> Bytes {
    let mut crc = 0u64;
    for &byte in &bytes {
        crc ^= u64::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x95ac_9329_ac4b_c9b5 } else { crc >> 1 };
        }
    }
    bytes.extend(crc.to_le_bytes());
    bytes
}

fn file(magic: &str, parts: &[Bytes]) -> Bytes {
    seal([magic.as_bytes(), &parts.concat(), &[0xff]].concat())
}

fn listpack(elements: &[Bytes]) -> Bytes {
    let body: Bytes = elements.iter().flat_map(|e| [e.clone(), vec![e.len() as u8]].concat()).collect();
    let mut out = (body.len() as u32 + 7).to_le_bytes().to_vec();
    out.extend((elements.len() as u16).to_le_bytes());
    out.extend(body);
    out.push(0xff);
    out
}

fn small(n: u8) -> Bytes {
    vec![n]
}

fn word(text: &str) -> Bytes {
    [&[0x80 | text.len() as u8][..], text.as_bytes()].concat()
}

/// A node of entries `{"a":n}` at the given sequence deltas from `ms-100`.
fn node(ms: u64, deltas: &[i8]) -> Bytes {
    let mut elements = vec![small(deltas.len() as u8), small(0), small(1), word("data"), small(0)];
    for (n, &delta) in deltas.iter().enumerate() {
        // A negative delta as a 13 bit integer.
        let delta = if delta < 0 { vec![0xc0 | 0x1f, delta as u8] } else { small(delta as u8) };
        elements.extend([small(2), small(0), delta, word(&format!("{{\"a\":{n}}}")), small(4)]);
    }
    [text(&raw_id(ms, 100)), text(&listpack(&elements))].concat()
}

/// Everything of a stream of one node 7-100 … up to its groups: three entries.
fn stream_head(rdb_type: u8) -> Bytes {
    let newer = if rdb_type >= 19 { [len(7), len(100), len(0), len(0), len(3)].concat() } else { vec![] };
    let head =
        [vec![rdb_type], text(b"papyra:s:events"), len(1), node(7, &[0, 1, 2]), len(3), len(7), len(102)].concat();
    [head, newer].concat()
}

/// A group: pending IDs, and consumers with what they hold (sequence numbers at 7).
fn group(rdb_type: u8, name: &str, pending: &[u64], consumers: &[(&str, &[u64])]) -> Bytes {
    let mut out = [text(name.as_bytes()), len(7), len(102)].concat();
    if rdb_type >= 19 {
        out.extend(len(3));
    }
    out.extend(len(pending.len() as u64));
    for &seq in pending {
        out.extend([raw_id(7, seq), 1_700_000_000_000u64.to_le_bytes().to_vec(), len(2)].concat());
    }
    out.extend(len(consumers.len() as u64));
    for (name, held) in consumers {
        out.extend([text(name.as_bytes()), 5u64.to_le_bytes().to_vec()].concat());
        if rdb_type >= 21 {
            out.extend(6u64.to_le_bytes());
        }
        out.extend(len(held.len() as u64));
        held.iter().for_each(|&seq| out.extend(raw_id(7, seq)));
    }
    out
}

fn trailer() -> Bytes {
    let producer =
        [text(b"producer"), len(2), text(b"iid1"), len(7), len(100), text(b"iid2"), len(7), len(101)].concat();
    [len(100), len(1000), len(1), producer, len(2), len(0)].concat()
}

fn read(bytes: &[u8], reader: RdbReader) -> (Result<RdbSummary, Error>, Collector) {
    let mut facts = Collector::new(Scope::default(), 100);
    let mut reader = reader;
    for chunk in bytes.chunks(3) {
        let _ = reader.push(chunk, &mut facts);
    }
    (reader.finish(&mut facts), facts)
}

fn whole(bytes: &[u8]) -> (RdbSummary, Collector) {
    let (result, facts) = read(bytes, RdbReader::new(Limits::default()));
    (result.expect("readable"), facts)
}

fn reasons(parts: &[Bytes]) -> Vec<BackupReason> {
    let (summary, facts) = whole(&file("REDIS0012", parts));
    assert_eq!(summary.checksum, Checksum::Verified);
    facts.findings.iter().map(|finding| finding.reason).collect()
}

#[test]
fn streams_of_every_type() {
    for rdb_type in [15, 19, 21, 26, 27] {
        let mut value = [stream_head(rdb_type), len(1), group(rdb_type, "g", &[100, 101], &[("c", &[100])])].concat();
        if rdb_type == 27 {
            value.extend([len(1), raw_id(7, 101)].concat());
        } else {
            value = [stream_head(rdb_type), len(1), group(rdb_type, "g", &[100, 101], &[("c", &[100, 101])])].concat();
        }
        if rdb_type >= 26 {
            value.extend(trailer());
        }
        let more = [vec![0], text(b"next"), text(b"value")].concat();
        let (summary, facts) = whole(&file("REDIS0014", &[value.clone(), more]));
        assert_eq!((summary.checksum, summary.keys, summary.streams), (Checksum::Verified, 2, 1), "type {rdb_type}");
        assert_eq!(facts.findings, [], "type {rdb_type}");
        let stream = &facts.streams[0];
        assert_eq!(
            (stream.facts.pending, stream.records.other, stream.facts.producers),
            (2, 3, u64::from(rdb_type >= 26))
        );
    }
}

#[test]
fn a_payload_has_no_key_and_a_version_at_its_end() {
    let value = [stream_head(21), len(0)].concat();
    let key = text(b"papyra:s:events").len();
    let body = [&value[..1], &value[1 + key..]].concat();
    let dump = |body: &[u8], version: u16| {
        let payload = seal([body, &version.to_le_bytes()].concat());
        read(&payload, RdbReader::dump(b"papyra:s:events", Limits::default()))
    };
    let (result, facts) = dump(&body, 11);
    assert_eq!((result.unwrap().checksum, facts.streams[0].records.other), (Checksum::Verified, 3));
    assert_eq!(dump(&body, 80).0.unwrap().header.unwrap().version, 80);
    assert_eq!(dump(&body, 99).0.unwrap_err().kind(), ErrorKind::UnknownVersion(99));
    let with_meta = [&[243, 1][..], &[1, 2, 3, 4, 5], &text(b"meta"), &[0], &body].concat();
    let (result, facts) = dump(&with_meta, 13);
    assert_eq!((result.unwrap().checksum, facts.streams.len()), (Checksum::Verified, 1));
    assert_eq!(dump(&[&[0][..], &text(b"a string")].concat(), 11).0.unwrap().streams, 0);
    assert_eq!(dump(b"\x63abc", 11).0.unwrap_err().kind(), ErrorKind::UnknownType(99));
}

#[test]
fn opcodes_and_values_that_are_passed() {
    let module =
        [len(5), text(b"x"), len(2), len(9), len(1), len(7), len(3), vec![0; 4], len(4), vec![0; 8], len(0)].concat();
    let key = |code: u8| [vec![code], text(b"k")].concat();
    let bytes = |bytes: &[u8]| [len(bytes.len() as u64), bytes.to_vec()].concat();
    let ziplist = bytes(&[13, 0, 0, 0, 10, 0, 0, 0, 1, 0, 0, 0xf2, 0xff]);
    let listpack = bytes(&[9, 0, 0, 0, 1, 0, 99, 1, 0xff]);
    let common = vec![
        [vec![250], text(b"redis-ver"), vec![0xc1, 7, 1]].concat(),
        [vec![247], len(1 << 60), len(2), len(1), module.clone()].concat(),
        [vec![245], text(b"#!lua name=f\n")].concat(),
        vec![254, 0],
        vec![251, 2, 1],
        [vec![244], len(1), len(2), len(3)].concat(),
        [vec![252], 5u64.to_le_bytes().to_vec(), vec![248], len(70_000), vec![249, 3], key(0), vec![0xc0, 5]].concat(),
        [vec![253, 1, 0, 0, 0], key(1), len(2), text(b"a"), vec![0xc2, 1, 2, 3, 4]].concat(),
        [key(3), len(3), text(b"a"), vec![253], text(b"b"), vec![255], text(b"c"), vec![3], b"1.5".to_vec()].concat(),
        [key(5), len(1), text(b"a"), vec![0; 8]].concat(),
        [key(7), len(1 << 55), module.clone()].concat(),
        [key(9), bytes(&[1, 1, b'f', 1, 0, b'v', 0xff])].concat(),
        [key(14), len(1), ziplist.clone()].concat(),
        [key(14), len(1), vec![0xc3, 14, 13, 12], ziplist[1..].to_vec()].concat(),
        [key(10), ziplist].concat(),
        [key(11), bytes(&[2, 0, 0, 0, 1, 0, 0, 0, 7, 0])].concat(),
        [key(18), len(2), len(1), text(b"plain"), len(2), listpack.clone()].concat(),
    ];
    let redis = vec![
        [key(22), len(1), len(0), text(b"f"), text(b"v")].concat(),
        [key(23), listpack.clone()].concat(),
        [key(24), vec![0; 8], len(1), len(1 << 40), text(b"f"), text(b"v")].concat(),
        [key(25), vec![0; 8], listpack.clone()].concat(),
    ];
    let meta = [vec![243, 1, 1, 2, 3, 4], module].concat();
    let stream = [stream_head(21), len(0)].concat();
    let count = |magic: &str, parts: &[Vec<Bytes>]| {
        let (summary, facts) = whole(&file(magic, &parts.concat()));
        assert_eq!((summary.checksum, facts.found()), (Checksum::Verified, 0), "{magic}");
        assert_eq!(facts.streams[0].records.other, 3);
        summary.keys
    };
    assert_eq!(count("REDIS0012", &[common.clone(), redis.clone(), vec![stream.clone()]]), 16);
    for magic in ["REDIS0013", "REDIS0015"] {
        let with_meta = [meta.clone(), stream.clone()].concat();
        assert_eq!(count(magic, &[common.clone(), redis.clone(), vec![with_meta]]), 16);
    }
    let valkey = vec![
        [vec![243], text(b"job"), len(2), len(1), len(5), len(7), len(9)].concat(),
        [key(22), len(1), text(b"f"), text(b"v"), vec![0xff; 8]].concat(),
    ];
    for magic in ["VALKEY080", "VALKEY081"] {
        assert_eq!(count(magic, &[common.clone(), valkey.clone(), vec![stream.clone()]]), 13);
    }
    for code in [6, 23, 24, 25, 242, 246] {
        let (result, _) = read(&file("VALKEY080", &[key(code)]), RdbReader::new(Limits::default()));
        assert_eq!(result.unwrap_err().kind(), ErrorKind::UnknownType(code));
    }
}

/// As Redis 8.10.2 writes them.
#[test]
fn arrays_and_hashes_of_templates_are_passed() {
    let key = |code: u8| [vec![code], text(b"k")].concat();
    let names = [8, 0, 0, 0, 1, 0, 0x81, b'f', 2, 0xff].len() as u64;
    let listpack = [len(names + 1), vec![11, 0, 0, 0, 1, 0, 0x82, b'f', b'g', 3, 0xff]].concat();
    let parts = vec![
        [vec![242], len(3), len(2), text(b"a"), text(b"bb")].concat(),
        [vec![242], len(900), len(0)].concat(),
        vec![254, 0],
        [key(28), vec![2, 1, 1, 0, 3, 1, b'x', 1, 3, 1, b'y']].concat(),
        [
            key(28),
            vec![4, 0, 0, 1],
            vec![0; 8],
            vec![1, 2],
            vec![0; 8],
            len(u64::MAX - 1),
            vec![3, 0, 9, 0],
            text(b"z"),
        ]
        .concat(),
        [key(29), vec![0], listpack.clone(), listpack.clone()].concat(),
        [key(29), vec![1], len(2), text(b"f"), text(b"g"), listpack.clone()].concat(),
        [key(30), listpack.clone()].concat(),
        [key(31), vec![0], listpack, text(b"value")].concat(),
        [key(31), vec![1], len(2), text(b"f"), text(b"g"), text(b"1"), text(b"2")].concat(),
        [key(32), len(3), text(b"1"), text(b"2")].concat(),
        [key(32), len(900)].concat(),
        [stream_head(21), len(0)].concat(),
    ];
    let (summary, facts) = whole(&file("REDIS0015", &parts));
    assert_eq!((summary.checksum, summary.keys, facts.findings), (Checksum::Verified, 10, vec![]));
    assert_eq!(facts.streams[0].records.other, 3);
    let (result, _) = read(&file("REDIS0015", &[[key(32), len(4)].concat()]), RdbReader::new(Limits::default()));
    assert_eq!(result.unwrap_err().kind(), ErrorKind::NotUnderstood, "of a template that is not there");
}

#[test]
fn a_value_that_a_server_refuses_is_told_and_the_streams_after_it_too() {
    let key = |code: u8| [vec![code], text(b"broken")].concat();
    let packed = |bytes: &[u8]| [len(bytes.len() as u64), bytes.to_vec()].concat();
    for value in [
        [key(11), packed(&[2, 0, 0, 0, 2, 0, 0, 0, 7, 0])].concat(),
        [key(16), packed(&[9, 0, 0, 0, 1, 0, 99, 0xff])].concat(),
        [key(13), packed(&[12, 0, 0, 0, 99, 0, 0, 0, 1, 0, 99, 0xff])].concat(),
        [key(14), len(1), packed(b"")].concat(),
        [key(18), len(1), len(2), packed(b"no listpack")].concat(),
        [key(20), vec![0xc3, 2, 9], vec![0xff; 2]].concat(),
    ] {
        let (summary, facts) = whole(&file("REDIS0012", &[value.clone(), [stream_head(21), len(0)].concat()]));
        assert_eq!(summary.checksum, Checksum::Verified);
        let found: Vec<_> = facts.findings.iter().map(|finding| (finding.reason, finding.key.as_deref())).collect();
        assert_eq!(found, [(BackupReason::RefusedValue, Some(&b"broken"[..]))], "{value:?}");
        assert_eq!(facts.streams[0].records.other, 3);
    }
}

#[test]
fn a_group_that_has_read_more_than_was_added_is_refused_by_the_newest_servers() {
    // The group has read 3 entries; as many were added, or one less.
    let parts = |added: u8| {
        let mut stream = stream_head(21);
        *stream.last_mut().unwrap() = added;
        vec![[stream, len(1), group(21, "g", &[], &[])].concat(), [stream_head(21), len(0)].concat()]
    };
    for (magic, refused) in [("REDIS0012", false), ("VALKEY080", false), ("REDIS0015", true)] {
        let refusals = |added: u8| {
            let (summary, facts) = whole(&file(magic, &parts(added)));
            assert_eq!((summary.checksum, facts.streams.len()), (Checksum::Verified, 2));
            facts.findings.iter().filter(|finding| finding.reason == BackupReason::RefusedValue).count()
        };
        assert_eq!((refusals(3), refusals(2)), (0, usize::from(refused)), "{magic}");
    }
}

#[test]
fn streams_that_contradict_themselves() {
    let of = |groups: &[Bytes]| reasons(&[[stream_head(21), len(groups.len() as u64), groups.concat()].concat()]);
    let g = |pending: &[u64], consumers: &[(&str, &[u64])]| group(21, "g", pending, consumers);
    assert_eq!(
        of(&[g(&[100, 999], &[("a", &[100]), ("b", &[999])])]),
        [],
        "a pending entry may be gone from the stream"
    );
    assert_eq!(of(&[g(&[100], &[])]), [BackupReason::PendingUnowned]);
    assert_eq!(of(&[g(&[100], &[("a", &[100, 101])])]), [BackupReason::PendingNotInGroup,]);
    assert_eq!(of(&[g(&[100], &[("a", &[100]), ("b", &[100])])]), [BackupReason::PendingTwice]);
    assert_eq!(of(&[g(&[100, 100], &[("a", &[100])])]), [BackupReason::DuplicatePending]);
    assert_eq!(of(&[g(&[], &[("a", &[]), ("b", &[]), ("a", &[])])]), [BackupReason::DuplicateConsumer]);
    assert_eq!(of(&[g(&[], &[]), g(&[], &[])]), [BackupReason::DuplicateGroup]);

    let stream = |nodes: &[Bytes], length: u64, last: u64, first: u64, deleted: u64, added: u64| {
        let head = [vec![21], text(b"papyra:s:events"), len(nodes.len() as u64), nodes.concat()].concat();
        let tail =
            [len(length), len(last), len(200), len(first), len(100), len(deleted), len(0), len(added), len(0)].concat();
        reasons(&[[head, tail].concat()])
    };
    assert_eq!(stream(&[node(7, &[0, 1]), node(8, &[0])], 3, 8, 7, 0, 3), []);
    assert_eq!(stream(&[node(7, &[0, -100])], 2, 8, 7, 0, 2), [BackupReason::EntryOrder]);
    assert_eq!(stream(&[node(7, &[0, 0])], 2, 8, 7, 0, 2), [BackupReason::EntryOrder]);
    assert_eq!(
        stream(&[node(8, &[0]), node(7, &[0])], 2, 8, 8, 0, 2),
        [BackupReason::NodeOrder, BackupReason::EntryOrder]
    );
    assert_eq!(stream(&[node(7, &[0])], 2, 8, 7, 0, 2), [BackupReason::CountMismatch]);
    assert_eq!(stream(&[node(7, &[0])], 1, 6, 7, 0, 1), [BackupReason::EntryOrder]);
    assert_eq!(stream(&[node(7, &[0])], 1, 8, 5, 0, 1), [BackupReason::IdMismatch]);
    assert_eq!(stream(&[node(7, &[0])], 1, 8, 7, 9, 1), [BackupReason::IdMismatch]);
    assert_eq!(stream(&[node(7, &[0])], 1, 8, 7, 0, 0), [BackupReason::CountMismatch]);
    let one = [stream_head(21), len(0)].concat();
    assert_eq!(reasons(&[one.clone(), one]), [BackupReason::DuplicateKey]);
}

#[test]
fn a_node_that_does_not_parse_costs_its_own_entries() {
    let mut broken = node(8, &[0, 1]);
    let end = broken.len() - 1;
    broken[end] = 0xfe;
    let head = [vec![21], text(b"papyra:s:events"), len(3), node(7, &[0]), broken, node(9, &[0])].concat();
    let tail = [len(4), len(9), len(200), len(7), len(100), len(0), len(0), len(4), len(0)].concat();
    let intact = file("REDIS0012", &[[head, tail].concat()]);
    let (result, _) = read(&intact, RdbReader::new(Limits::default()));
    assert_eq!(result.unwrap_err().kind(), ErrorKind::NotUnderstood, "under a checksum that holds it is our own limit");
    let mut damaged = intact.clone();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    let (summary, facts) = whole(&damaged);
    assert_eq!(summary.checksum, Checksum::Mismatch);
    let reasons: Vec<_> = facts.findings.iter().map(|finding| finding.reason).collect();
    assert_eq!(reasons, [BackupReason::BrokenNode, BackupReason::ChecksumMismatch]);
    assert_eq!(facts.streams[0].records.other, 2, "the nodes around it are read");
}
