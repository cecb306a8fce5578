"""Order-keeping containment of one list in another."""

from collections.abc import Sequence


def is_subsequence(part: Sequence, whole: Sequence) -> bool:
    rest = iter(whole)
    return all(item in rest for item in part)


def missing_from(part: Sequence, whole: Sequence) -> list:
    """The first item that breaks the order, for a message that people can read."""
    rest = iter(whole)
    return next(([item] for item in part if item not in rest), [])
