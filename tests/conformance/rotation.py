"""Seeded rotation sets: three to five members, with damage in any of them."""

from dataclasses import dataclass
from pathlib import Path
from random import Random

from damage import DAMAGES, healthy_lines

NAME = "rot.log"
# Papyra's rotating list calls raise on CPython's limits; those rows stay with the single file.
WITHIN_LIMITS = [name for name in DAMAGES if not name.startswith(("5000", "deep"))]
ORPHANS = ("rot.log.bak", "rot.log.01", "rot.log2", "rot.log.quarantine.1700000000000", "rot.log.old.1")


@dataclass(frozen=True)
class RotationSet:
    """Members oldest first, as bytes by file name; and what lies beside them."""

    name: str
    members: dict[str, bytes]
    orphans: dict[str, bytes]
    gap: bool

    def write(self, folder: Path) -> Path:
        """Put the set into a new folder; the path of its active file is returned."""
        folder.mkdir(parents=True)
        for name, data in {**self.members, **self.orphans}.items():
            (folder / name).write_bytes(data)
        return folder / NAME

    @property
    def max_files(self) -> int:
        """What Papyra must be told so that every member is one for it too."""
        return 1 + max((int(name.rpartition(".")[2]) for name in self.members if name != NAME), default=0)


def damaged_set(seed: int) -> RotationSet:
    """One to three damages in a set; every fourth set has orphans, every sixth a gap."""
    rng = Random(f"set {seed}")
    count = rng.randrange(3, 6)
    names = [f"{NAME}.{index}" for index in range(count - 1, 0, -1)] + [NAME]
    lines = {name: healthy_lines(rng, "rotating", rng.randrange(2, 7), whole=True) for name in names}
    story = []
    for damage in [WITHIN_LIMITS[seed % len(WITHIN_LIMITS)], *rng.sample(WITHIN_LIMITS, rng.randrange(3))]:
        name = rng.choice(names)
        lines[name] = DAMAGES[damage](lines[name] or [b""], rng, "rotating")
        story.append(f"{damage} in {name}")
    members = {name: b"".join(lines[name]) for name in names}
    gap = seed % 6 == 5
    if gap:
        lost = rng.choice(names[1:-1])
        del members[lost]
        story.append(f"{lost} is gone")
    orphans = {}
    if seed % 4 == 3:
        for name in rng.sample(ORPHANS, 2):
            orphans[name] = b"".join(healthy_lines(rng, "rotating", 2))
            story.append(f"orphan {name}")
    return RotationSet(f"set {seed}: {', '.join(story)}", members, orphans, gap)
