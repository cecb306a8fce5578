"""What must come out of a damaged log, decided by a slow and simple second implementation.

It shares nothing with the Rust code: it splits the file as Python's universal newlines do,
asks `json.JSONDecoder.raw_decode` at every place where an object could begin, and applies the
salvage rule. Quadratic on purpose: it has to be easy to believe, not fast.
"""

import json
import re
import sys
from contextlib import contextmanager
from dataclasses import dataclass

REQUIRED = {
    "event": {"system_id", "actor_address", "event_type", "payload", "timestamp"},
    "audit": {
        "system_id",
        "timestamp",
        "total_actors",
        "alive_actors",
        "stopping_actors",
        "restarting_actors",
        "registry_size",
        "registry_orphans",
        "registry_dead",
        "dead_letters_count",
    },
    "dead_letter": {"system_id", "target", "message_type", "payload", "timestamp"},
}
# Integers stay text: the 4,300-digit limit is CPython's own, no part of the dialect.
DECODER = json.JSONDecoder(parse_int=str)
PIECES = re.compile(rb"([^\r\n]*)(\r\n|\n|\r|\Z)")


@dataclass(frozen=True)
class Line:
    """One line of the file and what recovery owes it."""

    number: int
    content: bytes
    ending: bytes
    anomaly: str | None
    kept: tuple[bytes, ...]
    rejected: tuple[bytes, ...]

    @property
    def intact(self) -> bool:
        return self.anomaly is None


def judge(data: bytes) -> list[Line]:
    """Every line of the file, judged."""
    lines = []
    for number, (content, ending) in enumerate(split(data), start=1):
        whole = _whole_object(content)
        if whole and ending:
            lines.append(Line(number, content, ending, None, (content,), ()))
            continue
        kept, rejected = ((content,), ()) if whole else salvage(content, terminated=bool(ending))
        anomaly = "CORRUPTED_LINE" if ending else "TRUNCATED_LINE"
        lines.append(Line(number, content, ending, anomaly, kept, rejected))
    return lines


def split(data: bytes) -> list[tuple[bytes, bytes]]:
    """(content, terminator) of each line; `\\n`, `\\r\\n` and a lone `\\r` all end one."""
    return [(content, ending) for content, ending in PIECES.findall(data) if content or ending]


def contents(data: bytes) -> list[bytes]:
    return [content for content, _ in split(data)]


def salvage(line: bytes, *, terminated: bool) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The records of a damaged line that are certain to be real, and the pieces that go.

    Those that follow one another from the very start of the line (JSON white space aside), and
    the one that runs exactly to the line's newline, if they have every field of their kind; the
    latter none of Papyra's fields twice, as a payload has that lost its closing brace.
    """
    spans, end = [], 0
    while True:
        start = len(line) - len(line[end:].lstrip(b" \t"))
        after = _object_end(line, start)
        if not after or not _is_a_whole_record(line[start:after]):
            break
        spans.append((start, after))
        end = after
    if terminated:
        spans += [(at, len(line)) for at in range(end, len(line)) if _is_certain(line[at:])]
    kept = tuple(line[start:end] for start, end in spans)
    edges = [0, *(edge for span in spans for edge in span), len(line)]
    gaps = (line[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True))
    return kept, tuple(gap for gap in gaps if gap)


def exempt(line: bytes) -> bool:
    """The two kinds of line that Papyra flags and we keep: CPython's limits, not the format's."""
    return bool(re.search(rb"\d{4301}", line)) or _depth(line) > 900


def _depth(line: bytes) -> int:
    """How deep brackets open at most; those in strings count too, so it is an upper bound."""
    depth = deepest = 0
    for byte in line:
        depth += (byte in b"[{") - (byte in b"]}")
        deepest = max(deepest, depth)
    return deepest


def _whole_object(content: bytes) -> bool:
    """Whether `json.loads` would take the line, and as an object."""
    body = content.strip(b" \t")
    return bool(body) and _object_end(body, 0) == len(body)


def _object_end(line: bytes, start: int) -> int:
    """Where the object that begins at `start` ends; 0 if none does.

    Latin-1 gives one character a byte, so that positions stay byte positions; that the bytes
    are UTF-8 is asked separately.
    """
    if line[start : start + 1] != b"{":
        return 0
    try:
        with _deep_recursion():
            _, end = DECODER.raw_decode(line.decode("latin-1"), start)
        line[start:end].decode("utf-8")
    except ValueError:
        return 0
    return end


def _fields(record: bytes) -> dict:
    with _deep_recursion():
        return DECODER.decode(record.decode("utf-8"))


def _kind(record: bytes) -> object:
    kind = _fields(record).get("kind")
    return kind if isinstance(kind, str) else None


def _is_a_whole_record(text: bytes) -> bool:
    """Whether the text is one object from end to end, with every field that its kind requires."""
    if not text or _object_end(text, 0) != len(text):
        return False
    kind = _kind(text)
    return kind in REQUIRED and REQUIRED[kind] <= _fields(text).keys()


def _is_certain(text: bytes) -> bool:
    """Whether the text is an intact record in which no field that Papyra writes stands twice."""
    if not _is_a_whole_record(text):
        return False
    known = {"kind"}.union(*REQUIRED.values())
    with _deep_recursion():
        pairs = json.JSONDecoder(parse_int=str, object_pairs_hook=_Pairs).decode(text.decode("utf-8"))
    names = [name for name, _ in pairs if name in known]
    return len(names) == len(set(names))


class _Pairs(list):
    """An object's names and values, in order."""


@contextmanager
def _deep_recursion():
    """CPython's nesting limit is no part of the dialect either; Papyra in this process keeps it."""
    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(10_000)
    try:
        yield
    finally:
        sys.setrecursionlimit(usual)
