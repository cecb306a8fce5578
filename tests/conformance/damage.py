"""A seeded generator of damaged logs: the same seed, the same bytes.

Every row of the damage table is one small function over the list of lines (bytes with their
terminators). `damaged_log(seed)` walks through all of them in turn and adds up to three more.
"""

from dataclasses import dataclass
from random import Random

from records import STYLES, record

Lines = list[bytes]


@dataclass(frozen=True)
class Log:
    seed: int
    name: str
    data: bytes


def damaged_log(seed: int) -> Log:
    """Seed `n` suffers damage number `n mod len(DAMAGES)` and up to three others."""
    rng = Random(seed)
    style = STYLES[seed % len(STYLES)]
    lines = healthy_lines(rng, style, rng.randrange(3, 14))
    main = list(DAMAGES)[seed % len(DAMAGES)]
    names = [main] + rng.sample(list(DAMAGES), rng.choice([0, 0, 1, 2, 3]))
    for name in names:
        # A whole-file damage leaves nothing for the next one to stand on.
        lines = DAMAGES[name](lines or [b""], rng, style)
    return Log(seed, "+".join(names), b"".join(lines))


def healthy_lines(rng: Random, style: str, count: int, *, whole: bool = False) -> Lines:
    return [record(rng, style, number, whole=whole) + b"\n" for number in range(count)]


def fresh(rng: Random, style: str) -> bytes:
    """An intact record with every field, as an append after a crash would write it."""
    return record(rng, style, rng.randrange(1000, 9999), whole=True)


def _at(lines: Lines, rng: Random) -> int:
    return rng.randrange(len(lines))


def _insert(*pieces: bytes):
    def damage(lines: Lines, rng: Random, style: str) -> Lines:
        at = rng.randrange(len(lines) + 1)
        return [*lines[:at], rng.choice(pieces), *lines[at:]]

    return damage


def _in_payload(*texts: bytes):
    """A record whose payload is a given text: valid or not, the record around it is."""

    def damage(lines: Lines, rng: Random, style: str) -> Lines:
        head = b'{"kind": "event", "system_id": "local", "actor_address": "local:1", "event_type": "E", "payload": '
        at = rng.randrange(len(lines) + 1)
        return [*lines[:at], head + rng.choice(texts) + b', "timestamp": 7.5}\n', *lines[at:]]

    return damage


def torn_tail(lines: Lines, rng: Random, style: str) -> Lines:
    torn = fresh(rng, style)
    return [*lines, torn[: rng.randrange(1, len(torn))]]


def missing_newline(lines: Lines, rng: Random, style: str) -> Lines:
    return [*lines, fresh(rng, style)]


def torn_then_appended(lines: Lines, rng: Random, style: str) -> Lines:
    at, torn = _at(lines, rng), fresh(rng, style)
    return [*lines[:at], torn[: rng.randrange(1, len(torn))] + lines[at], *lines[at + 1 :]]


def complete_then_appended(lines: Lines, rng: Random, style: str) -> Lines:
    at = _at(lines, rng)
    return [*lines[:at], fresh(rng, style) + lines[at], *lines[at + 1 :]]


def three_glued(lines: Lines, rng: Random, style: str) -> Lines:
    at, third = _at(lines, rng), fresh(rng, style)
    middle = rng.choice([fresh(rng, style), fresh(rng, style)[:-4]])
    return [*lines[:at], lines[at].rstrip(b"\n") + middle + third + b"\n", *lines[at + 1 :]]


def two_glued_then_torn(lines: Lines, rng: Random, style: str) -> Lines:
    torn = fresh(rng, style)
    end = rng.choice([b"", b"\n"])
    return [*lines, fresh(rng, style) + fresh(rng, style) + torn[: rng.randrange(1, len(torn))] + end]


def torn_inside_its_payload(lines: Lines, rng: Random, style: str) -> Lines:
    """The payload looks like a record and stands whole in what is left: it is none."""
    inner = fresh(rng, style)
    torn = b'{"kind": "dead_letter", "system_id": "local", "target": null, "message_type": "M", "payload": ' + inner
    return [*lines, torn + rng.choice([b"", b", ", b', "timest', b', "timest' + fresh(rng, style) + b"\n"])]


def nul_before_a_record(lines: Lines, rng: Random, style: str) -> Lines:
    at = _at(lines, rng)
    return [*lines[:at], bytes(rng.choice([1, 7, 512])) + lines[at], *lines[at + 1 :]]


def nul_at_the_tail(lines: Lines, rng: Random, style: str) -> Lines:
    return [*lines, bytes(rng.choice([1, 7, 4096])) + rng.choice([b"", b"\n"])]


def nul_in_the_middle(lines: Lines, rng: Random, style: str) -> Lines:
    return _pierce(lines, rng, bytes(rng.choice([1, 16])))


def invalid_utf8(lines: Lines, rng: Random, style: str) -> Lines:
    bad = [b"\xff", b"\xc3", b"\x80", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"\xf0\x9f\xa6"]
    return _pierce(lines, rng, rng.choice(bad))


def torn_inside_a_character(lines: Lines, rng: Random, style: str) -> Lines:
    torn = '{"kind": "event", "system_id": "zo\u00eb\U0001f980'.encode()[: rng.choice([-1, -2, -3, -5])]
    return [*lines, torn + rng.choice([b"", fresh(rng, style) + b"\n"])]


def crlf(lines: Lines, rng: Random, style: str) -> Lines:
    return [line[:-1] + b"\r\n" if line.endswith(b"\n") else line for line in lines]


def lone_cr(lines: Lines, rng: Random, style: str) -> Lines:
    return [line[:-1] + b"\r" if line.endswith(b"\n") and rng.random() < 0.5 else line for line in lines]


def cr_in_a_record(lines: Lines, rng: Random, style: str) -> Lines:
    return _pierce(lines, rng, b"\r")


def byte_order_mark(lines: Lines, rng: Random, style: str) -> Lines:
    return [b"\xef\xbb\xbf" + lines[0], *lines[1:]]


def odd_space_around(lines: Lines, rng: Random, style: str) -> Lines:
    """`str.strip` takes these off, `json.loads` does not: Papyra's readers disagree among themselves."""
    at = _at(lines, rng)
    odd = rng.choice(["\xa0", "\x0b", "\x0c", "\x1c", "\x1f", "\x85", "\u2028", "\u3000"]).encode()
    padded = odd + lines[at] if rng.random() < 0.5 else lines[at].rstrip(b"\r\n") + odd + b"\n"
    return [*lines[:at], padded, *lines[at + 1 :]]


def trailing_garbage(lines: Lines, rng: Random, style: str) -> Lines:
    at = _at(lines, rng)
    rest = rng.choice([b",", b"x", b"}", b"{", b"null", b"\\", b'"'])
    return [*lines[:at], lines[at].rstrip(b"\r\n") + rest + b"\n", *lines[at + 1 :]]


def byte_flips(lines: Lines, rng: Random, style: str) -> Lines:
    data = bytearray(b"".join(lines))
    for _ in range(rng.randrange(1, 6)):
        if data:
            data[rng.randrange(len(data))] = rng.randrange(256)
    return [bytes(data)]


def truncation(lines: Lines, rng: Random, style: str) -> Lines:
    data = b"".join(lines)
    return [data[: rng.randrange(len(data) + 1)]]


def splices(lines: Lines, rng: Random, style: str) -> Lines:
    """A piece of the file vanishes, or is copied to some other place."""
    data = b"".join(lines)
    for _ in range(rng.randrange(1, 4)):
        start = rng.randrange(len(data) + 1)
        end = min(len(data), start + rng.randrange(200))
        to = rng.randrange(len(data) + 1)
        data = data[:start] + data[end:] if rng.random() < 0.5 else data[:to] + data[start:end] + data[to:]
    return [data]


def _pierce(lines: Lines, rng: Random, what: bytes) -> Lines:
    at = _at(lines, rng)
    cut = rng.randrange(len(lines[at]) + 1)
    return [*lines[:at], lines[at][:cut] + what + lines[at][cut:], *lines[at + 1 :]]


DAMAGES = {
    "torn tail": torn_tail,
    "missing newline": missing_newline,
    "torn, then appended": torn_then_appended,
    "complete, then appended": complete_then_appended,
    "three glued": three_glued,
    "two glued, then torn": two_glued_then_torn,
    "torn inside its payload": torn_inside_its_payload,
    "NUL before a record": nul_before_a_record,
    "NUL at the tail": nul_at_the_tail,
    "NUL in the middle": nul_in_the_middle,
    "invalid UTF-8": invalid_utf8,
    "torn inside a character": torn_inside_a_character,
    "valid JSON, no object": _insert(
        b"42\n", b"[1]\n", b'"x"\n', b"null\n", b"true\n", b"NaN\n", b'["{\\"kind\\":1}"]\n'
    ),
    "blank line": _insert(b"\n", b"\r\n", b"\n\n\n"),
    "white space line": _insert(b" \n", b"\t  \n", b" \r\n", b"\xc2\xa0\n", b"\x0b\n", b"  "),
    "CRLF": crlf,
    "lone CR": lone_cr,
    "CR in a record": cr_in_a_record,
    "byte order mark": byte_order_mark,
    "odd space around": odd_space_around,
    "control character in a string": _in_payload(b'"a\tb"', b'"\x01"', b'"\x1f"', b'"\x00"', b'"\x0b"', b'"\x7f"'),
    "odd number": _in_payload(
        b"01", b"-01", b"1.", b".5", b"-.5", b"+1", b"1e", b"--1", b"0x1", b"1_0", b"- 1", b"-", b"00"
    ),
    "odd literal": _in_payload(
        b"nan", b"-NaN", b"+Infinity", b"True", b"nul", b"undefined", b"'a'", b"Infinit", b"/**/1"
    ),
    "odd structure": _in_payload(
        b"[1,]", b'{"a":1,}', b"{,}", b"[,1]", b"{a:1}", b'{"a" 1}', b"{1:2}", b"[1 2]", b"[}", b""
    ),
    "odd escape": _in_payload(
        rb'"\x41"', rb'"\u00g0"', rb'"\u 123"', rb'"\u1_23"', rb'"\'"', rb'"\U0041"', '"\\u004１"'.encode()
    ),
    "good but rare": _in_payload(
        b"1e999", b"-0", b"0E+5", rb'"\ud800"', rb'"\/"', b"-Infinity", b'{"a":1,"a":2}', b"1" * 4300
    ),
    "5000-digit integer": _in_payload(b"1" * 5000, b"-" + b"9" * 5000, b"1" * 5000 + b".5"),
    "deep nesting": _in_payload(
        b"[" * 1200 + b"]" * 1200, b'{"a":' * 1200 + b"1" + b"}" * 1200, b"[" * 400 + b"]" * 400
    ),
    "deep nesting, not closed": _in_payload(b"[" * 1200 + b"]" * 1199, b"[" * 300),
    "trailing garbage": trailing_garbage,
    "empty file": lambda lines, rng, style: [],
    "only damage": lambda lines, rng, style: [
        rng.choice([b"\n", b"xx\n", bytes(512), b"\xff\xfe", b"{", b'{"kind": "ev', b"\r"])
    ],
    "byte flips": byte_flips,
    "truncation": truncation,
    "splices": splices,
}
