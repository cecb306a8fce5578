"""Real-looking Papyra records, as lines of bytes without their newline.

Two styles, as Papyra 0.3.0 writes them: the JSON backend puts `kind` first and leaves
UTF-8 as it is, the rotating backend puts `kind` last and escapes everything beyond ASCII.
Around them stands what a validator gets wrong most easily: NaN, lone surrogates, duplicate
keys, extra fields, and payloads that look like records themselves.
"""

import json
from random import Random

STYLES = ("json", "rotating")
KINDS = ("event", "audit", "dead_letter")
EVENT_TYPES = ("ActorStarted", "ActorStopped", "ActorCrashed", "ActorRestarted", "OrderPlaced")
WORDS = (
    'böom "quoted"',
    "zoë",
    "日本語",
    "🦀🦀",
    "tab\tand\nnewline",
    "back\\slash",
    "U+2028 \u2028 and U+0085 \x85 and U+00A0 \xa0",
    "\ufeff a byte order mark inside",
    "\x7f\uffff",
    "",
    "}}{{][",
    '{"kind":"ev',
)


def record(rng: Random, style: str, number: int, *, whole: bool = False) -> bytes:
    """One record; `number` makes it unlike every other. With `whole`, no field is missing."""
    kind = rng.choice(KINDS)
    fields = {
        "event": _event,
        "audit": _audit,
        "dead_letter": _dead_letter,
    }[kind](rng, number)
    text = dump({"kind": kind, **fields} if style == "json" else {**fields, "kind": kind}, style)
    return _dress(rng, text, fields, whole).encode("utf-8")


def dump(obj: object, style: str) -> str:
    """`json.dumps` as the backend of that style calls it."""
    return json.dumps(obj, ensure_ascii=style == "rotating")


def event(number: int, event_type: str, style: str = "json") -> bytes:
    """A plain event, for tests that follow single records."""
    fields = {
        "system_id": "local",
        "actor_address": f"local:{number}",
        "event_type": event_type,
        "payload": {},
        "timestamp": 948.0 + number / 1000,
    }
    return dump({"kind": "event", **fields} if style == "json" else {**fields, "kind": "event"}, style).encode()


def _event(rng: Random, number: int) -> dict:
    return {
        "system_id": "local",
        "actor_address": _address(rng),
        "event_type": rng.choice(EVENT_TYPES),
        "payload": _payload(rng, number),
        "timestamp": _timestamp(rng, number),
    }


def _audit(rng: Random, number: int) -> dict:
    names = [rng.choice(WORDS) for _ in range(rng.randrange(3))]
    return {
        "system_id": "local",
        "timestamp": _timestamp(rng, number),
        "total_actors": number,
        "alive_actors": rng.randrange(20),
        "stopping_actors": 0,
        "restarting_actors": 0,
        "registry_size": rng.randrange(20),
        "registry_orphans": names,
        "registry_dead": [],
        "dead_letters_count": rng.randrange(5),
    }


def _dead_letter(rng: Random, number: int) -> dict:
    return {
        "system_id": "local",
        "target": rng.choice([None, _address(rng)]),
        "message_type": "dict",
        "payload": _payload(rng, number),
        "timestamp": _timestamp(rng, number),
    }


def _address(rng: Random) -> object:
    actor = rng.randrange(1, 30)
    return rng.choice([f"local:{actor}", {"system": "local", "actor_id": actor}])


def _timestamp(rng: Random, number: int) -> float:
    return rng.choice([948.0 + number / 1000, 948.0 + number / 1000, 12.5, 1_700_000_000.25])


def _payload(rng: Random, number: int) -> object:
    inner = {
        "kind": "event",
        "system_id": "s",
        "actor_address": "a",
        "event_type": "Inner",
        "payload": {},
        "timestamp": 1.0,
    }
    return rng.choice(
        [
            {},
            {"order": number, "who": rng.choice(WORDS)},
            {"nan": float("nan"), "inf": [float("inf"), float("-inf")], "big": 10 ** rng.randrange(400)},
            {"text that looks like a record": json.dumps(inner)},
            {"an object that looks like a record": inner},
            inner,
            [[[{"deep": [None, True, False, -0.0, 1e-300, rng.choice(WORDS)]}]]],
            rng.choice(WORDS) * rng.randrange(1, 40),
            None,
        ]
    )


def _dress(rng: Random, text: str, fields: dict, whole: bool) -> str:
    """What other writers and older versions do to a record that stays valid."""
    if rng.random() < 0.6:
        return text
    head, tail = text[:-1], "}"
    dressings = [
        lambda: head + ', "extra": {"v": [1, 2]}' + tail,
        lambda: head + ', "trace": "\\ud800 alone"' + tail,
        lambda: head + ', "trace": "\\udc00\\ud800"' + tail,
        lambda: head + ', "x": 1, "x": 2' + tail,
        lambda: head + ', "x": 1e999, "y": -1E+2, "z": -0' + tail,
        lambda: head + ', "esc": "\\/\\b\\f\\u00E9\\u0000"' + tail,
        lambda: '{"kind": "older", ' + text[1:],
        lambda: text.replace('", "', '" ,\t"', 1),
        lambda: " " + text + "  ",
        lambda: text.replace(": ", ":").replace(", ", ","),
        lambda: text.replace('"kind"', '"\\u006bind"'),
    ]
    if not whole:
        gone = rng.choice([name for name in fields if name != "timestamp"])
        slim = {name: value for name, value in json.loads(text).items() if name != gone}
        dressings += [
            lambda: dump(slim, "json"),
            lambda: text.replace('"kind": "', '"kind": "un', 1),
            lambda: "{}",
        ]
    return rng.choice(dressings)()
